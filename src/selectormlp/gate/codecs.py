"""Allow-list of codecs for zarr stores: a file names its codecs, and some of them run code."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

COMPRESSORS = {"blosc", "zstd", "gzip", "zlib", "lz4", "bz2", "lzma"}

FILTERS = {"shuffle", "delta", "crc32", "crc32c", "adler32", "fletcher32", "jenkins_lookup3"}
"""Codecs that turn numbers into numbers or bytes of about the same size."""

TEXT = {"vlen-utf8", "vlen-bytes"}
"""Allowed codecs for objects (format 2: ``|O``)."""

VERSION_2 = COMPRESSORS | FILTERS | TEXT

VERSION_3 = {"bytes", "endian", "transpose", "blosc", "zstd", "gzip", "crc32c", "sharding_indexed", *TEXT} | {
    f"numcodecs.{name}" for name in (COMPRESSORS | FILTERS)
}

PLAIN = re.compile(r"[<>|=]?[biufcSUVMm]\d{1,9}(\[\w{1,9}\])?")
"""Value types of format 2 without Python objects."""

INDEX = {"bytes", "endian", "crc32c"}
"""Allowed codecs for the index of a shard: those with a known size."""

NESTED = ("codecs", "index_codecs")
"""Keys under which the sharding codec names inner codecs."""


class RefusedError(ValueError):
    """Metadata that is refused; the message continues after the array's name."""


def check_array_2(found: dict[str, Any]) -> None:
    """Check ``.zarray``: compressor, filters, and the codec of objects.

    Raises
    ------
    RefusedError
        If a codec is not on the list.

    Examples
    --------
    >>> check_array_2({"dtype": "<f4", "compressor": {"id": "blosc"}, "filters": None})
    >>> check_array_2({"dtype": "<f4", "compressor": {"id": "pickle"}})
    Traceback (most recent call last):
    selectormlp.gate.codecs.RefusedError: is stored by the codec 'pickle', which is not read
    """
    compressor, filters = found.get("compressor"), found.get("filters") or []
    if not isinstance(filters, list):
        raise RefusedError("names filters that are not a list")
    for codec in [*filters, *([compressor] if compressor is not None else [])]:
        _check_name(codec.get("id") if isinstance(codec, dict) else codec, VERSION_2)
    _check_packed_once([*filters, *([compressor] if compressor is not None else [])], "id")
    if found.get("dtype") == "|O":
        if not filters or filters[0].get("id") not in TEXT:
            raise RefusedError("holds objects that are not strings, which is not read")
    elif not _is_plain(found.get("dtype")):
        raise RefusedError(f"holds values of type {str(found.get('dtype'))[:80]!r}, which are not read")


def check_array_3(found: dict[str, Any]) -> None:
    """Check ``zarr.json`` of an array: its codecs, and those inside shards.

    Raises
    ------
    RefusedError
        If a codec is not on the list, or a storage transformer is used.

    Examples
    --------
    >>> check_array_3({"codecs": [{"name": "bytes"}, {"name": "zstd", "configuration": {"level": 0}}]})
    >>> inner = [{"name": "numcodecs.pickle"}]
    >>> check_array_3({"codecs": [{"name": "sharding_indexed", "configuration": {"codecs": inner}}]})
    Traceback (most recent call last):
    selectormlp.gate.codecs.RefusedError: is stored by the codec 'numcodecs.pickle', which is not read
    """
    if found.get("storage_transformers"):
        raise RefusedError("is stored through a storage transformer, which is not read")
    _check_codecs(found.get("codecs") or [])


def _check_codecs(codecs: Iterable[object]) -> None:
    if not isinstance(codecs, list):
        raise RefusedError("names codecs that are not a list")
    for codec in codecs:
        _check_name(codec.get("name") if isinstance(codec, dict) else codec, VERSION_3)
        inside = codec.get("configuration") if isinstance(codec, dict) else None
        if isinstance(inside, dict):
            for key in NESTED:
                _check_codecs(inside.get(key) or [])
            if any(_name(part, "name") not in INDEX for part in inside.get("index_codecs") or []):
                raise RefusedError("packs the index of its shards, which is not read")
    _check_packed_once(codecs, "name")
    if len(codecs) > 1 and any(_name(codec, "name") == "sharding_indexed" for codec in codecs):
        raise RefusedError("packs its shards as a whole, which is not read")


def _check_packed_once(codecs: list[Any], key: str) -> None:
    """Raise for data compressed twice, which could unpack to any size; only a checksum may follow the compressor."""
    names = [_name(codec, key).removeprefix("numcodecs.") for codec in codecs]
    places = [place for place, name in enumerate(names) if name in COMPRESSORS]
    if len(places) > 1 or (places and any(name != "crc32c" for name in names[places[0] + 1 :])):
        raise RefusedError("is packed more than once or changed after packing, which is not read")


def _name(codec: object, key: str) -> str:
    return str(codec.get(key)) if isinstance(codec, dict) else str(codec)


def _check_name(name: object, known: set[str]) -> None:
    if not isinstance(name, str) or name not in known:
        raise RefusedError(f"is stored by the codec {str(name)[:80]!r}, which is not read")


def _is_plain(dtype: object) -> bool:
    """Return whether a dtype holds numbers, booleans, bytes, characters or times, or fields of these only."""
    if isinstance(dtype, list):
        return bool(dtype) and all(isinstance(part, list) and len(part) > 1 and _is_plain(part[1]) for part in dtype)
    return isinstance(dtype, str) and PLAIN.fullmatch(dtype) is not None
