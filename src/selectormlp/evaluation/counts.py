"""Counts behind log-normalised values, and values as an assay of a panel alone gives them."""

from __future__ import annotations

import numpy as np

from selectormlp.data.cells import AnyFloatArray, Cells, IntArray
from selectormlp.data.count_scale import CountScale, find_count_scale
from selectormlp.data.normalize import TARGET_SUM


def counts_of(few: AnyFloatArray, scale: CountScale, rows: IntArray) -> AnyFloatArray:
    """Return the counts of some genes in some cells, which may be fractions where ambient RNA was subtracted.

    Parameters
    ----------
    few
        Log-normalised expression of these cells, shape (n_rows, k).
    scale
        Of all cells.
    rows
        Which of them these are.

    Examples
    --------
    >>> counts_of(np.log1p(np.array([[20.0, 0.0]])), CountScale(np.array([10.0, 5.0])), np.array([1])).round(3)
    array([[4., 0.]])
    """
    counts: AnyFloatArray = np.expm1(few) / scale.unit[rows, None].astype(few.dtype)
    return counts


def count_scale(cells: Cells) -> CountScale | None:
    """Return the scale that turns values back into counts; None if they are not log1p-normalised counts.

    Cells that were read from counts know their totals; of others it is found from the values.
    """
    if cells.totals is not None:
        return CountScale(TARGET_SUM / np.maximum(cells.totals, 1.0))
    return find_count_scale(cells.X)


def alone(few: AnyFloatArray, target: float) -> AnyFloatArray:
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
    scaled: AnyFloatArray = np.log1p(few * (target / np.where(totals > 0, totals, 1)))
    return scaled


def typical_total(few: AnyFloatArray) -> float:
    """Return the median total of the cells that have any counts, to which others are scaled; 1 where none has.

    Examples
    --------
    >>> typical_total(np.array([[1.0, 1.0], [0.0, 0.0], [2.0, 2.0]]))
    3.0
    """
    totals = few.sum(axis=1)
    return float(np.median(totals[totals > 0])) if (totals > 0).any() else 1.0
