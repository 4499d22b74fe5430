"""Cutting counts into two parts that say nothing of each other's noise, and drawing counts of one homogeneous type."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from selectormlp.data.cells import FloatArray, IntArray

PRIOR = 10.0
"""Squared counts that the dispersion common to all genes counts for, when that of one gene is estimated: a gene with a
mean count of 0.1 in 1,000 cells has as much to say."""

MAX_DISPERSION = 20.0
"""Largest dispersion of a gene; a share of one part drawn by it is nearly always 0 or 1."""


def dispersions(counts: sp.csr_array, codes: IntArray) -> FloatArray:
    """Estimate the dispersion of each gene within classes, by moments.

    The count of a gene in a cell has the mean μ = d·m, d the cell's depth and m the mean of its class, and the variance
    μ + φ μ²; φ follows from the sum of squared residuals.

    Parameters
    ----------
    counts
        Shape (n_cells, n_genes).
    codes
        Class of each cell, shape (n_cells,), from 0.

    Returns
    -------
    φ of each gene, shape (n_genes,), ≥ 0; 0 for Poisson counts.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> rate = rng.gamma(2.0, 1.0, (4000, 1))  # φ = 1/2; the other genes set the depth
    >>> counts = sp.csr_array(np.hstack([rng.poisson(rate), rng.poisson(2.0, (4000, 200))]).astype(float))
    >>> dispersions(counts, np.zeros(4000, dtype=int))[:3].round(1)
    array([0.5, 0. , 0. ])
    """
    depth = depths(counts)
    over, squared = np.zeros(counts.shape[1]), np.zeros(counts.shape[1])
    for code in np.unique(codes):
        rows = np.flatnonzero(codes == code)
        if len(rows) < 2:
            continue
        few, own = counts[rows], depth[rows]
        mean = np.asarray(few.sum(axis=0)).ravel() / own.sum()
        # Σ (x − d m)² = Σ x² − 2 m Σ d x + m² Σ d²
        squares = np.asarray(few.multiply(few).sum(axis=0)).ravel()
        residual = squares - 2 * mean * np.asarray(few.T @ own).ravel() + mean**2 * (own @ own)
        over += residual * len(rows) / (len(rows) - 1) - mean * own.sum()
        squared += mean**2 * (own @ own)
    common = max(0.0, float(over.sum() / max(squared.sum(), np.finfo(float).tiny)))
    found: FloatArray = np.clip((over + PRIOR * common) / (squared + PRIOR), 0.0, MAX_DISPERSION)
    return found


def depths(counts: sp.csr_array) -> FloatArray:
    """Return the total of each cell in units of their mean, shape (n_cells,)."""
    totals: FloatArray = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
    return totals / max(float(totals.mean()), np.finfo(float).tiny)


def split_counts(
    counts: sp.csr_array, dispersion: FloatArray, rng: np.random.Generator, *, share: float = 0.5
) -> tuple[sp.csr_array, sp.csr_array]:
    """Cut each count into two by a beta-binomial draw.

    If counts are negative binomial with these dispersions, the two parts of a count are independent given its mean:
    negative binomial with shares of the mean, their dispersions as much larger. With dispersion 0 this is binomial
    thinning of Poisson counts.

    Parameters
    ----------
    counts
        Whole numbers, shape (n_cells, n_genes).
    dispersion
        Of each gene, shape (n_genes,), ≥ 0.
    rng
        Decides the draws.
    share
        Share of the counts that goes to the first part, above 0 and below 1.

    Returns
    -------
    The two parts, whose sum is ``counts``.

    References
    ----------
    Poisson: Neufeld, Gao, Popp, Battle, Witten, Biostatistics 2024 (count splitting). Negative binomial: Neufeld, Popp,
    Gao, Battle, Witten, "Negative binomial count splitting for single-cell RNA sequencing data", 2023; Neufeld,
    Dharamshi, Gao, Witten, Journal of Machine Learning Research 2024 (data thinning).

    Examples
    --------
    >>> counts = sp.csr_array(np.array([[4.0, 0.0], [0.0, 9.0]]))
    >>> first, second = split_counts(counts, np.array([0.0, 0.5]), np.random.default_rng(0))
    >>> np.array_equal((first + second).toarray(), counts.toarray())
    True
    """
    size = 1.0 / np.maximum(dispersion[counts.indices], 1e-6)
    chance = np.where(
        dispersion[counts.indices] > 1e-6,
        rng.beta(np.maximum(share * size, 1e-9), np.maximum((1.0 - share) * size, 1e-9)),
        share,
    )
    kept = rng.binomial(np.rint(counts.data).astype(np.int64), chance).astype(counts.dtype)
    rest = counts.data - kept
    return _with_values(counts, kept), _with_values(counts, rest)


def _with_values(counts: sp.csr_array, values: FloatArray) -> sp.csr_array:
    found = sp.csr_array((values, counts.indices.copy(), counts.indptr.copy()), shape=counts.shape)
    found.eliminate_zeros()
    return found


def homogeneous(counts: sp.csr_array, dispersion: FloatArray, rng: np.random.Generator) -> sp.csr_array:
    """Draw counts of one type without any structure: the cells' depths, their mean profile, and the dispersions.

    Parameters
    ----------
    counts
        Cells whose depths and mean profile are taken, shape (n_cells, n_genes).
    dispersion
        Of each gene, shape (n_genes,).
    rng
        Decides the draws.

    Returns
    -------
    Counts of the same shape.
    """
    profile = np.asarray(counts.mean(axis=0)).ravel()
    used = np.flatnonzero(profile > 0)
    means = depths(counts)[:, None] * profile[used]
    size = 1.0 / np.maximum(dispersion[used], 1e-6)
    drawn = rng.poisson(np.where(dispersion[used] > 1e-6, rng.gamma(size, means / size), means))
    rows, columns = np.nonzero(drawn)
    values = drawn[rows, columns].astype(np.float64)
    return sp.csr_array((values, (rows, used[columns])), shape=counts.shape)
