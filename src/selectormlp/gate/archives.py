"""Check zip files (SVMs, checkpoints, indices of splits): their unpacked size and integrity."""

from __future__ import annotations

import zipfile
from pathlib import Path

from selectormlp.errors import DataError, InputError
from selectormlp.gate.files import check_regular

MAX_INFLATION = 50
"""Maximum ratio of unpacked to packed size. Numbers and names compress 2 to 10 times; deflate could reach 1,000."""

ALWAYS_READ = 2**26
"""Content up to this size, 64 MiB, is unpacked whatever the ratio."""

MAX_MEMBERS = 10_000


def check_zip(place: Path, error: type[InputError] = DataError, *, whole: bool = False) -> None:
    """Raise if a zip file would unpack to far more than its size, or is damaged.

    Parameters
    ----------
    place
        The file.
    error
        The kind of error to raise.
    whole
        Whether to read everything and verify checksums, for readers that do not.

    Raises
    ------
    InputError
        If it is not a zip file, a bomb, or damaged.

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
    except Exception as problem:  # zipfile and zlib raise many kinds of errors for damaged files
        reason = " ".join(str(problem).split())[:160] or type(problem).__name__
        raise error(f"{str(place)!r} is not a complete zip file ({reason}); copy it again") from problem
    if damaged is not None:
        raise error(f"{str(place)!r} does not agree with its checksums ({damaged!r} is damaged); copy it again")
