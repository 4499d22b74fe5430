"""Recover counts from log-normalised values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from selectormlp.data.cells import FloatArray, IntArray, Matrix
from selectormlp.data.normalize import LARGEST_PLAUSIBLE_LOG

MAX_LEAST_COUNT = 3
"""Largest value considered for a cell's smallest count; with few genes measured, no gene may have a count of 1."""

UNIT_TOLERANCE = 0.02
"""Relative tolerance for whole counts: rounding of float32 logarithms of up to 10⁴ counts."""

LEAST_WHOLE = 0.99
"""Minimum share of whole values in a cell, and minimum share of such cells."""


@dataclass(frozen=True, eq=False)
class CountScale:
    """Scale that converts log-normalised values back to counts.

    Attributes
    ----------
    unit
        Normalised value (not logged) of one count in each cell, shape (n_cells,).
    """

    unit: FloatArray

    def counts(self, X: Matrix) -> Matrix:
        """Convert log-normalised values of these cells, shape (n_cells, n_genes), back to counts, float32."""
        if isinstance(X, sp.csr_array):
            values = np.rint(np.expm1(X.data.astype(np.float64)) / np.repeat(self.unit, np.diff(X.indptr)))
            return sp.csr_array((values.astype(np.float32), X.indices.copy(), X.indptr.copy()), shape=X.shape)
        return np.rint(np.expm1(X) / self.unit[:, None]).astype(np.float32)

    def whole_counts(self, X: FloatArray) -> IntArray:
        """Convert log-normalised values of these cells, dense, shape (n_cells, k), back to integer counts."""
        return np.rint(np.expm1(X) / self.unit[:, None]).astype(np.int64)


def find_count_scale(X: Matrix) -> CountScale | None:
    """Find the value of one count in each cell: its smallest value above 0, or a half or third of it.

    Parameters
    ----------
    X
        Natural log1p of counts scaled cell by cell, all genes, shape (n_cells, n_genes).

    Returns
    -------
    The scale; None if more than 1 % of the cells hold values that are not whole multiples of it.

    Examples
    --------
    >>> counts = np.array([[1, 3, 0], [2, 1, 1]], dtype=np.float32)
    >>> find_count_scale(np.log1p(counts * 10)).unit.round(3)
    array([10., 10.])
    >>> find_count_scale(np.array([[0.3, 1.7], [1.1, 0.9]], dtype=np.float32)) is None
    True
    """
    rows = sp.csr_array(X)
    rows.eliminate_zeros()
    if not rows.nnz or rows.data.min() < 0 or rows.data.max() > LARGEST_PLAUSIBLE_LOG:
        return None
    values = np.expm1(rows.data.astype(np.float64))
    lengths = np.diff(rows.indptr)
    filled = lengths > 0
    least = np.ones(rows.shape[0])
    least[filled] = np.minimum.reduceat(values, rows.indptr[:-1][filled])
    unit = least.copy()
    for divisor in range(1, MAX_LEAST_COUNT + 1):  # a cell's least count may be 2 or 3
        counts = values / np.repeat(unit, lengths)
        whole = np.abs(counts - np.rint(counts)) <= UNIT_TOLERANCE * np.maximum(counts, 1)
        share = np.ones(rows.shape[0])
        share[filled] = np.add.reduceat(whole.astype(np.float64), rows.indptr[:-1][filled]) / lengths[filled]
        bad = share < LEAST_WHOLE
        if divisor < MAX_LEAST_COUNT:
            unit[bad] = least[bad] / (divisor + 1)
    return CountScale(unit) if bad.mean() <= 1 - LEAST_WHOLE and counts.max() > 1.5 else None
