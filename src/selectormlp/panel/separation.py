"""How well a panel separates the types, what each gene adds to it, and what could replace it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from selectormlp.data.cells import IntArray
from selectormlp.errors import DataError
from selectormlp.panel.markers import FloatArray

RIDGE = 0.1
"""Share of the median variance added to each variance, as in the discriminant selection."""


@dataclass(frozen=True, eq=False)
class Separation:
    """Separation of the types by a panel, with and without each of its genes.

    The criterion is Σ 1 / (1 + D²) over pairs of types, D² being their squared Mahalanobis distance on the panel:
    0 where all pairs are far apart, the number of pairs where none is.

    Attributes
    ----------
    criterion
        Of the whole panel.
    losses
        Growth of the criterion without each gene, ≥ 0, shape (n_panel,).
    pair_losses
        The same for each pair of types, symmetric, shape (n_panel, n_classes, n_classes).
    substitutes
        Position of the outside gene that serves best in the place of each gene, -1 where there is none,
        shape (n_panel,).
    substitute_losses
        Growth of the criterion with that gene instead, below 0 where it serves better, NaN where there is none,
        shape (n_panel,).
    """

    criterion: float
    losses: FloatArray
    pair_losses: FloatArray
    substitutes: IntArray
    substitute_losses: FloatArray


def measure_separation(means: FloatArray, covariance: FloatArray, panel: IntArray, outside: IntArray) -> Separation:
    """Measure the criterion of a panel, the loss without each gene, and the best substitute of each.

    Parameters
    ----------
    means
        Mean of each gene in each type, shape (n_classes, n_genes); types count the same.
    covariance
        Pooled within-class covariance, shape (n_genes, n_genes); 0.1 · median of its diagonal is added to the
        diagonal.
    panel
        Positions of the panel's genes.
    outside
        Positions of the genes that may replace them.

    Raises
    ------
    DataError
        If shapes disagree, values are not finite, there are fewer than two types, or the covariance is none.

    Notes
    -----
    With K the inverse covariance of the panel and A = means · K, removing gene i lowers D² of a pair (a, b) by
    (A_ai − A_bi)² / K_ii. An outside gene j has variance s_j and means R given the panel; given the panel without i
    these are s_j + B_ij² / K_ii and R_j + A_i B_ij / K_ii, B being the regression of outside genes on the panel.
    One factorisation thus serves all removals and exchanges: O(k³ + k · n_outside · (k + n_classes²)).

    Examples
    --------
    >>> means = np.array([[2.0, 2.0, 0.0], [0.0, 0.0, 0.0]])
    >>> separation = measure_separation(means, np.eye(3), np.array([0]), np.array([1, 2]))
    >>> separation.losses.round(3), separation.substitutes, abs(separation.substitute_losses).round(3)
    (array([0.784]), array([1]), array([0.]))
    """
    _check(means, covariance)
    means = means - means.mean(axis=0)  # only differences count, and they come out exacter so
    ridge = RIDGE * _level(covariance)
    within = covariance[np.ix_(panel, panel)] + ridge * np.eye(len(panel))
    try:
        factor = cho_factor(within, lower=True)
    except LinAlgError as error:
        raise DataError(
            f"the covariance of the panel's genes is not positive definite ({error}); compute it from cells"
        ) from error
    precision = cho_solve(factor, np.eye(len(panel)))
    between = covariance[np.ix_(panel, outside)]
    slopes = precision @ between
    scaled = means[:, panel] @ precision
    given = np.diag(precision)
    distances = _pair_squares(scaled, means[:, panel])
    badness = 1 / (1 + distances)
    variances = np.diag(covariance)[outside] + ridge - np.einsum("ij,ij->j", between, slopes)
    residuals = means[:, outside] - means[:, panel] @ slopes

    n_panel, n_classes = len(panel), len(means)
    pair_losses = np.empty((n_panel, n_classes, n_classes))
    substitutes = np.full(n_panel, -1, dtype=np.int64)
    criteria = np.full(n_panel, np.nan)
    for gene in range(n_panel):
        own = scaled[:, gene] / given[gene]
        without = np.maximum(distances - given[gene] * np.subtract.outer(own, own) ** 2, 0)
        pair_losses[gene] = 1 / (1 + without) - badness
        if len(outside):
            totals = _criteria_with(
                without, residuals + np.outer(own, slopes[gene]), variances + slopes[gene] ** 2 / given[gene]
            )
            best = int(np.argmin(totals))
            substitutes[gene], criteria[gene] = outside[best], totals[best]
    upper = np.triu_indices(n_classes, 1)
    criterion = float(badness[upper].sum())
    return Separation(criterion, pair_losses[:, *upper].sum(axis=1), pair_losses, substitutes, criteria - criterion)


def _check(means: FloatArray, covariance: FloatArray) -> None:
    n_classes, n_genes = means.shape
    if covariance.shape != (n_genes, n_genes):
        raise DataError(
            f"a covariance of shape {covariance.shape} for {n_genes} genes; expected one row and column each"
        )
    if n_classes < 2:
        raise DataError(f"{n_classes} type(s) with cells; at least two are needed to separate them")
    if not (np.isfinite(means).all() and np.isfinite(covariance).all()):
        raise DataError("means or covariance hold NaN or infinite values; compute them from finite data")


def _level(covariance: FloatArray) -> float:
    """Median variance of the genes; of those that vary where most do not, 1 where none does."""
    variances = np.diag(covariance)
    varying = variances[variances > 0]
    if not len(varying):
        return 1.0
    return float(np.median(variances)) or float(np.median(varying))


def _pair_squares(scaled: FloatArray, means: FloatArray) -> FloatArray:
    """Squared Mahalanobis distance of each pair of types, shape (n_classes, n_classes), from A = M K and M."""
    distances = np.empty((len(means), len(means)))
    for first in range(len(means)):
        distances[first] = np.einsum("ij,ij->i", scaled - scaled[first], means - means[first])
    return np.maximum(distances, 0)


def _criteria_with(distances: FloatArray, residuals: FloatArray, variances: FloatArray) -> FloatArray:
    """Criterion with each outside gene added to a panel of given distances, shape (n_outside,)."""
    totals = np.zeros(residuals.shape[1])
    for first in range(len(distances) - 1):  # a type at a time: n_classes · n_outside numbers, not n_classes² as many
        gains = (residuals[first + 1 :] - residuals[first]) ** 2 / variances
        totals += (1 / (1 + distances[first, first + 1 :, None] + gains)).sum(axis=0)
    return totals
