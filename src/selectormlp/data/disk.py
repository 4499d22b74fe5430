"""A matrix on disk, in an h5ad file or a zarr store, CSR or dense, read in runs of rows."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from selectormlp.data.cells import IntArray, Matrix, as_matrix
from selectormlp.errors import DataError

GAP_BYTES = 2**16
"""Gaps up to this size are read too: 64 KiB more take less time than another request to the file."""

RUN_BYTES = 2**26
"""Maximum memory for a run of rows while it is read, 64 MiB."""

CACHE_BYTES = 2**24
"""HDF5's cache of unpacked chunks per array, 16 MiB, so that neighbouring runs unpack a chunk only once."""

FORMATS = {"csr_matrix": True, "array": False}
"""Encodings readable by rows, and whether each is sparse."""


@dataclass(frozen=True)
class Layout:
    """Storage layout of a matrix.

    Attributes
    ----------
    is_sparse
        Whether it is CSR; otherwise dense.
    dtype
        Of its values.
    chunk
        Values per chunk (CSR), or cells and genes per chunk (dense); None if not chunked.
    chunk_bytes
        Size of an unpacked chunk.
    n_stored
        Number of stored values, including zeros of a dense matrix.
    """

    is_sparse: bool
    dtype: str
    chunk: tuple[int, ...] | None
    chunk_bytes: int
    n_stored: int


@dataclass(frozen=True, eq=False)
class _Opened:
    """A matrix opened by one process."""

    process: int
    source: Any
    indptr: IntArray
    """Start of each cell's values; empty for a dense matrix."""


class DiskMatrix:
    """A matrix of cells × genes that stays on disk.

    Only ``indptr`` (8 bytes per cell) is kept in memory. The object can be pickled, forked and shared by threads: it
    holds the path, and every process opens the file when it first reads.

    Parameters
    ----------
    path
        An h5ad file or a zarr folder.
    key
        Place of the matrix in the file, such as ``"X"`` or ``"layers/counts"``.

    Attributes
    ----------
    shape
        Cells, genes.
    is_sparse
        Whether it is CSR; otherwise dense.
    chunk_rows
        Rows of a chunk (or shard) on disk; 1 if chunks do not follow rows (CSR) or there are none.
    row_bytes
        Average size of a row in memory, at least 1.

    Raises
    ------
    DataError
        If the file cannot be opened, or the matrix cannot be read by rows.
    """

    def __init__(self, path: Path | str, key: str) -> None:
        self.path = Path(path).absolute()
        self.key = key
        self._opened: _Opened | None = None
        try:
            self._describe(open_store(self.path)[key])
        except DataError:
            raise
        except Exception as error:  # h5py and zarr raise many kinds of errors for missing or wrong parts
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise DataError(
                f"{self} is damaged ({reason}); copy the file again, or rewrite it with adata.write_h5ad()"
            ) from error

    def _describe(self, source: Any) -> None:
        """Read the encoding and shape of the matrix."""
        encoding = source.attrs.get("encoding-type", "array" if hasattr(source, "dtype") else "an old kind of group")
        if encoding not in FORMATS:
            raise DataError(
                f"{self} is stored as {encoding}, which cannot be read cell by cell; read the file in memory and "
                "rewrite it as CSR: adata.X = scipy.sparse.csr_matrix(adata.X)"
            )
        self.is_sparse = FORMATS[encoding]
        values = source["data"] if self.is_sparse else source
        if values.dtype.kind not in "biuf":
            raise DataError(f"{self} holds values of type {values.dtype}; expected numbers")
        shape = tuple(int(size) for size in (source.attrs["shape"] if self.is_sparse else source.shape))
        if len(shape) != 2 or 0 in shape:
            raise DataError(f"{self} has the shape {shape}; expected cells × genes, at least one of each")
        self.shape = (shape[0], shape[1])
        if self.is_sparse:
            width = max(4, values.dtype.itemsize) + source["indices"].dtype.itemsize
            self.row_bytes, self.chunk_rows = max(1, values.shape[0] * width // shape[0]), 1
        else:
            self.row_bytes = shape[1] * max(4, values.dtype.itemsize)
            self.chunk_rows = int((getattr(values, "shards", None) or values.chunks or (1,))[0])

    def __str__(self) -> str:
        return f"{self.key} of {str(self.path)!r}"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}

    def _open(self) -> _Opened:
        """Return the matrix as this process has opened it."""
        opened = self._opened
        if opened is None or opened.process != os.getpid():
            source = open_store(self.path)[self.key]
            opened = _Opened(os.getpid(), source, self._read_indptr(source))
            self._opened = opened  # assigned at once: concurrent threads may open it twice, which is harmless
        return opened

    def layout(self) -> Layout:
        """Return the storage layout of the matrix."""
        source = open_store(self.path)[self.key]
        values = source["data"] if self.is_sparse else source
        chunk = None if values.chunks is None else tuple(map(int, values.chunks))
        size = int(np.prod(values.shape if chunk is None else chunk)) * values.dtype.itemsize
        return Layout(self.is_sparse, str(values.dtype), chunk, size, int(np.prod(values.shape)))

    def read(self, rows: IntArray) -> Matrix:
        """Read some rows, float32.

        Parameters
        ----------
        rows
            Row numbers, strictly increasing, at least one.

        Raises
        ------
        DataError
            If a chunk is truncated or damaged, or values are not finite.
        """
        try:
            opened = self._open()
            pieces = [self._read_run(opened, run) for run in self._runs(rows)]
        except DataError:
            raise
        except Exception as error:  # h5py and zarr raise many kinds of errors for unreadable data
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise DataError(
                f"cannot read cells {rows[0]} to {rows[-1]} of {self} ({reason}); the file may be truncated or "
                "damaged: copy it again, or rewrite it with adata.write_h5ad()"
            ) from error
        if len(pieces) == 1:
            return pieces[0]
        return sp.csr_array(sp.vstack(pieces, format="csr")) if self.is_sparse else np.concatenate(pieces)

    def _runs(self, rows: IntArray) -> list[IntArray]:
        """Split row numbers at gaps too wide, and in runs too long, to read at once."""
        far = np.diff(rows) > 1 + GAP_BYTES // self.row_bytes
        long = np.diff(rows // max(1, RUN_BYTES // self.row_bytes)) > 0
        return np.split(rows, np.flatnonzero(far | long) + 1)

    def _read_run(self, opened: _Opened, rows: IntArray) -> Matrix:
        start, stop = int(rows[0]), int(rows[-1]) + 1
        X = self._read_csr(opened, start, stop) if self.is_sparse else as_matrix(opened.source[start:stop])
        return X if len(rows) == stop - start else X[rows - start]

    def _read_csr(self, opened: _Opened, start: int, stop: int) -> Matrix:
        pointers = opened.indptr[start : stop + 1]
        first, last = int(pointers[0]), int(pointers[-1])
        values, indices = opened.source["data"][first:last], opened.source["indices"][first:last]
        if len(indices) and (indices.min() < 0 or indices.max() >= self.shape[1]):
            raise DataError(
                f"cells {start} to {stop - 1} of {self} name genes beyond the {self.shape[1]} that it has; the file is "
                "damaged: copy it again, or rewrite it with adata.write_h5ad()"
            )
        narrow = np.int32 if max(last - first, self.shape[1]) < 2**31 else np.int64
        parts = (values, indices.astype(narrow, copy=False), (pointers - first).astype(narrow))
        return as_matrix(sp.csr_array(parts, shape=(stop - start, self.shape[1])))

    def _read_indptr(self, source: Any) -> IntArray:
        if not self.is_sparse:
            return np.zeros(0, dtype=np.int64)
        fits = source["indptr"].shape == (self.shape[0] + 1,)
        indptr: IntArray = np.asarray(source["indptr"][:] if fits else [0], dtype=np.int64)
        ends = {source["data"].shape[0], source["indices"].shape[0], int(indptr[-1])}
        n_each = np.diff(indptr)
        if not fits or len(ends) > 1 or indptr[0] != 0 or (n_each < 0).any() or (n_each > self.shape[1]).any():
            raise DataError(
                f"{self} is damaged (where its cells begin does not fit its values); copy the file again or rewrite it "
                "with adata.write_h5ad()"
            )
        return indptr


def open_store(path: Path) -> Any:
    """Open an h5ad file or a zarr folder for reading, as a group of h5py's or zarr's.

    Raises
    ------
    DataError
        If the file cannot be opened.
    """
    try:
        if path.is_dir():
            from selectormlp.gate.zarr_chunks import open_zarr

            return open_zarr(path)
        import h5py

        return h5py.File(path, "r", rdcc_nbytes=CACHE_BYTES)
    except Exception as error:  # many kinds of errors for unreadable files
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(
            f"cannot open {str(path)!r} ({reason}); expected an h5ad file or a zarr folder, whole and readable"
        ) from error


@dataclass(frozen=True, eq=False)
class StoredPart:
    """One file's share of a stored matrix.

    Attributes
    ----------
    matrix
        The matrix on disk.
    columns
        Columns taken before cells are normalised, in the order of the whole matrix; -1 for a gene that this file lacks
        (read as 0). None: all.
    """

    matrix: DiskMatrix
    columns: IntArray | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Number of cells, and of genes taken."""
        return self.matrix.shape[0], self.matrix.shape[1] if self.columns is None else len(self.columns)
