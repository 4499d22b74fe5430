"""Zip files (SVMs, checkpoints, indices of splits): what they would unpack to, and whether they are whole."""

from __future__ import annotations

import zipfile
from pathlib import Path

from selectormlp.errors import DataError, InputError
from selectormlp.gate.files import check_regular

MAX_INFLATION = 50
"""Times that the content of a zip file may be larger than the file. Numbers and names shrink 2 to 10 times; deflate
could reach 1,000."""

ALWAYS_READ = 2**26
"""Content of this size, 64 MiB, is unpacked however small the file is."""

MAX_MEMBERS = 10_000


def check_zip(place: Path, error: type[InputError] = DataError, *, whole: bool = False) -> None:
    """Refuse a zip file that would unpack to far more than it is, or is damaged.

    Parameters
    ----------
    place
        The file.
    error
        The kind of error to raise.
    whole
        Whether to read all of it and compare it with its checksums, for readers that do not.

    Raises
    ------
    InputError
        If it is no zip file, a bomb, or damaged.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> bomb = Path(mkdtemp()) / "bomb.zip"
    >>> with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
    ...     archive.writestr("zeros", bytes(10**8))
    >>> check_zip(bomb)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    selectormlp.errors.DataError: '...bomb.zip' holds 100,000,000 bytes in a file of 97,...; at most 50 times ...
    """
    check_regular(place, error)
    try:
        with zipfile.ZipFile(place) as archive:
            members = archive.infolist()
            size, unpacked = place.stat().st_size, sum(member.file_size for member in members)
            if len(members) > MAX_MEMBERS:
                raise error(f"{str(place)!r} holds {len(members):,} parts; expected at most {MAX_MEMBERS:,}")
            if unpacked > max(ALWAYS_READ, MAX_INFLATION * size):
                raise error(
                    f"{str(place)!r} holds {unpacked:,} bytes in a file of {size:,}; at most {MAX_INFLATION} times "
                    "its size is read: get it from where it was made"
                )
            damaged = archive.testzip() if whole else None
    except InputError:
        raise
    except Exception as problem:  # zipfile and zlib raise many kinds; each means the same
        reason = " ".join(str(problem).split())[:160] or type(problem).__name__
        raise error(f"{str(place)!r} is no whole zip file ({reason}); copy it again") from problem
    if damaged is not None:
        raise error(f"{str(place)!r} does not agree with its checksums ({damaged!r} is damaged); copy it again")
