"""Binarised expression: one threshold per gene."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
import scipy.sparse as sp

from selectormlp.data.cells import AnyFloatArray, Matrix
from selectormlp.errors import SettingsError

Threshold: TypeAlias = float | Literal["quantile"]
"""A number in the units of X, or ``"quantile"``: a quantile of each gene's values over all cells."""

CHUNK = 512
"""Genes densified at a time for their quantiles."""


def gene_thresholds(X: Any, threshold: Threshold, quantile: float) -> AnyFloatArray:
    """Return the threshold of each gene, shape (n_genes,), in the units and the precision of X.

    Parameters
    ----------
    X
        Expression, shape (n_cells, n_genes), dense or sparse, of floating point numbers.
    threshold
        A number for all genes, or ``"quantile"``.
    quantile
        Which quantile over all cells, in [0, 1); an observed value (at least that part of the cells is not above it).

    Raises
    ------
    SettingsError
        If the threshold is no finite number and not ``"quantile"``, or the quantile is out of range.

    Examples
    --------
    >>> X = np.array([[0.0, 1.0], [0.0, 2.0], [3.0, 4.0]])
    >>> gene_thresholds(X, "quantile", 0.5)
    array([0., 2.])
    """
    given: object = quantile
    if isinstance(given, bool) or not (isinstance(given, int | float | np.floating) and 0 <= given < 1):
        raise SettingsError(f"quantile={quantile!r}; expected a number from 0 up, below 1")
    if threshold != "quantile":
        if isinstance(threshold, str | bool) or not np.isscalar(threshold) or not np.isfinite(threshold):
            raise SettingsError(f"threshold={threshold!r}; expected a finite number in the units of X, or 'quantile'")
        return np.full(X.shape[1], threshold, dtype=X.dtype)
    columns = sp.csc_array(X) if sp.issparse(X) else X
    found = np.empty(X.shape[1], dtype=X.dtype)
    for start in range(0, X.shape[1], CHUNK):
        part = columns[:, start : start + CHUNK]
        dense = part.toarray() if sp.issparse(part) else part
        found[start : start + CHUNK] = np.quantile(dense, quantile, axis=0, method="inverted_cdf")
    return found


def binarized(X: Any, thresholds: AnyFloatArray) -> Matrix:
    """Turn expression into 1 where it is above the gene's threshold and 0 elsewhere, float32.

    Parameters
    ----------
    X
        Shape (n_cells, n_genes), dense or sparse; not altered.
    thresholds
        Shape (n_genes,), in the units of X.

    Returns
    -------
    Dense for dense X; CSR for sparse X, unless a threshold is below 0 so that values not stored are on.

    Examples
    --------
    >>> binarized(np.array([[0.0, 1.0], [0.5, 3.0]]), np.array([0.0, 2.0]))
    array([[0., 0.],
           [1., 1.]], dtype=float32)
    """
    if not sp.issparse(X):
        return (np.asarray(X) > thresholds).astype(np.float32)
    if (thresholds < 0).any():
        return (X.toarray() > thresholds).astype(np.float32)
    rows = sp.csr_array(X)
    on = (rows.data > thresholds[rows.indices]).astype(np.float32)
    result = sp.csr_array((on, rows.indices.copy(), rows.indptr.copy()), shape=rows.shape)
    result.eliminate_zeros()
    return result
