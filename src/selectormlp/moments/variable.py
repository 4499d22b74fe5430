"""Fewer genes before moments are computed: the most variable ones, and whether covariances fit in memory."""

from __future__ import annotations

import math

import numpy as np

from selectormlp.data.cells import IntArray
from selectormlp.errors import SettingsError
from selectormlp.moments.moments import FloatArray
from selectormlp.moments.stream import AnyMatrix, as_float, class_sums, row_chunks

GB = 10**9


def gene_variances(X: AnyMatrix, codes: IntArray, cell_weights: FloatArray) -> FloatArray:
    """Compute the variance of each gene over weighted cells in one pass; sparse chunks stay sparse.

    Parameters
    ----------
    X
        Expression, shape (n_cells, n_genes), dense or CSR. Not altered.
    codes
        Class code of each cell, shape (n_cells,); cells with a negative code take no part.
    cell_weights
        Weight of one cell of each class, shape (n_classes,). Equal class shares keep in what marks a rare
        class, which over all cells hardly varies.

    Returns
    -------
    Variances, shape (n_genes,), ≥ 0.

    Examples
    --------
    >>> gene_variances(np.array([[0.0, 2.0], [0.0, 4.0]]), np.array([0, 0]), np.array([0.5]))
    array([0., 1.])
    """
    first, second = np.zeros(X.shape[1]), np.zeros(X.shape[1])
    mass = 0.0
    for rows in row_chunks(X):
        chunk, known = as_float(X[rows]), codes[rows] >= 0
        if not known.all():
            chunk = chunk[known]
        classes = codes[rows][known]
        squares = chunk.multiply(chunk).tocsr() if hasattr(chunk, "multiply") else chunk**2
        first += cell_weights @ class_sums(chunk, classes, len(cell_weights))
        second += cell_weights @ class_sums(squares, classes, len(cell_weights))
        mass += float(cell_weights[classes].sum())
    mean = first / mass
    return np.maximum(second / mass - mean**2, 0.0)


def most_variable(variances: FloatArray, n_genes: int, *, always: IntArray) -> IntArray:
    """Pick the columns of most variance, those of ``always`` among them, in increasing order.

    Examples
    --------
    >>> most_variable(np.array([3.0, 1.0, 2.0, 0.0]), 2, always=np.array([3]))
    array([0, 3])
    """
    ranked = variances.copy()
    ranked[always] = np.inf
    return np.sort(np.argsort(-ranked, kind="stable")[: max(n_genes, len(always))])


def check_memory(n_genes: int, n_covariances: int, limit_gb: float) -> None:
    """Refuse covariances of more genes than fit in memory, before any is computed.

    Each takes n_genes² numbers of 8 bytes as it is summed and again as it is used, and one chunk's product
    and its merging take as much.

    Raises
    ------
    SettingsError
        If more than ``limit_gb`` (10⁹ bytes) would be needed; the message says how many genes would fit.
    """
    arrays = 2 * n_covariances + 2
    needed = 8 * arrays * n_genes**2 / GB
    if needed > limit_gb:
        most = math.isqrt(int(limit_gb * GB / (8 * arrays)))
        raise SettingsError(
            f"{n_covariances} covariance(s) of {n_genes} genes need about {needed:.1f} GB of memory, above the "
            f"limit of {limit_gb:g} GB; set max_genes to at most {most}, or raise max_memory_gb"
        )
