"""Covariances computed column by column, for chosen genes only."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from selectormlp.data.cells import FloatArray, IntArray
from selectormlp.moments.moments import Covariance, Moments
from selectormlp.moments.stream import ROWS_AT_ONCE, AnyMatrix, as_float, moments_of

COLUMNS_AT_ONCE = 16
"""Number of columns computed together: the requested gene and the likeliest next ones. A pass over the cells costs
about the same for 1 as for 16, and forward selection of 100 genes then needs about nine passes."""

SPARSE_ROWS = 4096
"""Rows of a sparse matrix that are multiplied together: 16 columns of them take half a megabyte."""

DENSE_SHARE = 16
"""If more than a sixteenth of the genes are to be chosen, computing all columns is cheaper: one product of a matrix
with itself is that much faster than many narrow products, and needs half of the sums."""

SPARSE_SHARE = 64
"""The same threshold for a sparse matrix, per share of stored values."""


def covariance_rows(covariance: Covariance, genes: IntArray) -> FloatArray:
    """Return the covariance of some genes with each gene, shape (n_some, n_genes)."""
    if isinstance(covariance, CovarianceColumns):
        covariance.compute(genes)
    if not len(genes):
        return np.empty((0, len(covariance.diagonal())))
    return np.stack([covariance[int(gene)] for gene in genes])


def column_moments(
    X: AnyMatrix,
    codes: IntArray,
    *,
    cell_weights: FloatArray,
    molecules: bool = False,
    counts: AnyMatrix | None = None,
) -> Moments:
    """Compute the moments of a matrix, and columns of its within-class covariance when they are needed.

    Parameters
    ----------
    X, codes, cell_weights, molecules, counts
        As in :func:`selectormlp.moments.stream.moments_of`. Do not change X while the moments are used.

    Raises
    ------
    DataError
        If no cell has a class.

    Examples
    --------
    >>> X, codes = np.array([[0.0, 2.0], [2.0, 4.0], [5.0, 1.0]]), np.array([0, 0, 1])
    >>> moments = column_moments(X, codes, cell_weights=np.array([0.5, 1.0]))
    >>> moments.covariance()[0], moments.covariance().diagonal()
    (array([0.5, 0.5]), array([0.5, 0.5]))
    """
    known = codes >= 0
    if not known.all():
        X, codes, counts = X[known], codes[known], None if counts is None else counts[known]
    if not isinstance(X, np.ndarray) and not X.has_canonical_format:
        X = X.copy()  # duplicate entries of a sparse matrix
        X.sum_duplicates()
    found = moments_of(
        X, codes, cell_weights=cell_weights, within=False, total=False, molecules=molecules, counts=counts
    )
    squares = class_squares(X, codes, found.means)
    columns = CovarianceColumns(X, codes, found.means, squares, cell_weights / float(cell_weights @ found.counts))
    return replace(found, squares=squares, columns=columns)


def moments_for_choice(
    X: AnyMatrix, codes: IntArray, n_chosen: int, *, cell_weights: FloatArray, **counts: Any
) -> Moments:
    """Compute moments for choosing or judging some genes, with covariance columns on demand where that is cheaper.

    Parameters
    ----------
    X, codes, cell_weights
        As in :func:`selectormlp.moments.stream.moments_of`.
    n_chosen
        Number of genes whose covariances with the others are needed.
    counts
        ``molecules`` and ``counts``, as there.
    """
    if are_columns_cheaper(X, n_chosen):
        return column_moments(as_float(X), codes, cell_weights=cell_weights, **counts)
    return moments_of(X, codes, cell_weights=cell_weights, total=False, **counts)


def are_columns_cheaper(X: AnyMatrix, n_chosen: int) -> bool:
    """Return whether computing the columns of the chosen genes is cheaper than the whole covariance, judged by sizes.

    Parameters
    ----------
    X
        Expression, shape (n_cells, n_genes), dense or CSR.
    n_chosen
        Genes to choose.

    Examples
    --------
    >>> are_columns_cheaper(np.zeros((10, 2000)), 100), are_columns_cheaper(np.zeros((10, 2000)), 200)
    (True, False)
    """
    n_cells, n_genes = X.shape
    if not hasattr(X, "nnz"):
        return bool(DENSE_SHARE * n_chosen <= n_genes)
    return bool(SPARSE_SHARE * n_chosen * X.nnz <= n_cells * n_genes**2)


class CovarianceColumns:
    """Within-class covariance of cells in memory; a column is computed when it is first needed.

    Parameters
    ----------
    X
        Expression, shape (n_cells, n_genes), dense or CSR; neither copied nor altered. Do not change it meanwhile.
    codes
        Class code of each cell, shape (n_cells,), ≥ 0.
    means, squares
        Mean of each class, and Σ (x − mean)² over its cells, shape (n_classes, n_genes).
    shares
        Weight of one cell of each class, shape (n_classes,); the weights of all cells sum to 1.

    Notes
    -----
    Products are in float64. :meth:`Moments.within_covariance` multiplies in the precision of X, so the two agree to
    that rounding.

    Examples
    --------
    >>> X, codes = np.array([[0.0, 2.0], [2.0, 4.0], [5.0, 1.0]]), np.array([0, 0, 1])
    >>> means = np.array([[1.0, 3.0], [5.0, 1.0]])
    >>> covariance = CovarianceColumns(X, codes, means, np.array([[2.0, 2.0], [0.0, 0.0]]), np.array([0.25, 0.5]))
    >>> covariance[0], covariance.diagonal()
    (array([0.5, 0.5]), array([0.5, 0.5]))
    """

    def __init__(
        self,
        X: AnyMatrix,
        codes: IntArray,
        means: FloatArray,
        squares: FloatArray,
        shares: FloatArray,
    ) -> None:
        self._X, self._codes, self._means, self._squares, self._shares = X, codes, means, squares, shares
        self._units = np.ones(means.shape[1])
        self._spread = np.zeros((0, means.shape[1]))
        self._known: dict[int, FloatArray] = {}
        self._likely = np.zeros(means.shape[1])

    def diagonal(self) -> FloatArray:
        """Return the variance of each gene, shape (n_genes,)."""
        variances: FloatArray = (self._shares @ self._squares + np.sum(self._spread**2, axis=0)) * self._units**2
        return variances

    def __getitem__(self, gene: int, /) -> FloatArray:
        """Return the covariance of a gene with each gene, shape (n_genes,)."""
        if gene not in self._known:
            self.compute(np.array([gene, *self._likeliest(gene)], dtype=np.int64))
        column: FloatArray = self._known[gene] + self._spread[:, gene] @ self._spread
        column *= self._units[gene]
        column *= self._units
        return column

    def _likeliest(self, gene: int) -> list[int]:
        """Return the genes to compute together with one: those of highest gain not yet computed."""
        n_together = max(COLUMNS_AT_ONCE, len(self._known) // 8)
        nearest = np.argsort(-self._likely, kind="stable")[: len(self._known) + n_together]
        likely = nearest[self._likely[nearest] > 0].tolist()
        return [other for other in likely if other != gene and other not in self._known][: n_together - 1]

    def expect(self, gains: FloatArray) -> None:
        """Announce the genes likeliest to be requested next, those of highest gain, so that they are computed together.

        Parameters
        ----------
        gains
            Gain of each gene, shape (n_genes,); genes without gain are not expected.
        """
        self._likely = gains

    def compute(self, genes: IntArray) -> None:
        """Compute the columns of some genes at once, if not yet computed."""
        new = np.array([gene for gene in dict.fromkeys(genes.tolist()) if gene not in self._known], dtype=np.int64)
        for start in range(0, len(new), 4 * COLUMNS_AT_ONCE):
            some = new[start : start + 4 * COLUMNS_AT_ONCE]
            self._known.update(zip(some.tolist(), self._columns(some), strict=True))

    def scaled(self, units: FloatArray) -> CovarianceColumns:
        """Return the covariance with each gene multiplied by a factor of its own, shape (n_genes,)."""
        other = copy(self)  # shared, so that columns computed for one serve the other
        other._units = self._units * units
        return other

    def with_spread(self, rows: FloatArray) -> CovarianceColumns:
        """Return the covariance with rowsᵀ · rows added, rows of shape (n_rows, n_genes), as for pooled classes."""
        other = copy(self)
        other._spread = np.vstack([self._spread, rows / np.where(self._units > 0, self._units, 1.0)])
        return other

    def _columns(self, genes: IntArray) -> FloatArray:
        """Sum the products of some genes with all, shape (n_some, n_genes).

        With d the weighted deviations of some genes from their class means, Σ d (x − mean) is Σ d x − mean Σ d, so the
        deviations of all genes are never stored. Σ d is 0 up to rounding, which matters for large means.
        """
        few = self._means[:, genes]
        sums = np.zeros((len(genes), self._means.shape[1]))
        left = np.zeros((len(genes), len(self._shares)))
        step = SPARSE_ROWS if hasattr(self._X, "tocsr") else ROWS_AT_ONCE
        for start in range(0, len(self._codes), step):
            rows, codes = self._X[start : start + step], self._codes[start : start + step]
            deviations = _dense(rows[:, genes]) - few[codes]
            deviations *= self._shares[codes][:, None]
            left += [np.bincount(codes, column, minlength=left.shape[1]) for column in deviations.T]
            if hasattr(rows, "tocsr"):
                sums += (rows.T @ deviations).T
            else:
                sums += deviations.T @ rows.astype(np.float64, copy=False)
        sums -= left @ self._means
        return sums


def class_squares(X: AnyMatrix, codes: IntArray, means: FloatArray) -> FloatArray:
    """Sum the squared deviations of the cells of each class from its mean, in float64, shape (n_classes, n_genes).

    Parameters
    ----------
    X
        Expression, shape (n_cells, n_genes), dense or CSR.
    codes
        Class code of each cell, shape (n_cells,), ≥ 0.
    means
        Of each class, shape (n_classes, n_genes).

    Examples
    --------
    >>> class_squares(np.array([[0.0], [2.0], [5.0]]), np.array([0, 0, 1]), np.array([[1.0], [5.0]]))
    array([[2.],
           [0.]])
    """
    n_classes = len(means)
    squares = np.zeros(means.shape)
    step = SPARSE_ROWS if hasattr(X, "tocsr") else ROWS_AT_ONCE
    for start in range(0, len(codes), step):
        rows, classes = X[start : start + step], codes[start : start + step]
        if hasattr(rows, "tocsr"):
            squares += _stored_squares(rows, classes, means)
        else:
            squares += _indicator(classes, n_classes) @ np.square(rows - means[classes])
    return squares


def _stored_squares(X: sp.csr_array | sp.csr_matrix, codes: IntArray, means: FloatArray) -> FloatArray:
    """Sum squared deviations as Σ_stored (x − m)² + (n − n_stored) m², shape (n_classes, n_genes)."""
    class_of = np.repeat(codes, np.diff(X.indptr))
    places = class_of * means.shape[1] + X.indices
    stored = np.bincount(places, minlength=means.size).reshape(means.shape)
    squares = np.bincount(places, np.square(X.data - means[class_of, X.indices]), minlength=means.size)
    absent = np.bincount(codes, minlength=len(means))[:, None] - stored
    found: FloatArray = squares.reshape(means.shape) + absent * means**2
    return found


def _indicator(codes: IntArray, n_classes: int) -> sp.csr_array:
    """Return the matrix that sums cells over each class, shape (n_classes, n_cells)."""
    return sp.csr_array((np.ones(len(codes)), (codes, np.arange(len(codes)))), (n_classes, len(codes)))


def _dense(X: AnyMatrix) -> npt.NDArray[Any]:
    dense: npt.NDArray[Any] = X.toarray() if hasattr(X, "toarray") else X
    return dense.astype(np.float64)
