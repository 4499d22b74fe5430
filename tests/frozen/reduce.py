"""Reduce results to plain JSON: their structure, and those values that every processor gives alike."""

import csv
import dataclasses
import inspect
import json
import re
import typing
from enum import Enum
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors import safe_open

DIGITS = 4
"""Significant digits of figures in the golden files."""
CHANGING = re.compile(r"[0-9a-f]{16,}|\d{4}-\d\d-\d\d[T_ ].*|\d+(\.\d+)+.*")
"""Text that differs from run to run or from version to version: hashes, times, versions."""


def rounded(value):
    """Round a figure to four significant digits; None where it is not finite."""
    return float(f"{value:.{DIGITS}g}") if np.isfinite(value) else None


def frame_of(frame):
    """Give columns with their kind of value, and the number of lines."""
    kinds = {str(name): _kind(column) for name, column in frame.items()}
    return {"columns": [f"{name}: {kind}" for name, kind in kinds.items()], "lines": len(frame)}


def _kind(column):
    if column.isna().all():
        return "empty"
    if pd.api.types.is_bool_dtype(column.dtype):
        return "yes or no"
    return "number" if pd.api.types.is_numeric_dtype(column.dtype) else "text"


def panel_of(panel, *, learned=False):
    """Give genes, scores and reasons of a panel; where a network or chance decides, only how many there are."""
    known = {
        "columns": frame_of(panel.to_frame())["columns"],
        "method": panel.provenance.method,
        "n_required": panel.n_required,
        "nested": panel.nested,
        "provenance": sorted(field.name for field in dataclasses.fields(panel.provenance)),
        "settings": shape_of(dict(panel.provenance.settings), values=not learned),
    }
    if learned:
        return {**known, "n_genes": len(panel), "has_scores": any(score is not None for score in panel.scores)}
    lines = [
        f"{gene}, {'no score' if score is None else rounded(score)}, {reason}"
        for gene, score, reason in zip(panel.genes, panel.scores, panel.reasons, strict=True)
    ]
    return {**known, "genes": lines}


def result_of(result):
    """Give the class of a result, its fields, and each of its tables."""
    tables = {
        name: frame_of(method())
        for name, method in inspect.getmembers(result, inspect.ismethod)
        if name.endswith("frame") and not name.startswith("_")
    }
    return {
        "class": type(result).__name__,
        "fields": sorted(field.name for field in dataclasses.fields(result)),
        "tables": tables,
    }


def shape_of(value, *, values=True, depth=12):
    """Give keys of nested settings with their values, or with the kinds of these."""
    if isinstance(value, dict):
        return {str(key): shape_of(part, values=values, depth=depth - 1) for key, part in sorted(value.items())}
    if isinstance(value, list | tuple):
        if value and len(value) <= depth and not any(isinstance(part, dict | list) for part in value):
            return [shape_of(part, values=values) for part in value]
        return [shape_of(value[0], values=False), "…"] if value else []
    if value is None or (values and isinstance(value, bool)):
        return value
    if not values:
        return "text" if isinstance(value, str) else "number"
    if isinstance(value, str):
        return "<path>" if "/" in value or "\\" in value else CHANGING.sub("<changing>", value)
    return rounded(value) if isinstance(value, float) else value


def file_of(path):
    """Reduce a file by its ending: columns, keys, headings, names of arrays; nothing of pictures."""
    readers = {
        ".csv": lambda: frame_of(pd.read_csv(path)) if path.stat().st_size else "empty",
        ".json": lambda: shape_of(json.loads(path.read_text()), values=path.name.startswith("settings")),
        ".txt": lambda: f"{len(path.read_text().splitlines())} lines" if path.name == "genes.txt" else "text",
        ".html": lambda: _headings(path),
        ".safetensors": lambda: _arrays(path),
    }
    return readers.get(path.suffix, lambda: "a file")()


def folder_of(folder):
    """Reduce every file below a folder, manifests apart; parts of names that are times become ``<time>``."""
    found = {}
    files = (path for path in Path(folder).rglob("*") if path.is_file() and not path.name.endswith(".manifest.json"))
    for path in sorted(files):
        name = re.sub(r"\d{8}-\d{6}", "<time>", path.relative_to(folder).as_posix())
        name = re.sub(r"(events\.out\.tfevents).*", r"\1", name)
        found[re.sub(r"epoch=?\d+[^/]*", "<epoch>", name)] = file_of(path)
    return found


def _arrays(path):
    with safe_open(path, framework="numpy") as tensors:
        known = sorted(tensors.keys())
        card = sorted(tensors.metadata() or {})
    return {"arrays": known, "metadata": card}


class _Headings(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found, self._inside = [], None

    def handle_starttag(self, tag, attrs):
        if tag in ("h1", "h2", "h3", "th"):
            self._inside = [tag, ""]

    def handle_data(self, data):
        if self._inside:
            self._inside[1] += data

    def handle_endtag(self, tag):
        if self._inside and tag == self._inside[0]:
            line = f"{tag}: {' '.join(self._inside[1].split())}"
            if line not in self.found:
                self.found.append(line)
            self._inside = None


def _headings(path):
    parser = _Headings()
    parser.feed(path.read_text(encoding="utf-8"))
    return [line for line in parser.found if line.startswith("h")]


def keywords_of(function):
    """Give the keywords that a callable takes; those of ``**options: Unpack[SomeOptions]`` count."""
    found = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            hint = parameter.annotation  # of Unpack: the dictionary that it unpacks
            if isinstance(hint, str):
                hint = eval(hint, inspect.unwrap(function).__globals__)
            for options in typing.get_args(hint):
                found |= dict.fromkeys(typing.get_type_hints(options), "…")
        elif name not in ("self", "args"):
            found[name] = "required" if parameter.default is parameter.empty else _default(parameter.default)
    fields = getattr(function, "model_fields", {})  # signatures of pydantic 2.7 give None for a factory
    return found | {name: "<factory>" for name in found if name in fields and fields[name].default_factory}


def _default(value):
    return repr(value.value if isinstance(value, Enum) else value)


def different(golden, found, *, close, may_grow=False, place=""):
    """List what differs, a line each; figures may differ by ``close`` or a hundredth of themselves.

    Parameters
    ----------
    golden, found
        As the functions above give.
    close
        Absolute tolerance of figures.
    may_grow
        Whether new keys are fine.
    place
        Where the two stand.
    """
    if isinstance(golden, dict) and isinstance(found, dict):
        gone = [f"{place}: gone: {key}" for key in golden if key not in found]
        new = [f"{place}: new: {key}" for key in found if key not in golden and not may_grow]
        both = [key for key in golden if key in found]
        more = {"close": close, "may_grow": may_grow}
        parts = (different(golden[key], found[key], **more, place=f"{place}/{key}") for key in both)
        return [*gone, *new, *(line for part in parts for line in part)]
    if isinstance(golden, list) and isinstance(found, list) and len(golden) == len(found):
        parts = (
            different(a, b, close=close, place=f"{place}[{i}]")
            for i, (a, b) in enumerate(zip(golden, found, strict=True))
        )
        return [line for part in parts for line in part]
    if isinstance(golden, list) and isinstance(found, list):
        gone, new = [a for a in golden if a not in found], [b for b in found if b not in golden]
        return [f"{place}: {len(golden)} → {len(found)} entries; gone: {gone}; new: {new}"]
    numbers = isinstance(golden, int | float) and isinstance(found, int | float)
    if numbers and not isinstance(golden, bool) and abs(golden - found) <= close + 0.01 * abs(golden):
        return []
    if isinstance(golden, str) and isinstance(found, str) and _alike(golden, found):
        return []
    return [] if golden == found and type(golden) is type(found) else [f"{place}: {golden!r} → {found!r}"]


def _alike(golden, found):
    """Compare lines of a panel, whose second word is a figure."""
    a, b = (next(csv.reader([line], skipinitialspace=True), []) for line in (golden, found))
    if len(a) < 3 or len(a) != len(b) or a[:1] + a[2:] != b[:1] + b[2:]:
        return False
    try:
        return abs(float(a[1]) - float(b[1])) <= 0.01 * abs(float(a[1])) + 1e-6
    except ValueError:
        return False
