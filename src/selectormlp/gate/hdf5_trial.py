"""Open an HDF5 file in a separate process and go through all of it: a damaged file crashes only that process.

As a script, it needs only h5py, since it runs for unknown files. As a function, it does the same checks in this
process. Unreadable parts are skipped here: the reader reports them.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py

MAX_WAYS = 1_000_000
"""Maximum number of paths to objects; links to links could multiply them without bound."""

MAX_DEPTH = 100
"""Maximum depth of groups."""

MAX_INFLATION = 250
"""Maximum ratio of content to file size. Counts compress 5 to 50 times; deflate could reach 1,000."""

ALWAYS_READ = 2**30
"""Content up to this size, 1 GiB, is read whatever the ratio."""

LARGEST_CHUNK = 2**26
"""Chunks up to this size, 64 MiB, are always accepted; larger ones up to four times their array."""

ALL_CONTENT = 2**26
"""Arrays of up to this total size, 64 MiB, are read whole; of larger ones, those with other filters than deflate, and
the first and last block."""

BLOCK_BYTES = 2**22

CORE_FILTERS = {
    h5py.h5z.FILTER_DEFLATE,
    h5py.h5z.FILTER_SHUFFLE,
    h5py.h5z.FILTER_FLETCHER32,
    h5py.h5z.FILTER_LZF,
}
"""Filters whose code checks its bounds, whatever a chunk holds."""


class RefusedError(Exception):
    """Content that is refused; the message continues after the file's name."""


def go_through(path: str | Path) -> None:
    """Check the links, arrays and sizes of a file, and read everything that could crash the library.

    Raises
    ------
    RefusedError
        If the file holds refused content.
    OSError, RuntimeError, …
        If it cannot be opened.
    """
    with h5py.File(path, "r") as file:
        try:
            _check_links(file)
        except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
            raise RefusedError(f"is damaged ({_reason(error)})") from error
        ways, size = _count(file, {}, ())
        length = Path(path).stat().st_size
        if ways > MAX_WAYS:
            raise RefusedError("links its parts to each other in more ways than can be read")
        if size > max(ALWAYS_READ, MAX_INFLATION * length):
            raise RefusedError(
                f"claims {size:,} bytes of content in a file of {length:,}, which no data of cells shrink to"
            )
        _read(file, everything=size <= ALL_CONTENT)


def _check_links(root: h5py.Group) -> None:
    """Raise for links and arrays that point outside the file; hard links inside are followed."""
    seen, waiting = {_address(root)}, [root]
    length = Path(root.file.filename).stat().st_size
    while waiting:
        group = waiting.pop()
        for name in group.id:
            kind = group.id.links.get_info(name).type
            if kind == h5py.h5l.TYPE_SOFT:
                continue
            shown = f"{group.name.rstrip('/')}/{name.decode(errors='replace')}"
            if kind != h5py.h5l.TYPE_HARD:
                raise RefusedError(f"links to another file ({shown!r}); only what lies in the file itself is read")
            try:
                part = group[name]
                if _address(part) in seen:
                    continue
                seen.add(_address(part))
                if isinstance(part, h5py.Group):
                    waiting.append(part)
                elif isinstance(part, h5py.Dataset):
                    _check_array(part, length)
            except RefusedError:
                raise
            except Exception as error:  # its target could not be checked
                raise RefusedError(f"is damaged: {shown!r} cannot be read ({_reason(error)})") from error


def _check_array(array: h5py.Dataset, length: int) -> None:
    made = array.id.get_create_plist()
    if made.get_external_count():
        raise RefusedError(f"keeps {array.name!r} in another file; only what lies in the file itself is read")
    layout = made.get_layout()
    if layout == h5py.h5d.VIRTUAL:
        raise RefusedError(f"puts {array.name!r} together from other arrays (a virtual data set), which is not read")
    for place in range(made.get_nfilters()):
        code, name = made.get_filter(place)[0], made.get_filter(place)[3]
        if not h5py.h5z.filter_avail(code):
            raise RefusedError(
                f"keeps {array.name!r} in a form that is not installed here (HDF5 filter {code}, "
                f"{name.decode(errors='replace')!r}); rewrite it with compression='gzip'"
            )
    if layout == h5py.h5d.CHUNKED:
        _check_chunks(array, length)
    elif layout == h5py.h5d.CONTIGUOUS:
        start, stored = array.id.get_offset(), array.id.get_storage_size()
        if start is not None and start + stored > length:
            raise RefusedError(f"is damaged: {array.name!r} lies beyond its end")


def _check_chunks(array: h5py.Dataset, length: int) -> None:
    size = array.id.get_type().get_size()
    for side in array.chunks:
        size *= side
    if size > max(LARGEST_CHUNK, 4 * _bytes_of(array)):
        raise RefusedError(f"has chunks of {size:,} bytes in {array.name!r}, far more than the array")

    def look(chunk: Any) -> bool | None:
        beyond = chunk.byte_offset is not None and chunk.byte_offset + chunk.size > length
        return True if beyond or chunk.size > 2 * size + 2**16 else None

    if hasattr(array.id, "chunk_iter") and array.id.chunk_iter(look):
        raise RefusedError(f"is damaged: chunks of {array.name!r} lie beyond its end, or are larger than they may be")


def _count(part: Any, known: dict[Any, tuple[int, int]], above: tuple[Any, ...]) -> tuple[int, int]:
    """Count the paths to objects from here, and the bytes needed to read each."""
    if isinstance(part, h5py.Dataset):
        return 1, _bytes_of(part)
    if not isinstance(part, h5py.Group):
        return 1, 0
    address = _address(part)
    if address in above or len(above) > MAX_DEPTH:
        raise RefusedError(f"links {part.name!r} to itself, or holds more than {MAX_DEPTH} groups inside each other")
    if address not in known:
        ways, size = 1, 0
        for name in part.id:
            try:
                inner = part[name]
            except Exception:  # noqa: S112  # a link that leads nowhere
                continue
            found = _count(inner, known, (*above, address))
            ways, size = ways + found[0], size + found[1]
        known[address] = ways, size
    return known[address]


def _bytes_of(array: h5py.Dataset) -> int:
    size = array.id.get_type().get_size()
    for side in array.shape or ():
        size *= side
    return int(size)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__


def _address(part: Any) -> int:
    return int(h5py.h5o.get_info(part.id).addr)


def _read(root: h5py.Group, *, everything: bool) -> None:
    """Read attributes and arrays as an AnnData reader would."""
    arrays: list[Any] = []

    def visit(part: Any) -> None:
        with suppress(Exception):
            for name in part.attrs:
                with suppress(Exception):
                    part.attrs[name]
        if isinstance(part, h5py.Dataset):
            arrays.append(part)

    visit(root)
    root.visititems(lambda _name, part: visit(part))
    for array in arrays:
        with suppress(Exception):
            _read_array(array, everything or not _is_plain(array))


def _is_plain(array: h5py.Dataset) -> bool:
    """Return whether an array holds plain numbers that need only HDF5's simplest code."""
    made = array.id.get_create_plist()
    filters = {made.get_filter(place)[0] for place in range(made.get_nfilters())}
    return array.dtype.kind in "biufS" and filters <= CORE_FILTERS


def _read_array(array: h5py.Dataset, everything: bool) -> None:
    if not array.shape:
        array[()]
        return
    row = max(1, _bytes_of(array) // max(1, array.shape[0]))
    step = max(1, BLOCK_BYTES // row)
    starts = range(0, array.shape[0], step)
    for start in starts if everything else {0, starts[-1]} if len(starts) else ():
        with suppress(Exception):
            array[start : start + step]


def _limit(seconds: int, memory: int) -> None:
    """Limit CPU time and memory of this process, if the system supports it."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def main() -> None:
    """Print on standard output that the trial begins, and its result."""
    path, seconds, memory = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    _limit(seconds, memory)
    verdict: dict[str, str] = {}
    try:
        go_through(path)
    except RefusedError as error:
        verdict = {"refused": str(error)}
    except Exception as error:  # the reader will come to it, and say so
        verdict = {"unreadable": str(error)}
    sys.stdout.write(json.dumps(verdict) + "\n")


if __name__ == "__main__":
    main()
