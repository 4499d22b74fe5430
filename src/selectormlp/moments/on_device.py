"""Compute moments on a GPU: chunks are copied, centred and multiplied there, and one result is copied back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import joblib
import numpy as np
import torch
from torch import Tensor

from selectormlp.data.cells import FloatArray, IntArray
from selectormlp.data.stored import StoredMatrix
from selectormlp.errors import DataError
from selectormlp.moments import stream
from selectormlp.moments.moments import Moments
from selectormlp.moments.stream import AnyMatrix, as_float

ROWS_AT_ONCE = 16_384
"""Number of rows converted to float64 at once, to bound memory: 0.26 GB for 2,000 genes."""


@torch.inference_mode()
def moments_on_device(
    chunks: Iterable[tuple[AnyMatrix, IntArray]],
    *,
    cell_weights: FloatArray,
    device: torch.device | str,
    within: bool = True,
    total: bool = True,
) -> Moments:
    """Compute moments from chunks of cells on a device; as :func:`selectormlp.moments.stream.moments_of_chunks`.

    Cells are copied in the precision of the chunk; centring, products and sums are in float64, in which data-centre
    GPUs are about as fast as in float32.

    Parameters
    ----------
    chunks, cell_weights, within, total
        As there.
    device
        Where to compute; the result is on the CPU.

    Raises
    ------
    DataError
        If no cell has a class.
    """
    sums: _Sums | None = None
    for X, codes in _labelled(chunks):
        if sums is None:
            sums = _Sums(cell_weights, int(X.shape[1]), torch.device(device), within=within, total=total)
        sums.add(X, codes)
    if sums is None:
        raise DataError("no cell has a class; at least one labelled cell is needed")
    return sums.moments()


def stored_moments_on_device(
    X: StoredMatrix,
    codes: IntArray,
    *,
    cell_weights: FloatArray,
    device: torch.device | str,
    within: bool = True,
    total: bool = True,
    n_threads: int | None = None,
    on_start: Callable[[int], object] | None = None,
    on_block: Callable[[int], object] | None = None,
) -> Moments:
    """Compute the moments of cells on disk: threads read ahead while the device multiplies.

    Parameters
    ----------
    X
        Cells on disk; those of a negative code are not read.
    codes, cell_weights, device, within, total
        As for :func:`moments_on_device`.
    n_threads
        Threads that read; None: one per core.
    on_start, on_block
        Called with the number of blocks, and after each block.

    Raises
    ------
    DataError
        If a file cannot be read, or no cell has a class.
    """
    known = codes >= 0
    if not known.all():
        X, codes = X.take_cells(known), codes[known]
    blocks = list(X.row_blocks(stream.CHUNK_BYTES))
    if on_start is not None:
        on_start(len(blocks))
    chunks = read_ahead(X, codes, blocks, n_threads or joblib.cpu_count(), on_block)
    return moments_on_device(chunks, cell_weights=cell_weights, device=device, within=within, total=total)


def read_ahead(
    X: StoredMatrix,
    codes: IntArray,
    blocks: Iterable[slice],
    n_threads: int,
    on_block: Callable[[int], object] | None = None,
) -> Iterator[tuple[AnyMatrix, IntArray]]:
    """Read blocks in order, a few ahead of the consumer; an error is raised when its block is due.

    Yields
    ------
    Expression and class codes of a block.
    """
    with ThreadPoolExecutor(n_threads) as readers:
        waiting: list[tuple[slice, Future[AnyMatrix]]] = []
        left = iter(blocks)
        try:
            waiting.extend((rows, readers.submit(X.__getitem__, rows)) for rows in islice(left, n_threads + 1))
            while waiting:
                rows, found = waiting.pop(0)
                yield found.result(), codes[rows]
                waiting.extend((rows, readers.submit(X.__getitem__, rows)) for rows in islice(left, 1))
                if on_block is not None:
                    on_block(1)
        finally:
            for _, unread in waiting:
                unread.cancel()


def _labelled(chunks: Iterable[tuple[AnyMatrix, IntArray]]) -> Iterator[tuple[AnyMatrix, IntArray]]:
    """Drop cells without a class, and chunks that are then empty."""
    for X, codes in chunks:
        known = codes >= 0
        if known.any():
            yield (as_float(X), codes) if known.all() else (as_float(X[known]), codes[known])


class _Sums:
    """Class counts, means and scatters on a device; chunks are added one by one.

    Scatters are kept about the class means, for the total with equal weight of all cells; the scatter of the means is
    added at the end. Adding a chunk whose class means differ adds Σ_c weight_c · n₁n₂/(n₁ + n₂) · d_c d_cᵀ (Chan,
    Golub, LeVeque, COMPSTAT 1982).
    """

    def __init__(
        self, cell_weights: FloatArray, n_genes: int, device: torch.device, *, within: bool, total: bool
    ) -> None:
        self.cell_weights, self.device = cell_weights, device
        n_classes = len(cell_weights)
        self.counts = np.zeros(n_classes, dtype=np.int64)
        self.means = torch.zeros(n_classes, n_genes, dtype=torch.float64, device=device)
        self.squares = torch.zeros_like(self.means) if within else None
        weights = ([cell_weights] if within else []) + ([np.ones(n_classes)] if total else [])
        self.keeps = (within, total)
        self.scatters = [
            (self._on_device(each), torch.zeros(n_genes, n_genes, dtype=torch.float64, device=device))
            for each in weights
        ]

    def _on_device(self, numbers: FloatArray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(numbers)).to(self.device, torch.float64)

    def add(self, X: AnyMatrix, codes: IntArray) -> None:
        """Add a chunk of cells, all of a class."""
        values = _dense(X, self.device)
        classes = torch.from_numpy(np.ascontiguousarray(codes)).to(self.device)
        counts = np.bincount(codes, minlength=len(self.counts)).astype(np.int64)
        members = torch.zeros(len(counts), len(codes), dtype=torch.float64, device=self.device)
        members[classes, torch.arange(len(codes), device=self.device)] = 1.0
        blocks = [slice(start, start + ROWS_AT_ONCE) for start in range(0, len(codes), ROWS_AT_ONCE)]
        sums = torch.zeros_like(self.means)
        for rows in blocks:
            sums += members[:, rows] @ values[rows].double()
        means = sums / self._on_device(np.maximum(counts, 1))[:, None]
        apart, known = means - self.means, self.counts + counts
        shared = self._on_device(self.counts * counts / np.maximum(known, 1))
        for rows in blocks if self.scatters else ():
            centred = values[rows].double() - means[classes[rows]]
            if self.squares is not None:
                self.squares += members[:, rows] @ centred.square()
            for weights, scatter in self.scatters:
                scaled = centred * weights.sqrt()[classes[rows], None]
                scatter += scaled.T @ scaled
        if self.squares is not None:
            self.squares += shared[:, None] * apart**2
        for weights, scatter in self.scatters:
            scaled = (weights * shared).sqrt()[:, None] * apart
            scatter += scaled.T @ scaled
        self.means += self._on_device(counts / np.maximum(known, 1))[:, None] * apart
        self.counts = known

    def moments(self) -> Moments:
        """Return the moments of all chunks added."""
        within, total = self.keeps
        scatters = [scatter for _, scatter in self.scatters]
        if total:
            counts = self._on_device(self.counts.astype(np.float64))
            about = counts.sqrt()[:, None] * (self.means - counts @ self.means / counts.sum())
            scatters[-1] += about.T @ about
        return Moments(
            self.counts,
            self.means.cpu().numpy(),
            self.cell_weights,
            squares=None if self.squares is None else self.squares.cpu().numpy(),
            within=scatters[0].cpu().numpy() if within else None,
            total=scatters[-1].cpu().numpy() if total else None,
        )


def _dense(X: AnyMatrix, device: torch.device) -> Tensor:
    """Make a chunk dense on a device, in its precision; a sparse one is copied as it is and not altered."""
    if isinstance(X, np.ndarray):
        return torch.from_numpy(np.require(X, None, ["C", "W"])).to(device, copy=True)
    stored = torch.from_numpy(np.require(X.data, None, ["C", "W"])).to(device)
    lengths = torch.from_numpy(np.diff(X.indptr).astype(np.int64)).to(device)
    cells = torch.repeat_interleave(torch.arange(X.shape[0], device=device), lengths, output_size=len(X.data))
    dense = torch.zeros(X.shape, dtype=stored.dtype, device=device)
    genes = torch.from_numpy(X.indices.astype(np.int64)).to(device)
    return dense.index_put_((cells, genes), stored, accumulate=not X.has_canonical_format)
