"""Regular files only: a named pipe would wait for ever, a device give bytes without end."""

from __future__ import annotations

import stat
from pathlib import Path

from selectormlp.errors import DataError, InputError

KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def check_regular(place: Path, error: type[InputError] = DataError) -> None:
    """Refuse pipes, devices and sockets; links to files and folders, and what is absent, are for others to judge.

    Parameters
    ----------
    place
        What is about to be opened.
    error
        The kind of error to raise.

    Raises
    ------
    InputError
        With what it is.

    Examples
    --------
    >>> check_regular(Path("/dev/null"))
    Traceback (most recent call last):
    selectormlp.errors.DataError: '/dev/null' is a device, not a file; give a file that lies on disk
    """
    try:
        mode = place.stat().st_mode
    except (OSError, ValueError):  # absent, or no path at all
        return
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
        Bytes that are read; the caller asks for one more than it takes to notice a file that is longer.
    error
        The kind of error to raise for what is no regular file.

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
