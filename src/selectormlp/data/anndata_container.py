"""Containers of AnnData files, recognised by content: h5ad, gzipped h5ad and zarr."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from selectormlp.errors import DataError, nearest, quoted
from selectormlp.gate.files import check_regular
from selectormlp.gate.hdf5 import check_hdf5
from selectormlp.gate.zarr_store import check_zarr

GZIP_MAGIC = b"\x1f\x8b"
ZIP_MAGIC = b"PK\x03\x04"
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"

Container = Literal["h5ad", "gzip", "zarr"]
"""Containers of AnnData files: an HDF5 file, a gzipped one, or a zarr folder."""


def checked_container(place: Path) -> Container:
    """Return the container of an AnnData file, after the checks of :mod:`selectormlp.gate`.

    A gzipped file is checked when it is unpacked.

    Raises
    ------
    DataError
        If it is absent, empty, not a regular file, neither an HDF5 file, a gzipped file nor a zarr folder, or fails the
        checks.
    """
    container = container_of(place)
    if container == "h5ad":
        check_hdf5(place, meanwhile=_load_anndata)
    elif container == "zarr":
        check_zarr(place)
    return container


def _load_anndata() -> None:
    import anndata  # noqa: F401  # needed soon, and takes as long as the check


def container_of(place: Path) -> Container:
    """Return the container of an AnnData file by its first bytes.

    Raises
    ------
    DataError
        If it is absent, empty, not a regular file, or neither an HDF5 file, a gzipped file nor a zarr folder.
    """
    check_regular(place)
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
    if start[: len(ZIP_MAGIC)] == ZIP_MAGIC:
        raise DataError(
            f"{str(place)!r} is a zip file, which is not read; unpack it (unzip) and name the h5ad file or zarr folder "
            "that was in it; an Excel workbook or npz file must be read and written with adata.write_h5ad()"
        )
    raise DataError(
        f"{str(place)!r} is not an AnnData file (its first bytes are {start!r}); expected h5ad, gzipped h5ad "
        "or a zarr folder; scanpy reads other formats (such as scanpy.read_csv), and adata.write_h5ad() "
        "writes this one"
    )


def check_parts(named: Path, parts: Iterable[str]) -> None:
    """Raise for files of other programs in the same containers.

    Raises
    ------
    DataError
        If ``obs`` or ``var`` is missing.
    """
    found = list(parts)
    if not {"obs", "var"} <= set(found):
        raise DataError(
            f"{str(named)!r} is not an AnnData file (expected obs and var among its parts; found: "
            f"{quoted(found, most=4) or 'none'}); read it with scanpy and write it with adata.write_h5ad()"
        )
