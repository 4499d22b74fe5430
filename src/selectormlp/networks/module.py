"""The Lightning module: loss, evaluation after each epoch, optimiser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import lightning as L  # noqa: N812  # the name that Lightning users expect
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassConfusionMatrix

from selectormlp.devices import AnyDevice, Precision, seed_device
from selectormlp.errors import ModelFileError
from selectormlp.networks.checkpoint_state import CARD_KEY, check_optimizer_states, same_tensors
from selectormlp.networks.choices import Penalty
from selectormlp.networks.losses import gene_penalty
from selectormlp.networks.mlp import SelectorNetwork
from selectormlp.networks.start import START_KEY

MONITORED = "val_mean_per_class_accuracy"
"""Score that decides the best epoch."""


@dataclass(frozen=True)
class TrainingSpec:
    """How a network is trained.

    Attributes
    ----------
    penalty, alpha
        Penalty on the gene weights and its coefficient: loss = cross entropy + alpha · penalty.
    lr, weight_decay
        Of AdamW.
    max_epochs, batch_size
        Passes over the cells, and cells per step (of all processes together).
    shuffle
        Whether each epoch has its own order of cells.
    patience
        Stop after this many epochs without a better validation score; None never stops early.
    seed
        Seed of the initial weights, the order of cells, the noise and the dropout.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    precision
        Precision of matrix products: None for float32; ``"tf32"`` for float32 whose products a GPU may round to 10
        bits; ``"bf16"`` for bfloat16 with float32 weights.
    memory_gb
        Maximum GPU memory (10⁹ bytes) for cells kept there; None for half of it.
    resident
        Whether to copy all cells to the device before training. None: on a single GPU, if they fit.
    """

    penalty: Penalty | None = "L1"
    alpha: float = 0.05
    lr: float = 3e-4
    weight_decay: float = 0.3
    max_epochs: int = 50
    batch_size: int = 256
    shuffle: bool = True
    patience: int | None = None
    seed: int = 0
    device: AnyDevice = "auto"
    precision: Precision | None = None
    memory_gb: float | None = None
    resident: bool | None = None


def step_seed(seed: int, step: int, rank: int = 0) -> int:
    """Derive the seed of one training step, so that a resumed run draws the same numbers as an uninterrupted one.

    Each process (``rank``) draws different noise.
    """
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0]) >> 1


class EpochScore(nn.Module):
    """Accuracy, mean accuracy over the classes present, and cross entropy, accumulated batch by batch.

    Parameters
    ----------
    n_classes
        Number of classes.
    """

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.confusion = MulticlassConfusionMatrix(n_classes, validate_args=False)
        self.cross_entropy = MeanMetric(nan_strategy="disable")

    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Count one batch: logits (n_cells, n_classes), labels (n_cells,)."""
        self.confusion.update(logits.argmax(dim=1), labels)
        self.cross_entropy.update(F.cross_entropy(logits, labels, reduction="none"))

    def close(self) -> dict[str, Tensor]:
        """Return the scores and reset."""
        counts = self.confusion.compute().double()
        totals = counts.sum(dim=1)
        recalls = counts.diagonal()[totals > 0] / totals[totals > 0]
        scores = {
            "accuracy": (counts.trace() / totals.sum()).float(),
            "mean_per_class_accuracy": recalls.mean().float(),
            "loss": self.cross_entropy.compute(),
        }
        self.confusion.reset()
        self.cross_entropy.reset()
        return scores


class ClassifierModule(L.LightningModule):
    """Trains a :class:`SelectorNetwork` on batches of (cells, labels).

    Parameters
    ----------
    network
        What is trained.
    spec
        How.
    class_weights
        Weight of each class in the loss, shape (n_classes,), or None.
    card
        JSON that is stored in every checkpoint.
    """

    class_weights: Tensor | None

    def __init__(self, network: SelectorNetwork, spec: TrainingSpec, class_weights: Tensor | None, card: str) -> None:
        super().__init__()
        self.network = network
        self.spec = spec
        self.card = card
        self.start = ""
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.val_score = EpochScore(network.spec.n_classes)
        self.train_score = EpochScore(network.spec.n_classes)

    def penalty(self) -> Tensor:
        """Return alpha · R(w), 0 without a selection layer."""
        if self.network.gates is None:
            return self.network.first.weight.new_zeros(())
        return self.spec.alpha * gene_penalty(self.network.gates.weight, self.spec.penalty)

    def seed_step(self, step: int) -> None:
        """Seed the noise and dropout of a step."""
        seed_device(self.device, step_seed(self.spec.seed, step, self.global_rank))

    def logits(self, cells: Tensor) -> Tensor:
        """Score the classes, in the precision asked for, shape (n_cells, n_classes), float32."""
        if self.spec.precision != "bf16":
            scored: Tensor = self.network(cells)
            return scored
        # CUDA graphs cannot use the cache of autocast.
        with torch.autocast(cells.device.type, torch.bfloat16, cache_enabled=False):
            scored = self.network(cells)
        return scored.float()

    def loss(self, cells: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of one batch: cells (n_cells, n_genes), labels (n_cells,)."""
        return F.cross_entropy(self.logits(cells), labels, weight=self.class_weights) + self.penalty()

    def training_step(self, batch: tuple[Tensor, Tensor], _batch_idx: int) -> Tensor:
        """Return the loss of one batch, with noise and dropout from the step's seed."""
        self.seed_step(self.global_step)
        return self.loss(*batch)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Take a step, then clamp gene weights to their range."""
        super().optimizer_step(*args, **kwargs)
        self.project()

    def project(self) -> None:
        """Clamp gene weights to their range."""
        if self.network.gates is not None:
            self.network.gates.project()

    def validation_step(self, batch: tuple[Tensor, Tensor], _batch_idx: int, dataloader_idx: int = 0) -> None:
        """Count one batch of the validation (0) or training (1) cells."""
        cells, labels = batch
        score = self.train_score if dataloader_idx else self.val_score
        score.update(self.logits(cells), labels)

    def on_validation_epoch_end(self) -> None:
        """Pass the scores of both sets to callbacks and loggers; the loss includes the penalty, as in training.

        Lightning's ``log`` would take longer than an epoch on a GPU: milliseconds per number, and a synchronisation.
        """
        found: dict[str, Tensor] = {}
        for name, score in {"val": self.val_score, "train": self.train_score}.items():
            scores = score.close()
            scores["loss"] = scores["loss"] + self.penalty().detach()
            found |= {f"{name}_{what}": value for what, value in scores.items()}
        values = torch.stack(list(found.values())).cpu()
        self.trainer.callback_metrics.update(zip(found, values, strict=True))
        if self.logger is not None:
            self.logger.log_metrics(dict(zip(found, values.tolist(), strict=True)), step=self.global_step)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the model's card, and when the run began."""
        checkpoint[CARD_KEY] = self.card
        checkpoint[START_KEY] = self.start

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Raise if weights or optimizer state belong to another network; settings are those of this run.

        Raises
        ------
        ModelFileError
            If they do.
        """
        own = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        try:
            same_tensors(checkpoint["state_dict"], own, "state_dict")
            states = check_optimizer_states(checkpoint.get("optimizer_states"), self.configure_optimizers())
        except ValueError as error:
            raise ModelFileError(f"the checkpoint is not of this run ({error}); train without --restart") from error
        checkpoint["optimizer_states"] = states

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return AdamW, fused into one pass over the parameters where the device has that."""
        fused = self.device.type in ("cpu", "cuda")
        return torch.optim.AdamW(self.parameters(), lr=self.spec.lr, weight_decay=self.spec.weight_decay, fused=fused)
