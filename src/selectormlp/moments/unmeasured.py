"""Moments of data sets that measured different genes: each gene from the data sets that measured it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from selectormlp.data.cells import UNKNOWN_CLASS, BoolArray, FloatArray, IntArray
from selectormlp.moments.moments import Moments, add_outer


def codes_by_set(codes: IntArray, sets: IntArray, n_classes: int) -> IntArray:
    """Return class codes that differ between data sets, shape (n_cells,): those of set s begin at ``s · n_classes``."""
    return np.where(codes >= 0, sets * n_classes + codes, UNKNOWN_CLASS)


def pooled_over_sets(moments: Moments, measured: BoolArray) -> Moments:
    """Pool moments over data sets, of each gene over those that measured it.

    Parameters
    ----------
    moments
        Moments with the within-class scatter, which is overwritten; classes numbered per data set by
        :func:`codes_by_set`, and genes that were not measured 0 in all cells.
    measured
        Whether each data set measured each gene, shape (n_sets, n_genes).

    Returns
    -------
    Moments of the classes, with the number of cells behind each mean. If all sets measured all genes, they are the
    moments of all cells together. The covariance of two genes is summed over the sets that measured both, and divided
    by the geometric mean of their numbers of cells. It is therefore smaller if some cells measured only one of them,
    and 0 if no set measured both; the matrix stays a covariance matrix (no negative eigenvalue).

    Examples
    --------
    >>> from selectormlp.moments.stream import moments_of
    >>> X = np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 1.0], [0.0, 2.0]])
    >>> found = pooled_over_sets(moments_of(X, np.array([0, 0, 1, 1])), np.eye(2, dtype=bool))
    >>> found.means, found.within_covariance()
    (array([[2. , 1.5]]), array([[1.  , 0.  ],
           [0.  , 0.25]]))
    """
    n_sets, n_genes = measured.shape
    n_classes = len(moments.counts) // n_sets
    shape = (n_sets, n_classes, n_genes)
    by_set = moments.counts.reshape(n_sets, n_classes)
    cells = np.einsum("sc,sg->cg", by_set, measured).astype(np.float64)
    shares = by_set[:, :, None] * measured[:, None, :] / np.maximum(cells, 1.0)
    means = np.sum(shares * moments.means.reshape(shape), axis=0)
    apart = np.where(measured[:, None, :], moments.means.reshape(shape) - means, 0.0)
    counts, weights = by_set.sum(axis=0), moments.cell_weights[:n_classes]
    squares = within = None
    if moments.squares is not None:
        spread = moments.squares.reshape(shape) + by_set[:, :, None] * apart**2
        squares = spread.sum(axis=0) * counts[:, None] / np.maximum(cells, 1.0)
    if moments.within is not None:
        within = moments.within
        add_outer(within, apart.reshape(-1, n_genes), (weights * by_set).ravel())
        mass = weights @ cells
        scale = np.sqrt(np.divide(float(weights @ counts), mass, out=np.zeros(n_genes), where=mass > 0))
        within *= scale[:, None]
        within *= scale
    return replace(
        moments,
        counts=counts,
        means=means,
        cell_weights=weights,
        squares=squares,
        within=within,
        cells_measured=cells,
        columns=None,
    )


def gaps_measured(
    gaps: FloatArray, variances: FloatArray, cells: FloatArray, counts: IntArray, starts: IntArray | None = None
) -> FloatArray:
    """Correct squared gaps for the additional sampling noise of genes measured in part of the cells only.

    Parameters
    ----------
    gaps
        Of pairs of classes, in the order of ``numpy.triu_indices``, shape (n_pairs, n_genes).
    variances
        Of the genes, in the unit of the gaps, shape (n_genes,).
    cells
        Cells of each class in which a gene was measured, shape (n_classes, n_genes).
    counts
        Cells of each class, shape (n_classes,), by which sampling noise is computed elsewhere.
    starts
        First row of each pair, if it has several; None: one each.

    Returns
    -------
    The gaps, none larger than before; 0 unless a gene was measured in both classes.
    """
    first, second = np.triu_indices(len(counts), k=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        more = 1.0 / cells - 1.0 / counts[:, None]
        taken_off = variances * (more[first] + more[second])
    if starts is not None:
        taken_off = np.repeat(taken_off, np.diff(np.append(starts, len(gaps))), axis=0)
    left = np.sqrt(np.maximum(gaps**2 - np.where(np.isfinite(taken_off), taken_off, np.inf), 0.0))
    found: FloatArray = np.sign(gaps) * left
    return found
