"""Write and read checkpoints: when to write, whole files only, and no paths to other files."""

from __future__ import annotations

import io
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.callbacks import ModelCheckpoint

from selectormlp.errors import ModelFileError
from selectormlp.files import written_whole
from selectormlp.networks.checkpoint_state import number, only_known, read_checkpoint
from selectormlp.networks.module import MONITORED
from selectormlp.networks.start import START_NAME

MAX_SAVES = 50
"""How often a run's last checkpoint is written (up to twice this). An interruption then costs at most 2 % of a run, and
the hundreds of short epochs on a small data set are not dominated by writing."""


FILE_NAME = re.compile(r"[\w=.-]{1,200}\.ckpt")
"""File names of a run's checkpoints."""


class WholeCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint to a temporary file and renames it, reads one as data, and removes no folder.

    Lightning writes to the system's temporary folder; if that is on another disk, the file is then copied. A process
    killed meanwhile, or a full disk, would leave half a checkpoint under the final name.
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
            If it cannot be written, as on a full disk; an earlier file stays.
        """
        content = io.BytesIO()
        torch.save(checkpoint, content)
        with written_whole(Path(path), at_once=True) as (draft,), draft.open("wb") as stream:
            stream.write(content.getbuffer())  # Path.write_bytes keeps a view, which an error would keep in turn
        (Path(path).parent / START_NAME).unlink(missing_ok=True)  # from now on the checkpoints hold it

    def load_checkpoint(
        self,
        path: Any,
        map_location: Any = None,  # noqa: ARG002  # Lightning's signature
        weights_only: bool | None = None,  # noqa: ARG002
    ) -> dict[str, Any]:
        """Read a checkpoint.

        Raises
        ------
        ModelFileError
            If it holds anything that this program does not write.
        """
        return read_checkpoint(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        """Remove a file."""
        with suppress(OSError):
            Path(path).unlink(missing_ok=True)


class RunCheckpoint(ModelCheckpoint):
    """Keeps checkpoints in one folder and stores their names only: a checkpoint holds no path."""

    @property
    def state_key(self) -> str:
        """Return the name under which earlier versions kept the state."""
        return super().state_key.replace(type(self).__qualname__, ModelCheckpoint.__qualname__, 1)

    def state_dict(self) -> dict[str, Any]:
        """Return the names and scores of the files that are kept."""
        state = super().state_dict()
        names = {name: Path(value).name for name, value in state.items() if name.endswith("_path") and value}
        models = {Path(path).name: score for path, score in self.best_k_models.items()}
        return {**state, **names, "dirpath": "", "best_k_models": models}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue with the files of this run's folder that a checkpoint names.

        Raises
        ------
        ModelFileError
            If the state is not one of this program.
        """
        try:
            models = only_known(state_dict, super().state_dict(), "checkpoints").get("best_k_models", {})
            if not isinstance(models, dict) or not all(isinstance(path, str) for path in models):
                raise ValueError("the kept checkpoints have no names")
            scores = {Path(path).name: number(score, "a score") for path, score in models.items()}
        except ValueError as error:
            raise ModelFileError(f"the checkpoint is not of this program ({error}); train without --restart") from error
        kept = {str(place): score for name, score in scores.items() if (place := self._own_file(name)) is not None}
        best = sorted(kept, key=kept.__getitem__, reverse=True)[: max(0, self.save_top_k)]
        self.best_k_models = {path: torch.tensor(kept[path]) for path in best}
        if best:
            self.best_model_path, self.kth_best_model_path = best[0], best[-1]
            self.best_model_score = self.best_k_models[best[0]]
            self.kth_value = self.best_k_models[best[-1]]
        elif self.monitor is None:
            last = self._own_file("last.ckpt")
            self.best_model_path = "" if last is None else str(last)

    def _own_file(self, name: str) -> Path | None:
        place = Path(str(self.dirpath)) / name
        return place if FILE_NAME.fullmatch(name) and place.is_file() and not place.is_symlink() else None


def checkpoint_callbacks(
    folder: Path, *, max_epochs: int, validates: bool, save_top_k: int, save_last: bool
) -> list[ModelCheckpoint]:
    """Keep the best epochs and the last one.

    Lightning's ``save_last`` writes only when a best epoch is written, so a resumed run would start from there.

    Parameters
    ----------
    folder
        Folder of this run alone.
    max_epochs
        Of the run.
    validates
        Whether epochs are scored, so that there is a best one.
    save_top_k, save_last
        How many of the best to keep, and whether to keep the last.
    """

    def checkpoint(name: str, monitor: str | None, save_top_k: int, every_n_epochs: int = 1) -> ModelCheckpoint:
        return RunCheckpoint(
            dirpath=folder,
            filename=name,
            monitor=monitor,
            mode="max",
            save_top_k=save_top_k,
            every_n_epochs=every_n_epochs,
            save_on_train_epoch_end=True,  # at the end of an epoch, so that resuming starts a new one
            enable_version_counter=False,  # a repeated epoch overwrites its file
        )

    kept = [checkpoint("{epoch:03d}-{" + MONITORED + ":.4f}", MONITORED, save_top_k)] if validates else []
    return [*kept, checkpoint("last", None, 1, max(1, max_epochs // MAX_SAVES))] if save_last else kept
