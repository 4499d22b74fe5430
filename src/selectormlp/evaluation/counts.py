"""Counts behind log-normalised values, and values as an assay of a panel alone gives them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from selectormlp.data.cells import Cells, IntArray, Matrix
from selectormlp.data.normalize import LARGEST_PLAUSIBLE_LOG, TARGET_SUM
from selectormlp.evaluation.intervals import FloatArray

Dense = npt.NDArray[np.floating]

UNIT_TOLERANCE = 0.02
"""How far a count may lie from a whole number, relative to it: rounding of float32 logarithms of up to 10⁴ counts."""

LEAST_WHOLE = 0.99
"""Share of a cell's values that must be whole, and of the cells of which this must hold."""

MOST_LEAST_COUNT = 3
"""The largest that the least count of a cell may be; where few genes were measured, no gene may have a count of 1."""


@dataclass(frozen=True, eq=False)
class CountScale:
    """What turns log-normalised values back to counts.

    Attributes
    ----------
    unit
        Normalised value (not logged) of one count in each cell, shape (n_cells,).
    """

    unit: FloatArray

    def counts(self, few: Dense, rows: IntArray) -> Dense:
        """Return the counts of some genes in some cells.

        Parameters
        ----------
        few
            Log-normalised expression of these cells, shape (n_rows, k).
        rows
            Their positions among the cells that the scale is of.

        Examples
        --------
        >>> CountScale(np.array([10.0, 5.0])).counts(np.log1p(np.array([[20.0, 0.0]])), np.array([1])).round(3)
        array([[4., 0.]])
        """
        counts: Dense = np.expm1(few) / self.unit[rows, None].astype(few.dtype)
        return counts


def count_scale(cells: Cells) -> CountScale | None:
    """Return what turns the values of cells back to counts; None where they are not log1p-normalised counts.

    Cells that were read from counts know their totals; of others it is found from the values.
    """
    if cells.totals is not None:
        return CountScale(TARGET_SUM / np.maximum(cells.totals, 1.0))
    return find_count_scale(cells.X)


def alone(few: Dense, target: float) -> Dense:
    """Normalise counts as an assay of these genes alone would have to: to a common total of theirs, then log1p.

    Parameters
    ----------
    few
        Counts, shape (n_cells, k); a cell without any stays zero.
    target
        The total, see :func:`typical_total`.

    Examples
    --------
    >>> alone(np.array([[1.0, 3.0], [0.0, 0.0]]), 8.0).round(3)
    array([[1.099, 1.946],
           [0.   , 0.   ]])
    """
    totals = few.sum(axis=1, keepdims=True)
    scaled: Dense = np.log1p(few * (target / np.where(totals > 0, totals, 1)))
    return scaled


def typical_total(few: Dense) -> float:
    """Return the median total of the cells that have any counts, to which others are scaled; 1 where none has.

    Examples
    --------
    >>> typical_total(np.array([[1.0, 1.0], [0.0, 0.0], [2.0, 2.0]]))
    3.0
    """
    totals = few.sum(axis=1)
    return float(np.median(totals[totals > 0])) if (totals > 0).any() else 1.0


def find_count_scale(X: Matrix) -> CountScale | None:
    """Find the value of one count in each cell of log1p-normalised counts: the least above 0, or a half or third of it.

    Parameters
    ----------
    X
        Natural log1p of counts scaled cell by cell, all genes, shape (n_cells, n_genes).

    Returns
    -------
    None where the values are not of that kind: in more than 1 % of the cells they are not whole multiples of it.

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
    for divisor in range(1, MOST_LEAST_COUNT + 1):  # a cell's least count may be 2 or 3
        counts = values / np.repeat(unit, lengths)
        whole = np.abs(counts - np.rint(counts)) <= UNIT_TOLERANCE * np.maximum(counts, 1)
        share = np.ones(rows.shape[0])
        share[filled] = np.add.reduceat(whole.astype(np.float64), rows.indptr[:-1][filled]) / lengths[filled]
        bad = share < LEAST_WHOLE
        if divisor < MOST_LEAST_COUNT:
            unit[bad] = least[bad] / (divisor + 1)
    return CountScale(unit) if bad.mean() <= 1 - LEAST_WHOLE and counts.max() > 1.5 else None
