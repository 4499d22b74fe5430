"""Read a checkpoint as data, with known names and checked types only.

PyTorch's restricted unpickler returns tensors and plain values, but Lightning trusts them: it turns names into
attributes and deletes paths. So anything that our checkpoints do not hold is refused before Lightning sees it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from selectormlp.errors import ModelFileError, quoted
from selectormlp.gate.archives import check_zip
from selectormlp.networks.start import MAX_START, START_KEY

CARD_KEY = "selectormlp"
"""Key of the model's card in a checkpoint and in the metadata of a network's file."""

VERSION_KEY = "pytorch-lightning_version"

KNOWN = {"epoch", "global_step", VERSION_KEY, "state_dict", "loops", "callbacks", "optimizer_states", "lr_schedulers"}

PROGRESS = ("epoch_progress", "epoch_loop.batch_progress", "epoch_loop.automatic_optimization.optim_progress")
"""State of the epoch loop that Lightning needs to resume."""

CALLBACKS = ("BestWeights", "Patience", "ModelCheckpoint")
"""Prefixes of the names of callbacks that have a state."""

OPTIMIZER = {
    "lr",
    "betas",
    "eps",
    "weight_decay",
    "amsgrad",
    "maximize",
    "foreach",
    "capturable",
    "differentiable",
    "fused",
    "decoupled_weight_decay",
    "params",
    "initial_lr",
}
"""Settings of AdamW in a checkpoint."""

MAX_DEPTH = 12

MAX_COUNT = 2**53
"""Largest number of steps, epochs or batches that is accepted."""

NAME = re.compile(r"[A-Za-z_][\w.]{0,200}")


def read_checkpoint(place: Path) -> dict[str, Any]:
    """Read a checkpoint that this program wrote; nothing in the file can run code, or name a file to be touched.

    Returns
    -------
    Content of the checkpoint, on the CPU. Callbacks check their own states when they load them.

    Raises
    ------
    ModelFileError
        If it is damaged, or holds anything that this program's checkpoints do not hold.
    """
    check_zip(place, ModelFileError, whole=True)
    try:
        found = torch.load(place, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged, or with objects other than tensors and plain values
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise ModelFileError(
            f"{str(place)!r} is not a checkpoint of this program ({reason}); it is damaged or holds objects that could "
            "run code: train again without --restart, or give another file"
        ) from error
    try:
        return _checked(found)
    except ValueError as error:
        raise ModelFileError(
            f"{str(place)!r} is not a checkpoint of this program ({error}); train again without --restart, or give "
            "another file"
        ) from error


def _checked(found: object) -> dict[str, Any]:
    if not isinstance(found, dict) or not isinstance(found.get(CARD_KEY), str):
        raise ValueError("it holds no model card")
    unknown = [name for name in found if name not in KNOWN | {CARD_KEY, START_KEY}]
    if unknown:
        raise ValueError(f"it holds {quoted(unknown, most=3)}")
    missing = [name for name in KNOWN if name not in found]
    if missing:
        raise ValueError(f"it lacks {quoted(sorted(missing), most=3)}")
    for name in ("epoch", "global_step"):
        count(found[name], name)
    start = found.get(START_KEY, "")
    if not isinstance(start, str) or len(start) > MAX_START:
        raise ValueError("it does not say when its run began")
    version = found[VERSION_KEY]
    if not isinstance(version, str) or not re.fullmatch(r"\d{1,4}\.\d{1,4}[\w.+-]{0,40}", version):
        raise ValueError(f"{VERSION_KEY} is no version")
    tensors(found["state_dict"], "state_dict")
    _check_loops(found["loops"], "loops")
    progress = found["loops"].get("fit_loop") if isinstance(found["loops"], dict) else None
    if not isinstance(progress, dict) or not set(PROGRESS) <= set(progress):
        raise ValueError("it does not say how far training had come")
    callbacks = found["callbacks"]
    if not isinstance(callbacks, dict) or not all(
        isinstance(name, str) and name.startswith(CALLBACKS) and isinstance(state, dict)
        for name, state in callbacks.items()
    ):
        raise ValueError("its callbacks are not those of this program")
    if found["lr_schedulers"] != []:
        raise ValueError("it holds schedules of learning rates")
    optimizers = found["optimizer_states"]
    if not isinstance(optimizers, list):
        raise ValueError("its optimizers are not a list")
    for state in optimizers:
        _check_optimizer(state)
    return found


def count(value: object, name: str) -> int:
    """Return an integer of 0 or more.

    Raises
    ------
    ValueError
        If it is not an integer from 0 to ``MAX_COUNT``.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_COUNT:
        raise ValueError(f"{name} is not a whole number of 0 or more")
    return value


def number(value: object, name: str) -> float:
    """Return a number, possibly from a tensor; infinite is allowed, NaN is not.

    Raises
    ------
    ValueError
        If it is none.
    """
    if isinstance(value, Tensor):
        value = tensor(value, name).item() if value.numel() == 1 else None
    if not isinstance(value, int | float) or isinstance(value, bool) or math.isnan(value):
        raise ValueError(f"{name} is not a number")
    return float(value)


def tensor(value: object, name: str) -> Tensor:
    """Return a plain tensor that stores as many values as its shape says.

    Raises
    ------
    ValueError
        If it is not a plain tensor, or claims more values than it stores, as with a stride of 0.
    """
    if type(value) is not Tensor or value.layout != torch.strided or value.device.type != "cpu" or value.is_quantized:
        raise ValueError(f"{name} is no plain tensor")
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        raise ValueError(f"{name} claims more values than are stored")
    return value


def tensors(value: object, name: str) -> dict[str, Tensor]:
    """Return tensors by name.

    Raises
    ------
    ValueError
        If they are none.
    """
    if not isinstance(value, dict):
        raise ValueError(f"{name} holds no tensors")
    for key, part in value.items():
        if not isinstance(key, str) or not NAME.fullmatch(key):
            raise ValueError(f"{name} names its tensors in another way")
        tensor(part, f"{name} {key}")
    return dict(value)


def only_known(state: object, known: Iterable[str], name: str) -> dict[str, Any]:
    """Return a state whose entries are all known.

    Raises
    ------
    ValueError
        If it has other entries.
    """
    if not isinstance(state, dict):
        raise ValueError(f"the state of {name} is no object")
    unknown = [key for key in state if key not in set(known)]
    if unknown:
        raise ValueError(f"the state of {name} holds {quoted(unknown, most=3)}")
    return state


def same_tensors(found: object, expected: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """Return tensors if their names, shapes and types are as expected, and all values finite.

    Raises
    ------
    ValueError
        If they are not.
    """
    given = tensors(found, name)
    if set(given) != set(expected):
        raise ValueError(f"{name} is of another network")
    for key, own in expected.items():
        value = given[key]
        if value.shape != own.shape or value.dtype != own.dtype or not torch.isfinite(value).all():
            raise ValueError(f"{name} {key} is of another shape or type, or not finite")
    return given


def check_optimizer_states(found: object, own: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """Return the state of AdamW for the parameters of a network, with that optimizer's settings.

    PyTorch does not check sizes and settings from the file, and its fused code then writes wherever they point.

    Raises
    ------
    ValueError
        If it belongs to other parameters.
    """
    parameters = own.param_groups[0]["params"]
    if not isinstance(found, list) or len(found) != 1:
        raise ValueError("it holds the state of another optimizer")
    state = found[0]["state"]
    if set(state) - set(range(len(parameters))):
        raise ValueError("the optimizer is of another network")
    for place, parts in state.items():
        moments = dict.fromkeys(("exp_avg", "exp_avg_sq"), parameters[place])
        same_tensors(parts, {"step": torch.zeros(()), **moments}, "the optimizer's")
    settings = {name: value for name, value in own.param_groups[0].items() if name != "params"}
    return [{"state": state, "param_groups": [{**settings, "params": list(range(len(parameters)))}]}]


def _check_loops(value: object, name: str, depth: int = 0) -> None:
    """Check that the progress of loops holds only numbers and booleans by name."""
    if isinstance(value, dict) and depth < MAX_DEPTH:
        for key, part in value.items():
            if not isinstance(key, str) or not NAME.fullmatch(key):
                raise ValueError(f"{name} names its parts in another way")
            _check_loops(part, key, depth + 1)
    elif not isinstance(value, bool):
        count(value, name)


def _check_optimizer(found: object) -> None:
    state = only_known(found, ("state", "param_groups"), "the optimizer")
    of_parameters, groups = state.get("state"), state.get("param_groups")
    if not isinstance(of_parameters, dict) or not isinstance(groups, list):
        raise ValueError("the state of the optimizer is incomplete")
    for place, parts in of_parameters.items():
        count(place, "a parameter's place")
        tensors(parts, "the optimizer")
    for group in groups:
        for name, value in only_known(group, OPTIMIZER, "the optimizer").items():
            if isinstance(value, list | tuple):
                for part in value:
                    number(part, name)
            elif value is not None and not isinstance(value, bool):
                number(value, name)
