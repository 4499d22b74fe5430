"""Take columns of a matrix by number, with zeros for missing ones."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from selectormlp.data.cells import IntArray, Matrix, as_matrix


def columns_of(X: Matrix, columns: IntArray) -> Matrix:
    """Take columns in this order; a negative number gives a column of zeros.

    Examples
    --------
    >>> columns_of(np.array([[1.0, 2.0, 3.0]], dtype=np.float32), np.array([2, -1, 0]))
    array([[3., 0., 1.]], dtype=float32)
    """
    there = np.flatnonzero(columns >= 0)
    if len(there) == len(columns):
        return as_matrix(X[:, columns])
    few = X[:, columns[there]]
    if isinstance(few, sp.csr_array):
        return sp.csr_array((few.data, there[few.indices], few.indptr), shape=(X.shape[0], len(columns)))
    whole = np.zeros((X.shape[0], len(columns)), dtype=np.float32)
    whole[:, there] = few
    return whole
