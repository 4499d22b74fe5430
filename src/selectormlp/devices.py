"""The device that work is done on: the one asked for or, for ``"auto"``, the one that its size calls for."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from selectormlp.errors import SettingsError, counted, quoted

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

Device: TypeAlias = Literal["auto", "cpu", "cuda"]
"""``auto`` is CUDA where there is such a device and the work is large enough for it."""

AnyDevice: TypeAlias = Literal["auto", "cpu", "cuda", "mps"]
"""Those on which Lightning trains too."""

Precision: TypeAlias = Literal["tf32", "bf16"]
"""How products may be rounded for speed, where that is asked for."""

WORTH_DEVICE = 5e10
"""Multiplications from which a GPU pays: about a second of two cores, which is what starting CUDA takes."""

WORTH_STEP = 5e7
"""Multiplications a step from which it pays: less than that, a GPU waits for Python between the steps."""


@dataclass(frozen=True)
class Work:
    """How much there is to multiply; what is known beforehand, so that the same data always go to the same device.

    Attributes
    ----------
    n_steps
        Steps, each of which waits for the one before.
    products
        Multiplications a step, about.
    n_bytes
        Memory that is needed on the device at once, where that may be more than it has.

    Examples
    --------
    >>> Work.of_training(n_steps=79, batch_size=256, n_inputs=2000, n_hidden=512).products
    786432000.0
    """

    n_steps: int
    products: float
    n_bytes: int = 0

    @classmethod
    def of_training(cls, *, n_steps: int, batch_size: int, n_inputs: int, n_hidden: int) -> Work:
        """Count the work of a network's widest layer: forward, and two products backward."""
        return cls(n_steps, 3.0 * batch_size * n_inputs * n_hidden)

    @property
    def is_worth_a_device(self) -> bool:
        """Whether a GPU is likely to be faster than a CPU."""
        return self.products >= WORTH_STEP and self.n_steps * self.products >= WORTH_DEVICE


def check_device(name: str, known: tuple[str, ...] = get_args(Device)) -> None:
    """Refuse a device that has no such name, or is not here.

    Raises
    ------
    SettingsError
        If there is none of this name, or no such device here.
    """
    if name not in known:
        raise SettingsError(f"device={name!r}; expected one of {quoted(known)}")
    if name != "cuda":
        return
    import torch  # only where a GPU is asked for, or the work is worth one: it takes a second or two to load

    if not torch.cuda.is_available():
        raise SettingsError("device='cuda', and PyTorch finds no CUDA device; use 'auto' or 'cpu'")


def choose_device(name: AnyDevice, work: Work, *, what: str, known: tuple[str, ...] = get_args(Device)) -> AnyDevice:
    """Choose the device for some work, and say in the log which and why.

    Parameters
    ----------
    name
        What was asked for.
    work
        How much there is to do.
    what
        What is done, for the log.
    known
        Names that there may be.

    Returns
    -------
    ``"cpu"``, ``"cuda"`` or ``"mps"``.

    Raises
    ------
    SettingsError
        If there is none of this name, or no such device here.

    Examples
    --------
    >>> choose_device("auto", Work(n_steps=10, products=1e4), what="training")
    'cpu'
    """
    check_device(name, known)
    if name != "auto":
        return name
    if not work.is_worth_a_device and "torch" not in sys.modules:
        return "cpu"
    found = _found_device(known)
    if found == "cpu":
        return found
    chosen = found if work.is_worth_a_device and _fits(found, work) else "cpu"
    logger.info(
        "%s on %s: %.1g multiplications in %s; a GPU is used from %.0e in all and %.0e a step, where they fit",
        what,
        chosen,
        work.n_steps * work.products,
        counted(work.n_steps, "step"),
        WORTH_DEVICE,
        WORTH_STEP,
    )
    return chosen


def _fits(device: AnyDevice, work: Work) -> bool:
    """Return whether half of a GPU's memory is enough."""
    import torch

    return device != "cuda" or work.n_bytes <= torch.cuda.get_device_properties(0).total_memory / 2


def _found_device(known: tuple[str, ...]) -> AnyDevice:
    if "mps" not in known and "torch" not in sys.modules and not _has_driver():
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if "mps" in known and torch.backends.mps.is_available() else "cpu"


def _has_driver() -> bool:
    """Return whether the library of a driver that PyTorch's CUDA needs, NVIDIA's or AMD's, can be loaded.

    To load PyTorch only to learn that there is no GPU would take seconds.
    """
    for library in ("libcuda.so.1", "nvcuda.dll", "libamdhip64.so"):
        with contextlib.suppress(OSError):
            ctypes.CDLL(library)
            return True
    return Path("/dev/kfd").exists()  # AMD's, whose library PyTorch brings itself


@contextmanager
def rounded_products(precision: Precision | None) -> Iterator[None]:
    """Let float32 products be rounded to TF32 for a while, where that is asked for; otherwise see that none is."""
    import torch

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def seed_device(device: torch.device, seed: int) -> None:
    """Seed the generators that a step on this device draws from.

    ``torch.manual_seed`` would also queue a seed, with a stack trace, for every other kind of device.
    """
    import torch

    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)
