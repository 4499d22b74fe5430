"""Train networks with gene weights while dropping genes on a schedule, down to a number of genes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from selectormlp.data.cells import FloatArray, IntArray
from selectormlp.devices import seed_device
from selectormlp.networks.columns import keep_columns
from selectormlp.networks.finite import check_finite
from selectormlp.networks.mlp import NetworkSpec, SelectorNetwork
from selectormlp.networks.threads import threads_worth

SCORED_CELLS = 2000
"""Maximum number of held-out cells on which a network scores its genes; more take time and change little."""

CLOSED_PER_DROPPED = 3
"""Number of genes measured exactly for each gene dropped; a quick estimate preselects them."""

FEWEST_GENES = 5
"""Dropping stops at this number of genes; the last ones are ranked by the loss without each."""


@dataclass(frozen=True)
class Budget:
    """Schedule and training settings for dropping genes.

    Attributes
    ----------
    hidden_sizes
        Units of each hidden layer.
    n_networks
        Number of networks. The cells are divided into as many parts; each network learns from all parts but one, and
        judges genes on that one.
    first_steps, steps
        Steps before genes are first dropped, and between two drops.
    kept_share
        Share of the genes that stay each time, above 0 and below 1.
    panel_steps
        Steps of the network that is trained on the panel in the end.
    batch_size
        Cells a step.
    dropout, gene_dropout
        Share of hidden units, and of genes, set to zero while training. Only a network trained with missing genes shows
        what a gene is worth when it is removed.
    lr, weight_decay
        Of AdamW.
    """

    hidden_sizes: tuple[int, ...] = (128,)
    n_networks: int = 3
    first_steps: int = 300
    steps: int = 30
    kept_share: float = 0.9
    panel_steps: int = 1000
    batch_size: int = 128
    dropout: float = 0.3
    gene_dropout: float = 0.1
    lr: float = 2e-3
    weight_decay: float = 0.01


@dataclass(frozen=True, eq=False)
class _JudgedCells:
    """Cells on which genes are judged: standardised expression, labels as a column, each cell's share of the mean."""

    x: Tensor
    labels: Tensor
    shares: Tensor


class BudgetTraining:
    """One network and its training cells; genes can be removed.

    Parameters
    ----------
    cells
        Standardised expression, shape (n_cells, n_genes), on the device where the network is to be.
    labels
        Class codes, shape (n_cells,), on the same device.
    n_classes
        Number of classes.
    rows
        Cells to train on, shape (n_rows,).
    budget
        How.
    seed
        Of the initial weights, the batches and what is dropped.
    """

    def __init__(
        self, cells: Tensor, labels: Tensor, n_classes: int, rows: IntArray, budget: Budget, seed: int
    ) -> None:
        self.cells, self.labels, self.budget = cells, labels, budget
        self._rows = torch.from_numpy(rows)
        self._generator = torch.Generator().manual_seed(seed)
        spec = NetworkSpec(
            cells.shape[1],
            n_classes,
            hidden_sizes=budget.hidden_sizes,
            leak_angle=0.0,
            dropout=budget.dropout,
            noise_std=0.0,
        )
        self.network = SelectorNetwork(spec).to(cells.device)
        self.gates = self.network.gates
        assert self.gates is not None  # noqa: S101  # the spec's selector_type is "std"
        nn.init.ones_(self.gates.weight)
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=budget.lr, weight_decay=budget.weight_decay, fused=True
        )
        counts = torch.bincount(labels, minlength=n_classes)
        self.class_weights = len(labels) / (counts > 0).sum() / counts.clamp(min=1)

    def train(self, n_steps: int) -> None:
        """Take training steps on the class-balanced cross entropy."""
        self.network.train()
        kept = 1.0 - self.budget.gene_dropout
        for _ in range(n_steps):
            drawn = torch.randint(len(self._rows), (self.budget.batch_size,), generator=self._generator)
            rows = self._rows[drawn].to(self.cells.device)
            x = self.cells[rows]
            if kept < 1.0:
                x = x * (torch.rand(x.shape, device=x.device) < kept) / kept
            loss = F.cross_entropy(self.network(x), self.labels[rows], weight=self.class_weights)
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
        check_finite(self.network, self.budget.lr)

    def slopes(self, rows: IntArray) -> FloatArray:
        """Estimate the value of each gene on some cells, to first order in its weight, shape (n_genes,).

        A quick estimate of :meth:`costs`, to skip genes that are clearly worth more than others.
        """
        assert self.gates is not None  # noqa: S101
        cells = self._judged(rows)
        whole = self._right(F.linear(cells.x, self.network.folded_weight(), self.network.first.bias), cells)
        (slope,) = torch.autograd.grad(whole, self.gates.weight)
        estimates: FloatArray = (slope * self.gates.weight).detach().cpu().numpy().astype(np.float64)
        return estimates

    @torch.no_grad()
    def costs(self, rows: IntArray, genes: IntArray) -> FloatArray:
        """Measure the value of some genes on some cells.

        Returns
        -------
        Fall of the mean probability of the right class (classes weighted equally) if the gene's weight is set to zero,
        shape (len(genes),).
        """
        cells = self._judged(rows)
        weight = self.network.folded_weight()
        hidden = F.linear(cells.x, weight, self.network.first.bias)
        without = [self._right(hidden - cells.x[:, j, None] * weight[:, j], cells) for j in genes.tolist()]
        costs: FloatArray = (self._right(hidden, cells) - torch.stack(without)).cpu().numpy().astype(np.float64)
        return costs

    def _judged(self, rows: IntArray) -> _JudgedCells:
        """Prepare cells on which genes are judged, and switch to evaluation mode."""
        self.network.eval()
        places = torch.from_numpy(rows).to(self.cells.device)
        shares = self.class_weights[self.labels[places]]
        return _JudgedCells(self.cells[places], self.labels[places, None], shares / shares.sum())

    def _right(self, hidden: Tensor, cells: _JudgedCells) -> Tensor:
        """Return the mean probability of the right class from the input of the first activation."""
        chances = self.network.from_first_layer(hidden).softmax(dim=1)
        return (chances.gather(1, cells.labels)[:, 0] * cells.shares).sum()

    def keep(self, kept: IntArray) -> None:
        """Remove all genes but these positions from the matrix, the network and the optimiser."""
        assert self.gates is not None  # noqa: S101
        self.cells = self.cells[:, torch.from_numpy(kept).to(self.cells.device)]
        keep_columns(self.optimiser, self.gates, kept, dim=0)
        keep_columns(self.optimiser, self.network.first, kept, dim=1)


def drop_to_budget(
    cells: Tensor,
    labels: Tensor,
    n_classes: int,
    parts: IntArray,
    budget: Budget,
    *,
    n_fixed: int = 0,
    seed: int = 0,
    report: Callable[[int], object] = lambda _: None,
) -> tuple[IntArray, FloatArray]:
    """Rank genes by dropping a few at a time, while networks go on learning with the rest.

    Several networks are trained, each without one part of the cells. Repeatedly, the genes are dropped whose removal
    costs least on unseen cells, averaged over the networks.

    Parameters
    ----------
    cells
        Standardised expression, shape (n_cells, n_genes); not altered.
    labels
        Class codes, shape (n_cells,), on the same device.
    n_classes
        Number of classes.
    parts
        Which part each cell is in, from 0 to ``budget.n_networks`` − 1, shape (n_cells,).
    budget
        Schedule and training settings.
    n_fixed
        Number of first genes that are never dropped and come first.
    seed
        Seed of all random numbers; the caller's random state is not changed.
    report
        Called with each number of genes dropped, and at the end with the number left.

    Returns
    -------
    Genes from the last kept to the first dropped, shape (n_genes,), and the value of each when it was dropped or at the
    end: the fall in mean probability of the right class, shape (n_genes,), by gene.

    References
    ----------
    Dropping inputs of a network on a schedule follows recursive feature elimination (Guyon, Weston, Barnhill, Vapnik,
    Machine Learning 2002), which uses squared weights of an SVM fitted again each time. Here the criterion is the cost
    of removing a gene on held-out cells, and the same networks go on learning.
    """
    with _alone(cells, budget, seed):
        rng = np.random.default_rng(seed)
        networks, judged = [], []
        for part in range(budget.n_networks):
            inside = np.flatnonzero(parts != part)
            networks.append(BudgetTraining(cells, labels, n_classes, inside, budget, seed + part))
            judged.append(np.sort(rng.permutation(np.flatnonzero(parts == part))[:SCORED_CELLS]))
        return _drop(networks, judged, budget, n_fixed, report)


def _drop(
    networks: list[BudgetTraining],
    judged: list[IntArray],
    budget: Budget,
    n_fixed: int,
    report: Callable[[int], object],
) -> tuple[IntArray, FloatArray]:
    n_genes = networks[0].cells.shape[1]
    left = np.arange(n_genes)
    worth = np.zeros(n_genes)
    dropped: list[IntArray] = []
    n_steps = budget.first_steps
    while True:
        for network in networks:
            network.train(n_steps)
        n_left = max(FEWEST_GENES, n_fixed, min(len(left) - 1, int(len(left) * budget.kept_share)))
        n_closed = CLOSED_PER_DROPPED * (len(left) - n_left) if n_left < len(left) else len(left)
        costs = _costs(networks, judged, n_fixed, n_closed)
        worth[left] = costs
        costs[:n_fixed] = np.inf
        order = np.lexsort((np.arange(len(left)), -costs))
        if n_left >= len(left):
            dropped.append(left[order])
            report(len(left))
            break
        dropped.append(left[order[n_left:]])
        report(len(dropped[-1]))
        kept = np.sort(order[:n_left])
        left = left[kept]
        for network in networks:
            network.keep(kept)
        n_steps = budget.steps
    return np.concatenate(dropped[::-1]), worth


def _costs(networks: list[BudgetTraining], judged: list[IntArray], n_fixed: int, n_closed: int) -> FloatArray:
    """Estimate the value of each gene, and measure exactly the lowest; the others stay above these."""
    pairs = list(zip(networks, judged, strict=True))
    costs: FloatArray = np.mean([network.slopes(rows) for network, rows in pairs], axis=0)
    free = n_fixed + np.argsort(costs[n_fixed:], kind="stable")
    closed = free[:n_closed] if n_closed < len(costs) else np.arange(len(costs))
    measured = np.mean([network.costs(rows, closed) for network, rows in pairs], axis=0)
    costs = np.maximum(costs, measured.max())
    costs[closed] = measured
    return costs


def train_panel(cells: Tensor, labels: Tensor, n_classes: int, budget: Budget, *, seed: int = 0) -> SelectorNetwork:
    """Train one network on the genes of a panel and all cells.

    Parameters
    ----------
    cells, labels, n_classes, budget, seed
        As :func:`drop_to_budget` takes them, the cells with the panel's genes alone.

    Returns
    -------
    The network, on the CPU, in evaluation mode.
    """
    with _alone(cells, budget, seed):
        training = BudgetTraining(cells, labels, n_classes, np.arange(len(cells)), budget, seed)
        training.train(budget.panel_steps)
    return training.network.cpu().eval()


@contextmanager
def _alone(cells: Tensor, budget: Budget, seed: int) -> Iterator[None]:
    """Seed the global generators inside the block, and use as many threads as pay off for a step."""
    products = budget.batch_size * cells.shape[1] * budget.hidden_sizes[0]
    cuda = [cells.device.index or 0] if cells.device.type == "cuda" else []
    with threads_worth(products), torch.random.fork_rng(cuda):
        seed_device(cells.device, seed)
        yield
