"""What the discriminant tells apart: pairs of classes, and each class and all others mixed."""

from __future__ import annotations

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
        Mean of the two variances, shape (n_contrasts, n_genes).
    noise
        Growth of the squared distance by sampling, shape (n_contrasts,).
    weights
        What each contrast counts, shape (n_contrasts,), sum 1.
    """

    gaps: FloatArray
    variances: FloatArray
    noise: FloatArray
    weights: FloatArray

    def joined(self, other: Contrasts, share: float) -> Contrasts:
        """Return both, the other counting for a share of the whole, 0 to 1."""
        return Contrasts(
            np.vstack([self.gaps, other.gaps]),
            np.vstack([self.variances, other.variances]),
            np.concatenate([self.noise, other.noise]),
            np.concatenate([(1.0 - share) * self.weights, share * other.weights]),
        )


def pairs_of_classes(means: FloatArray, variances: FloatArray, cells: IntArray, shares: FloatArray) -> Contrasts:
    """Compare every two classes, in the order of ``numpy.triu_indices``; a pair counts the product of the shares.

    Parameters
    ----------
    means, variances
        Of each class, shape (n_classes, n_genes).
    cells
        Number of cells of each class, shape (n_classes,), above 0.
    shares
        What each class counts, shape (n_classes,), above 0.
    """
    first, second = np.triu_indices(len(cells), k=1)
    weights = shares[first] * shares[second]
    return Contrasts(
        means[first] - means[second],
        (variances[first] + variances[second]) / 2,
        1.0 / cells[first] + 1.0 / cells[second],
        weights / weights.sum(),
    )


def classes_against_rest(means: FloatArray, variances: FloatArray, cells: IntArray, shares: FloatArray) -> Contrasts:
    """Compare each class with all others mixed; parameters as of :func:`pairs_of_classes`.

    The others are mixed by their shares, so that the variance of the mixture is the mean of theirs and the variance of
    their means: a gene that one of the others expresses as well marks the class less.

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
    return Contrasts(
        means - centre,
        (variances + mixture @ variances + spread) / 2,
        1.0 / cells + mixture**2 @ (1.0 / cells),
        shares / shares.sum(),
    )
