"""Stop a training early: non-finite weights, and errors of Lightning."""

from __future__ import annotations

import re
from pathlib import Path

import lightning as L  # noqa: N812
from lightning.pytorch.callbacks import Callback

from selectormlp.errors import SettingsError, counted
from selectormlp.networks.finite import check_finite


class Finite(Callback):
    """Stops a diverged training before its epoch is scored or saved."""

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = learning_rate

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Check the weights before they are scored."""
        check_finite(pl_module, self.learning_rate)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Check the weights if no cells are scored."""
        check_finite(pl_module, self.learning_rate)


def cannot_fit(error: Exception, max_epochs: int, resume_from: Path | None) -> SettingsError:
    """Explain in one line why Lightning refuses to train.

    Parameters
    ----------
    error
        Error raised by Lightning.
    max_epochs
        Number of epochs requested.
    resume_from
        Checkpoint to resume from, or None.
    """
    done = re.search(r"current_epoch=(\d+)", str(error))
    if done and resume_from:
        n_done = int(done[1]) + 1  # counted from 0
        return SettingsError(
            f"the run of {str(resume_from)!r} has done {counted(n_done, 'epoch')} and max_epochs is {max_epochs}; "
            f"set training.max_epochs to {n_done} or more, or train without --restart"
        )
    return SettingsError(f"this training cannot be run: {' '.join(str(error).split())[:200]}")
