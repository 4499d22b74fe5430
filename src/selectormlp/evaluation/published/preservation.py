"""How well a panel keeps the neighbourhood of each cell, and each gene's values over neighbours (geneBasis)."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.spatial.distance import cdist
from scipy.stats import rankdata

from selectormlp.data.cells import AnyFloatArray, FloatArray, IntArray, Matrix, dense

N_NEIGHBORS = 5
"""Neighbours of a cell, geneBasis' default."""

PREDICTABLE = 0.25
"""Correlation that a gene must have over neighbours by all genes to be scored, geneBasis' default."""

LEAST = 1e-5
"""Lower end of a correlation, as in geneBasis."""

COLUMNS, ROWS = 500, 1000
"""Genes ranked, and rows of distances held, at a time."""


def cell_scores(points: AnyFloatArray, panel: IntArray, everything: IntArray) -> FloatArray:
    """Score how near, by all genes, the cells are that the panel calls neighbours.

    Missarova et al. (Genome Biology 2021): (m − p) / (m − a), where m is a cell's mean distance from all others, p the
    median distance from its neighbours by the panel and a that from its neighbours by all genes, each measured by all
    genes. 1: neighbours as near as can be; 0: no nearer than any cells.

    Parameters
    ----------
    points
        Cells by all genes, in principal components, shape (n_cells, n_components).
    panel, everything
        Rows of neighbours by the panel and by all genes, shape (n_cells, n_neighbors).

    Returns
    -------
    Shape (n_cells,), at most 1; NaN where all cells are as near as the neighbours by all genes.

    Examples
    --------
    >>> points = np.array([[0.0], [1.0], [10.0]])
    >>> cell_scores(points, np.array([[2], [0], [1]]), np.array([[1], [0], [1]]))
    array([-1.,  1.,  1.])
    """
    found = np.empty(len(points))
    for start in range(0, len(points), ROWS):
        rows = slice(start, start + ROWS)
        distance = cdist(points[rows], points)
        mean = distance.sum(axis=1) / (len(points) - 1)
        ours, best = (
            np.median(np.take_along_axis(distance, near[rows], axis=1), axis=1) for near in (panel, everything)
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            found[rows] = np.where(mean - best > 0, (mean - ours) / (mean - best), np.nan)
    return found


def neighbour_correlation(X: Matrix, near: IntArray) -> FloatArray:
    """Return Spearman's correlation of each gene with its mean over the cells' neighbours, 0.00001 at least.

    Parameters
    ----------
    X
        Expression, shape (n_cells, n_genes), dense or CSR.
    near
        Rows of neighbours, shape (n_cells, n_neighbors).

    Returns
    -------
    Shape (n_genes,); 0.00001 where a gene does not vary.
    """
    n_cells, n_neighbors = near.shape
    starts = np.arange(0, near.size + 1, n_neighbors)
    average = sp.csr_array((np.full(near.size, 1 / n_neighbors), near.ravel(), starts), shape=(n_cells, n_cells))
    found = np.empty(X.shape[1])
    for start in range(0, X.shape[1], COLUMNS):
        values = dense(X[:, start : start + COLUMNS]).astype(np.float64)
        measured, predicted = (_unit_ranks(side) for side in (values, average @ values))
        found[start : start + COLUMNS] = (measured * predicted).sum(axis=0)
    return np.clip(found, LEAST, 1)


def _unit_ranks(values: FloatArray) -> FloatArray:
    """Rank each column, with mean 0 and length 1; all 0 where it does not vary."""
    ranks = rankdata(values, axis=0)
    ranks -= ranks.mean(axis=0)
    lengths = np.linalg.norm(ranks, axis=0)
    found: FloatArray = np.divide(ranks, lengths, out=np.zeros_like(ranks), where=lengths > 0)
    return found


def gene_scores(X: Matrix, panel: IntArray, everything: IntArray) -> tuple[FloatArray, FloatArray]:
    """Score how well each gene's values are kept over neighbours by the panel, against neighbours by all genes.

    Missarova et al. (Genome Biology 2021). Genes whose correlation by all genes is 0.25 or below are not scored.

    Parameters
    ----------
    X
        Expression of all genes, shape (n_cells, n_genes), dense or CSR.
    panel, everything
        Rows of neighbours, shape (n_cells, n_neighbors).

    Returns
    -------
    The correlation by all genes, and the score: that by the panel divided by it, NaN where it is not scored; each of
    shape (n_genes,).
    """
    whole, ours = (neighbour_correlation(X, near) for near in (everything, panel))
    return whole, np.where(whole > PREDICTABLE, ours / whole, np.nan)
