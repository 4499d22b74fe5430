"""Counts per cell of each gene in each type, for limits on crowding."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from selectormlp.data.cells import Cells, Matrix
from selectormlp.errors import SettingsError
from selectormlp.evaluation.counts import count_scale
from selectormlp.panel.physics import TypeCounts


def counts_per_type(cells: Cells, quantile: float = 0.0) -> TypeCounts:
    """Average the counts of each gene over the cells of each type.

    Parameters
    ----------
    cells
        Counts, or log-normalised values from which counts can be recovered; cells without type are left out.
    quantile
        ``TypeCounts.dense`` averages the cells of a type whose total is at or above this quantile of the type's.

    Raises
    ------
    SettingsError
        If the values are not counts, and counts cannot be recovered from them.

    Examples
    --------
    >>> import pandas as pd
    >>> X = np.log1p(np.array([[1, 3], [2, 1], [4, 1], [0, 1]], dtype=np.float32) * 10)
    >>> names = pd.Index(["c1", "c2", "c3", "c4"])
    >>> found = counts_per_type(Cells(X, pd.Index(["A", "B"]), names, np.array([0, 0, 1, 1]), ("T", "B")))
    >>> found.means.round(1)
    array([[1.5, 2. ],
           [2. , 1. ]])
    """
    counts = whole_counts(cells)
    totals = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
    known = np.unique(cells.labels[cells.labels >= 0])
    means, dense = [], []
    for code in known:
        rows = np.flatnonzero(cells.labels == code)
        means.append(_mean(counts[rows]))
        dense.append(
            _mean(counts[rows[totals[rows] >= np.quantile(totals[rows], quantile)]]) if quantile else means[-1]
        )
    sizes = np.bincount(cells.labels[cells.labels >= 0])[known]
    types = tuple(cells.classes[code] for code in known)
    return TypeCounts(types, np.array(means), np.array(dense), sizes / sizes.sum())


def whole_counts(cells: Cells) -> Matrix:
    """Return the counts behind the values of cells, shape (n_cells, n_genes).

    Raises
    ------
    SettingsError
        If the values are not counts, and counts cannot be recovered from them.
    """
    scale = count_scale(cells)
    if scale is not None:
        return scale.counts(cells.X)
    values = cells.X.data if isinstance(cells.X, sp.csr_array) else cells.X
    if values.size and values.min() >= 0 and np.all(values == np.floor(values)):
        return cells.X
    raise SettingsError(
        "limits in counts per cell need counts, which these values do not give; name a layer with counts "
        "(layer, --layer), or drop these limits"
    )


def _mean(counts: Matrix) -> np.ndarray:
    return np.asarray(counts.mean(axis=0, dtype=np.float64)).ravel()
