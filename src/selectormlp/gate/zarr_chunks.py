"""Check chunks of zarr stores before they are unpacked: none may become larger than its metadata say."""

from __future__ import annotations

import asyncio
import bz2
import json
import lzma
import math
import struct
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numcodecs
import numpy as np
import zarr
from zarr.abc.store import ByteRequest, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import LocalStore

from selectormlp.gate.codecs import COMPRESSORS, TEXT
from selectormlp.gate.zarr_loop import know_loop
from selectormlp.gate.zarr_store import LARGEST_CHUNK, METADATA, bytes_of_chunk

SLACK = 2**16
"""Extra bytes allowed per chunk, for checksums and lengths."""

STEP = 2**20

ZSTD_MAGIC, ZSTD_BLOCK = b"\x28\xb5\x2f\xfd", 2**17


MAX_UNSAID = 2**26
"""Maximum content of zstd frames without a stated size, 64 MiB, if larger than the array says."""


class DamagedChunkError(ValueError):
    """A chunk that would not unpack to the size it claims."""


@dataclass(frozen=True)
class _Packed:
    """Packing of an array's chunks: codec, maximum size, and number of chunks per shard.

    ``n_texts`` is the number of texts of a chunk, or None where the values are numbers.
    """

    codec: str | None
    config: dict[str, Any]
    most: int
    n_inner: int = 0
    n_texts: int | None = None


def open_zarr(place: Path) -> zarr.Group:
    """Open a store for reading, after :func:`selectormlp.gate.zarr_store.check_zarr`.

    Consolidated metadata are not used: only the metadata of each array were checked.
    """
    return zarr.open_group(CheckedStore(place, read_only=True), mode="r", use_consolidated=False)


class CheckedStore(LocalStore):  # type: ignore[misc]  # zarr is not typed to others
    """A folder store that refuses chunks that would unpack to more than their array says."""

    def _check(self, key: str, found: Buffer | None, byte_range: ByteRequest | None) -> Buffer | None:
        if found is not None and key.rsplit("/", 1)[-1].lower() not in METADATA:
            packed = self._packed(key)
            content = memoryview(found.as_numpy_array()).cast("B")
            if packed is not None and not content:  # which zarr would read as zeros in shards
                raise DamagedChunkError(f"chunk {key!r} is empty")
            if packed is not None and (packed.codec is not None or packed.n_texts is not None):
                for part in _parts(content, packed, byte_range):
                    if packed.codec is not None:
                        _check_chunk(part, packed, key)
                    if packed.n_texts is not None:
                        _check_texts(part, packed, packed.n_texts, key)
        return found

    def _packed(self, key: str) -> _Packed | None:
        known: dict[str, _Packed] = self.__dict__.setdefault("_known", {})
        parts = key.split("/")
        for n in range(len(parts) - 1, 0, -1):
            folder = "/".join(parts[:n])
            if folder in known:
                return known[folder]
            for name, read in ((".zarray", _packed_2), ("zarr.json", _packed_3)):
                file = self.root / folder / name
                if file.is_file():
                    known[folder] = read(json.loads(file.read_bytes()))
                    return known[folder]
        return None

    def get_sync(
        self, key: str, *, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Read a file of the store, as :class:`zarr.storage.LocalStore` does, once it is looked at."""
        return self._check(key, super().get_sync(key, prototype=prototype, byte_range=byte_range), byte_range)

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Read a file of the store, as :class:`zarr.storage.LocalStore` does, once it is looked at."""
        know_loop()
        found = await super().get(key, prototype, byte_range)
        return await asyncio.to_thread(self._check, key, found, byte_range)

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Read parts of files of the store."""
        return [await self.get(key, prototype, byte_range) for key, byte_range in key_ranges]


def _packed_2(found: dict[str, Any]) -> _Packed:
    codecs = [*(found.get("filters") or []), *([found["compressor"]] if found.get("compressor") else [])]
    config: dict[str, Any] = next((codec for codec in codecs if codec.get("id") in COMPRESSORS), {})
    n_texts = math.prod(found["chunks"]) if TEXT & {codec.get("id") for codec in codecs} else None
    return _Packed(config.get("id"), config, _most(found, found.get("chunks")), n_texts=n_texts)


def _packed_3(found: dict[str, Any]) -> _Packed:
    codecs, chunk, n_inner = found.get("codecs") or [], found["chunk_grid"]["configuration"]["chunk_shape"], 0
    if codecs and codecs[0].get("name") == "sharding_indexed":
        inner = codecs[0]["configuration"]
        sides = zip(chunk, inner["chunk_shape"], strict=True)
        n_inner = int(np.prod([-(-whole // part) for whole, part in sides], dtype=object))
        codecs, chunk = inner["codecs"], inner["chunk_shape"]
    names = [str(codec.get("name")).removeprefix("numcodecs.") for codec in codecs]
    n_texts = math.prod(chunk) if TEXT & set(names) else None
    for name, codec in zip(names, codecs, strict=True):
        if name in COMPRESSORS:
            return _Packed(name, codec.get("configuration") or {}, _most(found, chunk), n_inner, n_texts)
    return _Packed(None, {}, 0, n_inner if n_texts is not None else 0, n_texts)


def _most(found: dict[str, Any], chunk: Any) -> int:
    size = bytes_of_chunk(found, chunk)
    return LARGEST_CHUNK if size is None else size + SLACK


def _parts(content: memoryview, packed: _Packed, byte_range: ByteRequest | None) -> Iterable[memoryview]:
    """Return the chunks of a file, or of the requested part of a shard, without the shard's index."""
    if not packed.n_inner:
        yield content
        return
    index = 16 * packed.n_inner
    if byte_range is not None:
        if not isinstance(byte_range, SuffixByteRequest) and len(content) not in (index, index + 4):
            yield content
        return
    for start in (len(content) - index, len(content) - index - 4, 0):
        if start < 0:
            continue
        table = np.frombuffer(content[start : start + index], dtype="<u8").reshape(-1, 2)
        table = table[(table != 2**64 - 1).all(axis=1)]
        ends = table.astype(object).sum(axis=1)
        if all(end <= len(content) for end in ends):
            for (first, _), end in zip(table.tolist(), ends, strict=True):
                yield content[first:end]
            return
    raise DamagedChunkError("the index of a shard does not fit it")


def _check_chunk(content: memoryview, packed: _Packed, key: str) -> None:
    sizes: dict[str, Callable[[memoryview, _Packed], int]] = {
        "blosc": _blosc, "lz4": _lz4, "zstd": _zstd, "gzip": _unzipped, "zlib": _unzipped, "bz2": _bz2, "lzma": _lzma
    }  # fmt: skip
    try:
        size = sizes[packed.codec or ""](content, packed)
    except (struct.error, zlib.error, lzma.LZMAError, OSError, EOFError, IndexError) as error:
        raise DamagedChunkError(f"chunk {key!r} is damaged ({error})") from error
    if size > packed.most:
        raise DamagedChunkError(f"chunk {key!r} unpacks to more than the {packed.most:,} bytes that its array says")


def _check_texts(content: memoryview, packed: _Packed, n_texts: int, key: str) -> None:
    """Raise if a chunk claims more strings than its array has: memory is allocated before they are read."""
    said = int.from_bytes(_unpacked(content, packed, key)[:4], "little")
    if said > n_texts:
        raise DamagedChunkError(f"chunk {key!r} says that it holds {said:,} texts, and its array {n_texts:,} a chunk")


def _unpacked(content: memoryview, packed: _Packed, key: str) -> bytes:
    """Unpack a chunk whose size was checked; a checksum of 4 bytes may follow it."""
    if packed.codec is None:
        return bytes(content)
    decoder = numcodecs.get_codec({"id": packed.codec, **(packed.config if packed.codec == "lzma" else {})})
    for end in (len(content), len(content) - 4):
        try:
            return bytes(decoder.decode(bytes(content[:end])))
        except (RuntimeError, ValueError, OSError, EOFError, zlib.error, lzma.LZMAError):
            continue
    raise DamagedChunkError(f"chunk {key!r} is damaged: its texts cannot be unpacked")


def _blosc(content: memoryview, _: _Packed) -> int:
    n_bytes, _, n_packed = struct.unpack_from("<III", content, 4)
    if n_packed > len(content):
        raise EOFError("it is cut short")
    return int(n_bytes)


def _lz4(content: memoryview, _: _Packed) -> int:
    return int(struct.unpack_from("<I", content)[0])


def _zstd(content: memoryview, packed: _Packed) -> int:
    """Add up the sizes stated by frames, or else the maximum content of their blocks, with a higher limit."""
    place, size, unsaid = 0, 0, False
    while place < len(content) and bytes(content[place : place + 4]) == ZSTD_MAGIC:
        flags = content[place + 4]
        single, n_dictionary = flags >> 5 & 1, (0, 1, 2, 4)[flags & 3]
        n_size = (single, 2, 4, 8)[flags >> 6]
        at = place + 5 + (not single) + n_dictionary
        said = int.from_bytes(content[at : at + n_size], "little") + (256 if n_size == 2 else 0)
        place, blocks = _zstd_blocks(content, at + n_size)
        place += 4 * (flags >> 2 & 1)
        size, unsaid = size + (said if n_size else blocks), unsaid or not n_size
    if place == 0:
        raise EOFError("no zstd frame")
    if place < len(content) - 8:  # a checksum may follow
        raise EOFError("something else follows its frames")
    return min(size, packed.most) if unsaid and size <= MAX_UNSAID else size


def _zstd_blocks(content: memoryview, place: int) -> tuple[int, int]:
    size, last = 0, False
    while not last:
        header = int.from_bytes(content[place : place + 3], "little")
        if place + 3 > len(content):
            raise EOFError("it is cut short")
        last, kind, length = bool(header & 1), header >> 1 & 3, header >> 3
        size += ZSTD_BLOCK if kind == 2 else length
        place += 3 + (1 if kind == 1 else length)
    return place, size


class _Unpacker(Protocol):
    @property
    def eof(self) -> bool: ...

    def decompress(self, data: Any, max_length: int = ..., /) -> bytes: ...


def _unzipped(content: memoryview, packed: _Packed) -> int:
    size, rest = 0, bytes(content)
    while rest and size <= packed.most:  # gzip allows several concatenated streams
        stream = zlib.decompressobj(wbits=47)
        while not stream.eof and size <= packed.most:
            part = stream.decompress(rest, STEP)
            size, rest = size + len(part), stream.unconsumed_tail
            if not part and not rest and not stream.eof:
                raise EOFError("it is cut short")
        rest = stream.unused_data
        if len(rest) <= 8:
            break
    return size


def _bz2(content: memoryview, packed: _Packed) -> int:
    return _streamed(bz2.BZ2Decompressor, content, packed)


def _lzma(content: memoryview, packed: _Packed) -> int:
    given, filters = packed.config.get("format", 1), packed.config.get("filters")

    def start() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(given, filters=filters if given == lzma.FORMAT_RAW else None)

    return _streamed(start, content, packed)


def _streamed(start: Callable[[], _Unpacker], content: memoryview, packed: _Packed) -> int:
    size, rest = 0, bytes(content)
    while rest and size <= packed.most:
        stream, given = start(), rest
        while not stream.eof and size <= packed.most:
            part = stream.decompress(given, STEP)
            size, given = size + len(part), b""
            if not part and not stream.eof:
                raise EOFError("it is cut short")
        rest = getattr(stream, "unused_data", b"")
        if len(rest) <= 8:
            break
    return size
