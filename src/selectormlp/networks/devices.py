"""The device that tensors are put on, where no Trainer chooses it."""

from __future__ import annotations

from typing import Literal, get_args

import torch

from selectormlp.errors import SettingsError, quoted

Device = Literal["auto", "cpu", "cuda"]
"""``auto`` is CUDA where there is such a device."""


def pick_device(name: Device) -> torch.device:
    """Return the device of a name.

    Raises
    ------
    SettingsError
        If there is none of this name, or no such device here.

    Examples
    --------
    >>> pick_device("cpu")
    device(type='cpu')
    """
    if name not in get_args(Device):
        raise SettingsError(f"device={name!r}; expected one of {quoted(get_args(Device))}")
    if name == "cuda" and not torch.cuda.is_available():
        raise SettingsError("device='cuda', and PyTorch finds no CUDA device; use 'auto' or 'cpu'")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def seed_device(device: torch.device, seed: int) -> None:
    """Seed the generators that a step on this device draws from.

    ``torch.manual_seed`` would also queue a seed, with a stack trace, for every other kind of device.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)
