"""Markers of types: effect size and AUC of each type against the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from selectormlp.data.cells import BoolArray, Cells, Float32Array, FloatArray, IntArray, Matrix
from selectormlp.panel.constraints import MARKER_AUC

MEAN_ROUNDING, DEVIATION_ROUNDING = 1e-12, 1e-7
"""Differences of means, and standard deviations, below these shares of the largest value are rounding errors: float64
has 16 digits, and sums over millions of cells lose a few."""

BLOCK_VALUES = 1 << 23
"""Number of values copied at once while reading by column: 32 MB of float32, 128 MB with row numbers and sorting."""


@dataclass(frozen=True, eq=False)
class Markers:
    """Effect size and AUC of each gene for each type against all other cells.

    Attributes
    ----------
    classes
        Type names.
    effect
        Standardised mean difference (type − rest) / pooled standard deviation, shape (n_classes, n_genes); infinite if
        both sides are constant and differ, NaN for a type without cells or without a rest.
    auc
        Probability that a cell of the type expresses the gene more than a cell of the rest, ties counted half, 0 to 1,
        shape (n_classes, n_genes); NaN as above.
    """

    classes: tuple[str, ...]
    effect: FloatArray
    auc: FloatArray

    def marks(self, min_auc: float = MARKER_AUC) -> BoolArray:
        """Return which genes mark which types, shape (n_classes, n_genes).

        A gene marks a type where its mean is higher there than in the rest (effect above 0) and its AUC is at
        least ``min_auc``. It may mark several types, or none.
        """
        marked: BoolArray = (self.effect > 0) & (self.auc >= min_auc)
        return marked


def measure_markers(cells: Cells) -> Markers:
    """Measure effect size and AUC of every gene for every type against the rest.

    Parameters
    ----------
    cells
        Dense or CSR; cells without a known class are ignored. Zeros of a CSR matrix are ranked together without being
        stored, so time grows with the stored values, and about 128 MB are used beside the data.

    Returns
    -------
    Markers of all genes, in the order of ``cells.genes``.

    Notes
    -----
    The effect is Cohen's d (Statistical Power Analysis, 2nd ed., 1988, eq. 2.5.1 and 2.5.2), the AUC the
    Mann–Whitney statistic (Annals of Mathematical Statistics, 1947) over the number of pairs, from ranks with
    ties at their middle.

    Examples
    --------
    >>> import pandas as pd
    >>> X = np.array([[3, 0], [2, 1], [0, 0], [0, 1]], dtype=np.float32)
    >>> names = pd.Index(["c1", "c2", "c3", "c4"])
    >>> cells = Cells(X, pd.Index(["CD3D", "ACTB"]), names, np.array([0, 0, 1, 1]), ("T", "B"))
    >>> markers = measure_markers(cells)
    >>> markers.auc
    array([[1. , 0.5],
           [0. , 0.5]])
    >>> markers.marks()
    array([[ True, False],
           [False, False]])
    """
    counts = cells.class_counts()
    effect = np.empty((cells.n_classes, cells.n_genes))
    auc = np.empty_like(effect)
    for gene, (rows, values) in enumerate(_columns(cells.X)):
        codes = cells.labels[rows]
        known = codes >= 0
        exact = values[known].astype(np.float64)
        effect[:, gene] = _effects(exact, codes[known], counts)
        auc[:, gene] = _aucs(exact, codes[known], counts)
    return Markers(cells.classes, effect, auc)


def _columns(X: Matrix) -> Iterator[tuple[IntArray, Float32Array]]:
    """Yield rows and values of the nonzero entries of each gene, copying a block of genes at a time."""
    n_cells, n_genes = X.shape
    per_gene = X.nnz / n_genes if isinstance(X, sp.csr_array) else n_cells
    width = max(1, int(BLOCK_VALUES / max(1, per_gene)))
    for start in range(0, n_genes, width):
        block = X[:, start : start + width]
        if isinstance(block, sp.csr_array):
            block = block.tocsc()
            for first, last in zip(block.indptr[:-1], block.indptr[1:], strict=True):
                rows, values = block.indices[first:last], block.data[first:last]
                yield rows[values != 0], values[values != 0]
        else:
            for column in np.ascontiguousarray(block.T):
                rows = np.flatnonzero(column)
                yield rows, column[rows]


def _effects(values: FloatArray, codes: IntArray, counts: IntArray) -> FloatArray:
    """Compute Cohen's d of each class from the nonzero values of one gene."""
    n_classes, n = len(counts), counts.sum()
    n_zero = counts - np.bincount(codes, minlength=n_classes)
    mean = values.sum() / n if n else 0.0
    # Sums about the mean of all cells: with raw squares, a large common level would hide small differences.
    centred = values - mean
    sums = np.bincount(codes, weights=centred, minlength=n_classes) - n_zero * mean
    squares = np.bincount(codes, weights=centred**2, minlength=n_classes) + n_zero * mean**2
    with np.errstate(divide="ignore", invalid="ignore"):
        rest = n - counts
        difference = sums / counts - (sums.sum() - sums) / rest
        within = squares - sums**2 / counts + (squares.sum() - squares) - (sums.sum() - sums) ** 2 / rest
        deviation = np.sqrt(np.maximum(within, 0) / max(n - 2, 1))
        largest = np.abs(values).max(initial=0)
        difference[np.abs(difference) <= MEAN_ROUNDING * largest] = 0
        deviation[deviation <= DEVIATION_ROUNDING * largest] = 0
        effect: FloatArray = difference / deviation
    effect[(difference == 0) & (counts > 0) & (rest > 0)] = 0
    return effect


def _aucs(values: FloatArray, codes: IntArray, counts: IntArray) -> FloatArray:
    """Compute the AUC of each class against the rest from the nonzero values of one gene."""
    n_classes, n = len(counts), counts.sum()
    n_zero = n - len(values)
    distinct, place, repeats = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(repeats) + np.where(distinct > 0, n_zero, 0)  # zeros lie between negative and positive values
    ranks = (last - (repeats - 1) / 2)[place]
    zero_rank = (values < 0).sum() + (n_zero + 1) / 2
    zeros = counts - np.bincount(codes, minlength=n_classes)
    rank_sums = np.bincount(codes, weights=ranks, minlength=n_classes) + zeros * zero_rank
    with np.errstate(invalid="ignore"):
        auc: FloatArray = (rank_sums - counts * (counts + 1) / 2) / (counts * (n - counts))
    return auc
