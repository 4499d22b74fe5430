"""Comparisons for the discriminant: pairs of classes, and each class against all others mixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from selectormlp.data.cells import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Contrasts:
    """Comparisons of classes, a row each.

    Attributes
    ----------
    gaps
        Difference of the two means, shape (n_contrasts, n_genes).
    variances
        Mean of the variances of both sides, shape (n_contrasts, n_genes).
    noise
        Growth of the squared distance by sampling, shape (n_contrasts,).
    weights
        Weight of each comparison, shape (n_compared,), sum 1.
    starts
        First row of each comparison, shape (n_compared,), if comparisons are made per batch; None: one row each.
    """

    gaps: FloatArray
    variances: FloatArray
    noise: FloatArray
    weights: FloatArray
    starts: IntArray | None = None

    def joined(self, other: Contrasts, share: float) -> Contrasts:
        """Join two sets of comparisons, the second with a share of the weight, 0 to 1; neither is per batch."""
        return Contrasts(
            np.vstack([self.gaps, other.gaps]),
            np.vstack([self.variances, other.variances]),
            np.concatenate([self.noise, other.noise]),
            np.concatenate([(1.0 - share) * self.weights, share * other.weights]),
        )

    def in_batches(self, parts: Sequence[tuple[IntArray, Contrasts]]) -> Contrasts:
        """Return the same comparisons made per batch; one that no batch allows stays as it is.

        Parameters
        ----------
        parts
            For each batch, the positions of its comparisons, and the comparisons.
        """
        made = np.concatenate([places for places, _ in parts])
        rest = np.setdiff1d(np.arange(len(self.noise)), made)
        places = np.concatenate([made, rest])
        order = np.argsort(places, kind="stable")

        def joined(name: str) -> FloatArray:
            own: FloatArray = getattr(self, name)
            return np.concatenate([*(getattr(part, name) for _, part in parts), own[rest]])[order]

        starts = np.searchsorted(places[order], np.arange(len(self.noise)))
        return Contrasts(joined("gaps"), joined("variances"), joined("noise"), self.weights, starts)


def pair_places(classes: IntArray, n_classes: int) -> IntArray:
    """Return the positions of the pairs of some classes, in increasing order, among the pairs of all classes.

    Examples
    --------
    >>> pair_places(np.array([0, 2]), 3)  # of (0, 1), (0, 2), (1, 2)
    array([1])
    """
    first, second = (classes[side] for side in np.triu_indices(len(classes), k=1))
    return first * n_classes - first * (first + 1) // 2 + second - first - 1


def pairs_of_classes(
    means: FloatArray, variances: FloatArray, cells: IntArray, shares: FloatArray, costs: FloatArray | None = None
) -> Contrasts:
    """Compare every two classes, in the order of ``numpy.triu_indices``; a pair weighs the product of its shares.

    Parameters
    ----------
    means, variances
        Of each class, shape (n_classes, n_genes).
    cells
        Number of cells of each class, shape (n_classes,), above 0.
    shares
        Share of each class in the weights, shape (n_classes,), above 0.
    costs
        Cost of taking one class (row) for another (column), ≥ 0, shape (n_classes, n_classes): the weight of a pair is
        multiplied by the mean of its two costs. None: all mistakes cost the same.

    Examples
    --------
    >>> means, cells = np.array([[4.0], [1.0], [3.0]]), np.array([10, 10, 10])
    >>> costs = np.array([[0.0, 3.0, 3.0], [3.0, 0.0, 1.0], [3.0, 1.0, 0.0]])
    >>> pairs_of_classes(means, np.ones((3, 1)), cells, np.ones(3), costs).weights.round(3)
    array([0.429, 0.429, 0.143])
    """
    first, second = np.triu_indices(len(cells), k=1)
    weights = shares[first] * shares[second]
    if costs is not None:
        weights = weights * (costs[first, second] + costs[second, first]) / 2
    return Contrasts(
        means[first] - means[second],
        (variances[first] + variances[second]) / 2,
        1.0 / cells[first] + 1.0 / cells[second],
        weights / weights.sum(),
    )


def classes_against_rest(
    means: FloatArray, variances: FloatArray, cells: IntArray, shares: FloatArray, costs: FloatArray | None = None
) -> Contrasts:
    """Compare each class with all others mixed; parameters as of :func:`pairs_of_classes`.

    The others are mixed by their shares, so that the variance of the mixture is the mean of theirs and the variance of
    their means: a gene that one of the others also expresses marks the class less. With costs, the weight of a class is
    its share times the mean cost of its mistakes.

    Examples
    --------
    >>> means, cells = np.array([[4.0], [1.0], [3.0]]), np.array([10, 10, 10])
    >>> rest = classes_against_rest(means, np.ones((3, 1)), cells, np.ones(3))
    >>> rest.gaps.ravel(), rest.variances.ravel()  # 4 against 1 and 3: mean 2, variance 1 + 1
    (array([ 2. , -2.5,  0.5]), array([1.5  , 1.125, 2.125]))
    """
    mixture = np.where(np.eye(len(cells), dtype=np.bool_), 0.0, shares)
    mixture /= mixture.sum(axis=1, keepdims=True)
    centre = mixture @ means
    spread = np.maximum(mixture @ means**2 - centre**2, 0.0)
    weights = shares if costs is None else shares * (mixture * (costs + costs.T) / 2).sum(axis=1)
    return Contrasts(
        means - centre,
        (variances + mixture @ variances + spread) / 2,
        1.0 / cells + mixture**2 @ (1.0 / cells),
        weights / weights.sum(),
    )


def contrasts_of(
    means: FloatArray,
    variances: FloatArray,
    cells: IntArray,
    shares: FloatArray,
    specificity: float,
    costs: FloatArray | None = None,
) -> Contrasts:
    """Compare every two classes; with a specificity, also each class with all others, at that share of the weight."""
    pairs = pairs_of_classes(means, variances, cells, shares, costs)
    if not specificity:
        return pairs
    return pairs.joined(classes_against_rest(means, variances, cells, shares, costs), specificity)
