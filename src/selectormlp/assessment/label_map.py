"""Labels of two sets of cells that mean the same types, from a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from selectormlp.data.common_labels import ANY_DATA, common_labels
from selectormlp.data.set_tables import set_names
from selectormlp.data.text_tables import read_rows, rows_in
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


def labels_of_sets(
    path: Path | str, data: Sequence[Path], measured: Path | None
) -> tuple[dict[str, dict[str, str]], LabelMap] | None:
    r"""Read which labels of several files, and of measured cells, mean the same type.

    Parameters
    ----------
    path
        A CSV or TSV table as ``select`` takes it, with the columns ``data``, ``label`` and ``common``; the measured
        cells are named by their file, as the others are.
    data
        Files that are joined.
    measured
        File of measured cells, or None.

    Returns
    -------
    Common types of the files, and those on each side of the comparison with measured cells, whose labels stay as they
    are if no line names them; None if the table has no column ``data``.

    Raises
    ------
    SettingsError
        If the table cannot be read, lacks a column, or gives a label two types.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> file = Path(mkdtemp()) / "map.csv"
    >>> _ = file.write_text("data,label,common\na,T1,T\nb,CD3,T\nimaged,T cells,T\n")
    >>> labels_of_sets(file, [Path("a.h5ad"), Path("b.h5ad")], Path("imaged.h5ad"))
    ({'a': {'T1': 'T'}, 'b': {'CD3': 'T'}}, LabelMap(reference=None, measured={'T cells': 'T'}))
    """
    try:
        header = rows_in(Path(path))[:1]
    except SettingsError as error:
        raise SettingsError(f"{str(Path(path))!r}: {error}") from error
    if "data" not in [cell.casefold() for row in header for cell in row]:
        return None
    found = common_labels(path)
    if measured is None:
        return found, LabelMap()
    [name] = set_names([measured])
    lines = {**found.get(ANY_DATA, {}), **found.get(name, {})}
    if name not in set_names(data):
        found.pop(name, None)
    return found, LabelMap(measured=lines or None)


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
