"""Take rows of a matrix without SciPy's slicing, which crashes the process if memory runs out."""

from __future__ import annotations

from typing import Any

import scipy.sparse as sp


def rows_of(X: Any, rows: slice) -> Any:
    """Return successive rows, as ``X[rows]`` does.

    SciPy slices CSR matrices in C++ without checking for memory; NumPy raises :class:`MemoryError`.

    Parameters
    ----------
    X
        Matrix, shape (n_cells, n_genes): dense, CSR, or anything that is indexed by rows.
    rows
        Slice of rows, with step 1.

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
