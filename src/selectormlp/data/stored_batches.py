"""Batches of cells on disk: blocks in random order are read into a buffer, and shuffled there.

The reading is scDataset's (D'Ascenzo and Cultrera di Montesano, "scDataset: scalable data loading for deep learning on
large-scale single-cell omics", 2025): an order of blocks of neighbouring cells, fetched many batches at a time. Added
are an order that the epoch's number decides, so that an interrupted run goes on as it would have, and shares of as many
batches for every process.
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
    """How cells are read from disk while a network is trained.

    Attributes
    ----------
    block_size
        Neighbouring cells that are read together. Larger blocks are read faster and shuffle less; whole chunks of
        compressed files are best.
    buffer_bytes
        Size of the cells that one process holds to shuffle them, were they dense; all its helpers together.
    n_workers
        Helper processes that read ahead; 0 reads in between the steps. Their number is part of the order.
    class_balanced
        Whether an epoch draws as many cells as there are, with replacement and every class alike, instead of taking
        each once.
    """

    block_size: int = 128
    buffer_bytes: int = 2**28
    n_workers: int = 0
    class_balanced: bool = False


class StoredBatches:
    """A loader of batches of cells on disk, for a trainer.

    Without ``class_balanced``, the processes together take each cell once an epoch. All have the same number of
    batches: what would be one batch more, of a cell or two, joins another.

    Parameters
    ----------
    X, labels
        Expression on disk, shape (n_cells, n_genes), and class codes, shape (n_cells,).
    batch_size
        Cells a batch of this process, 2 or more.
    shuffle
        Whether each epoch has an order of its own; otherwise cells come as they are.
    seed
        Seed of the orders.
    reading
        How to read.
    share
        Which process this is.

    Raises
    ------
    DataError
        If there are fewer cells than processes; while iterating, if cells cannot be read.
    """

    batch_sampler = None  # as a DataLoader of whole batches has it; trainers ask

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
        """Where the trainer looks for :meth:`set_epoch`."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next; the trainer calls this."""
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
            generator=torch.Generator().manual_seed(seed),  # keeps the loader off the global random state
        )
        n_cells = self.strategy.get_len(self.rows)
        left_over = n_cells % self.batch_size
        joins = math.ceil(n_cells / self.batch_size) > len(self)
        held: Batch | None = None  # one batch back, so that the buffer is gone by the time the last is handed out
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
    """Choose blocks of neighbouring cells that lie evenly spread over all, increasing, always the same.

    Returns
    -------
    Row numbers: about ``n_wanted`` of them, or all if there are no more.

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
    """One process's part of an order that all of them draw alike."""

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
        return order[self.share.part(len(order))].copy()  # not a view that keeps the whole


class _Fetched(IterableDataset[Batch | SelectorMLPError]):
    """The batches of one epoch as a helper process reads them; an error is handed over as it is, not as a trace."""

    def __init__(
        self, rows: LabelledRows, strategy: SamplingStrategy, batch_size: int, fetch_factor: int, seed: int
    ) -> None:
        self.arguments = (rows, strategy, batch_size, fetch_factor)
        self.seed = seed

    def __iter__(self) -> Iterator[Batch | SelectorMLPError]:
        # the shares are ours, so that scDataset is told that it is alone
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
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise DataError(
            f"a process that reads cells was ended from outside ({' '.join(str(error).split())[:120]}); if memory ran "
            "out, lower dataloader.buffer_mb or dataloader.num_workers"
        ) from error
