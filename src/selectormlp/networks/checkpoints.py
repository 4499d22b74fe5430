"""Checkpoints on disk: when they are written, and that none is ever half a file."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.callbacks import ModelCheckpoint

from selectormlp.files import written_whole
from selectormlp.networks.module import MONITORED
from selectormlp.networks.start import START_NAME

MOST_SAVES = 50
"""Times that a run's last checkpoint is written, or up to twice that: an interruption costs 2 % of a run at most, and
the hundreds of short epochs of a small data set are not spent on writing."""


class WholeCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint beside its place and renames it.

    Lightning's own way leaves it to the temporary folder, from which a file is copied where that is another disk: a
    process killed meanwhile, or a full disk, would leave half a checkpoint under the name of a whole one.
    """

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: Any,
        storage_options: Any = None,  # noqa: ARG002  # Lightning's signature
    ) -> None:
        """Write a checkpoint.

        Raises
        ------
        OutputError
            If it cannot be written, as on a full disk; what stood there still does.
        """
        content = io.BytesIO()
        torch.save(checkpoint, content)
        with written_whole(Path(path), at_once=True) as (draft,):
            draft.write_bytes(content.getbuffer())
        (Path(path).parent / START_NAME).unlink(missing_ok=True)  # checkpoints say it from now on


def checkpoint_callbacks(
    folder: Path, *, max_epochs: int, validates: bool, save_top_k: int, save_last: bool
) -> list[ModelCheckpoint]:
    """Keep the best epochs, and the last one whether or not it is among them.

    Lightning's ``save_last`` writes only when one of the best is written, which would take a resumed run back to it.

    Parameters
    ----------
    folder
        Of this run alone.
    max_epochs
        Of the run.
    validates
        Whether epochs are scored, so that there are best ones.
    save_top_k, save_last
        How many of the best to keep, and whether to keep the last.
    """

    def checkpoint(name: str, monitor: str | None, save_top_k: int, every_n_epochs: int = 1) -> ModelCheckpoint:
        return ModelCheckpoint(
            dirpath=folder,
            filename=name,
            monitor=monitor,
            mode="max",
            save_top_k=save_top_k,
            every_n_epochs=every_n_epochs,
            save_on_train_epoch_end=True,  # at the very end of an epoch, so that resuming starts a new one
            enable_version_counter=False,  # an epoch that is run again writes the same file again
        )

    kept = [checkpoint("{epoch:03d}-{" + MONITORED + ":.4f}", MONITORED, save_top_k)] if validates else []
    return [*kept, checkpoint("last", None, 1, max(1, max_epochs // MOST_SAVES))] if save_last else kept
