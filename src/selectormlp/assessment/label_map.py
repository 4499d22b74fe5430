"""Labels of two sets of cells that mean the same types, from a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from selectormlp.data.text_tables import read_rows
from selectormlp.errors import SettingsError, quoted

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
    found = _Sides()
    rows = read_rows(path, {"cell_type", "common"}, HEADER)
    try:
        for cells in rows:
            for side in _sides(cells.get("side"), found):
                _add(side, cells["cell_type"], cells["common"])
    except SettingsError as error:
        raise SettingsError(f"{str(Path(path))!r}: {error}") from error
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
