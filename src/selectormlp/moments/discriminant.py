"""Choosing genes that tell classes apart, from moments alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import numpy as np

from selectormlp.errors import DataError, SettingsError, quoted
from selectormlp.moments.forward import Residual
from selectormlp.moments.moments import FloatArray, Moments

Criterion = Literal["inverse", "bhattacharyya", "log"]
"""What is summed over pairs of classes: 1/(1 + D²), exp(−D²/8) or −log(1 + D²); the least is best."""

CRITERIA: tuple[str, ...] = get_args(Criterion)


ROUNDING = 1e-12
"""Gains below it are rounding: losses of pairs are of the order of 1, sums over them exact to about 1e-14."""


def _inverse(squared: FloatArray) -> FloatArray:
    squared += 1.0
    return np.reciprocal(squared, out=squared)


def _bhattacharyya(squared: FloatArray) -> FloatArray:
    squared *= -0.125
    return np.exp(squared, out=squared)


def _log(squared: FloatArray) -> FloatArray:
    return np.negative(np.log1p(squared, out=squared), out=squared)


_LOSSES: dict[str, Callable[[FloatArray], FloatArray]] = {
    "inverse": _inverse,
    "bhattacharyya": _bhattacharyya,
    "log": _log,
}
"""Loss of a pair by its D²; each overwrites its argument, since it is called on genes × pairs a step."""


class DiscriminantObjective:
    """How far every pair of classes is apart on the chosen genes, each pair counting least once it is apart.

    The squared Mahalanobis distance of classes a and b grows by (r_a − r_b)² / s if a gene is added, with r_c
    the mean of class c and s the within-class variance of the gene given the genes chosen before. Of that, the
    share that sampling alone brings, 1/n_a + 1/n_b, is taken off: otherwise, once the classes are apart, genes
    without any meaning come in through the smallest classes.

    Parameters
    ----------
    moments
        With the within-class scatter; its class weights weigh the pairs too.
    criterion
        What is summed over pairs, see ``Criterion``. ``bhattacharyya`` bounds the error of two normal classes.
    ridge
        Added to the variances, in units of the median variance of genes that vary.
    shrinkage, shrink_after
        Once ``shrink_after`` genes are chosen, covariances between genes count less by the share ``shrinkage``, 0
        to 1. The first genes must complement one another; later ones, when the classes are apart, serve best as
        each other's reserve, which the full covariance gives them little credit for.

    Raises
    ------
    SettingsError
        If the criterion is unknown, the ridge negative, or the shrinkage outside 0 to 1.
    DataError
        If the moments hold no within-class scatter, or fewer than two classes.

    References
    ----------
    Bhattacharyya bound: Fukunaga, "Introduction to Statistical Pattern Recognition", 1990, eq. 3.152, for equal
    covariances. Moving close pairs to the front: Loog, Duin, Haeb-Umbach, IEEE TPAMI 2001, there for linear
    combinations of features, here for a choice of genes. Shrinking covariances towards a diagonal: Schäfer,
    Strimmer, Statistical Applications in Genetics and Molecular Biology 2005, there to estimate them better.
    """

    def __init__(
        self,
        moments: Moments,
        *,
        criterion: Criterion = "inverse",
        ridge: float = 0.1,
        shrinkage: float = 0.5,
        shrink_after: int = 20,
    ) -> None:
        if criterion not in CRITERIA:
            raise SettingsError(f"criterion={criterion!r}; expected one of {quoted(CRITERIA)}")
        if not ridge >= 0:
            raise SettingsError(f"ridge={ridge!r}; expected a number ≥ 0")
        if not 0 <= shrinkage <= 1:
            raise SettingsError(f"shrinkage={shrinkage!r}; expected a number from 0 to 1")
        if shrink_after < 0:
            raise SettingsError(f"shrink_after={shrink_after!r}; expected a number of genes ≥ 0")
        used = np.flatnonzero(moments.class_weights > 0)
        if len(used) < 2:
            raise DataError(f"{len(used)} class(es) with cells and weight; at least 2 are needed to tell apart")
        self.covariance = moments.within_covariance()
        self.ridge = ridge * _typical_variance(self.covariance.diagonal())
        self.means = moments.means[used]
        shares = moments.class_weights[used]
        self.pair_weights = np.triu(np.outer(shares, shares), k=1)
        self.pair_weights /= self.pair_weights.sum()
        self.noise = 1.0 / moments.counts[used][:, None] + 1.0 / moments.counts[used]
        self._loss = _LOSSES[criterion]
        self._shrinkage, self._shrink_after = shrinkage, shrink_after
        self._chosen: list[int] = []
        self._condition_on([])

    def gains(self) -> FloatArray:
        """Return how much each gene would lower the mean loss of the pairs, shape (n_genes,)."""
        positions = self._residual_means / np.sqrt(np.where(self._residual.free, self._residual.variance, np.inf))
        gains = self.loss(self._distances) - self.losses_with(positions, self._distances, self.noise)
        return np.where(gains > ROUNDING, gains, 0.0)

    def choose(self, gene: int) -> None:
        """Condition on a gene (by column)."""
        self._chosen.append(gene)
        if len(self._chosen) == self._shrink_after:
            self._condition_on(self._chosen)
        else:
            self._condition(gene)

    def shrinkage(self, n_chosen: int) -> float:
        """Return the share by which covariances count less, once so many genes are chosen."""
        return self._shrinkage if n_chosen >= self._shrink_after else 0.0

    def _condition_on(self, genes: Sequence[int]) -> None:
        """Start anew from genes that are chosen already."""
        shrinkage = self.shrinkage(len(genes))
        self._residual = Residual(self.covariance, ridge=self.ridge, shrinkage=shrinkage)
        self._residual_means = self.means.copy()
        self._distances = np.zeros_like(self.noise)
        for gene in genes:
            self._condition(gene)

    def _condition(self, gene: int) -> None:
        deviation = np.sqrt(self._residual.variance[gene])
        column = self._residual.choose(gene)
        if column is not None:
            position = self._residual_means[:, gene] / deviation
            self._distances += np.maximum(np.subtract.outer(position, position) ** 2 - self.noise, 0.0)
            self._residual_means -= np.outer(position, column)

    def loss(self, distances: FloatArray) -> float:
        """Return the mean loss of the pairs at given D², shape (n_classes, n_classes)."""
        return float((self.pair_weights * self._loss(distances.copy())).sum())

    def losses_with(self, positions: FloatArray, distances: FloatArray, taken_off: FloatArray) -> FloatArray:
        """Return the mean loss of the pairs with each gene added, shape (n_genes,).

        Parameters
        ----------
        positions
            Class means in conditional standard deviations of the gene, shape (n_classes, n_genes).
        distances
            D² of each pair so far, shape (n_classes, n_classes).
        taken_off
            What is taken off the gene's share, which stays ≥ 0, shape (n_classes, n_classes).
        """
        losses = np.zeros(positions.shape[1])
        for a in range(len(positions) - 1):  # class by class: all pairs × genes at once would leave the cache
            later = slice(a + 1, None)
            squared = positions[a] - positions[later]
            squared *= squared
            squared -= taken_off[a, later, None]
            np.maximum(squared, 0.0, out=squared)
            squared += distances[a, later, None]
            losses += self.pair_weights[a, later] @ self._loss(squared)
        return losses


def _typical_variance(variances: FloatArray) -> float:
    varying = variances[variances > 0]
    return float(np.median(varying)) if len(varying) else 1.0
