"""Cells kept on a device, where batches are gathered by index."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from torch import Tensor

from selectormlp.data.batches import EVALUATION_BATCH, dense_rows
from selectormlp.data.cells import IntArray, Matrix

GB = 10**9

SPARE = 0.9
"""Maximum share of a GPU's free memory for cells; the network and its batches need the rest."""

BLOCK_BYTES = {"cpu": 0, "cuda": 2**28}
"""Size of a dense block of cells scored at once, but at least ``EVALUATION_BATCH`` cells."""


class ResidentRows(ABC):
    """A matrix of cells × genes on a device (abstract).

    Attributes
    ----------
    n_cells, n_genes
        Its shape.
    """

    n_cells: int
    n_genes: int

    @abstractmethod
    def take(self, rows: Tensor) -> Tensor:
        """Gather some cells, (n_rows,) → (n_rows, n_genes), dense float32, without waiting for the device."""

    def block(self, start: int, stop: int) -> Tensor:
        """Return neighbouring cells, (stop − start, n_genes)."""
        return self.take(torch.arange(start, stop, device=self.device))

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where they are."""


class DenseRows(ResidentRows):
    """A dense matrix on a device.

    Parameters
    ----------
    values
        Shape (n_cells, n_genes), float32.
    """

    def __init__(self, values: Tensor) -> None:
        self.values = values
        self.n_cells, self.n_genes = values.shape

    @property
    def device(self) -> torch.device:
        """Where they are."""
        return self.values.device

    def take(self, rows: Tensor) -> Tensor:
        """Gather some cells."""
        return self.values.index_select(0, rows)

    def block(self, start: int, stop: int) -> Tensor:
        """Return neighbouring cells, without a copy."""
        return self.values[start:stop]


class SparseRows(ResidentRows):
    """A CSR matrix on a device; rows are made dense when they are gathered.

    Every row is read with the length of the longest, so that the shape of the work is the same for all rows, as a CUDA
    graph needs; values beyond the end of a row count as zero.

    Parameters
    ----------
    X
        Shape (n_cells, n_genes), without duplicate entries.
    device
        Target device.
    """

    def __init__(self, X: sp.csr_array, device: torch.device) -> None:
        self.n_cells, self.n_genes = map(int, X.shape)
        starts = torch.from_numpy(X.indptr.astype(np.int64)).to(device)
        self.starts, self.lengths = starts[:-1], starts.diff()
        longest = int(np.diff(X.indptr).max(initial=0))
        self.places = torch.arange(longest, device=device)
        self.columns = _padded(X.indices.astype(np.int32)).to(device)
        self.values = _padded(X.data.astype(np.float32)).to(device)

    @property
    def device(self) -> torch.device:
        """Where they are."""
        return self.values.device

    def take(self, rows: Tensor) -> Tensor:
        """Gather some cells and make them dense."""
        lengths = self.lengths.index_select(0, rows)[:, None]
        stored = self.places < lengths
        where = (self.starts.index_select(0, rows)[:, None] + self.places).where(stored, 0)
        columns = self.columns[where].long().where(stored, 0)
        values = self.values[where].where(stored, 0.0)
        dense = values.new_zeros(len(rows), self.n_genes)
        return dense.scatter_add_(1, columns, values)  # each entry gets its one value plus zeros


class ResidentCells:
    """Cells with their labels on a device.

    Parameters
    ----------
    rows
        The cells.
    labels
        Class codes, shape (n_cells,), on the same device.
    """

    def __init__(self, rows: ResidentRows, labels: Tensor) -> None:
        self.rows = rows
        self.labels = labels

    def take(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Gather some cells, (n_rows, n_genes), and their labels, (n_rows,)."""
        return self.rows.take(rows), self.labels.index_select(0, rows)

    def blocks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield all cells in order, in blocks of a good size for the device."""
        at_once = BLOCK_BYTES.get(self.rows.device.type, 0) // (4 * max(1, self.rows.n_genes))
        step = max(EVALUATION_BATCH, at_once)
        for start in range(0, self.rows.n_cells, step):
            stop = min(start + step, self.rows.n_cells)
            yield self.rows.block(start, stop), self.labels[start:stop]


def bytes_of(X: Matrix, *, dense: bool) -> int:
    """Return the bytes that a matrix takes on a device, dense or sparse.

    Examples
    --------
    >>> X = sp.csr_array(np.array([[0, 2, 0], [1, 0, 0]], dtype=np.float32))
    >>> bytes_of(X, dense=True), bytes_of(X, dense=False)
    (24, 40)
    """
    n_cells, n_genes = map(int, X.shape)
    return 4 * n_cells * n_genes if dense or isinstance(X, np.ndarray) else 8 * X.nnz + 12 * n_cells


def memory_limit(device: torch.device, asked_gb: float | None = None) -> float:
    """Return the bytes of a device that cells may take: as requested, or half of it; never more than is free."""
    if device.type != "cuda":
        return float("inf") if asked_gb is None else asked_gb * GB
    free, whole = torch.cuda.mem_get_info(device)
    return min(SPARE * free, whole / 2 if asked_gb is None else asked_gb * GB)


def hold_rows(X: Matrix, device: torch.device, limit: float) -> ResidentRows | None:
    """Copy a matrix to a device: dense if it fits, else sparse, else return None.

    Parameters
    ----------
    X
        Shape (n_cells, n_genes), dense or CSR; not altered.
    device
        Target device.
    limit
        Bytes that it may take.
    """
    if bytes_of(X, dense=True) <= limit:
        return DenseRows(dense_on(X, device))
    if sp.issparse(X) and bytes_of(X, dense=False) <= limit:
        return SparseRows(without_repeats(X), device)
    return None


def dense_on(X: Matrix, device: torch.device) -> Tensor:
    """Make a matrix dense on a device, float32; a sparse one is copied as it is."""
    if not sp.issparse(X) or device.type == "cpu":
        return dense_rows(X, slice(None)).to(device=device, dtype=torch.float32)
    sparse = SparseRows(without_repeats(X), device)
    dense = torch.empty(sparse.n_cells, sparse.n_genes, device=device)
    for start in range(0, sparse.n_cells, EVALUATION_BATCH):
        stop = min(start + EVALUATION_BATCH, sparse.n_cells)
        dense[start:stop] = sparse.block(start, stop)
    return dense


def without_repeats(X: sp.csr_array) -> sp.csr_array:
    """Return a matrix without duplicate entries: itself, or a copy in which they are summed."""
    if X.has_canonical_format:
        return X
    summed = X.copy()
    summed.sum_duplicates()
    return summed


def to_labels(codes: IntArray, device: torch.device) -> Tensor:
    """Put class codes on a device."""
    return torch.from_numpy(np.ascontiguousarray(codes, dtype=np.int64)).to(device)


def _padded(stored: npt.NDArray[Any]) -> Tensor:
    """Append a zero if nothing is stored, so that indexing works."""
    return torch.from_numpy(stored if len(stored) else np.zeros(1, dtype=stored.dtype))
