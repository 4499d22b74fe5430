"""Computing moments in one pass over a matrix or over chunks of one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from selectormlp.data.cells import IntArray
from selectormlp.errors import DataError
from selectormlp.moments.moments import FloatArray, Moments, add_outer, merge_into

AnyMatrix: TypeAlias = "npt.NDArray[Any] | sp.csr_array | sp.csr_matrix"
"""Cells × genes, dense or CSR; float32 and float64 are worked on as they are, other numbers as float64."""

ROWS_AT_ONCE = 512
"""Rows of a dense matrix that are turned to float64 together: 8 MB of 2,000 genes."""

CHUNK_BYTES = 2**26
"""Size of one dense chunk, 64 MiB: 8,000 cells of 2,000 genes, enough that the matrix product outweighs the merging."""


def balanced_cell_weights(counts: IntArray, class_weights: FloatArray | None = None) -> FloatArray:
    """Weigh cells so that each class counts the same, or as given, however many cells it has.

    Parameters
    ----------
    counts
        Cells of each class over all the data, shape (n_classes,).
    class_weights
        Importance of each class, shape (n_classes,), ≥ 0; None for equal importance.

    Returns
    -------
    Weight of one cell of each class, shape (n_classes,); 0 where the class has no cell.

    Examples
    --------
    >>> balanced_cell_weights(np.array([1, 4, 0]))
    array([1.  , 0.25, 0.  ])
    """
    importance = np.ones(len(counts)) if class_weights is None else class_weights
    return np.where(counts > 0, importance / np.maximum(counts, 1), 0.0)


def moments_of(
    X: AnyMatrix,
    codes: IntArray | None = None,
    *,
    n_classes: int | None = None,
    cell_weights: FloatArray | None = None,
    within: bool = True,
    total: bool = True,
) -> Moments:
    """Compute the moments of a matrix in one pass, chunk by chunk.

    Parameters
    ----------
    X
        Expression, shape (n_cells, n_genes), dense or CSR. Not altered.
    codes
        Class code of each cell, shape (n_cells,); cells with a negative code take no part. None: one class.
    n_classes
        Number of classes; by default the largest code + 1.
    cell_weights
        Weight of one cell of each class, shape (n_classes,); by default each class counts the same. Parts that
        are to be added need the same weights, from the counts over all of them.
    within, total
        Which scatters to keep; each takes one matrix product and n_genes² · 8 bytes.

    Raises
    ------
    DataError
        If no cell has a class.

    Examples
    --------
    >>> X, codes = np.array([[0.0, 2.0], [2.0, 2.0], [5.0, 1.0]]), np.array([0, 0, 1])
    >>> moments = moments_of(X, codes)
    >>> moments.means
    array([[1., 2.],
           [5., 1.]])
    >>> moments.within_covariance()  # (1 + 0) / 2 for the first gene
    array([[0.5, 0. ],
           [0. , 0. ]])
    """
    known = np.zeros(X.shape[0], dtype=np.int64) if codes is None else codes
    size = int(known.max(initial=0)) + 1 if n_classes is None else n_classes
    if cell_weights is None:
        cell_weights = balanced_cell_weights(np.bincount(known[known >= 0], minlength=size))
    chunks = ((X[rows], known[rows]) for rows in row_chunks(X))
    return moments_of_chunks(chunks, cell_weights=cell_weights, within=within, total=total)


def moments_of_chunks(
    chunks: Iterable[tuple[AnyMatrix, IntArray]],
    *,
    cell_weights: FloatArray,
    within: bool = True,
    total: bool = True,
) -> Moments:
    """Compute moments from chunks of cells with their class codes, from wherever they come.

    Products are taken in the precision of the chunk, after centring on the chunk's class means, and summed in
    float64.

    Parameters
    ----------
    chunks
        Pairs of expression, shape (n_chunk_cells, n_genes), dense or CSR, and class codes, shape
        (n_chunk_cells,); negative codes take no part.
    cell_weights
        Weight of one cell of each class, shape (n_classes,), see :func:`balanced_cell_weights`.
    within, total
        Which scatters to keep.

    Raises
    ------
    DataError
        If no cell has a class.
    """
    moments: Moments | None = None
    for X, codes in labelled_chunks(chunks):
        part = _moments_of_chunk(X, codes, cell_weights, within, total)
        moments = part if moments is None else merge_into(moments, part)
    if moments is None:
        raise DataError("no cell has a class; at least one labelled cell is needed")
    return moments


def labelled_chunks(chunks: Iterable[tuple[AnyMatrix, IntArray]]) -> Iterator[tuple[AnyMatrix, IntArray]]:
    """Leave out cells without a class, and chunks without any other; the values become float32 or float64."""
    for X, codes in chunks:
        known = codes >= 0
        if known.all() and len(known):
            yield as_float(X), codes
        elif known.any():
            yield as_float(X[known]), codes[known]


def as_float(X: AnyMatrix) -> AnyMatrix:
    """Turn a matrix of whole or half-precision numbers, which would overflow or be cut off, into float64."""
    return X if X.dtype in (np.float32, np.float64) else X.astype(np.float64)


def class_sums(X: AnyMatrix, codes: IntArray, n_classes: int, *, squared: bool = False) -> FloatArray:
    """Sum the cells of each class, or their squares, in float64, shape (n_classes, n_genes).

    A dense matrix is taken a few rows at a time: the float64 of all of it would take up to three times its memory.
    """
    sums = np.zeros((n_classes, X.shape[1]))
    step = max(1, len(codes)) if sp.issparse(X) else ROWS_AT_ONCE
    for start in range(0, len(codes), step):
        part, classes = X[start : start + step], codes[start : start + step]
        if squared:
            part = part.multiply(part).tocsr() if hasattr(part, "multiply") else part**2
        indicator = sp.csr_array((np.ones(len(classes)), (classes, np.arange(len(classes)))), (n_classes, len(classes)))
        found = indicator @ part
        sums += found.toarray() if sp.issparse(found) else found
    return sums


def row_chunks(X: AnyMatrix) -> Iterator[slice]:
    """Cut the rows so that a dense chunk takes at most ``CHUNK_BYTES``."""
    step = max(1, CHUNK_BYTES // (X.shape[1] * X.dtype.itemsize))
    for start in range(0, X.shape[0], step):
        yield slice(start, start + step)


def _moments_of_chunk(X: AnyMatrix, codes: IntArray, cell_weights: FloatArray, within: bool, total: bool) -> Moments:
    counts = np.bincount(codes, minlength=len(cell_weights)).astype(np.int64)
    means = class_sums(X, codes, len(counts)) / np.maximum(counts, 1)[:, None]
    moments = Moments(counts, means, cell_weights)
    if not within and not total:
        return moments
    centred = _subtract_class_means(X, codes, means)
    squares = scatter_total = scatter_within = None
    if total:  # about the class means first, then the means about the mean: centred once for both scatters
        scatter_total = np.asarray(centred.T @ centred, dtype=np.float64)
        add_outer(scatter_total, means - moments.mean, counts.astype(np.float64))
    if within:
        squares = class_sums(centred, codes, len(counts), squared=True)
        centred *= np.sqrt(cell_weights)[codes].astype(centred.dtype)[:, None]
        scatter_within = np.asarray(centred.T @ centred, dtype=np.float64)
    return Moments(counts, means, cell_weights, squares=squares, within=scatter_within, total=scatter_total)


def _subtract_class_means(X: AnyMatrix, codes: IntArray, means: FloatArray) -> npt.NDArray[np.floating[Any]]:
    offsets = means.astype(X.dtype)[codes]
    np.subtract(X.toarray() if hasattr(X, "toarray") else X, offsets, out=offsets)
    return offsets
