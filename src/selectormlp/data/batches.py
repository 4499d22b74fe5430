"""Batches of cells held in memory: rows are gathered and densified a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from selectormlp.data.cells import IntArray, Matrix

EVALUATION_BATCH = 2048
"""Cells a batch when nothing is trained: large enough for fast products, small enough to stay in cache."""


def dense_rows(X: Matrix, rows: IntArray | slice) -> Tensor:
    """Return some cells as a dense float32 tensor, shape (n_rows, n_genes).

    Rows of an array that may not be written to, as joblib hands them to its workers, are copied.
    """
    return torch.from_numpy(X[rows].toarray() if isinstance(X, sp.csr_array) else np.require(X[rows], None, ["C", "W"]))


class LabelledRows(Dataset[tuple[Tensor, Tensor]]):
    """Cells and labels, indexed by a whole batch of row numbers at once.

    Parameters
    ----------
    X
        Expression, shape (n_cells, n_genes), dense or CSR.
    labels
        Class codes, shape (n_cells,).
    """

    def __init__(self, X: Matrix, labels: IntArray) -> None:
        self.X = X
        self.labels = torch.from_numpy(labels)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: IntArray) -> tuple[Tensor, Tensor]:
        return dense_rows(self.X, rows), self.labels[rows]


class BatchOrder(Sampler[IntArray]):
    """Row numbers, a batch at a time, in an order that the seed and the epoch's number decide.

    A last batch of a single cell is joined to the one before it, since batch normalisation needs two.

    Parameters
    ----------
    n_cells
        How many rows there are.
    batch_size
        Rows a batch.
    shuffle
        Whether each epoch has an order of its own; otherwise rows come as they are.
    seed
        Seed of the orders.

    Examples
    --------
    >>> [len(batch) for batch in BatchOrder(9, 4, shuffle=True, seed=0)]
    [4, 5]
    """

    def __init__(self, n_cells: int, batch_size: int, *, shuffle: bool, seed: int = 0) -> None:
        self.n_cells = n_cells
        self.shuffle = shuffle
        self.seed = seed
        self.epoch = 0
        self.bounds = [*range(0, n_cells, batch_size), n_cells]
        if len(self.bounds) > 2 and n_cells - self.bounds[-2] == 1:
            del self.bounds[-2]

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next; the trainer calls this."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __iter__(self) -> Iterator[IntArray]:
        order = np.arange(self.n_cells)
        if self.shuffle:
            np.random.default_rng([self.seed, self.epoch]).shuffle(order)
        for start, stop in zip(self.bounds[:-1], self.bounds[1:], strict=True):
            yield order[start:stop]


def batch_loader(X: Matrix, labels: IntArray, order: BatchOrder) -> DataLoader[tuple[Tensor, Tensor]]:
    """Build a loader that fetches each batch in one piece, in the main process."""
    return DataLoader(
        LabelledRows(X, labels),
        sampler=order,
        batch_size=None,
        generator=torch.Generator().manual_seed(order.seed),  # keeps the loader off the global random state
    )
