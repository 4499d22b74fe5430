"""Unpack a gzipped AnnData file, up to a maximum size, to a temporary file that is always removed."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from selectormlp.errors import DataError

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"

MAX_INFLATION = 100
"""Maximum ratio of unpacked to packed size. Counts compress 5 to 50 times; deflate could reach 1,000."""

ALWAYS_READ = 2**28
"""Content up to this size, 256 MiB, is unpacked whatever the ratio."""

SPARE = 2**28
"""Bytes to leave free on the disk of temporary files."""

BLOCK = 2**20

WATCH = "import shutil, sys; sys.stdin.read(); shutil.rmtree(sys.argv[1], ignore_errors=True)"
"""Code of a second process: it waits until this process ends, which closes the pipe between them, and cleans up."""


@contextmanager
def unpacked(place: Path) -> Iterator[Path]:
    """Unpack a gzipped HDF5 file.

    Parameters
    ----------
    place
        The gzipped file.

    Yields
    ------
    Path of the unpacked file. It is removed at the end; if this process is killed, a small second process removes it.

    Raises
    ------
    DataError
        If the content is not an HDF5 file, far larger than the file, or larger than the space for temporary files.
    EOFError
        If it is cut short.
    """
    most = max(ALWAYS_READ, MAX_INFLATION * place.stat().st_size)
    with tempfile.TemporaryDirectory(prefix="selectormlp-") as folder, _watched(folder):
        file = Path(folder) / "unpacked.h5ad"
        with file.open("wb") as target:
            _unpack(place, target, most)
        yield file


@contextmanager
def _watched(folder: str) -> Iterator[None]:
    """Have a folder removed if this process ends inside the block."""
    try:
        watcher = subprocess.Popen(  # noqa: S603  # this Python
            [sys.executable, "-I", "-S", "-c", WATCH, folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # so that signals to this process do not reach it
        )
    except OSError:  # without it, only signals such as SIGKILL leave the folder behind
        yield
        return
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if watcher.stdin is not None:
            with suppress(OSError):
                watcher.stdin.close()
        watcher.wait()


def _unpack(place: Path, target: BinaryIO, most: int) -> None:
    size, room = 0, shutil.disk_usage(tempfile.gettempdir()).free - SPARE
    with gzip.open(place) as source:
        while block := source.read(BLOCK):
            if not size and not block.startswith(HDF5_MAGIC):
                raise DataError(
                    f"{str(place)!r} is gzipped, but what it holds is no h5ad file (it begins with {block[:8]!r}); "
                    "expected a gzipped h5ad file"
                )
            size += len(block)
            if size > most:
                raise DataError(
                    f"{str(place)!r} unpacks to more than {most:,} bytes, {MAX_INFLATION} times its size or more; "
                    "if you trust it, unpack it yourself (gunzip)"
                )
            if size > room:
                raise DataError(
                    f"{str(place)!r} unpacks to more than there is room for in {tempfile.gettempdir()!r}; set TMPDIR "
                    "to a folder with more room, or unpack the file yourself (gunzip)"
                )
            target.write(block)
