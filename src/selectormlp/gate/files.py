"""Accept regular files only: reading a named pipe could block, and a device never ends."""

from __future__ import annotations

import stat
from errno import EBADF, ELOOP, ENOENT, ENOTDIR
from pathlib import Path

from selectormlp.errors import DataError, InputError

KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)

ABSENT = (ENOENT, ENOTDIR, EBADF, ELOOP)
"""Errors of a path at which there is no file; others say why one cannot be read."""


def check_regular(place: Path, error: type[InputError] = DataError) -> None:
    """Raise for pipes, devices, sockets and unreadable paths. Links to files and folders, and absent paths, pass.

    Parameters
    ----------
    place
        Path about to be opened.
    error
        The kind of error to raise.

    Raises
    ------
    InputError
        If it is one of these, which the message names, or its folder forbids a look or its name is too long.

    Examples
    --------
    >>> check_regular(Path("/dev/null"))
    Traceback (most recent call last):
    selectormlp.errors.DataError: '/dev/null' is a device, not a file; give a file that lies on disk
    """
    try:
        mode = place.stat().st_mode
    except ValueError:  # not a valid path
        return
    except OSError as cause:  # such as a name that is too long, which Python 3.14 calls absent
        if cause.errno in ABSENT:
            return
        raise error(f"cannot read {str(place)!r} ({cause.strerror})") from cause
    for is_kind, name in KINDS:
        if is_kind(mode):
            raise error(f"{str(place)!r} is {name}, not a file; give a file that lies on disk")


def read_start(place: Path, most: int, error: type[InputError] = DataError) -> bytes:
    """Read the beginning of a regular file.

    Parameters
    ----------
    place
        The file.
    most
        Maximum number of bytes to read. Callers request one byte too many to detect longer files.
    error
        The kind of error to raise for other than regular files.

    Raises
    ------
    InputError
        If it is a pipe, a device or a socket.
    OSError
        If it cannot be read.
    """
    check_regular(place, error)
    with place.open("rb") as stream:
        return stream.read(most)
