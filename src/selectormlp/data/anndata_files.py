"""AnnData files: h5ad, gzipped h5ad and zarr, told apart by content."""

from __future__ import annotations

import gzip
import shutil
import tempfile
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from selectormlp.data.split_index import found_side, is_split_index
from selectormlp.errors import DataError, SettingsError, nearest, quoted

if TYPE_CHECKING:
    from anndata import AnnData

GZIP_MAGIC = b"\x1f\x8b"
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"

Container = Literal["h5ad", "gzip", "zarr"]
"""What AnnData files are kept in: an HDF5 file, a gzipped one, or a folder of chunks."""


def read_adata(path: Path | str) -> AnnData:
    """Read an AnnData file: h5ad, gzipped h5ad, or a zarr folder; told apart by content, not by name.

    The index of one side of a split is read as the cells that it names; it stands for a copy that is not there.

    Raises
    ------
    DataError
        If it is absent, truncated, or no AnnData file.
    """
    place = found_side(Path(path))
    if is_split_index(place):
        from selectormlp.data.anndata_lazy import read_side

        return read_side(place)
    try:
        return _read_any(place)
    except DataError:
        raise
    except EOFError as error:
        raise DataError(f"{str(place)!r} is truncated ({error}); copy or download it again") from error
    except Exception as error:  # anndata, h5py and zarr raise many kinds; each means the same to the user
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(
            f"{str(place)!r} is not a readable AnnData file ({reason}); it may be truncated: copy it again, or "
            "write it anew with adata.write_h5ad()"
        ) from error


def check_one_file(paths: Sequence[Path], how: str) -> None:
    """Refuse several files that would be read whole; ``how`` says how several are read.

    Raises
    ------
    SettingsError
        If there are several.
    """
    if len(paths) > 1:
        raise SettingsError(f"{len(paths)} files are named; several are read only with {how}")


def container_of(place: Path) -> Container:
    """Tell what an AnnData file is kept in, by its first bytes.

    Raises
    ------
    DataError
        If it is absent, empty, or neither an HDF5 file, a gzipped file nor a zarr folder.
    """
    if not place.exists():
        siblings = sorted(p.name for p in place.parent.iterdir()) if place.parent.is_dir() else []
        near = nearest(place.name, siblings) if siblings else "the folder does not exist or is empty"
        raise DataError(f"no file {str(place)!r}; in {str(place.parent)!r}, {near}")
    if place.is_dir():
        if not any((place / name).exists() for name in ("zarr.json", ".zgroup", ".zattrs")):
            held = quoted(sorted(p.name for p in place.glob("*.h5ad*")))
            remedy = f"name a file in it: {held}" if held else "expected an h5ad or zarr file"
            raise DataError(f"{str(place)!r} is a folder but not a zarr store; {remedy}")
        return "zarr"
    with place.open("rb") as stream:
        start = stream.read(len(HDF5_MAGIC))
    if not start:
        raise DataError(f"{str(place)!r} is empty (0 bytes); copy or download it again")
    if start == HDF5_MAGIC:
        return "h5ad"
    if start[:2] == GZIP_MAGIC:
        return "gzip"
    raise DataError(
        f"{str(place)!r} is not an AnnData file (its first bytes are {start!r}); expected h5ad, gzipped h5ad "
        "or a zarr folder; scanpy reads other formats (such as scanpy.read_csv), and adata.write_h5ad() "
        "writes this one"
    )


def _read_any(place: Path) -> AnnData:
    import anndata
    import zarr

    container = container_of(place)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names that repeat and old formats are judged here, not by warnings
        if container == "zarr":
            check_parts(place, zarr.open_group(place, mode="r"))
            return anndata.read_zarr(place)
        if container == "h5ad":
            return _read_hdf5(place, place)
        with tempfile.TemporaryDirectory() as folder:
            unpacked = Path(folder) / "unpacked.h5ad"
            with gzip.open(place) as source, unpacked.open("wb") as target:
                shutil.copyfileobj(source, target, length=1 << 20)
            return _read_hdf5(unpacked, place)


def _read_hdf5(file: Path, named: Path) -> AnnData:
    import anndata
    import h5py

    with h5py.File(file) as parts:
        check_parts(named, parts)
    return anndata.read_h5ad(file)


def check_parts(named: Path, parts: Iterable[str]) -> None:
    """Refuse what other programs keep in the same containers.

    Raises
    ------
    DataError
        If the parts that every AnnData file has are not among those given.
    """
    found = list(parts)
    if not {"obs", "var"} <= set(found):
        raise DataError(
            f"{str(named)!r} is not an AnnData file (expected obs and var among its parts; found: "
            f"{quoted(found, most=4) or 'none'}); read it with scanpy and write it with adata.write_h5ad()"
        )


def write_adata(adata: AnnData, path: Path) -> None:
    """Write an h5ad file; nullable strings too, since a file that we read may hold them."""
    import anndata

    with warnings.catch_warnings(), anndata.settings.override(allow_write_nullable_strings=True):
        warnings.simplefilter("ignore")
        adata.write_h5ad(path)
