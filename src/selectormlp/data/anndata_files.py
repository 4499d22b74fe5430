"""Read and write whole AnnData files."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from selectormlp.data.anndata_container import check_parts, checked_container
from selectormlp.data.anndata_shapes import check_shapes
from selectormlp.data.anndata_writing import make_writable
from selectormlp.data.split_index import found_side, is_split_index
from selectormlp.errors import DataError
from selectormlp.gate.gzipped import unpacked
from selectormlp.gate.hdf5 import check_hdf5
from selectormlp.memory import is_shortage
from selectormlp.progress import step
from selectormlp.quiet import quiet_warnings

if TYPE_CHECKING:
    from anndata import AnnData

_one_writes = threading.RLock()
"""Held while anndata's settings, which are shared by all threads, are changed."""


def read_adata(path: Path | str) -> AnnData:
    """Read an AnnData file: h5ad, gzipped h5ad, or a zarr folder, recognised by content.

    The index of one side of a split is read as the cells that it names.

    Raises
    ------
    DataError
        If it is absent, truncated, not an AnnData file, refused by :mod:`selectormlp.gate`, or larger than memory.
    """
    place = found_side(Path(path))
    if is_split_index(place):
        from selectormlp.data.anndata_lazy import read_side

        return read_side(place)
    try:
        with step(f"reading {place.name}"):
            return _read_any(place)
    except DataError:
        raise
    except EOFError as error:
        raise DataError(f"{str(place)!r} is truncated ({error}); copy or download it again") from error
    except Exception as error:  # anndata, h5py and zarr raise many kinds of errors for damaged files
        if is_shortage(error):
            raise DataError(
                f"{str(place)!r} does not fit into memory as a whole; give this process more, or leave the cells on "
                "disk (lazy=True, --lazy) or read some of each type (cells_per_type, --cells-per-type)"
            ) from error
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(
            f"{str(place)!r} is not a readable AnnData file ({reason}); it may be truncated: copy it again, or "
            "rewrite it with adata.write_h5ad()"
        ) from error


def _read_any(place: Path) -> AnnData:
    import anndata

    container = checked_container(place)
    with quiet_warnings():  # repeated names and old formats are handled here, without warnings
        if container == "zarr":
            from selectormlp.gate.zarr_chunks import open_zarr

            parts = open_zarr(place)
            check_parts(place, parts)
            check_shapes(place, parts)
            return anndata.read_zarr(parts)
        if container == "h5ad":
            return _read_hdf5(place, place)
        with unpacked(place) as file:
            check_hdf5(file, place)
            return _read_hdf5(file, place)


def _read_hdf5(file: Path, named: Path) -> AnnData:
    import anndata
    import h5py

    with h5py.File(file) as parts:
        check_parts(named, parts)
        check_shapes(named, parts)
    return anndata.read_h5ad(file)


def write_adata(adata: AnnData, path: Path) -> None:
    """Write an h5ad file, including nullable strings, which input files may hold.

    Parameters
    ----------
    adata
        An object that may be changed: parts that anndata reads but cannot write are replaced, see
        :func:`selectormlp.data.anndata_writing.make_writable`.
    path
        The file.

    Raises
    ------
    OSError
        If it cannot be written, as on a full disk.
    """
    import anndata
    import h5py

    from selectormlp.data.hdf5_stream import forgiving_stream

    with _one_writes, quiet_warnings(), anndata.settings.override(allow_write_nullable_strings=True):
        make_writable(adata)
        adata.strings_to_categoricals()
        with forgiving_stream(path) as stream, h5py.File(stream, "w") as file:
            anndata.io.write_elem(file, "/", adata)
