"""Labels of two sets of cells that mean the same types, from a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from selectormlp.errors import SettingsError, quoted
from selectormlp.gate.files import read_start

MAX_MAP = 1 << 24
"""Bytes of the largest table that is read, 16 MiB."""

REFERENCE = frozenset({"reference", "scrna", "scrna-seq", "sequencing"})
MEASURED = frozenset({"measured", "imaging", "spatial"})
"""What the column ``side`` may hold, for the cells that genes were chosen on, and for the measured ones."""

HEADER = "cell_type and common, and side where the two sides differ"


@dataclass(frozen=True)
class LabelMap:
    """Common type of each label, on each side; None: labels are the same on both sides.

    Attributes
    ----------
    reference, measured
        Common type by label; labels that are not named have no partner.
    """

    reference: Mapping[str, str] | None = None
    measured: Mapping[str, str] | None = None


@dataclass
class _Sides:
    reference: dict[str, str] = field(default_factory=dict)
    measured: dict[str, str] = field(default_factory=dict)


def read_label_map(path: Path | str) -> LabelMap:
    r"""Read which labels mean the same type.

    Parameters
    ----------
    path
        A CSV or TSV table with the columns ``cell_type`` (a label) and ``common`` (the common type; blank: no partner,
        its cells are left out), and ``side``: ``reference`` or ``scrna``, ``measured`` or ``imaging``. Without
        ``side``, lines hold for both sides. Other columns are passed over.

    Raises
    ------
    SettingsError
        If the file cannot be read, lacks a column, or gives a label two types.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> file = Path(mkdtemp()) / "map.csv"
    >>> _ = file.write_text("side,cell_type,common\nscrna,Astro1,Astrocyte\nimaging,Astrocytes,Astrocyte\n")
    >>> read_label_map(file)
    LabelMap(reference={'Astro1': 'Astrocyte'}, measured={'Astrocytes': 'Astrocyte'})
    """
    place = Path(path)
    try:
        rows = _rows(_text(place))
        return _map_of(rows)
    except SettingsError as error:
        raise SettingsError(f"{str(place)!r}: {error}") from error


def _text(place: Path) -> str:
    try:
        content = read_start(place, MAX_MAP + 1, SettingsError)
        if len(content) > MAX_MAP:
            raise SettingsError(f"more than {MAX_MAP:,} bytes; a label map has a line a label")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError("not UTF-8 text; save it as CSV in UTF-8") from error
    except OSError as error:
        raise SettingsError(f"cannot be read ({error.strerror or error}); give a CSV file of labels") from error


def _rows(text: str) -> list[list[str]]:
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise SettingsError(f"not a readable table ({error}); expected the columns {HEADER}") from error
    return [cells for row in rows if any(cells := [cell.strip() for cell in row])]


def _map_of(rows: list[list[str]]) -> LabelMap:
    header = [cell.casefold() for cell in rows[0]] if rows else []
    if not {"cell_type", "common"} <= set(header):
        raise SettingsError(f"the header is {','.join(header)[:80]!r}; expected the columns {HEADER}")
    found = _Sides()
    for row in rows[1:]:
        if len(row) > len(header):
            raise SettingsError(f"the line {','.join(row)[:60]!r} has {len(row)} cells below a header of {len(header)}")
        cells = {**dict.fromkeys(header, ""), **dict(zip(header, row, strict=False))}
        for side in _sides(cells.get("side"), found):
            _add(side, cells["cell_type"], cells["common"])
    return LabelMap(found.reference, found.measured)


def _sides(name: str | None, found: _Sides) -> Iterable[dict[str, str]]:
    if name is None:
        return found.reference, found.measured
    if name.casefold() in REFERENCE:
        return (found.reference,)
    if name.casefold() in MEASURED:
        return (found.measured,)
    raise SettingsError(f"side is {name!r}; expected 'reference' or 'scrna', 'measured' or 'imaging'")


def _add(side: dict[str, str], label: str, common: str) -> None:
    if not label:
        raise SettingsError("a line has no cell_type; fill it in or drop the line")
    if side.get(label, common) != common:
        raise SettingsError(f"{label!r} has two common types ({quoted([side[label], common])}); keep one line")
    side[label] = common
