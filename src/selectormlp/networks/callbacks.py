"""Callbacks whose state is kept in checkpoints: history, best weights, patience."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning as L  # noqa: N812
import numpy as np
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping
from torch import Tensor

from selectormlp.errors import ModelFileError, SelectorMLPError
from selectormlp.files import written_whole
from selectormlp.networks.checkpoint_state import count, number, only_known, same_tensors, tensors
from selectormlp.networks.module import MONITORED
from selectormlp.progress import Bar

logger = logging.getLogger(__name__)


class Epochs(Callback):
    """Reports batches and epochs to a progress bar."""

    def __init__(self, bar: Bar) -> None:
        self.bar = bar

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Report the number of batches to come."""
        n_epochs, n_batches = trainer.max_epochs, trainer.num_training_batches
        if n_epochs is not None and np.isfinite(n_batches):
            self.bar.restart(int(n_batches) * (n_epochs - trainer.current_epoch))

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Report the epoch."""
        self.bar.say(f"training, epoch {trainer.current_epoch + 1} of {trainer.max_epochs}")

    def on_train_batch_end(
        self,
        trainer: L.Trainer,  # noqa: ARG002
        pl_module: L.LightningModule,  # noqa: ARG002
        outputs: Any,  # noqa: ARG002
        batch: Any,  # noqa: ARG002
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Count a batch."""
        self.bar.advance()


class BestWeights(Callback):
    """Keeps the history and the weights of the best epoch; checkpoints hold both."""

    def __init__(self, metrics_csv: Path | None, *, log_every: int) -> None:
        self.metrics_csv = metrics_csv
        self.log_every = log_every
        self.rows: list[dict[str, float]] = []
        self.best_score = -np.inf
        self.best_epoch = 0
        self.best_weights: dict[str, Tensor] = {}

    @property
    def history(self) -> pd.DataFrame:
        """One row per epoch."""
        return pd.DataFrame(self.rows)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Record the epoch just scored."""
        epoch = trainer.current_epoch + 1
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        self.rows.append({"epoch": epoch, **metrics})
        if metrics[MONITORED] > self.best_score:
            self.best_score, self.best_epoch = metrics[MONITORED], epoch
            weights = pl_module.network.state_dict()  # type: ignore[union-attr]
            self.best_weights = {name: value.detach().cpu().clone() for name, value in weights.items()}
        if self.metrics_csv is not None and trainer.is_global_zero:
            # Not flushed: it is written after each of hundreds of epochs.
            with written_whole(self.metrics_csv, at_once=True, flush=False) as (draft,):
                self.history.to_csv(draft, index=False)
        if epoch % self.log_every == 0 or epoch == trainer.max_epochs:
            logger.info(
                "epoch %d of %s: mean per-class accuracy %.3f (validation), %.3f (training); loss %.3f, %.3f",
                epoch,
                trainer.max_epochs,
                metrics[MONITORED],
                metrics["train_mean_per_class_accuracy"],
                metrics["val_loss"],
                metrics["train_loss"],
            )

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint must hold for this to go on."""
        return {
            "rows": self.rows,
            "best_score": self.best_score,
            "best_epoch": self.best_epoch,
            "best_weights": self.best_weights,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint.

        Raises
        ------
        ModelFileError
            If the state is not one of this program.
        """
        with _of_this_program():
            state = only_known(state_dict, self.state_dict(), "the best weights")
            self.rows = [_scores(row) for row in state.get("rows", [])]
            self.best_score = number(state.get("best_score", -np.inf), "best_score")
            self.best_epoch = count(state.get("best_epoch", 0), "best_epoch")
            self.best_weights = tensors(state.get("best_weights", {}), "best_weights")

    def on_load_checkpoint(
        self,
        trainer: L.Trainer,  # noqa: ARG002
        pl_module: L.LightningModule,
        checkpoint: dict[str, Any],
    ) -> None:
        """Raise if best weights are of another network, which would otherwise be noticed only after training.

        Raises
        ------
        ModelFileError
            If they are.
        """
        state = checkpoint.get("callbacks", {}).get(self.state_key, {})
        network: dict[str, Tensor] = pl_module.network.state_dict()  # type: ignore[union-attr]
        with _of_this_program():
            if isinstance(state, dict) and state.get("best_weights"):
                same_tensors(state["best_weights"], network, "best_weights")


def _scores(row: object) -> dict[str, float]:
    """Check a row of the history; its names become headers of a table."""
    if not isinstance(row, dict) or not all(isinstance(name, str) and name.isidentifier() for name in row):
        raise ValueError("the history names its scores in another way")
    return {name: count(row[name], name) if name == "epoch" else _score(row[name]) for name in row}


def _score(value: object) -> float:
    if not isinstance(value, float):  # NaN, too
        raise ValueError("the history holds scores that are not numbers")
    return value


@contextmanager
def _of_this_program() -> Iterator[None]:
    """Add to an error that the checkpoint is at fault."""
    try:
        yield
    except (ValueError, TypeError, AttributeError) as error:
        if isinstance(error, SelectorMLPError):
            raise
        raise ModelFileError(f"the checkpoint is not of this program ({error}); train without --restart") from error


class Started(Callback):
    """Records whether training has begun; errors before that come from the checkpoint."""

    value = False

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Record that training has begun."""
        self.value = True


class Patience(EarlyStopping):
    """Stop after this many epochs without a better validation score.

    A resumed run uses the patience of its settings, not that of the checkpoint. A run that had already stopped does not
    continue.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint.

        Raises
        ------
        ModelFileError
            If the state is not one of this program.
        """
        with _of_this_program():
            state = only_known(state_dict, self.state_dict(), "the patience")
            self.wait_count = count(state.get("wait_count"), "wait_count")
            self.stopped_epoch = count(state.get("stopped_epoch"), "stopped_epoch")
            self.best_score = torch.tensor(number(state.get("best_score"), "best_score"))

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Stop before the first epoch if patience had run out."""
        trainer.should_stop = self.wait_count >= self.patience
