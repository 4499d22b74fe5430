"""Judging a panel in closed form, where refitting classifiers would take long."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from selectormlp.data.cells import IntArray
from selectormlp.moments.stream import moments_of

SHRINKAGE = 0.1
"""Share by which covariances between genes count less."""


def discriminant_predict(X: npt.NDArray[Any], codes: IntArray, asked: npt.NDArray[Any]) -> IntArray:
    """Predict classes by Fisher's linear discriminant, in which each class counts the same.

    Parameters
    ----------
    X, codes
        Cells to learn from, shape (n_cells, n_genes), and their class codes, shape (n_cells,).
    asked
        Cells to predict, shape (n_asked, n_genes).

    Returns
    -------
    Class codes, shape (n_asked,).

    References
    ----------
    Hastie, Tibshirani, Friedman, "The Elements of Statistical Learning", 2009, sections 4.3 and 4.3.1, with equal
    priors.

    Examples
    --------
    >>> discriminant_predict(np.array([[0.0], [1.0], [5.0], [6.0]]), np.array([0, 0, 1, 1]), np.array([[2.0], [4.0]]))
    array([0, 1])
    """
    moments = moments_of(X, codes, total=False)
    covariance = (1 - SHRINKAGE) * moments.within_covariance()
    variances = covariance.diagonal() / (1 - SHRINKAGE)
    typical = float(variances[variances > 0].mean()) if (variances > 0).any() else 1.0
    np.fill_diagonal(covariance, variances + 1e-3 * typical)
    present = np.flatnonzero(moments.counts)
    weights = np.linalg.solve(covariance, moments.means[present].T)
    scores = asked @ weights - 0.5 * np.einsum("cg,gc->c", moments.means[present], weights)
    return np.asarray(present[scores.argmax(axis=1)], dtype=np.int64)
