"""Compute moments in one pass over a matrix, or over chunks of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from selectormlp.data.cells import AnyFloatArray, FloatArray, IntArray
from selectormlp.data.rows import rows_of
from selectormlp.errors import DataError
from selectormlp.moments.moments import CountMoments, Moments, add_outer, merge_into

AnyMatrix: TypeAlias = "npt.NDArray[Any] | sp.csr_array | sp.csr_matrix"
"""Cells × genes, dense or CSR; float32 and float64 are used as they are, other types are converted to float64."""

Chunk: TypeAlias = "tuple[AnyMatrix, IntArray] | tuple[AnyMatrix, IntArray, AnyMatrix | None]"
"""Values of some cells, their class codes, and, if available, counts of the same genes."""

ROWS_AT_ONCE = 512
"""Number of rows of a dense matrix converted to float64 at once: 8 MB for 2,000 genes."""

CHUNK_BYTES = 2**26
"""Size of one dense chunk, 64 MiB: 8,000 cells × 2,000 genes, large enough that the matrix product takes longer than
merging."""


def balanced_cell_weights(counts: IntArray, class_weights: FloatArray | None = None) -> FloatArray:
    """Return cell weights that give classes equal or given importance, regardless of their size.

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
    molecules: bool = False,
    counts: AnyMatrix | None = None,
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
        Weight of one cell of each class, shape (n_classes,); by default classes have equal importance. Parts to be
        added need the same weights, computed from the counts over all parts.
    within, total
        Which scatters to keep; each takes one matrix product and n_genes² · 8 bytes.
    molecules
        Whether to keep means and variances of counts.
    counts
        Counts, of the shape of X; None: expm1 of the values is used instead.

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
    chunks = (
        (rows_of(X, rows), known[rows], None if counts is None else rows_of(counts, rows)) for rows in row_chunks(X)
    )
    return moments_of_chunks(chunks, cell_weights=cell_weights, within=within, total=total, molecules=molecules)


def moments_of_chunks(
    chunks: Iterable[Chunk],
    *,
    cell_weights: FloatArray,
    within: bool = True,
    total: bool = True,
    molecules: bool = False,
) -> Moments:
    """Compute moments from chunks of cells with their class codes.

    Products are taken in the precision of the chunk, after centring on the chunk's class means, and summed in
    float64.

    Parameters
    ----------
    chunks
        Expression, shape (n_chunk_cells, n_genes), dense or CSR, class codes, shape (n_chunk_cells,) (cells with
        negative codes take no part), and, if available, counts of the same cells and genes.
    cell_weights
        Weight of one cell of each class, shape (n_classes,), see :func:`balanced_cell_weights`.
    within, total, molecules
        What to keep; see :func:`moments_of`.

    Raises
    ------
    DataError
        If no cell has a class.
    """
    moments: Moments | None = None
    for chunk in chunks:
        X, codes, counts = chunk[0], chunk[1], chunk[2] if len(chunk) == 3 else None
        known = codes >= 0
        if known.any():
            if not known.all():
                X, codes, counts = X[known], codes[known], None if counts is None else counts[known]
            part = _moments_of_chunk(as_float(X), codes, cell_weights, within, total)
            if molecules:
                part = replace(part, molecules=_count_moments(as_float(X), codes, part.counts, counts))
            moments = part if moments is None else merge_into(moments, part)
    if moments is None:
        raise DataError("no cell has a class; at least one labelled cell is needed")
    return moments


def as_float(X: AnyMatrix) -> AnyMatrix:
    """Convert integers and half precision, in which sums would overflow or lose digits, to float64."""
    return X if X.dtype in (np.float32, np.float64) else X.astype(np.float64)


def class_sums(X: AnyMatrix, codes: IntArray, n_classes: int, *, squared: bool = False) -> FloatArray:
    """Sum the cells of each class, or their squares, in float64, shape (n_classes, n_genes).

    A dense matrix is converted a few rows at a time: float64 of all of it would take up to three times its memory.
    """
    sums = np.zeros((n_classes, X.shape[1]))
    step = max(1, len(codes)) if sp.issparse(X) else ROWS_AT_ONCE
    for start in range(0, len(codes), step):
        part, classes = rows_of(X, slice(start, start + step)), codes[start : start + step]
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


def _count_moments(X: AnyMatrix, codes: IntArray, cells: IntArray, counts: AnyMatrix | None) -> CountMoments:
    found = as_float(counts) if counts is not None else _expm1(X)
    means = class_sums(found, codes, len(cells)) / np.maximum(cells, 1)[:, None]
    if sp.issparse(found):  # Σ (x − m)² = Σ x² − n m²; counts are small, so cancellation is small
        squares = class_sums(found, codes, len(cells), squared=True) - cells[:, None] * means**2
    else:
        squares = class_sums(_subtract_class_means(found, codes, means), codes, len(cells), squared=True)
    return CountMoments(means, np.maximum(squares, 0.0), absolute=counts is not None)


def _expm1(X: AnyMatrix) -> AnyMatrix:
    return X.expm1() if hasattr(X, "expm1") else np.expm1(X)


def _subtract_class_means(X: AnyMatrix, codes: IntArray, means: FloatArray) -> AnyFloatArray:
    offsets = means.astype(X.dtype)[codes]
    np.subtract(X.toarray() if hasattr(X, "toarray") else X, offsets, out=offsets)
    return offsets
