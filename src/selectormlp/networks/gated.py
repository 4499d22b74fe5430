"""A network with gates on its inputs, trained step by step; closed columns can be removed."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from selectormlp.data.cells import AnyFloatArray, IntArray
from selectormlp.networks.columns import keep_columns
from selectormlp.networks.finite import check_finite, diverged
from selectormlp.networks.relaxed_gates import BinaryGates, KHotMask
from selectormlp.networks.targets import CellRows, Targets

MAX_DRAWN = 1 << 23
"""Maximum number of random numbers for the masks of one step; if k · genes is large, more cells share a mask."""

CHECK_LOSS_EVERY = 10
"""Number of steps between checks that the loss is finite; each check waits for the device."""

SCORED_CELLS = 512
"""Number of cells on which the loss without each gene is measured."""

Report = Callable[[str, float, int], None]
"""Progress callback: receives the stage, λ (0 if unused) and the number of genes left."""


@dataclass(frozen=True)
class Annealing:
    """Training settings of the gates and the network behind them.

    Attributes
    ----------
    hidden_sizes
        Units of each hidden layer.
    elimination_steps, selection_steps
        Gradient steps of the two stages; the temperature falls geometrically over them.
    batch_size
        Cells a step.
    cells_per_mask
        Cells of a batch that share one sample of the gates.
    learning_rate
        Of Adam, for the network.
    gate_learning_rate, mask_learning_rate
        Of Adam, for the parameters of the gates and of the mask.
    start_temperature, end_temperature
        Of the relaxed samples.
    tolerance
        Tolerated deviation of the number of genes after the elimination, as a share of the target.
    max_rounds
        Rounds of the search for λ if the annealed path ends outside the tolerance.
    """

    hidden_sizes: tuple[int, ...] = (128, 128)
    elimination_steps: int = 150
    selection_steps: int = 400
    batch_size: int = 128
    cells_per_mask: int = 8
    learning_rate: float = 3e-3
    gate_learning_rate: float = 0.1
    mask_learning_rate: float = 0.03
    start_temperature: float = 10.0
    end_temperature: float = 0.01
    tolerance: float = 0.2
    max_rounds: int = 10

    def temperatures(self, n_steps: int) -> list[float]:
        """Return the temperature of each step, falling geometrically."""
        ratio = self.end_temperature / self.start_temperature
        return [self.start_temperature * ratio ** (step / max(1, n_steps - 1)) for step in range(n_steps)]


@dataclass(frozen=True)
class Task:
    """Data and settings of the training, shared by both stages.

    Attributes
    ----------
    cells
        Inputs, shape (n_cells, n_fixed + n_free); the genes without a gate come first.
    targets
        What is to be predicted.
    n_fixed
        Number of genes that are always open (must-have).
    annealing
        How.
    generator
        Draws the samples, on the device of the cells.
    rng
        Draws the batches.
    report
        Progress callback.
    """

    cells: CellRows
    targets: Targets
    n_fixed: int
    annealing: Annealing
    generator: torch.Generator
    rng: np.random.Generator
    report: Report

    @property
    def n_free(self) -> int:
        """Number of genes to choose from."""
        return self.cells.n_genes - self.n_fixed


class GatedNetwork(nn.Module):
    """A network of ReLU layers behind gates: x → x ∘ gates → hidden layers → outputs.

    Parameters
    ----------
    n_fixed
        Number of first inputs without a gate.
    gates
        Gates of the other inputs; None leaves all open.
    """

    def __init__(
        self, n_genes: int, n_outputs: int, hidden_sizes: tuple[int, ...], *, n_fixed: int, gates: nn.Module | None
    ) -> None:
        super().__init__()
        self.n_fixed = n_fixed
        self.gates = gates
        sizes = (n_genes, *hidden_sizes, n_outputs)
        self.first = nn.Linear(sizes[0], sizes[1])
        pairs = pairwise(sizes[1:])
        self.rest = nn.Sequential(*(layer for pair in pairs for layer in (nn.ReLU(), nn.Linear(*pair))))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Predict for cells, (n_cells, n_genes); consecutive cells share a mask, masks (n_masks, n_free)."""
        if mask is not None:
            whole = torch.cat([mask.new_ones(len(mask), self.n_fixed), mask], dim=1)
            x = (x.view(len(mask), -1, x.shape[1]) * whole[:, None, :]).view(x.shape)
        outputs: Tensor = self.rest(self.first(x))
        return outputs


class GatedTraining:
    """A network with gates, trained step by step; columns whose gates have closed can be removed.

    Parameters
    ----------
    task
        What is trained on.
    gates
        Gates of the free genes of ``task.cells``, or None.
    gate_learning_rate
        Learning rate of the gates' parameters.
    """

    def __init__(self, task: Task, gates: BinaryGates | KHotMask | None, gate_learning_rate: float) -> None:
        annealing = task.annealing
        device = task.cells.device
        self.task, self.cells, self.gates = task, task.cells, gates
        self.network = GatedNetwork(
            task.cells.n_genes, task.targets.n_outputs, annealing.hidden_sizes, n_fixed=task.n_fixed, gates=gates
        ).to(device)
        groups: list[dict[str, object]] = [
            {"params": [*self.network.first.parameters(), *self.network.rest.parameters()]}
        ]
        if gates is not None:
            groups.append({"params": list(gates.parameters()), "lr": gate_learning_rate})
        self.optimiser = torch.optim.Adam(groups, lr=annealing.learning_rate, fused=device.type == "cuda" or None)
        n_cells = task.cells.n_cells
        drawn = task.n_free * (gates.weight.shape[0] if isinstance(gates, KHotMask) else 1)
        batch = min(annealing.batch_size, n_cells)
        sharing = max(annealing.cells_per_mask, math.ceil(batch * drawn / MAX_DRAWN))
        self.n_masks = max(1, batch // sharing)
        self.batch_size = batch // self.n_masks * self.n_masks
        self._waiting = np.empty(0, dtype=np.int64)
        self._n_steps = 0

    def step(self, temperature: float | None, penalty: float = 0.0) -> Tensor:
        """Take one step down loss + penalty · expected number of open gates; return the loss, a scalar.

        Without a temperature all gates are open. The loss stays on the device, to avoid waiting for it.
        """
        rows = self._next_rows()
        mask = None
        if self.gates is not None and temperature is not None:
            mask = self.gates.sample(self.n_masks, temperature, self.task.generator)
        loss = self.task.targets.loss(self.network(self.cells.take(rows), mask), rows)
        whole = loss
        if isinstance(self.gates, BinaryGates):
            whole = loss + penalty * self.gates.probabilities().sum()
        self.optimiser.zero_grad()
        whole.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self._n_steps += 1
        if self._n_steps % CHECK_LOSS_EVERY == 0 and not math.isfinite(float(loss.detach())):
            raise diverged(self.task.annealing.learning_rate)
        return loss.detach()

    def _next_rows(self) -> IntArray:
        while len(self._waiting) < self.batch_size:
            self._waiting = np.concatenate([self._waiting, self.task.rng.permutation(self.cells.n_cells)])
        rows, self._waiting = self._waiting[: self.batch_size], self._waiting[self.batch_size :]
        return rows

    def keep(self, kept: IntArray) -> None:
        """Remove all free genes but these positions from the matrix, the network, the gates and the optimiser."""
        columns = np.concatenate([np.arange(self.task.n_fixed), self.task.n_fixed + kept])
        self.cells = self.cells.columns(columns)
        keep_columns(self.optimiser, self.network.first, columns, dim=1)
        if self.gates is not None:
            keep_columns(self.optimiser, self.gates, kept, dim=self.gates.weight.ndim - 1)

    def copied(self) -> GatedTraining:
        """Return a copy to be trained independently; both read the same cells."""
        twin = copy.copy(self)
        twin.network, twin.optimiser = copy.deepcopy((self.network, self.optimiser))
        twin.gates = twin.network.gates  # type: ignore[assignment]
        return twin

    @torch.no_grad()
    def losses_without(self) -> AnyFloatArray:
        """Measure the growth of the loss without each gene, with all gates open, shape (n_genes,)."""
        check_finite(self.network, self.task.annealing.learning_rate)
        rows = np.sort(self.task.rng.permutation(self.cells.n_cells)[:SCORED_CELLS])
        x, first, rest = self.cells.take(rows), self.network.first, self.network.rest
        hidden = first(x)
        whole = float(self.task.targets.loss(rest(hidden), rows))
        without = [
            float(self.task.targets.loss(rest(hidden - x[:, j, None] * first.weight[:, j]), rows))
            for j in range(x.shape[1])
        ]
        return np.array(without) - whole
