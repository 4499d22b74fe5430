"""Name a training run, and find the one to continue."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from selectormlp.errors import DataError, SettingsError, nearest
from selectormlp.files import is_draft, written_whole
from selectormlp.gate.files import read_start
from selectormlp.models.card import ModelCard
from selectormlp.models.storage import CHECKPOINT_SUFFIX, checkpoint_card, checkpoint_start
from selectormlp.networks.start import MAX_START, START_NAME, Start, parse_start
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
"""Settings that must be unchanged to continue a run."""

FREE_TO_CHANGE = ("max_epochs", "device", "memory_gb", "patience")
"""Parameters that a restarted run may have changed."""


UNREADABLE = Start(2**31)
"""Start of a run whose checkpoints are all damaged: sorts last, so that the run is not skipped silently."""


@dataclass(frozen=True)
class Choice:
    """The run to start or continue.

    Attributes
    ----------
    name
        Of its folders.
    start
        When it began.
    checkpoint
        What it goes on from, or None.
    """

    name: str
    start: Start
    checkpoint: Path | None = None


def choose_run(settings: TrainSettings, model_type: str, card: ModelCard) -> Choice:
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
    The run, continued from the last checkpoint, or started if there is none.

    Raises
    ------
    SettingsError
        If there is no such run, or it was of other data or settings.
    ModelFileError
        If its checkpoint is damaged.
    """
    new_run = f"{model_type}-{datetime.now():%Y%m%d-%H%M%S}"
    taken = {p.name for folder in (settings.log_dir, settings.checkpoint.dir) for p in folder.glob(f"{new_run}*")}
    root = settings.checkpoint.dir
    starts = {path.name: _start_of(path) for path in root.glob("*") if path.is_dir()}
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    numbers = [known.number for known in starts.values() if known != UNREADABLE]
    start = Start(1 + max(numbers, default=0), now)
    new_run = next(name for name in (new_run, *(f"{new_run}-{i:03d}" for i in range(2, 1000))) if name not in taken)
    if not settings.restart:
        return Choice(new_run, start)
    if model_type == "svm":
        logger.info("an SVM has no epochs to continue from: it is trained again")
        return Choice(new_run, start)
    runs = sorted((name for name in starts if name.startswith(f"{model_type}-")), key=lambda name: (starts[name], name))
    wanted = settings.checkpoint.restart_run
    run_name = runs[-1] if wanted == "last" and runs else wanted
    if not (root / run_name).is_dir() or run_name in ("", "last", ".", ".."):
        raise SettingsError(
            f"no run {wanted!r} of {model_type} to restart in {str(root)!r}; {nearest(wanted, runs)}: "
            "train without --restart first"
        )
    checkpoints = _checkpoints(root / run_name)
    if not checkpoints:
        logger.warning("run %s ended before its first checkpoint: it begins again", run_name)
        return Choice(run_name, _known(starts[run_name], start))
    checkpoint = checkpoints[-1]
    _check_same_model(checkpoint_card(checkpoint), card, checkpoint)
    logger.info("run %s goes on from %s", run_name, checkpoint)
    return Choice(run_name, _known(starts[run_name], start), checkpoint)


def _known(before: Start, now: Start) -> Start:
    return before if before.number and before != UNREADABLE else now


def note_start(folder: Path, start: Start) -> None:
    """Record when a run began, until its first checkpoint records it."""
    if not any(folder.glob(f"*{CHECKPOINT_SUFFIX}")):
        with written_whole(folder / START_NAME, at_once=True) as (draft,):
            draft.write_text(start.to_json(), encoding="utf-8")


def _start_of(folder: Path) -> Start:
    """Return when a run began, as its last checkpoint or its first note says."""
    checkpoints = _checkpoints(folder)
    if checkpoints:
        found = (checkpoint_start(checkpoint) for checkpoint in reversed(checkpoints))
        return next((start for start in found if start is not None), UNREADABLE)
    try:
        return parse_start(read_start(folder / START_NAME, MAX_START).decode())
    except (OSError, ValueError, DataError):
        return Start()


def _checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints of a run, the one to go on from last."""
    whole = (path for path in folder.glob(f"*{CHECKPOINT_SUFFIX}") if not is_draft(path))
    return sorted(whole, key=lambda path: (path.name.startswith("last"), path.name))


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
