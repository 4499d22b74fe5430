"""Pack cell names for the JSON file of a panel."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from selectormlp.errors import PanelError

MAX_INFLATION = 100
"""Maximum ratio of unpacked to packed size. Real names compress 3 to 20 times; deflate could reach 1,000."""


@dataclass(frozen=True)
class PackedNames:
    """Names as base64 of the zlib-compressed JSON list, and their number."""

    n: int
    zlib: str


def pack(names: Sequence[str]) -> PackedNames:
    """Pack names."""
    text = json.dumps(list(names), separators=(",", ":")).encode()
    packed = zlib.compress(text)
    if len(text) > MAX_INFLATION * len(packed):  # so similar that a reader would take them for a bomb
        packed = zlib.compress(text, level=0)
    return PackedNames(len(names), base64.b64encode(packed).decode("ascii"))


def unpack(packed: PackedNames) -> tuple[str, ...]:
    """Unpack names.

    Raises
    ------
    PanelError
        If they are damaged, or unpack to more than names would.
    """
    from pydantic import TypeAdapter

    try:
        data = base64.b64decode(packed.zlib, validate=True)
        inflator = zlib.decompressobj()
        text = inflator.decompress(data, MAX_INFLATION * len(data))
    except (binascii.Error, ValueError, zlib.error) as error:
        raise PanelError(f"its cell names cannot be unpacked ({error}); copy the file again") from error
    if not inflator.eof:
        raise PanelError(
            f"its cell names are cut short or unpack to {MAX_INFLATION} times their size; copy the file again"
        )
    try:
        names = TypeAdapter(tuple[str, ...]).validate_json(text, strict=True)
    except ValueError as error:
        raise PanelError("its cell names are not a list of names; copy the file again") from error
    if len(names) != packed.n:
        raise PanelError(f"it should name {packed.n} cells and names {len(names)}; copy the file again")
    return names
