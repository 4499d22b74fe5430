"""Class counts, means and covariances that add up over parts of the data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from selectormlp.data.cells import FloatArray, IntArray
from selectormlp.errors import DataError
from selectormlp.moments.groups import Groups

if TYPE_CHECKING:
    from selectormlp.moments.columns import CovarianceColumns


class Covariance(Protocol):
    """Covariance between genes: a matrix of shape (n_genes, n_genes), or one whose columns are computed when needed."""

    def diagonal(self) -> FloatArray:
        """Return the variance of each gene, shape (n_genes,)."""

    def __getitem__(self, gene: int, /) -> Any:
        """Return the covariance of a gene with each gene, shape (n_genes,)."""


@dataclass(frozen=True, eq=False)
class CountMoments:
    """First and second moments of the counts of each class, before any normalisation; kept by :class:`Moments`.

    Attributes
    ----------
    means
        Mean count of each class, shape (n_classes, n_genes); zero where a class has no cell.
    squares
        Σ_{i in c} (count_i − mean_c)² of each class c and gene, shape (n_classes, n_genes).
    absolute
        Whether these are counts per cell. If not, expm1 of the values replaces missing counts: proportional to counts
        within a cell, but not usable for limits in counts.
    """

    means: FloatArray
    squares: FloatArray
    absolute: bool = True

    def variances(self, cells: IntArray) -> FloatArray:
        """Return the variance of the counts in each class, shape (n_classes, n_genes), given its number of cells."""
        return self.squares / np.maximum(cells, 1)[:, None]


@dataclass(frozen=True, eq=False)
class Moments:
    """First and second moments of labelled cells; those of two parts add up with ``+``.

    Scatters are kept about the means (not as raw second moments), to avoid cancellation when they are merged.

    Attributes
    ----------
    counts
        Cells of each class, shape (n_classes,).
    means
        Mean expression of each class, shape (n_classes, n_genes); zero where a class has no cell.
    cell_weights
        Weight of one cell of each class in ``within``, shape (n_classes,): 1 / counts for equal class weights. It must
        be fixed before the pass: a scatter summed over classes cannot be reweighted later.
    squares
        Σ_{i in c} (x_i − mean_c)² of each class c and gene, shape (n_classes, n_genes), or None; kept with ``within``.
    within
        Σ_c cell_weights_c Σ_{i in c} (x_i − mean_c)(x_i − mean_c)ᵀ, shape (n_genes, n_genes), or None.
    total
        Σ_i (x_i − mean)(x_i − mean)ᵀ, every cell counting the same, shape (n_genes, n_genes), or None.
    molecules
        Means and squares of the counts themselves, or None.
    cells_measured
        Number of cells of each class in which each gene was measured, shape (n_classes, n_genes); None: all.
    columns
        Instead of ``within``, its covariance with columns computed on demand, for cells in memory; or None. A sum of
        moments has none.
    groups
        Class and batch of each "class", if moments are of groups (one class in one batch each); None: they are of
        classes. See :mod:`selectormlp.moments.batches`.

    References
    ----------
    Merging: Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances",
    COMPSTAT 1982, here for matrices and per class.
    """

    counts: IntArray
    means: FloatArray
    cell_weights: FloatArray
    squares: FloatArray | None = None
    within: FloatArray | None = None
    total: FloatArray | None = None
    molecules: CountMoments | None = None
    cells_measured: FloatArray | None = None
    columns: CovarianceColumns | None = None
    groups: Groups | None = None

    @property
    def n_cells(self) -> int:
        """Number of cells seen."""
        return int(self.counts.sum())

    @property
    def n_classes(self) -> int:
        """Number of classes, with or without cells."""
        return len(self.counts)

    @property
    def n_genes(self) -> int:
        """Number of genes."""
        return int(self.means.shape[1])

    @property
    def mean(self) -> FloatArray:
        """Mean expression over all cells, shape (n_genes,)."""
        mean: FloatArray = self.counts @ self.means / max(1, self.n_cells)
        return mean

    @property
    def told_apart(self) -> IntArray:
        """Codes of the classes that have cells and weight, increasing."""
        counted = np.flatnonzero(self.class_weights > 0)
        return counted if self.groups is None else np.unique(self.groups.classes[counted])

    @property
    def class_weights(self) -> FloatArray:
        """Share of each class in the within-class covariance, shape (n_classes,), sum 1."""
        shares: FloatArray = self.cell_weights * self.counts
        shares /= shares.sum() or 1.0
        return shares

    def within_covariance(self) -> FloatArray:
        """Average the covariances of the classes by their weights, shape (n_genes, n_genes).

        Raises
        ------
        DataError
            If the within-class scatter was not asked for.
        """
        if self.within is None:
            raise DataError("these moments hold no within-class scatter; compute them with within=True")
        return self.within / float(self.cell_weights @ self.counts)

    def covariance(self) -> Covariance:
        """Return :meth:`within_covariance`, or its form with columns computed on demand, if that is kept.

        Raises
        ------
        DataError
            If neither was computed.
        """
        return self.within_covariance() if self.columns is None else self.columns

    def within_variances(self) -> FloatArray:
        """Return the diagonal of :meth:`covariance`, shape (n_genes,).

        Raises
        ------
        DataError
            If neither the within-class scatter nor columns of it were computed.
        """
        if self.columns is not None:
            return self.columns.diagonal()
        if self.within is None:
            raise DataError("these moments hold no within-class scatter; compute them with within=True")
        return self.within.diagonal() / float(self.cell_weights @ self.counts)

    def class_variances(self) -> FloatArray:
        """Return the variance of each gene within each class, shape (n_classes, n_genes).

        Raises
        ------
        DataError
            If the within-class scatter was not asked for.
        """
        if self.squares is None:
            raise DataError("these moments hold no within-class scatter; compute them with within=True")
        return self.squares / np.maximum(self.counts, 1)[:, None]

    def count_moments(self) -> CountMoments:
        """Return the moments of counts.

        Raises
        ------
        DataError
            If they were not computed.
        """
        if self.molecules is None:
            raise DataError("these moments hold no counts; compute them with molecules=True")
        return self.molecules

    def total_covariance(self) -> FloatArray:
        """Return the covariance over all cells, shape (n_genes, n_genes).

        Raises
        ------
        DataError
            If the total scatter was not computed.
        """
        if self.total is None:
            raise DataError("these moments hold no total scatter; compute them with total=True")
        return self.total / self.n_cells

    def __add__(self, other: Moments) -> Moments:
        """Return the moments of the cells of both, as if seen in one pass.

        Raises
        ------
        DataError
            If genes, classes, cell weights or kept scatters differ.
        """
        within = None if self.within is None else self.within.copy()
        total = None if self.total is None else self.total.copy()
        return merge_into(replace(self, within=within, total=total), other)


def merge_into(first: Moments, second: Moments) -> Moments:
    """Add the second moments to the first, whose scatters are reused for the result.

    Raises
    ------
    DataError
        If genes, classes, cell weights or kept scatters differ.
    """
    _check_addable(first, second)
    counts = first.counts + second.counts
    fraction = second.counts / np.maximum(counts, 1)
    harmonic = (first.counts * fraction)[:, None]
    squares = molecules = None
    if first.squares is not None and second.squares is not None:
        squares = first.squares + second.squares + harmonic * (second.means - first.means) ** 2
    if first.molecules is not None and second.molecules is not None:
        apart = second.molecules.means - first.molecules.means
        molecules = CountMoments(
            first.molecules.means + fraction[:, None] * apart,
            first.molecules.squares + second.molecules.squares + harmonic * apart**2,
            first.molecules.absolute and second.molecules.absolute,
        )
    if first.within is not None and second.within is not None:
        np.add(first.within, second.within, out=first.within)  # in place: a new array would take n_genes² numbers more
        add_outer(first.within, second.means - first.means, first.cell_weights * first.counts * fraction)
    if first.total is not None and second.total is not None:
        np.add(first.total, second.total, out=first.total)
        between = first.n_cells * second.n_cells / max(1, first.n_cells + second.n_cells)
        add_outer(first.total, (second.mean - first.mean)[None], np.array([between]))
    means = first.means + fraction[:, None] * (second.means - first.means)
    return replace(first, counts=counts, means=means, squares=squares, molecules=molecules, columns=None)


def add_outer(scatter: FloatArray, rows: FloatArray, weights: FloatArray) -> None:
    """Add Σ_i weights_i rows_i rows_iᵀ to a scatter, in place; weights ≥ 0."""
    used = weights > 0
    scaled = np.sqrt(weights[used])[:, None] * rows[used]
    scatter += scaled.T @ scaled


def _check_addable(first: Moments, second: Moments) -> None:
    if first.means.shape != second.means.shape:
        raise DataError(
            f"moments of {first.n_classes} classes × {first.n_genes} genes and of {second.n_classes} × "
            f"{second.n_genes} do not add up; use the same classes and genes, in the same order, for every part"
        )
    if first.within is not None and not np.array_equal(first.cell_weights, second.cell_weights):
        raise DataError(
            "the parts give cells of a class different weights, so their within-class scatters do not add up; "
            "count the classes over all parts first and give every part the same cell_weights"
        )
    if (first.within is None) != (second.within is None) or (first.total is None) != (second.total is None):
        raise DataError("one part holds a scatter that the other lacks; compute both with the same within= and total=")
    if (first.molecules is None) != (second.molecules is None):
        raise DataError("one part holds moments of counts that the other lacks; compute both with the same molecules=")
