"""Training batches of cells on disk: blocks are read in random order into a buffer and shuffled there.

scDataset does the reading (D'Ascenzo and Cultrera di Montesano, "scDataset: scalable data loading for deep learning on
large-scale single-cell omics", 2025): blocks of neighbouring cells in random order, many batches fetched at once. Added
here: the order depends on the epoch's number, so that an interrupted run can be resumed exactly, and all processes get
the same number of batches.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scdataset import BlockShuffling, ClassBalancedSampling, SamplingStrategy, Streaming, scDataset
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from selectormlp.data.batches import LabelledRows, Share
from selectormlp.data.cells import IntArray
from selectormlp.data.stored import StoredMatrix
from selectormlp.errors import DataError, SelectorMLPError, counted

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Reading:
    """Settings for reading cells from disk during training.

    Attributes
    ----------
    block_size
        Number of neighbouring cells read together. Larger blocks are faster and shuffle less; whole chunks of
        compressed files are best.
    buffer_bytes
        Size of the shuffle buffer of one process, if dense, including all its helpers.
    n_workers
        Number of helper processes that read ahead; 0 reads between steps. The number affects the order of cells.
    class_balanced
        Whether an epoch draws cells with replacement and equal probability of classes, instead of taking each cell
        once.
    """

    block_size: int = 128
    buffer_bytes: int = 2**28
    n_workers: int = 0
    class_balanced: bool = False


class StoredBatches:
    """A loader of batches of cells on disk, for a trainer.

    Without ``class_balanced``, the processes together take each cell once per epoch. All have the same number of
    batches: one or two left-over cells join another batch.

    Parameters
    ----------
    X, labels
        Expression on disk, shape (n_cells, n_genes), and class codes, shape (n_cells,).
    batch_size
        Cells per batch of this process, 2 or more.
    shuffle
        Whether each epoch has its own order; otherwise cells keep their order.
    seed
        Seed of the orders.
    reading
        How to read.
    share
        Position of this process.

    Raises
    ------
    DataError
        If there are fewer cells than processes; while iterating, if cells cannot be read.
    """

    batch_sampler = None  # the trainer reads this, as of a DataLoader of whole batches

    def __init__(
        self,
        X: StoredMatrix,
        labels: IntArray,
        batch_size: int,
        *,
        shuffle: bool,
        seed: int = 0,
        reading: Reading,
        share: Share | None = None,
    ) -> None:
        self.rows = LabelledRows(X, labels)
        self.batch_size = batch_size
        self.seed = seed
        self.reading = reading
        self.share = share or Share()
        self.epoch = 0
        if len(labels) < self.share.n_processes:
            raise DataError(
                f"{counted(len(labels), 'cell', 'cells')} for {self.share.n_processes} processes; train with fewer"
            )
        whole: SamplingStrategy
        if reading.class_balanced:
            whole = ClassBalancedSampling(labels, block_size=reading.block_size, total_size=len(labels))
        else:
            whole = BlockShuffling(reading.block_size) if shuffle else Streaming()
        self.strategy = _ShareOf(whole, self.share)
        n_readers = max(1, reading.n_workers)
        self.fetch_factor = max(1, reading.buffer_bytes // n_readers // (4 * X.shape[1] * batch_size))

    @property
    def sampler(self) -> StoredBatches:
        """Object on which the trainer calls :meth:`set_epoch`."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch whose order comes next; called by the trainer."""
        self.epoch = epoch

    def __len__(self) -> int:
        smallest = len(self.rows) // self.share.n_processes
        return max(1, smallest // self.batch_size + (smallest % self.batch_size > 1))

    def __iter__(self) -> Iterator[Batch]:
        seed = int(np.random.SeedSequence([self.seed, self.epoch]).generate_state(1)[0])
        fetched = _Fetched(self.rows, self.strategy, self.batch_size, self.fetch_factor, seed)
        loader = DataLoader(
            fetched,
            batch_size=None,
            num_workers=self.reading.n_workers,
            generator=torch.Generator().manual_seed(seed),  # so that the loader does not use the global random state
        )
        n_cells = self.strategy.get_len(self.rows)
        left_over = n_cells % self.batch_size
        joins = math.ceil(n_cells / self.batch_size) > len(self)
        held: Batch | None = None  # delayed by one batch, so that the buffer is freed before the last batch is used
        for batch in _unless_failed(loader):
            if held is not None and joins and left_over in (len(held[1]), len(batch[1])):
                held = torch.cat([held[0], batch[0]]), torch.cat([held[1], batch[1]])
                continue
            if held is not None:
                yield held
            held = batch
        if held is not None:
            yield held


def spread_rows(n_cells: int, n_wanted: int, block_size: int) -> IntArray:
    """Choose evenly spaced blocks of neighbouring cells, increasing, deterministically.

    Returns
    -------
    About ``n_wanted`` row numbers, or all rows if there are fewer.

    Examples
    --------
    >>> spread_rows(100, 6, 3)
    array([ 0,  1,  2, 50, 51, 52])
    """
    if n_cells <= n_wanted:
        return np.arange(n_cells)
    starts = np.linspace(0, n_cells, max(1, n_wanted // block_size), endpoint=False).astype(np.int64)
    rows = (starts[:, None] + np.arange(block_size)).ravel()
    return np.unique(rows[rows < n_cells])


class _ShareOf(SamplingStrategy):  # type: ignore[misc]  # scDataset is untyped
    """One process's part of an order that all processes draw identically."""

    def __init__(self, whole: SamplingStrategy, share: Share) -> None:
        super().__init__()
        self.whole = whole
        self.share = share
        self._shuffle_before_yield = whole._shuffle_before_yield

    def get_len(self, data_collection: LabelledRows) -> int:
        part = self.share.part(int(self.whole.get_len(data_collection)))
        return len(range(part.start, part.stop))

    def get_indices(self, data_collection: LabelledRows, seed: int | None = None, rng: Any = None) -> IntArray:
        order: IntArray = self.whole.get_indices(data_collection, seed=seed, rng=rng)
        return order[self.share.part(len(order))].copy()  # a copy: a view would keep the whole array alive


class _Fetched(IterableDataset[Batch | SelectorMLPError]):
    """Batches of one epoch, read by a helper process, which returns errors as objects."""

    def __init__(
        self, rows: LabelledRows, strategy: SamplingStrategy, batch_size: int, fetch_factor: int, seed: int
    ) -> None:
        self.arguments = (rows, strategy, batch_size, fetch_factor)
        self.seed = seed

    def __iter__(self) -> Iterator[Batch | SelectorMLPError]:
        # shares are computed here, so scDataset must not split again
        batches = scDataset(*self.arguments, fetch_callback=LabelledRows.read, rank=0, world_size=1, seed=self.seed)
        try:
            yield from batches
        except SelectorMLPError as error:
            yield error


def _unless_failed(loader: DataLoader[Batch | SelectorMLPError]) -> Iterator[Batch]:
    try:
        for found in loader:
            if isinstance(found, SelectorMLPError):
                raise found
            yield found
    except (RuntimeError, EOFError, ConnectionError) as error:  # the latter two where processes are started anew
        if isinstance(error, RuntimeError) and "DataLoader worker" not in str(error):
            raise
        said = " ".join(str(error).split())[:120] or type(error).__name__
        raise DataError(
            f"a process that reads cells was killed ({said}); if memory ran out, "
            "lower dataloader.buffer_mb or dataloader.num_workers"
        ) from error
