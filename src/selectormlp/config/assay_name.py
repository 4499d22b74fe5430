"""The option that names an assay: declared where every room finds it, checked where assays are known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

SUFFIXES = (".json", ".yaml", ".yml", ".toml")
"""Endings of the file of an assay."""


def _assay(given: Any) -> Any:
    if isinstance(given, str | Path):
        place = Path(given)
        return str(place.absolute()) if place.suffix.lower() in SUFFIXES else str(given)
    if isinstance(given, Mapping) or hasattr(given, "measurement"):
        return given
    raise ValueError(f"assay is {given!r}; expected a name, the file of an assay, or an Assay")


def _written(assay: Any) -> Any:
    return assay.model_dump(mode="json") if hasattr(assay, "model_dump") else assay


AssayName = Annotated[
    Any, PlainValidator(_assay), PlainSerializer(_written), WithJsonSchema({"type": ["string", "object"]})
]
"""Name of an assay, or its file, kept absolute; in Python also an ``Assay``, or its values by name."""
