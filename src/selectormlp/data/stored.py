"""Cells on disk: a matrix read in parts, with genes, labels and donors in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, NoReturn, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from selectormlp.data.cells import BoolArray, Cells, IntArray, LabelledCells, Matrix, as_matrix, gene_positions
from selectormlp.data.columns_of import columns_of
from selectormlp.data.coverage import Coverage
from selectormlp.data.disk import StoredPart
from selectormlp.data.normalize import is_whole, log1p_cp10k, stored_values
from selectormlp.data.row_numbers import row_numbers
from selectormlp.errors import DataError, counted
from selectormlp.progress import track

BLOCK_BYTES = 2**26
"""Size of a block if dense, 64 MiB, the same as chunks of moments."""

ValueKind = Literal["counts", "corrected", "expression", "any"]
"""``counts``: integers; ``corrected``: counts with fractions; both are normalised when read. ``expression``: values ≥ 0
such as logs, unchanged. ``any``: any values, unchanged."""


@dataclass(frozen=True, eq=False)
class StoredMatrix:
    """Expression of cells × genes on disk, in one or several files, normalised as it is read.

    It is read by rows: ``matrix[rows]`` is in memory. The object can be pickled, forked and shared by threads: it holds
    paths, and each process opens the files itself. It is not an array, and conversion to one raises.

    Attributes
    ----------
    parts
        The files, concatenated by rows, with the same genes.
    kind
        Kind of the values, which decides on normalisation. Counts per 10,000 refer to all genes of the parts, even
        after :meth:`take_genes`.
    rows
        Kept rows, counted over all parts, in the order of this matrix; None: all.
    columns
        Kept genes, in the order of this matrix; None: all.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> import anndata
    >>> from selectormlp.data.disk import DiskMatrix
    >>> file = Path(mkdtemp()) / "cells.h5ad"
    >>> anndata.AnnData(sp.csr_matrix(np.eye(4, dtype=np.float32))).write_h5ad(file)
    >>> matrix = StoredMatrix((StoredPart(DiskMatrix(file, "X")),), "expression")
    >>> matrix.shape, matrix[np.array([3, 0])].toarray()
    ((4, 4), array([[0., 0., 0., 1.],
           [1., 0., 0., 0.]], dtype=float32))
    """

    parts: tuple[StoredPart, ...]
    kind: ValueKind
    rows: IntArray | None = None
    columns: IntArray | None = None

    def __post_init__(self) -> None:
        widths = {part.shape[1] for part in self.parts}
        if len(widths) != 1:
            raise DataError(f"the parts have {sorted(widths)} genes; expected the same genes in each")

    @property
    def shape(self) -> tuple[int, int]:
        """Cells, genes."""
        n_cells = self._offsets()[-1] if self.rows is None else len(self.rows)
        return int(n_cells), self.parts[0].shape[1] if self.columns is None else len(self.columns)

    @property
    def is_counts(self) -> bool:
        """Whether the files hold counts, which are converted to log1p of counts per 10,000."""
        return self.kind in ("counts", "corrected")

    @property
    def is_sparse(self) -> bool:
        """Whether rows are read as CSR, which is so if any file is."""
        return any(part.matrix.is_sparse for part in self.parts)

    def _offsets(self) -> IntArray:
        return np.cumsum([0, *(part.shape[0] for part in self.parts)], dtype=np.int64)

    def __getitem__(self, rows: slice | IntArray | BoolArray) -> Matrix:
        """Read some cells, in the order given; files are read in the order on disk.

        Parameters
        ----------
        rows
            A slice, row numbers (which may repeat), or a mask.

        Returns
        -------
        Expression, shape (n_rows, n_genes), float32, CSR or dense, normalised.

        Raises
        ------
        DataError
            If a file cannot be read, or its values contradict those sampled first.
        """
        X = self._as_stored(rows)
        return self._taken(_normalised(X) if self.is_counts else X)

    def read_with_counts(self, rows: slice | IntArray | BoolArray) -> tuple[Matrix, Matrix]:
        """Read some cells once, both normalised and as counts; parameters and errors as for ``matrix[rows]``.

        Returns
        -------
        Normalised expression and counts, each of shape (n_rows, n_genes).
        """
        if not self.is_counts:
            raise DataError("the files do not hold counts; name a layer that holds raw counts")
        X = self._as_stored(rows)
        return self._taken(_normalised(X)), self._taken(X)

    def _taken(self, X: Matrix) -> Matrix:
        """Keep the genes of this matrix, out of those used for normalisation."""
        return X if self.columns is None else as_matrix(X[:, self.columns])

    def _as_stored(self, rows: slice | IntArray | BoolArray) -> Matrix:
        """Read stored values of some cells, in the order given, with all genes of the parts."""
        wanted = self._source_rows(rows)
        if not len(wanted):
            empty = np.zeros((0, self.parts[0].shape[1]), dtype=np.float32)
            return sp.csr_array(empty) if self.is_sparse else empty
        if (np.diff(wanted) > 0).all():
            return self._read(wanted)
        unique, places = np.unique(wanted, return_inverse=True)
        return self._read(unique)[places]

    def _source_rows(self, rows: slice | IntArray | BoolArray) -> IntArray:
        """Return row numbers counted over all files."""
        if self.rows is not None and isinstance(rows, slice):
            return self.rows[rows]
        found = row_numbers(rows, self.shape[0])
        return found if self.rows is None else self.rows[found]

    def _read(self, rows: IntArray) -> Matrix:
        """Read strictly increasing rows."""
        offsets = self._offsets()
        bounds = np.searchsorted(rows, offsets)
        pieces = [
            self._read_part(part, rows[first:last] - offset)
            for part, offset, first, last in zip(self.parts, offsets[:-1], bounds[:-1], bounds[1:], strict=True)
            if last > first
        ]
        if len(pieces) > 1:
            sparse = any(isinstance(piece, sp.csr_array) for piece in pieces)
            return sp.csr_array(sp.vstack(pieces, format="csr")) if sparse else np.concatenate(pieces)
        return pieces[0]

    def _read_part(self, part: StoredPart, rows: IntArray) -> Matrix:
        X = part.matrix.read(rows)
        if self.kind != "any":
            self._check_values(part, X, rows)
        if part.columns is not None:
            X = columns_of(X, part.columns)
        return sp.csr_array(X) if self.is_sparse and not isinstance(X, sp.csr_array) else X

    def _check_values(self, part: StoredPart, X: Matrix, rows: IntArray) -> None:
        """Raise if values contradict the cells sampled first."""
        where = f"cells {rows[0]} to {rows[-1]} of {part.matrix}"
        n_negative = int((stored_values(X) < 0).sum())
        if n_negative:
            raise DataError(
                f"{where} hold {counted(n_negative, 'negative value')}, so they are neither counts nor logs; give a "
                'layer with counts or logs, or set normalize to "none" to take them as they are'
            )
        if self.kind == "counts" and not is_whole(X):
            raise DataError(
                f"{where} hold fractions, though the cells that were looked at first hold whole numbers, as counts do; "
                'set normalize to "counts" if these are corrected counts, or to "none" to take all cells as they are'
            )

    def take_cells(self, rows: IntArray | BoolArray) -> StoredMatrix:
        """Keep some cells, in the order given; nothing is read."""
        return replace(self, rows=self._source_rows(rows))

    def take_genes(self, columns: IntArray) -> StoredMatrix:
        """Keep some genes, by column, in the order given; nothing is read, and normalisation does not change."""
        return replace(self, columns=columns if self.columns is None else self.columns[columns])

    def row_blocks(self, max_bytes: int = BLOCK_BYTES) -> Iterator[slice]:
        """Divide the rows into consecutive blocks.

        Parameters
        ----------
        max_bytes
            Maximum size of a block when dense (float32), and of the data read for it.

        Yields
        ------
        Consecutive slices. Without :meth:`take_cells`, they do not cross files, and they end at chunks on disk if a
        chunk fits into a block.
        """
        widest = max(max(4 * part.matrix.shape[1], part.matrix.row_bytes) for part in self.parts)
        step = max(1, max_bytes // widest)
        if self.rows is not None:
            starts: list[int] = list(range(0, len(self.rows), step))
        else:
            starts = []
            for part, offset in zip(self.parts, self._offsets(), strict=False):
                chunk = part.matrix.chunk_rows
                aligned = step // chunk * chunk or step
                starts += range(int(offset), int(offset) + part.shape[0], aligned)
        for start, stop in pairwise([*starts, self.shape[0]]):
            yield slice(start, stop)

    def load(self) -> Matrix:
        """Read all rows, block by block (sparse: twice the size while blocks are joined)."""
        return self.load_with_totals()[0]

    def load_with_totals(self) -> tuple[Matrix, npt.NDArray[np.float64] | None]:
        """Read all rows, and each cell's total counts over all genes of the parts, (n_cells,) (None if not counts)."""
        blocks, totals = [], []
        for rows in track(list(self.row_blocks()), "reading cells"):
            X = self._as_stored(rows)
            blocks.append(self._taken(_normalised(X) if self.is_counts else X))
            if self.is_counts:
                totals.append(np.asarray(X.sum(axis=1, dtype=np.float64)).ravel())
        known = np.concatenate(totals) if self.is_counts else None
        if len(blocks) == 1:
            return blocks[0], known
        joined = sp.csr_array(sp.vstack(blocks, format="csr")) if self.is_sparse else np.concatenate(blocks)
        return joined, known

    def __array__(self, *args: object, **kwargs: object) -> NoReturn:
        raise TypeError("a matrix on disk is not an array; read rows of it (matrix[rows]) or all (matrix.load())")

    __iter__ = None  # a loop over rows would read them one at a time


def _normalised(X: Matrix) -> Matrix:
    return log1p_cp10k(X) if X.shape[0] else X


@dataclass(frozen=True, eq=False)
class StoredCells(LabelledCells):
    """Labelled cells with expression on disk; otherwise like :class:`selectormlp.data.cells.Cells`.

    Functions that work on them say so; :meth:`load` reads them into memory for others.

    Attributes
    ----------
    X
        Expression on disk, n_cells × n_genes.
    genes, names, labels, classes, donors, is_normalized, coverage, batches
        As in :class:`~selectormlp.data.cells.Cells`, in memory.

    Raises
    ------
    DataError
        If the shapes disagree or names repeat.
    """

    X: StoredMatrix
    genes: pd.Index[str]
    names: pd.Index[str]
    labels: IntArray
    classes: tuple[str, ...]
    donors: npt.NDArray[np.str_] | None = None
    is_normalized: bool = False
    coverage: Coverage | None = None
    batches: npt.NDArray[np.str_] | None = None

    def take(self, rows: IntArray | BoolArray) -> StoredCells:
        """Keep some cells, given by position or by a mask, in the order given; nothing is read."""
        return replace(self, X=self.X.take_cells(rows), **self._fields_of(rows))

    def take_genes(self, genes: Sequence[str] | pd.Index[str]) -> StoredCells:
        """Keep some genes, given by name, in the order given; nothing is read.

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
        return replace(self, X=self.X.take_genes(columns), genes=wanted, coverage=coverage)

    def load(self, rows: IntArray | BoolArray | None = None) -> Cells:
        """Read cells into memory: all, or some, given by position or by a mask, in the order given.

        Raises
        ------
        DataError
            If a file cannot be read.
        """
        taken = self if rows is None else self.take(rows)
        X, totals = taken.X.load_with_totals()
        return Cells(
            X=X,
            genes=taken.genes,
            names=taken.names,
            labels=taken.labels,
            classes=taken.classes,
            donors=taken.donors,
            batches=taken.batches,
            is_normalized=taken.is_normalized,
            coverage=taken.coverage,
            totals=totals,
        )


AnyCells = TypeVar("AnyCells", Cells, StoredCells)
"""Cells in memory or on disk, for functions that return the kind they are given."""
