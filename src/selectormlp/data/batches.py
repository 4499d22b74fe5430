"""Training batches: rows are gathered and made dense batch by batch, each process taking its share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from selectormlp.data.cells import IntArray, Matrix, dense
from selectormlp.data.rows import rows_of
from selectormlp.data.stored import StoredMatrix

EVALUATION_BATCH = 2048
"""Cells per batch in evaluation: large enough for fast products, small enough for the cache."""


@dataclass(frozen=True)
class Share:
    """Position of this process among those that train one network together.

    Attributes
    ----------
    rank
        Index of this process, from 0.
    n_processes
        Number of processes.

    Examples
    --------
    >>> [Share(rank, 3).part(10) for rank in range(3)]
    [slice(0, 3, None), slice(3, 6, None), slice(6, 10, None)]
    """

    rank: int = 0
    n_processes: int = 1

    def part(self, n_cells: int) -> slice:
        """Return this process's part of a number of cells; parts differ by at most one cell."""
        return slice(n_cells * self.rank // self.n_processes, n_cells * (self.rank + 1) // self.n_processes)


def dense_rows(X: Matrix | StoredMatrix, rows: IntArray | slice) -> Tensor:
    """Return some cells as a dense float32 tensor, shape (n_rows, n_genes).

    Read-only arrays, such as those joblib passes to workers, are copied.
    """
    found = rows_of(X, rows) if isinstance(rows, slice) else X[rows]
    return torch.from_numpy(np.require(dense(found), None, ["C", "W"]))


def dense_batches(X: Matrix | StoredMatrix) -> Iterator[Tensor]:
    """Yield all cells in order, ``EVALUATION_BATCH`` at a time; cells on disk are read block by block.

    Yields
    ------
    Dense float32 tensors, shape (n_batch_cells, n_genes).
    """
    blocks = (X[rows] for rows in X.row_blocks()) if isinstance(X, StoredMatrix) else (X,)
    for block in blocks:
        for start in range(0, block.shape[0], EVALUATION_BATCH):
            yield dense_rows(block, slice(start, start + EVALUATION_BATCH))


class LabelledRows(Dataset[tuple[Tensor, Tensor]]):
    """Cells and labels, indexed by a whole batch of row numbers at once.

    Parameters
    ----------
    X
        Expression, shape (n_cells, n_genes): dense or CSR, or on disk.
    labels
        Class codes, shape (n_cells,).
    """

    def __init__(self, X: Matrix | StoredMatrix, labels: IntArray) -> None:
        self.X = X
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: IntArray) -> tuple[Tensor, Tensor]:
        return dense_rows(self.X, rows), torch.from_numpy(self.labels[rows])

    def read(self, rows: IntArray) -> LabelledRows:
        """Take some rows into memory; sparse rows stay sparse."""
        return LabelledRows(self.X[rows], self.labels[rows])


class BatchOrder(Sampler[IntArray]):
    """Row numbers of batches, in an order determined by the seed and the epoch.

    Each process takes its share of every batch, so that several processes take the same steps as one would. Batch
    normalisation needs two cells per process: a smaller last batch is joined to the one before it.

    Parameters
    ----------
    n_cells
        Number of rows.
    batch_size
        Rows per batch, over all processes.
    shuffle
        Whether each epoch has its own order; otherwise rows keep their order.
    seed
        Seed of the orders.
    share
        Which process this is.

    Examples
    --------
    >>> [len(batch) for batch in BatchOrder(9, 4, shuffle=True, seed=0)]
    [4, 5]
    >>> [batch.tolist() for batch in BatchOrder(8, 4, shuffle=False, share=Share(1, 2))]
    [[1, 3], [5, 7]]
    """

    def __init__(
        self, n_cells: int, batch_size: int, *, shuffle: bool, seed: int = 0, share: Share | None = None
    ) -> None:
        self.n_cells = n_cells
        self.shuffle = shuffle
        self.seed = seed
        self.share = share or Share()
        self.epoch = 0
        self.bounds = [*range(0, n_cells, batch_size), n_cells]
        if len(self.bounds) > 2 and n_cells - self.bounds[-2] < 2 * self.share.n_processes:
            del self.bounds[-2]

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch whose order comes next; called by the trainer."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __iter__(self) -> Iterator[IntArray]:
        order = np.arange(self.n_cells)
        if self.shuffle:
            np.random.default_rng([self.seed, self.epoch]).shuffle(order)
        for start, stop in zip(self.bounds[:-1], self.bounds[1:], strict=True):
            yield order[start:stop][self.share.rank :: self.share.n_processes]


def batch_loader(X: Matrix, labels: IntArray, order: BatchOrder) -> DataLoader[tuple[Tensor, Tensor]]:
    """Build a loader that fetches whole batches in the main process."""
    return DataLoader(
        LabelledRows(X, labels),
        sampler=order,
        batch_size=None,
        generator=torch.Generator().manual_seed(order.seed),  # so that the loader does not use the global random state
    )
