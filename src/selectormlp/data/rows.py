"""Rows of a matrix without SciPy's own slicing, which brings the process down where memory is short."""

from __future__ import annotations

from typing import Any

import scipy.sparse as sp


def rows_of(X: Any, rows: slice) -> Any:
    """Return successive rows, as ``X[rows]`` does.

    SciPy gathers a slice of a CSR matrix in C++ and does not look whether there was memory for it; NumPy raises
    :class:`MemoryError`.

    Parameters
    ----------
    X
        Matrix, shape (n_cells, n_genes): dense, CSR, or anything that is indexed by rows.
    rows
        Which; of step 1.

    Examples
    --------
    >>> X = sp.csr_array([[0.0, 2.0], [1.0, 0.0], [0.0, 3.0]])
    >>> rows_of(X, slice(1, 9)).toarray()
    array([[1., 0.],
           [0., 3.]])
    """
    if not sp.issparse(X) or X.format != "csr":
        return X[rows]
    start, stop, _ = rows.indices(X.shape[0])
    first, last = X.indptr[start], X.indptr[max(start, stop)]
    parts = X.data[first:last].copy(), X.indices[first:last].copy(), X.indptr[start : max(start, stop) + 1] - first
    return type(X)(parts, shape=(len(parts[2]) - 1, X.shape[1]))
