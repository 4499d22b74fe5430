"""Naming a training run, and finding the one to go on with."""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path

from selectormlp.errors import SettingsError, nearest
from selectormlp.files import is_draft
from selectormlp.models.storage import CHECKPOINT_SUFFIX, ModelCard, checkpoint_card
from selectormlp.pipeline.settings import TrainSettings

logger = logging.getLogger(__name__)

IDENTITY = (
    "model_type",
    "genes",
    "classes",
    "trained_classes",
    "label_key",
    "layer",
    "normalize",
    "data_hashes",
    "class_balanced",
)
"""What must be the same for a run to go on."""

FREE_TO_CHANGE = ("max_epochs", "device", "memory_gb", "patience")
"""Parameters that a restarted run may have changed."""


def choose_run(settings: TrainSettings, model_type: str, card: ModelCard) -> tuple[str, Path | None]:
    """Name the run, and find the checkpoint to continue from if one is asked for.

    Parameters
    ----------
    settings
        Where runs lie, whether to restart, and which.
    model_type
        Kind of model; only runs of this kind are considered.
    card
        What is about to be trained, and on which cells; a run of anything else is not continued.

    Returns
    -------
    The run's name, and the checkpoint or None.

    Raises
    ------
    SettingsError
        If there is no such run, or it was of other data or settings.
    ModelFileError
        If its checkpoint is damaged.
    """
    new_run = f"{model_type}-{datetime.now():%Y%m%d-%H%M%S}"
    taken = {p.name for folder in (settings.log_dir, settings.checkpoint.dir) for p in folder.glob(f"{new_run}*")}
    new_run = next(name for name in (new_run, *(f"{new_run}-{i:03d}" for i in range(2, 1000))) if name not in taken)
    if not settings.restart:
        return new_run, None
    if model_type == "svm":
        logger.info("an SVM has no epochs to continue from: it is trained anew")
        return new_run, None
    root = settings.checkpoint.dir
    runs = sorted(p.name for p in root.glob("*") if p.is_dir() and p.name.startswith(f"{model_type}-"))
    wanted = settings.checkpoint.restart_run
    run_name = runs[-1] if wanted == "last" and runs else wanted
    if not (root / run_name).is_dir() or run_name in ("", "last", ".", ".."):
        raise SettingsError(
            f"no run {wanted!r} of {model_type} to restart in {str(root)!r}; {nearest(wanted, runs)}: "
            "train without --restart first"
        )
    checkpoint = _latest_checkpoint(root / run_name)
    if checkpoint is None:
        logger.warning("run %s ended before its first checkpoint: it begins again", run_name)
        return run_name, None
    _check_same_model(checkpoint_card(checkpoint), card, checkpoint)
    logger.info("run %s goes on from %s", run_name, checkpoint)
    return run_name, checkpoint


def _latest_checkpoint(folder: Path) -> Path | None:
    whole = (path for path in folder.glob(f"*{CHECKPOINT_SUFFIX}") if not is_draft(path))
    found = sorted(whole, key=lambda path: (path.name.startswith("last"), path.name))
    return found[-1] if found else None


def _check_same_model(before: ModelCard, now: ModelCard, checkpoint: Path) -> None:
    """Refuse to continue a run with other data or settings."""
    differing = [
        what.replace("data_hashes", "cells") for what in IDENTITY if getattr(before, what) != getattr(now, what)
    ]
    differing += [
        f"{name} ({before.parameters.get(name)!r} then, {now.parameters.get(name)!r} now)"
        for name in sorted({*before.parameters, *now.parameters} - set(FREE_TO_CHANGE))
        if before.parameters.get(name) != now.parameters.get(name)
    ]
    if differing:
        raise SettingsError(
            f"the run of {str(checkpoint)!r} was trained with other data or settings: {', '.join(differing)}; "
            "put them back, or train without --restart"
        )
