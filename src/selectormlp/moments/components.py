"""Estimate variance between batches, net of sampling: of a gene's level, and of the gaps between classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import digamma, polygamma

from selectormlp.data.cells import FloatArray
from selectormlp.moments.groups import Groups
from selectormlp.moments.moments import Moments

PRIOR_CELLS = 10.0
"""Prior weight, in cells, of a gene's common variance. From ten cells, a variance is known to about half its size."""

N_FITS = 3
"""Number of fits, each with weights from the one before; two more change the weights by 1 %."""

MAX_PRIOR = 1e6
"""With this many degrees of freedom or more, the prior is taken as certain."""


@dataclass(frozen=True, eq=False)
class Components:
    """Class, batch and interaction components of the means of groups (cells of one class in one batch).

    Attributes
    ----------
    means
        Class means without the levels of batches, shape (n_classes, n_genes).
    within
        Variance within a class and a batch, shape (n_classes, n_genes).
    shift
        Variance of the level of each gene between batches, shape (n_genes,).
    interaction
        Variance between batches of each class about its batch's level, shape (n_classes, n_genes); the gap between two
        classes varies by the sum of both.
    own
        Residual of each group's mean after class and batch, shrunk towards 0 by the share that sampling explains, shape
        (n_groups, n_genes).
    """

    means: FloatArray
    within: FloatArray
    shift: FloatArray
    interaction: FloatArray
    own: FloatArray


def variance_components(moments: Moments, groups: Groups) -> Components:
    """Split the means of groups into class, batch and residual, and estimate their variances.

    The mean of class c in batch b is μ_c + β_b + γ_cb, known with the variance s_c / n_cb. Class and batch are fitted
    by weighted least squares, weights 1 / (κ + 1/n_cb) with κ the typical variance of γ in units of s; the variances of
    β and γ follow from the sums of squares and their expectations. Batches that share no class, directly or through
    other batches, are compared by their means, since their levels cannot be told from their classes.

    Parameters
    ----------
    moments
        Moments of groups, with the within-class scatter. Genes not measured in some groups are fitted to the others.
    groups
        Which groups.

    Returns
    -------
    The components. With few batches, variances have few degrees of freedom, so each is shrunk towards the value typical
    of genes.

    References
    ----------
    Sums of squares and their expectations: Henderson, Biometrics 1953 (method 3); with known variances of sampling,
    DerSimonian, Laird, Controlled Clinical Trials 1986. Shrinking variances: Smyth, Statistical Applications in
    Genetics and Molecular Biology 2004.
    """
    cells, common = measured_cells(moments), moments.within_variances()
    within = _within_classes(moments, groups, cells, common)
    shape = (groups.n_classes, moments.n_genes)
    found = Components(np.zeros(shape), within, np.zeros(shape[1]), np.zeros(shape), np.zeros(moments.means.shape))
    patterns, pattern_of = np.unique(cells > 0, axis=1, return_inverse=True)
    for number, measured in enumerate(patterns.T):
        genes = np.flatnonzero(pattern_of.ravel() == number)
        if measured.any():
            few, places = groups.take(measured), np.flatnonzero(measured)
            part = _fitted(
                few, moments.means[np.ix_(places, genes)], cells[np.ix_(places, genes)], within[:, genes], common[genes]
            )
            found.means[:, genes], found.shift[genes] = part.means, part.shift
            found.interaction[:, genes], found.own[np.ix_(places, genes)] = part.interaction, part.own
    return found


def measured_cells(moments: Moments) -> FloatArray:
    """Return the cells of each class or group in which each gene was measured, shape (n_classes, n_genes)."""
    if moments.cells_measured is not None:
        return moments.cells_measured
    return np.broadcast_to(moments.counts[:, None].astype(np.float64), moments.means.shape)


def _fitted(groups: Groups, means: FloatArray, cells: FloatArray, within: FloatArray, common: FloatArray) -> Components:
    """Fit genes that were measured in the same groups."""
    design, varying = _Design(groups), common > 0
    unit = np.where(varying, common, 1.0)
    sampling = np.where(varying, within, 1.0)[groups.classes] / unit / cells
    typical_cells = np.median(cells, axis=1)
    kappa = 0.0
    for _ in range(N_FITS):
        fit = _Fit(design, means / np.sqrt(unit), 1.0 / (kappa + 1.0 / typical_cells))
        typical = fit.moderated_interaction(sampling)
        kappa = float(np.median(typical[varying])) if varying.any() else 0.0
    shift = fit.moderated_shift(sampling, typical)
    by_class = fit.interaction_by_class(sampling, typical)
    own = by_class[groups.classes] / (by_class[groups.classes] + sampling) * fit.left
    scale = np.sqrt(unit)
    return Components(fit.levels * scale, within, shift * common, by_class * common, own * scale)


def _within_classes(moments: Moments, groups: Groups, cells: FloatArray, common: FloatArray) -> FloatArray:
    """Return the variance of each class within batches, shrunk towards the common variance if a class has few cells."""
    assert moments.squares is not None  # noqa: S101  # kept with the scatter
    own = moments.squares / np.maximum(moments.counts, 1)[:, None]  # only cells in which the gene was measured
    free = groups.summed(np.maximum(cells - 1.0, 0.0))
    found: FloatArray = (groups.summed(cells * own) + PRIOR_CELLS * common) / (free + PRIOR_CELLS)
    return found


class _Design:
    """Class and batch of each group."""

    def __init__(self, groups: Groups) -> None:
        self.classes, components = groups.classes, groups.components
        self.n_classes, self.n_batches = groups.n_classes, groups.n_batches
        classes, batches, n_groups = groups.classes, groups.batches, len(groups)
        self.matrix = np.zeros((n_groups, self.n_classes + self.n_batches))
        self.matrix[np.arange(n_groups), classes] = 1.0
        self.matrix[np.arange(n_groups), self.n_classes + batches] = 1.0
        level = np.zeros((int(components.max()) + 1, self.n_classes + self.n_batches))
        level[components, self.n_classes + np.arange(self.n_batches)] = 1.0
        absent = np.bincount(classes, minlength=self.n_classes) == 0
        self.constraints = level.T @ level + np.diag(np.concatenate([absent, np.zeros(self.n_batches)]))
        self.n_components = len(level)


class _Fit:
    """Fit of class and batch to the means of groups, in units of each gene's standard deviation."""

    def __init__(self, design: _Design, means: FloatArray, weights: FloatArray) -> None:
        self._design, self._weights = design, weights
        weighted = design.matrix * weights[:, None]
        solve = np.linalg.solve(design.matrix.T @ weighted + design.constraints, weighted.T)
        fitted = solve @ means
        self.levels: FloatArray = fitted[: design.n_classes]
        self.left: FloatArray = means - design.matrix @ fitted
        leverage = np.einsum("gk,kg->g", design.matrix, solve)
        self._free = np.maximum(1.0 - leverage, 0.0)
        self._n_free = float(self._free.sum())
        of_class = np.bincount(design.classes, weights, design.n_classes)
        self._class_free = 1.0 - weights / of_class[design.classes]
        means_of_class = np.zeros_like(self.levels)
        np.add.at(means_of_class, design.classes, weights[:, None] * means)
        means_of_class /= np.where(of_class > 0, of_class, 1.0)[:, None]
        self._about_class = means - means_of_class[design.classes]
        self._batch_trace = float(weights @ self._class_free)

    @property
    def _trace(self) -> float:
        return float(self._weights @ self._free)

    def _explained(self, sampling: FloatArray) -> FloatArray:
        """Return the sampling contribution to the mean square of the residuals."""
        explained: FloatArray = (self._weights * self._free) @ sampling / self._trace
        return explained

    def _mean_square(self) -> FloatArray:
        found: FloatArray = self._weights @ self.left**2 / self._trace
        return found

    def moderated_interaction(self, sampling: FloatArray) -> FloatArray:
        """Return the residual variance after class and batch, ≥ 0, shrunk to its typical value; 0 without residuals."""
        if self._n_free < 0.5:
            return np.zeros(sampling.shape[1])
        explained = self._explained(sampling)
        usual: FloatArray = explained * moderated(self._mean_square() / explained, self._n_free)
        found: FloatArray = np.maximum(usual - explained, 0.0)
        return found

    def moderated_shift(self, sampling: FloatArray, interaction: FloatArray) -> FloatArray:
        """Return the variance between levels of batches, ≥ 0, shrunk towards the value typical of genes."""
        weights = self._weights
        n_free = self._design.n_batches - self._design.n_components
        if n_free < 1:
            return np.zeros(sampling.shape[1])
        between = weights @ self._about_class**2 - weights @ self.left**2
        share = weights * (self._class_free - self._free)
        expected = (share.sum() * interaction + share @ sampling) / self._batch_trace
        usual = expected * moderated(np.maximum(between, 0.0) / self._batch_trace / expected, n_free)
        found: FloatArray = np.maximum(usual - expected, 0.0)
        return found

    def interaction_by_class(self, sampling: FloatArray, typical: FloatArray) -> FloatArray:
        """Return the residual variance of each class, shrunk towards that of all classes together."""
        design, weights = self._design, self._weights * self._free
        trace = np.bincount(design.classes, weights, design.n_classes)
        free = np.bincount(design.classes, self._free, design.n_classes)
        squares, explained = np.zeros_like(self.levels), np.zeros_like(self.levels)
        np.add.at(squares, design.classes, self._weights[:, None] * self.left**2)
        np.add.at(explained, design.classes, weights[:, None] * sampling)
        tested = free >= 0.5
        found = np.broadcast_to(typical, self.levels.shape).copy()
        if tested.any():
            part = trace[tested, None]
            expected = typical + explained[tested] / part
            ratios = moderated(squares[tested] / part / expected, free[tested, None], centred=True)
            found[tested] = np.maximum(ratios * expected - explained[tested] / part, 0.0)
        return found


def moderated(ratios: FloatArray, free: npt.ArrayLike, *, centred: bool = False) -> FloatArray:
    """Shrink estimates of variances towards their typical value.

    Parameters
    ----------
    ratios
        Estimates, ≥ 0, in units of their expectation, of any shape.
    free
        Their degrees of freedom, broadcast against ``ratios``.
    centred
        Whether the typical value is 1; otherwise it is estimated too.

    Returns
    -------
    Means of an inverse-gamma posterior, whose prior is fitted to the logarithms.

    References
    ----------
    Smyth 2004, section 6.2.

    Examples
    --------
    >>> moderated(np.array([1.0, 1.0, 1.0]), 4.0).round(2)  # no more spread than expected by chance: all equal
    array([1.31, 1.31, 1.31])
    """
    degrees = np.broadcast_to(np.asarray(free, dtype=np.float64), ratios.shape)
    used = ratios > 0
    if not used.any():
        return ratios
    half = degrees[used] / 2
    logs = np.log(ratios[used]) - digamma(half) + np.log(half)
    spread = float(np.mean((logs - logs.mean()) ** 2 - polygamma(1, half)))
    prior = 2.0 * _inverse_trigamma(spread) if spread > 0 else MAX_PRIOR
    prior = min(prior, MAX_PRIOR)
    usual = 1.0 if centred else float(np.exp(logs.mean() + digamma(prior / 2) - np.log(prior / 2)))
    found: FloatArray = (prior * usual + degrees * ratios) / (prior + degrees)
    return found


def _inverse_trigamma(value: float) -> float:
    """Solve trigamma(y) = value for y > 0 by Newton's method (Smyth 2004, appendix)."""
    found = 0.5 + 1.0 / value
    for _ in range(50):
        trigamma = float(polygamma(1, found))
        step = trigamma * (1.0 - trigamma / value) / float(polygamma(2, found))
        found += step
        if -step < 1e-8 * found:
            break
    return found
