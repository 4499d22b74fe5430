"""Check zarr stores: all metadata before zarr opens them, and that no name leads outside the folder."""

from __future__ import annotations

import json
import math
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from selectormlp.errors import DataError
from selectormlp.gate.codecs import RefusedError, check_array_2, check_array_3
from selectormlp.gate.files import check_regular
from selectormlp.gate.text import check_json

METADATA = (".zarray", ".zgroup", ".zattrs", ".zmetadata", "zarr.json")

MAX_BYTES = 2**26
"""Maximum size of a metadata file, 64 MiB: consolidated metadata cover all arrays."""

MAX_DEPTH = 100
"""Maximum depth of folders."""

MAX_INFLATION = 250
"""Maximum ratio of content to the size of the store. Counts compress 5 to 50 times; codecs could reach thousands."""

ALWAYS_READ = 2**30
"""Content up to this size, 1 GiB, is read whatever the ratio."""

LARGEST_CHUNK = 2**28
"""Chunks up to this size, 256 MiB, are always accepted; larger ones up to four times their array."""

MAX_CHUNKS, MISSING = 100_000, 10
"""This number of chunks is always accepted; otherwise ten times the number of files, since chunks of zeros may be
absent."""

SIZES = {"bool": 1, "string": 8, "variable_length_bytes": 8, "complex64": 8, "complex128": 16}


def check_zarr(place: Path) -> None:
    """Raise if a zarr store names codecs not on the list, claims impossible sizes, or leads outside itself.

    Parameters
    ----------
    place
        A folder with a zarr store, of format 2 or 3.

    Raises
    ------
    DataError
        If it does; the message says where.
    """
    root, size, stored, n_chunks, n_files = Path(os.path.realpath(place)), 0, 0, 0, 0
    check_regular(root)
    try:
        for file, length in _files(root):
            stored, n_files = stored + length, n_files + 1
            if file.name.lower() in METADATA:  # some file systems ignore case
                claimed = _check_metadata(file)
                size, n_chunks = size + claimed[0], n_chunks + claimed[1]
        if size > max(ALWAYS_READ, MAX_INFLATION * stored):
            raise RefusedError(
                f"claims {size:,} bytes of content in files of {stored:,}, which no data of cells shrink to"
            )
        if n_chunks > max(MAX_CHUNKS, MISSING * n_files):
            raise RefusedError(f"claims {n_chunks:,} chunks in {n_files:,} files, which would be read one by one")
    except RefusedError as error:
        raise DataError(f"{str(place)!r} {error}") from error
    except (ValueError, RecursionError, OSError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(
            f"{str(place)!r} is not a complete zarr store ({reason}); copy it again, or rewrite it "
            "with adata.write_zarr()"
        ) from error


def _files(root: Path) -> Iterator[tuple[Path, int]]:
    """Yield all files of a folder, following links inside it; raise for links that lead outside."""
    waiting, links = [(root, 0)], dict[Path, Path]()
    while waiting:
        folder, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise RefusedError(f"holds more than {MAX_DEPTH} folders inside each other")
        with os.scandir(folder) as entries:
            for entry in entries:
                place = Path(entry.path)
                if entry.is_symlink():
                    target = Path(os.path.realpath(place))
                    if root not in target.parents:
                        shown = str(place.relative_to(root))
                        raise RefusedError(f"links to another place ({shown!r}); only what lies in it is read")
                    if target.is_dir():  # its target is checked in its own place
                        links[place] = target
                        continue
                found = entry.stat()
                if stat.S_ISDIR(found.st_mode):
                    waiting.append((place, depth + 1))
                elif stat.S_ISREG(found.st_mode):
                    yield place, found.st_size
                else:
                    check_regular(place)
    for place in links:
        if any(target == place.parent or target in place.parent.parents for target in links.values()):
            raise RefusedError(f"links folders to each other ({str(place.relative_to(root))!r}), which could go on")


def _check_metadata(file: Path) -> tuple[int, int]:
    """Check a metadata file; return the number of bytes and chunks that its array claims."""
    shown, name = file.parent.name, file.name.lower()
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise RefusedError(f"has metadata of more than {MAX_BYTES:,} bytes ({shown}/{file.name})")
        text = content.decode("utf-8-sig")
        check_json(text)
        found = json.loads(text)
    except RefusedError:
        raise
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{shown}/{file.name}: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{shown}/{file.name}: expected an object")
    if name == ".zmetadata":
        inner = found.get("metadata")
        parts = inner.items() if isinstance(inner, dict) else ()
        for key, part in parts:
            if str(key).rsplit("/", 1)[-1].lower() == ".zarray":
                _check_array(part, str(key), check_array_2)
        return 0, 0  # counted in their own place
    if name == "zarr.json":
        _check_consolidated(found.get("consolidated_metadata"))
        return _check_array(found, shown, check_array_3) if found.get("node_type") == "array" else (0, 0)
    return _check_array(found, shown, check_array_2) if name == ".zarray" else (0, 0)


def _check_consolidated(found: object) -> None:
    inner = found.get("metadata") if isinstance(found, dict) else None
    for name, part in inner.items() if isinstance(inner, dict) else ():
        if isinstance(part, dict):
            _check_consolidated(part.get("consolidated_metadata"))
            if part.get("node_type") == "array":
                _check_array(part, str(name), check_array_3)


def _check_array(found: object, name: str, check: Callable[[dict[str, Any]], None]) -> tuple[int, int]:
    """Check the metadata of an array; return its size in bytes and number of chunks, including those in shards."""
    if not isinstance(found, dict):
        raise ValueError(f"{name}: expected an object")
    try:
        check(found)
    except RefusedError as error:
        raise RefusedError(
            f"is not read: its array {name!r} {error}, since codecs can run code; rewrite it with adata.write_zarr()"
        ) from error
    width = _width(found.get("dtype", found.get("data_type")))
    grid = found.get("chunk_grid")
    inner = grid.get("configuration") if isinstance(grid, dict) else None
    chunks = inner.get("chunk_shape") if isinstance(inner, dict) else found.get("chunks")
    shape = _sides(found.get("shape"), name)
    shards = _sides(chunks, name)
    if len(shape) != len(shards) or 0 in shards:
        raise ValueError(f"{name}: chunks {shards} for the shape {shape}")
    size, chunk = width * math.prod(shape), width * math.prod(shards)
    if chunk > max(LARGEST_CHUNK, 4 * size):
        raise RefusedError(f"has chunks of {chunk:,} bytes in {name!r}, far more than the array")
    n_chunks = _n_parts(shape, shards)
    for inside in _inner_chunks(found.get("codecs")):
        inner_chunks = _sides(inside, name)
        if len(inner_chunks) != len(shards) or 0 in inner_chunks:
            raise ValueError(f"{name}: chunks {inner_chunks} in shards of {shards}")
        n_chunks *= _n_parts(shards, inner_chunks)
    return size, n_chunks


def _n_parts(whole: list[int], part: list[int]) -> int:
    return math.prod(-(-length // side) for length, side in zip(whole, part, strict=True))


def _inner_chunks(codecs: object) -> Iterator[object]:
    """Return the shapes of chunks inside shards, from the outermost."""
    for codec in codecs if isinstance(codecs, list) else ():
        inside = codec.get("configuration") if isinstance(codec, dict) else None
        if isinstance(inside, dict) and "chunk_shape" in inside:
            yield inside["chunk_shape"]
            yield from _inner_chunks(inside.get("codecs"))


def _sides(sides: object, name: str) -> list[int]:
    if not isinstance(sides, list) or not all(type(side) is int and 0 <= side < 2**63 for side in sides):
        raise ValueError(f"{name}: no shape, or none of whole numbers")
    return sides


def bytes_of_chunk(found: dict[str, Any], chunk: object) -> int | None:
    """Return the size of a chunk according to the metadata; None for strings of variable length."""
    dtype = found.get("dtype", found.get("data_type"))
    texts = [codec.get("id") for codec in found.get("filters") or [] if isinstance(codec, dict)]
    if dtype in ("string", "variable_length_bytes", "|O") or {"vlen-utf8", "vlen-bytes"} & set(texts):
        return None
    return _width(dtype) * math.prod(_sides(chunk, "chunk"))


def _width(dtype: object) -> int:
    """Return the bytes per value, 8 if variable."""
    if isinstance(dtype, list):
        return sum(_width(field[1]) for field in dtype if isinstance(field, list) and len(field) > 1)
    if isinstance(dtype, dict):  # fixed-length strings of format 3
        inner = dtype.get("configuration")
        length = inner.get("length_bytes") if isinstance(inner, dict) else None
        return length if isinstance(length, int) and length > 0 else 8
    text = str(dtype)
    if text in SIZES:
        return SIZES[text]
    number = re.search(r"\d+$", text)
    if number is None:
        return 8
    if text[:1] in "<>|=":  # format 2: bytes, or characters of 4 bytes
        return int(number[0][:12]) * (4 if "U" in text else 1)
    return max(1, int(number[0][:6]) // 8)
