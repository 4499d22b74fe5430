"""Recognise counts, and convert them to log1p of counts per 10,000."""

from __future__ import annotations

import logging
from typing import get_args

import numpy as np
import scipy.sparse as sp
from sklearn.preprocessing import normalize as scale_rows

from selectormlp.data.cells import Float32Array, FloatArray, Matrix
from selectormlp.data.source import Normalization as Normalization
from selectormlp.errors import DataError

logger = logging.getLogger(__name__)

NORMALIZATIONS: tuple[str, ...] = get_args(Normalization)

TARGET_SUM = 10_000.0

LARGEST_PLAUSIBLE_LOG = 30.0
"""Log-transformed expression cannot exceed this: e³⁰ ≈ 10¹³ molecules in a cell."""


def stored_values(X: Matrix) -> Float32Array:
    """Return the stored values: all of a dense matrix, the explicit ones of a CSR matrix."""
    values: Float32Array = X.data if isinstance(X, sp.csr_array) else X.ravel()
    return values


def looks_like_counts(X: Matrix) -> bool:
    """Return whether values look like raw counts: integers ≥ 0, some above 1.

    A matrix of zeros and ones only counts as binarised.

    Examples
    --------
    >>> looks_like_counts(np.array([[0, 3], [1, 0]], dtype=np.float32))
    True
    >>> looks_like_counts(np.array([[0, 0.7], [1, 0]], dtype=np.float32))
    False
    """
    values = stored_values(X)
    if values.size == 0 or values.min() < 0 or values.max() <= 1:
        return False
    return is_whole(X)


def is_whole(X: Matrix) -> bool:
    """Return whether all values are integers."""
    values = stored_values(X)
    return bool(np.array_equal(values, np.rint(values)))


def holds_counts(X: Matrix, where: str, normalize: Normalization) -> bool:
    """Decide whether values are counts, and log it.

    Raises
    ------
    DataError
        If ``normalize`` is ``"counts"`` and the values are not integers and look like logs.
    """
    is_counts = normalize == "counts" or looks_like_counts(X)
    largest = float(stored_values(X).max(initial=0))
    if normalize == "counts" and not is_whole(X):
        _check_fractions(where, largest)
        logger.warning(
            "%s holds values up to %.4g that are not whole numbers: taken as corrected counts, as requested, and "
            "turned to log1p of counts per 10,000",
            where,
            largest,
        )
    elif is_counts:
        logger.info("%s holds raw counts: turned to log1p of counts per 10,000", where)
    elif largest > LARGEST_PLAUSIBLE_LOG:
        logger.warning(
            "%s holds values up to %.4g that are not whole numbers: taken as they are, though they do not look "
            'log-transformed (normalize "counts" would normalise them)',
            where,
            largest,
        )
    else:
        logger.info("%s is taken as it is (values up to %.3g, not raw counts)", where, largest)
    return is_counts


def _check_fractions(where: str, largest: float) -> None:
    """Raise if values that should be counts are not integers and look like logs."""
    if largest <= LARGEST_PLAUSIBLE_LOG:
        raise DataError(
            f"{where} holds values up to {largest:.4g} that are not whole numbers, so they look log-transformed or "
            'normalised, and normalize is "counts"; set it to "auto" or "none", or name a layer that holds counts'
        )


def log1p_cp10k(X: Matrix, totals: FloatArray | None = None) -> Matrix:
    """Scale each cell to 10,000 counts and take log(1 + x).

    Parameters
    ----------
    X
        Counts, shape (n_cells, n_genes), non-negative; a cell without counts stays zero. Not altered.
    totals
        Counts of each cell, shape (n_cells,), where ``X`` holds part of its genes; None: the sums of ``X``.

    Returns
    -------
    A new matrix of the same kind, float32, natural logarithms.

    Examples
    --------
    >>> log1p_cp10k(np.array([[1, 3], [0, 0]], dtype=np.float32)).round(2)
    array([[7.82, 8.92],
           [0.  , 0.  ]], dtype=float32)
    """
    if totals is None:
        scaled = scale_rows(X, norm="l1", copy=True)
    else:
        per_count = np.divide(1.0, totals, out=np.zeros_like(totals), where=totals > 0).astype(np.float32)
        scaled = sp.csr_array(X.multiply(per_count[:, None])) if isinstance(X, sp.csr_array) else X * per_count[:, None]
    values = scaled.data if sp.issparse(scaled) else scaled
    values *= TARGET_SUM
    np.log1p(values, out=values)
    return sp.csr_array(scaled) if sp.issparse(scaled) else scaled
