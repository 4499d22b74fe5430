"""Training on cells that stay on the device: one batch of Lightning's is a whole epoch."""

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
    """A loader whose only batch is the order of all rows of an epoch.

    Parameters
    ----------
    order
        The batches of each epoch.
    """

    batch_sampler = None  # as a DataLoader of whole batches has it; trainers ask

    def __init__(self, order: BatchOrder) -> None:
        self.sampler = order  # where the trainer looks for set_epoch

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[Tensor]:
        yield torch.from_numpy(np.concatenate(list(self.sampler)))


class AllCells:
    """A loader of one batch that refers to all cells, which are on the device already."""

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[int]:
        yield 0


@dataclass(frozen=True, eq=False)
class ResidentData:
    """What is trained and scored on.

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
    """Trains on cells that stay on the device, with the batches, draws and steps that the ordinary loop has.

    All steps of an epoch but the last are taken at once, before Lightning's own: the last one, of a batch that may have
    another size. Lightning counts all of them, so that a run goes on from a checkpoint of either loop in the other.

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
        """Make ready to take steps, the optimiser being there."""
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
