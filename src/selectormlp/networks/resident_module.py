"""Training on cells kept on the device: to Lightning, a whole epoch is one batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from selectormlp.data.batches import BatchOrder
from selectormlp.networks.graphs import ResidentSteps
from selectormlp.networks.mlp import SelectorNetwork
from selectormlp.networks.module import ClassifierModule, TrainingSpec
from selectormlp.networks.resident import ResidentCells


class WholeEpochs:
    """A loader with one batch: the order of all rows in an epoch.

    Parameters
    ----------
    order
        The batches of each epoch.
    """

    batch_sampler = None  # the trainer reads this, as of a DataLoader of whole batches

    def __init__(self, order: BatchOrder) -> None:
        self.sampler = order  # where the trainer looks for set_epoch

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[Tensor]:
        yield torch.from_numpy(np.concatenate(list(self.sampler)))


class AllCells:
    """A loader with one batch that stands for all cells, already on the device."""

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[int]:
        yield 0


@dataclass(frozen=True, eq=False)
class ResidentData:
    """Cells for training and scoring.

    Attributes
    ----------
    train
        Training cells.
    scored
        Validation cells, and the training cells that are scored; empty where nothing is.
    order
        The batches of each epoch.
    captures
        Whether steps are replayed as a CUDA graph.
    """

    train: ResidentCells
    scored: tuple[ResidentCells, ...]
    order: BatchOrder
    captures: bool


class ResidentModule(ClassifierModule):
    """Trains on cells kept on the device, with the same batches, random numbers and steps as the ordinary loop.

    All steps of an epoch but the last are taken at once, before Lightning's own step on the last batch, whose size may
    differ. Lightning counts all of them, so that checkpoints of both loops are interchangeable.

    Parameters
    ----------
    network, spec, class_weights, card
        As for :class:`~selectormlp.networks.module.ClassifierModule`.
    data
        The cells.
    """

    def __init__(
        self,
        network: SelectorNetwork,
        spec: TrainingSpec,
        class_weights: Tensor | None,
        card: str,
        *,
        data: ResidentData,
    ) -> None:
        super().__init__(network, spec, class_weights, card)
        self.data = data
        self.n_first = data.order.bounds[-2]
        self.steps: ResidentSteps | None = None

    def on_train_start(self) -> None:
        """Prepare to take steps, once the optimiser exists."""
        optimiser = self.optimizers(use_pl_optimizer=False)
        assert isinstance(optimiser, torch.optim.Optimizer)  # noqa: S101  # there is one
        self.steps = ResidentSteps(self, optimiser, self.data.train, self.spec.batch_size, captures=self.data.captures)

    def on_train_batch_start(self, batch: Tensor, batch_idx: int) -> None:  # noqa: ARG002  # Lightning's signature
        """Take all steps of the epoch but the last."""
        assert self.steps is not None  # noqa: S101
        n_taken = self.steps.run(batch[: self.n_first], self.global_step)
        loop = self.trainer.fit_loop.epoch_loop.automatic_optimization
        loop.optim_progress.optimizer.step.total.ready += n_taken
        loop.optim_progress.optimizer.step.total.completed += n_taken

    def training_step(self, batch: Any, _batch_idx: int) -> Tensor:
        """Return the loss of the epoch's last batch."""
        return super().training_step(self.data.train.take(batch[self.n_first :]), 0)

    def validation_step(self, _batch: Any, _batch_idx: int, dataloader_idx: int = 0) -> None:
        """Count all validation (0) or training (1) cells."""
        for block in self.data.scored[dataloader_idx].blocks():
            super().validation_step(block, 0, dataloader_idx)
