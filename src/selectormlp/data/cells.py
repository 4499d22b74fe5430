"""Cells: a checked expression matrix with its genes, labels and donors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from selectormlp.errors import DataError, counted, quoted

if TYPE_CHECKING:
    from selectormlp.data.coverage import Coverage

Matrix: TypeAlias = "npt.NDArray[np.float32] | sp.csr_array"
"""Expression values, cells × genes, float32: dense (C order) or CSR."""

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]
AnyFloatArray = npt.NDArray[np.floating]

UNKNOWN_CLASS = -1
"""Label code of a cell whose class is not in the class list."""


class LabelledCells:
    """Base of cells in memory and on disk; the fields are those of :class:`Cells`."""

    X: Any
    genes: pd.Index[str]
    names: pd.Index[str]
    labels: IntArray
    classes: tuple[str, ...]
    donors: npt.NDArray[np.str_] | None
    coverage: Coverage | None
    batches: npt.NDArray[np.str_] | None

    def __post_init__(self) -> None:
        check_fit(self, self.X.shape)

    @property
    def n_cells(self) -> int:
        """Number of cells (rows)."""
        return int(self.X.shape[0])

    @property
    def n_genes(self) -> int:
        """Number of genes (columns)."""
        return int(self.X.shape[1])

    @property
    def n_classes(self) -> int:
        """Number of classes in the list, with or without cells here."""
        return len(self.classes)

    def class_counts(self) -> IntArray:
        """Count the cells of each class, shape (n_classes,)."""
        return np.bincount(self.labels[self.labels >= 0], minlength=self.n_classes).astype(np.int64)

    def _fields_of(self, rows: IntArray | BoolArray) -> dict[str, Any]:
        """Return the fields of some cells, without their expression."""
        known = {name: getattr(self, name) for name in ("names", "labels", "donors", "batches")}
        taken = {name: None if values is None else values[rows] for name, values in known.items()}
        return {**taken, "coverage": None if self.coverage is None else self.coverage.take(rows)}


@dataclass(frozen=True, eq=False)
class Cells(LabelledCells):
    """Labelled cells, ready for a selector.

    Attributes
    ----------
    X
        Expression, shape (n_cells, n_genes), float32, dense or CSR; finite.
    genes
        Gene names, one per column, unique.
    names
        Cell names, one per row, unique.
    labels
        Class code of each cell, an index into ``classes``; ``UNKNOWN_CLASS`` (-1) where the cell's class is
        not in the list.
    classes
        Class names in the order of the codes, possibly with classes without cells.
    donors
        Donor of each cell, or None.
    is_normalized
        Whether X was converted from counts to log1p of counts per 10,000 when it was read.
    totals
        Total counts by which each cell was normalised, shape (n_cells,); None if it was not.
    coverage
        Which genes were measured in which cells; None: all genes in all cells.
    batches
        Batch of each cell (study, chemistry, file), or None.

    Raises
    ------
    DataError
        If the shapes disagree, the matrix is empty or not finite, or names repeat.
    """

    X: Matrix
    genes: pd.Index[str]
    names: pd.Index[str]
    labels: IntArray
    classes: tuple[str, ...]
    donors: npt.NDArray[np.str_] | None = None
    is_normalized: bool = False
    totals: npt.NDArray[np.float64] | None = None
    coverage: Coverage | None = None
    batches: npt.NDArray[np.str_] | None = None

    def take(self, rows: IntArray | npt.NDArray[np.bool_]) -> Cells:
        """Keep some cells, given by position or by a mask, in the order given."""
        return replace(
            self,
            X=self.X[rows],
            totals=None if self.totals is None else self.totals[rows],
            **self._fields_of(rows),
        )

    def take_genes(self, genes: Sequence[str] | pd.Index[str]) -> Cells:
        """Keep some genes, given by name, in the order given.

        Raises
        ------
        DataError
            If a gene is not there.
        """
        wanted = pd.Index(genes)
        if wanted.equals(self.genes):
            return self
        columns = gene_positions(self.genes, wanted)
        coverage = None if self.coverage is None else self.coverage.take_genes(columns)
        return replace(self, X=as_matrix(self.X[:, columns]), genes=wanted, coverage=coverage)

    def dense(self) -> Cells:
        """Return the same cells with a dense matrix (n_cells · n_genes · 4 bytes)."""
        return replace(self, X=dense(self.X)) if isinstance(self.X, sp.csr_array) else self


def dense(X: Matrix) -> Float32Array:
    """Return values as a dense array, copied only if sparse.

    Examples
    --------
    >>> dense(sp.csr_array(np.eye(2, dtype=np.float32)))
    array([[1., 0.],
           [0., 1.]], dtype=float32)
    """
    return X.toarray() if isinstance(X, sp.sparray | sp.spmatrix) else np.asarray(X)


def check_fit(cells: Any, shape: tuple[int, int]) -> None:
    """Raise if genes, names, labels, donors or batches do not fit a matrix of this shape, or names repeat.

    Raises
    ------
    DataError
        If a length does not match the shape, or a name repeats.
    """
    n_cells, n_genes = shape
    found = {"gene names": (cells.genes, n_genes), "cell names": (cells.names, n_cells)}
    found |= {what: (getattr(cells, what), n_cells) for what in ("labels", "donors", "batches")}
    for what, (values, expected) in found.items():
        if values is not None and len(values) != expected:
            raise DataError(f"{len(values)} {what} for a matrix of {n_cells} cells × {n_genes} genes")
    check_unique(cells.genes, "gene", "adata.var_names_make_unique()")
    check_unique(cells.names, "cell", "adata.obs_names_make_unique()")


def as_matrix(X: object) -> Matrix:
    """Convert a numeric matrix to float32, dense or CSR; sparse stays sparse.

    Parameters
    ----------
    X
        Array, ``numpy.matrix`` or SciPy sparse matrix of any format, shape (n_cells, n_genes). Not altered.

    Raises
    ------
    DataError
        If it is not numeric, a damaged sparse matrix, without cells or genes, or holds NaN or infinite values.
    """
    if sp.issparse(X):
        _check_sparse(X)
        compressed = X.tocsr()  # type: ignore[attr-defined]
        data = _as_float32(compressed.data)
        csr = sp.csr_array((data, compressed.indices, compressed.indptr), shape=compressed.shape)
        if not csr.has_canonical_format:
            csr = csr.copy()
            csr.sum_duplicates()
        matrix: Matrix = csr
    else:
        _check_mask(X)
        data = matrix = np.ascontiguousarray(_as_float32(np.asarray(X)))
    if matrix.ndim != 2:
        raise DataError(f"the expression matrix has {counted(matrix.ndim, 'dimension')}; expected cells × genes")
    if 0 in matrix.shape:
        raise DataError(
            f"the expression matrix is empty ({matrix.shape[0]} cells × {matrix.shape[1]} genes); "
            "at least one cell and one gene are needed"
        )
    if not np.isfinite(data).all():
        n_bad = int(data.size - np.isfinite(data).sum())
        raise DataError(
            f"the expression matrix holds {counted(n_bad, 'NaN or infinite value')}; expected finite numbers: "
            "remove or replace them (for example numpy.nan_to_num) and try again"
        )
    return matrix


def _check_sparse(X: Any) -> None:
    """Raise for positions outside the matrix, with which SciPy would access memory out of bounds."""
    if X.format not in ("csr", "csc", "bsr"):
        return
    height, width = X.blocksize if X.format == "bsr" else (1, 1)
    shape = (X.shape[0] // height, X.shape[1] // width)
    n_lines, n_positions = shape[::-1] if X.format == "csc" else shape
    starts, positions = X.indptr, X.indices
    fits = all(np.ndim(part) == 1 and part.dtype.kind in "iu" for part in (starts, positions)) and np.ndim(X.data) > 0
    n_stored = min(len(positions), len(X.data)) if fits else 0
    fits = (
        fits
        and len(starts) == n_lines + 1
        and starts[0] == 0
        and starts[-1] <= n_stored
        and (np.diff(starts) >= 0).all()
    )
    if fits and starts[-1]:
        used = positions[: starts[-1]]
        fits = used.min() >= 0 and used.max() < n_positions
    if not fits:
        raise DataError(
            f"the sparse matrix of {X.shape[0]} cells × {X.shape[1]} genes is damaged: its indptr or indices are "
            "outside it; copy the file again, or make the matrix again"
        )


def _check_mask(X: object) -> None:
    """Raise for masked values, which NumPy would return unmasked."""
    n_masked = int(np.ma.getmaskarray(X).sum()) if isinstance(X, np.ma.MaskedArray) else 0
    if n_masked:
        raise DataError(
            f"the expression matrix is a masked array, with {counted(n_masked, 'value')} masked; expected a value for "
            "each cell and gene: fill them (X.filled(0)) or leave these cells or genes out"
        )


def _as_float32(values: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    if values.dtype.kind not in "biuf":
        raise DataError(f"the expression matrix holds values of type {values.dtype}; expected numbers")
    with np.errstate(over="ignore"):  # overflow gives infinity, for which the caller raises
        return values.astype(np.float32, copy=False)


def check_unique(names: pd.Index[str], what: str, remedy: str) -> None:
    """Raise if names repeat.

    Raises
    ------
    DataError
        If a name repeats; the message lists them.
    """
    if not names.is_unique:
        repeated = names[names.duplicated()].unique()
        raise DataError(
            f"{counted(len(repeated), f'{what} name occurs', f'{what} names occur')} more than once "
            f"({quoted(repeated, most=3)}); expected unique names: call {remedy} first"
        )


def gene_positions(genes: pd.Index[str], wanted: pd.Index[str]) -> IntArray:
    """Find genes by name, shape (len(wanted),).

    Raises
    ------
    DataError
        If any is missing; the message lists them.
    """
    columns = genes.get_indexer(wanted)
    missing = wanted[columns < 0]
    if len(missing):
        are = "is" if len(missing) == 1 else "are"
        raise DataError(
            f"{len(missing)} of the {len(wanted)} genes needed {are} missing: {quoted(missing, most=10)}; "
            f"the data have {len(genes)} genes (first: {quoted(genes, most=3)}): use the same gene names, "
            "or add the missing genes"
        )
    return columns.astype(np.int64)
