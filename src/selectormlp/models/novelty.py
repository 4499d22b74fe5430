"""How little a cell is like any type that a classifier has learned, by the genes of its panel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from selectormlp.data.cells import FloatArray, IntArray

FALSE_ALARMS = 0.05
"""Share of the cells of known types that are taken for new ones: where the cut-off is set."""

RIDGE = 0.1
"""Added to variances of standardised genes, so that one that hardly varies within types does not decide alone."""

FEW = 20
"""Cells that the cut-off over all types counts for, when that of one type is set."""


@dataclass(frozen=True, eq=False)
class Novelty:
    """Means and covariance of the types on standardised genes, and the score from which a cell is of none of them.

    Attributes
    ----------
    centers
        Mean of each type, shape (n_classes, n_genes).
    shares
        Share of each type in the cells learned from, shape (n_classes,); 0 where it had none.
    within
        Covariance within types, shape (n_genes, n_genes).
    cuts
        Score above which a cell that is taken for a type is of none, shape (n_classes,).

    References
    ----------
    Relative Mahalanobis distance: Ren et al., "A simple fix to Mahalanobis distance for improving near-OOD detection",
    2021.
    """

    centers: FloatArray
    shares: FloatArray
    within: FloatArray
    cuts: FloatArray

    @property
    def total(self) -> FloatArray:
        """Covariance over all cells, shape (n_genes, n_genes)."""
        apart = self.centers - self.shares @ self.centers
        total: FloatArray = self.within + (self.shares[:, None] * apart).T @ apart
        return total

    def score(self, Z: FloatArray, genes: IntArray | None = None) -> FloatArray:
        """Return the distance to the nearest type less that to all cells together, shape (n_cells,).

        Parameters
        ----------
        Z
            Standardised expression of these genes, shape (n_cells, n_genes).
        genes
            Their places in the panel; None: all of it.
        """
        used = np.arange(Z.shape[1]) if genes is None else genes
        block = np.ix_(used, used)
        known = np.flatnonzero(self.shares > 0)
        nearest = _distances(Z, self.centers[known][:, used], self.within[block]).min(axis=1)
        middle = (self.shares @ self.centers)[None, used]
        scores: FloatArray = nearest - _distances(Z, middle, self.total[block])[:, 0]
        return scores


def fit_novelty(Z: FloatArray, codes: IntArray, n_classes: int) -> Novelty:
    """Learn what the types look like; the cut-offs are infinite until they are set.

    Parameters
    ----------
    Z
        Standardised expression, shape (n_cells, n_genes).
    codes
        Class codes, shape (n_cells,).
    n_classes
        Number of classes.

    Examples
    --------
    >>> Z = np.array([[-1.0, 0.1], [-1.0, -0.1], [1.0, 0.1], [1.0, -0.1]])
    >>> found = fit_novelty(Z, np.array([0, 0, 1, 1]), 2)
    >>> scores = found.score(np.array([[1.0, 0.0], [1.0, 3.0]]))
    >>> bool(scores[0] < scores[1])
    True
    """
    counts = np.bincount(codes, minlength=n_classes)
    centers = np.zeros((n_classes, Z.shape[1]))
    np.add.at(centers, codes, Z)
    centers /= np.maximum(counts, 1)[:, None]
    rest = Z - centers[codes]
    return Novelty(centers, counts / counts.sum(), rest.T @ rest / len(Z), np.full(n_classes, np.inf))


def cut_offs(scores: FloatArray, predicted: IntArray, n_classes: int, false_alarms: float = FALSE_ALARMS) -> FloatArray:
    """Set the cut-off of each type on cells of known types that were not learned from.

    Parameters
    ----------
    scores, predicted
        Of these cells, and the type that each is taken for, shape (n_cells,).
    n_classes
        Number of types.
    false_alarms
        Share of these cells to lie above their cut-off.

    Returns
    -------
    A quantile a type, drawn towards that of all the fewer cells it has, then moved together so that the share is right;
    shape (n_classes,).

    Examples
    --------
    >>> cut_offs(np.arange(101.0), np.zeros(101, dtype=int), 2).round(1)
    array([95., 95.])
    """
    of_all = float(np.quantile(scores, 1 - false_alarms))
    cuts = np.full(n_classes, of_all)
    for code in np.unique(predicted):
        own = scores[predicted == code]
        share = len(own) / (len(own) + FEW)
        cuts[code] = share * float(np.quantile(own, 1 - false_alarms)) + (1 - share) * of_all
    moved: FloatArray = cuts + float(np.quantile(scores - cuts[predicted], 1 - false_alarms))
    return moved


def raised(cuts: FloatArray, scores: FloatArray, predicted: IntArray, false_alarms: float = FALSE_ALARMS) -> FloatArray:
    """Raise cut-offs together as far as cells that were learned from would lie above them too often.

    With a few genes many cells have the very same values, and a cut-off that lies among them by rounding would take
    them all for new.

    Parameters
    ----------
    cuts
        From :func:`cut_offs`.
    scores, predicted, false_alarms
        As there, of cells learned from.
    """
    above = max(float(np.quantile(scores - cuts[predicted], 1 - false_alarms)), 0.0)
    found: FloatArray = cuts + above + 1e-6 * np.abs(scores).max()
    return found


def _distances(Z: FloatArray, centers: FloatArray, covariance: FloatArray) -> FloatArray:
    """Squared Mahalanobis distance of each cell to each centre, shape (n_cells, n_centers)."""
    factor = np.linalg.cholesky(covariance + RIDGE * np.eye(len(covariance)))
    white, middle = np.linalg.solve(factor, Z.T).T, np.linalg.solve(factor, centers.T).T
    squares = (white**2).sum(axis=1)[:, None] - 2 * white @ middle.T + (middle**2).sum(axis=1)
    distances: FloatArray = np.maximum(squares, 0.0)
    return distances
