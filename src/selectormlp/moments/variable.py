"""Choose the most variable genes before moments are computed, and check that covariances fit in memory."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from selectormlp.data.cells import FloatArray, IntArray
from selectormlp.data.rows import rows_of
from selectormlp.devices import Work
from selectormlp.errors import DataError, SettingsError, counted
from selectormlp.moments.stream import CHUNK_BYTES, AnyMatrix, Chunk, as_float, class_sums, row_chunks

GB = 10**9

PAIR_ARRAYS = 4
"""Number of arrays of class pairs × genes held at once while the discriminant objective is built."""

DEVICE_ARRAYS = 3
"""Number of float64 arrays of genes × genes beside the scatters: a product and a temporary for merging."""


def gene_variances(X: AnyMatrix, codes: IntArray, cell_weights: FloatArray) -> FloatArray:
    """Compute the variance of each gene over weighted cells in one pass; sparse chunks stay sparse.

    Parameters
    ----------
    X
        Expression, shape (n_cells, n_genes), dense or CSR. Not altered.
    codes
        Class code of each cell, shape (n_cells,); cells with a negative code take no part.
    cell_weights
        Weight of one cell of each class, shape (n_classes,). Equal class shares keep markers of rare classes, which
        hardly vary over all cells.

    Returns
    -------
    Variances, shape (n_genes,), ≥ 0.

    Examples
    --------
    >>> gene_variances(np.array([[0.0, 2.0], [0.0, 4.0]]), np.array([0, 0]), np.array([0.5]))
    array([0., 1.])
    """
    return square_sums_of_chunks(
        ((rows_of(X, rows), codes[rows]) for rows in row_chunks(X)), cell_weights=cell_weights
    ).variances


@dataclass(frozen=True, eq=False)
class SquareSums:
    """Weighted sums from which variances are computed; sums of two parts add up with ``+``.

    Attributes
    ----------
    first, second
        Σ w_i x_i and Σ w_i x_i² of each gene, shape (n_genes,).
    mass
        Σ w_i.
    """

    first: FloatArray
    second: FloatArray
    mass: float

    @property
    def variances(self) -> FloatArray:
        """Variance of each gene, shape (n_genes,), ≥ 0."""
        mean = self.first / self.mass
        return np.maximum(self.second / self.mass - mean**2, 0.0)

    def __add__(self, other: SquareSums) -> SquareSums:
        """Return the sums over the cells of both."""
        return SquareSums(self.first + other.first, self.second + other.second, self.mass + other.mass)


def square_sums_of_chunks(chunks: Iterable[Chunk], *, cell_weights: FloatArray) -> SquareSums:
    """Sum expression and its square over weighted cells, chunk by chunk; sparse chunks stay sparse.

    Parameters
    ----------
    chunks
        At least one chunk: expression, shape (n_chunk_cells, n_genes), and class codes; cells with negative codes take
        no part, and counts are ignored.
    cell_weights
        Weight of one cell of each class, shape (n_classes,).
    """
    sums: SquareSums | None = None
    for X, codes, *_ in chunks:
        chunk, known = as_float(X), codes >= 0
        if not known.all():
            chunk = chunk[known]
        classes = codes[known]
        part = SquareSums(
            cell_weights @ class_sums(chunk, classes, len(cell_weights)),
            cell_weights @ class_sums(chunk, classes, len(cell_weights), squared=True),
            float(cell_weights[classes].sum()),
        )
        sums = part if sums is None else sums + part
    if sums is None:
        raise DataError("there are no cells; at least one is needed")
    return sums


def most_variable(variances: FloatArray, n_genes: int, *, always: IntArray) -> IntArray:
    """Return the columns of highest variance, including ``always``, in increasing order.

    Examples
    --------
    >>> most_variable(np.array([3.0, 1.0, 2.0, 0.0]), 2, always=np.array([3]))
    array([0, 3])
    """
    ranked = variances.copy()
    ranked[always] = np.inf
    return np.sort(np.argsort(-ranked, kind="stable")[: max(n_genes, len(always))])


def check_memory(n_genes: int, n_covariances: int, limit_gb: float, *, n_pairs: int = 0) -> None:
    """Raise before computing if covariances would not fit in memory.

    Each covariance takes n_genes² · 8 bytes while summed and as much again when used; the product of one chunk and its
    merging take the same. Gaps between pairs of classes are held twice, and two more times while they are computed.

    Raises
    ------
    SettingsError
        If more than ``limit_gb`` (10⁹ bytes) would be needed; the message says how many genes would fit.
    """
    arrays = 2 * n_covariances + 2
    needed = 8 * (arrays * n_genes**2 + PAIR_ARRAYS * n_pairs * n_genes) / GB
    if needed > limit_gb:
        half = PAIR_ARRAYS * n_pairs / (2 * arrays)
        most = int(math.sqrt(half**2 + limit_gb * GB / (8 * arrays)) - half)
        raise SettingsError(
            f"{counted(n_covariances, 'covariance matrix', 'covariance matrices')} of {n_genes} genes: about "
            f"{needed:.1f} GB of memory, above the "
            f"limit of {limit_gb:g} GB; set max_genes to at most {most}, or raise max_memory_gb"
        )


def work_of_moments(n_cells: int, n_genes: int, n_scatters: int) -> Work:
    """Return the work of scatters, each a product of cells × genes × genes, and their memory.

    Examples
    --------
    >>> work_of_moments(100_000, 2000, 1).is_worth_a_device
    True
    """
    needed = (DEVICE_ARRAYS + n_scatters) * 8 * n_genes**2 + DEVICE_ARRAYS * CHUNK_BYTES
    return Work(1, float(n_cells) * n_genes**2 * n_scatters, needed)
