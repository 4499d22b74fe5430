"""Panels on disk: CSV, JSON and a plain list; and other people's lists of genes.

The JSON file holds everything, exactly. The CSV file holds a line a gene and is safe to open in a spreadsheet: a
name that a spreadsheet would take for a formula is written after an apostrophe, which is taken off again when the
file is read (a name that begins with an apostrophe gets a second one, so nothing is lost). The plain list is meant
for programs and holds names as they are.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

from selectormlp.errors import InputError, PanelError, nearest, quoted
from selectormlp.files import written_whole
from selectormlp.gate.files import check_regular
from selectormlp.panel.explain import Explanation
from selectormlp.panel.facts import fact_name
from selectormlp.panel.gene_tables import FORMULA_STARTS, GeneTable, read_gene_table
from selectormlp.panel.packed_names import PackedNames, pack, unpack
from selectormlp.panel.panel import Panel
from selectormlp.results import check_together, whole_result

CSV_NAME, JSON_NAME, LIST_NAME = "panel.csv", "panel.json", "genes.txt"
OWN_COLUMNS = ("", "position", "gene_id", "score", "threshold", "reason")
"""Columns of ``panel.csv`` that are no facts of genes (and one of row numbers)."""

EXPLANATION_NAME = "explanation.csv"

ZIP_MAGIC, UTF16_MARKS = b"PK\x03\x04", (b"\xff\xfe", b"\xfe\xff")
"""What workbooks begin with, and text of Excel's "Unicode text"."""

PANEL_NAME = "panel"
"""What the files of a panel are called together, as one result of a folder."""

PANEL_FILES = (CSV_NAME, JSON_NAME, LIST_NAME)

MAX_BYTES = 1 << 30
"""Size of the largest file read: the JSON of a panel learned on a hundred million cells is of this order."""

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class PanelFile:
    """What a panel's JSON file holds; the names of the cells stand apart, packed."""

    format: Literal["selectormlp-panel"]
    version: Literal[1]
    panel: Panel
    cells: PackedNames


def write_panel(panel: Panel, folder: Path | str) -> Path:
    """Write ``panel.csv``, ``panel.json`` and ``genes.txt``.

    Parameters
    ----------
    panel
        The panel.
    folder
        Where to; made where absent. Files of these names are replaced, all or none.

    Returns
    -------
    The folder.

    Raises
    ------
    OutputError
        If the folder cannot be written to.
    """
    place = Path(folder)
    record = panel_to_json(panel)
    run = hashlib.sha256(record.encode()).hexdigest()[:32]  # the same panel is the same result
    with whole_result(place, PANEL_NAME, run=run, clear=True):
        texts = {
            CSV_NAME: _csv_text(panel),
            JSON_NAME: record,
            LIST_NAME: "".join(f"{gene}\n" for gene in panel.genes),
        }
        with written_whole(*(place / name for name in texts)) as drafts:
            for draft, text in zip(drafts, texts.values(), strict=True):
                draft.write_text(text, encoding="utf-8", newline="")
    return place


def panel_to_json(panel: Panel) -> str:
    """Return a panel as the text of its JSON file, which holds everything."""
    provenance = panel.provenance
    file = PanelFile(
        "selectormlp-panel",
        1,
        replace(panel, provenance=replace(provenance, cells=())),
        pack(provenance.cells),
    )
    return json.dumps(asdict(file), indent=1, allow_nan=False) + "\n"


def read_panel(path: Path | str) -> Panel:
    """Read a panel from our JSON, or a list of genes from any CSV, TSV or text file.

    Parameters
    ----------
    path
        A JSON object is read as our panel; anything else as :func:`selectormlp.panel.gene_tables.read_gene_table` has
        it: lists, and tables in which genes are taken from the column headed ``gene``, ``symbol``, ``Gene name``,
        ``names`` or the like. Columns ``gene_id``, ``score``, ``reason`` and ``threshold`` are read where present.

    Raises
    ------
    PanelError
        If the file is absent, too large, no text, or holds no panel, it cannot be told which column holds genes, or a
        gene stands in it twice; or if the files of the panel beside it are not those that were written with it.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> panel = Panel(("CD3E", "MS4A1"), scores=(3.0, 0.1))
    >>> read_panel(write_panel(panel, mkdtemp()) / "panel.json") == panel
    True
    """
    place = Path(path)
    text = text_of(place)
    try:
        panel = panel_from_text(text, place.suffix.lower())
    except PanelError as error:
        raise PanelError(f"{str(place)!r}: {error}") from error
    if place.name in PANEL_FILES:
        _check_folder(place)
    return panel


def _check_folder(place: Path) -> None:
    """Refuse a panel beside files of another one; say where a list of genes was edited by hand."""
    try:
        edited = check_together(
            place.parent,
            PANEL_NAME,
            PANEL_FILES,
            repeat="'selectormlp select'",
            by_hand=partial(_may_be_edited, place.parent),
        )
    except InputError as error:
        raise PanelError(str(error)) from error
    for file in edited:
        taken = "it is read as it is now" if file == place.name else f"{place.name} is read; name {file} to read that"
        logger.warning("%s was changed since it was written: %s", place.parent / file, taken)


def _may_be_edited(folder: Path, file: str) -> bool:
    """Tell a list that somebody edited from another panel: half of the genes stay, and new ones bring no new scores."""
    if file == JSON_NAME:
        return False
    with suppress(PanelError):  # its reader will say so
        before = _from_json(text_of(folder / JSON_NAME))
        now = panel_from_text(text_of(folder / file), Path(file).suffix)
        kept = set(before.genes) & set(now.genes)
        scores = dict(zip(now.genes, now.scores, strict=True)) if now.scores else {}
        new = {scores.get(gene) for gene in now.genes if gene not in kept} - {None, *before.scores}
        return 2 * len(kept) >= len(before.genes) and not any(map(math.isfinite, filter(None, new)))
    return False


def panel_from_text(text: str, suffix: str) -> Panel:
    """Read a panel from the text of a file; ``suffix`` is that of its name, in small letters.

    Raises
    ------
    PanelError
        See :func:`read_panel`.
    """
    return _from_json(text) if text.lstrip().startswith("{") else _from_table(read_gene_table(text, suffix=suffix))


def _from_table(table: GeneTable) -> Panel:
    table = _each_once(table)

    def column_of(name: str, read: Callable[[str], T]) -> tuple[T, ...] | None:
        cells = table.columns.get(name)
        return None if cells is None else tuple(map(read, cells))

    others: dict[str, tuple[str, ...]] = {}
    if "barcodetype" not in table.columns:  # the other columns of a codebook are those of the code
        for header, cells in reversed(table.columns.items()):
            name = fact_name(header)
            others[header if name in others else name] = cells
    return Panel(
        genes=table.genes,
        reasons=column_of("reason", str) or (),
        scores=column_of("score", _number) or (),
        gene_ids=table.ids if any(table.ids or ()) else None,
        thresholds=column_of("threshold", _number),
        facts={
            name: cells
            for name, cells in others.items()
            if name not in OWN_COLUMNS and any(cells) and cells != table.ids
        },
    )


def _each_once(table: GeneTable) -> GeneTable:
    """Keep one of the lines of a gene that say the same; others stay, and are refused as duplicates."""
    lines = list(zip(table.genes, *table.columns.values(), table.ids or table.genes, strict=True))
    kept = [place for place, line in enumerate(lines) if lines.index(line) == place] if _repeats(lines) else []
    if not kept or len({table.genes[place] for place in kept}) < len(kept):
        return table
    repeated = [gene for gene in dict.fromkeys(table.genes) if table.genes.count(gene) > 1]
    logger.warning("%d gene(s) stand in several lines that agree, and count once: %s", len(repeated), quoted(repeated))
    return GeneTable(
        tuple(table.genes[place] for place in kept),
        {name: tuple(cells[place] for place in kept) for name, cells in table.columns.items()},
        None if table.ids is None else tuple(table.ids[place] for place in kept),
    )


def _repeats(lines: Sequence[tuple[str, ...]]) -> bool:
    return len(set(lines)) < len(lines)


def read_costs(path: Path | str) -> dict[str, float]:
    r"""Read the costs of genes from a CSV or TSV file: a column headed ``cost``, and genes as :func:`read_panel` does.

    Raises
    ------
    PanelError
        If the file is absent or no table, a gene stands in it twice, or a cost is no number.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> file = Path(mkdtemp()) / "costs.csv"
    >>> _ = file.write_text("gene,cost\nCD3E,2.5\nMS4A1,1\n")
    >>> read_costs(file)
    {'CD3E': 2.5, 'MS4A1': 1.0}
    """
    place = Path(path)
    text = text_of(place)
    try:
        table = _each_once(read_gene_table(text))
        given = table.columns.get("cost")
        if given is None:
            raise PanelError("no column is headed 'cost'; expected the header gene,cost")
        table = _each_once(table)
        genes = _from_table(table).genes
        costs = [_number(cost) for cost in table.columns["cost"]]
        missing = [gene for gene, cost in zip(genes, costs, strict=True) if cost is None]
        if missing:
            raise PanelError(f"the cost of {quoted(missing)} is no finite number; fill it in")
    except PanelError as error:
        raise PanelError(f"{str(place)!r}: {error}") from error
    return {gene: cost for gene, cost in zip(genes, costs, strict=True) if cost is not None}


def write_explanation(explanation: Explanation, folder: Path | str) -> Path:
    """Write ``explanation.csv``, a line a gene, safe to open in a spreadsheet as ``panel.csv`` is.

    Returns
    -------
    The file.

    Raises
    ------
    OutputError
        If the folder cannot be written to.
    """
    file = Path(folder) / EXPLANATION_NAME
    frame = explanation.to_frame()
    for column in ("gene", "marks", "separates", "substitute"):
        frame[column] = [shielded(text or "") for text in frame[column]]
    with written_whole(file) as (draft,):
        frame.to_csv(draft, index=False, lineterminator="\n")
    return file


def text_of(place: Path) -> str:
    """Return the text of a file of genes.

    Raises
    ------
    PanelError
        If it is absent, too large, no regular file or no text.
    """
    check_regular(place, PanelError)
    if not place.is_file():
        if place.is_dir():
            raise PanelError(f"{str(place)!r} is a folder; name a file in it, such as {JSON_NAME!r}")
        siblings = [p.name for p in place.parent.iterdir()] if place.parent.is_dir() else []
        raise PanelError(f"no file {str(place)!r}; in its folder, {nearest(place.name, sorted(siblings))}")
    try:
        if place.stat().st_size > MAX_BYTES:
            raise PanelError(f"{str(place)!r} has {place.stat().st_size:,} bytes; a panel has at most {MAX_BYTES:,}")
        content = place.read_bytes()
        if content[:4] == ZIP_MAGIC:
            raise PanelError(
                f"{str(place)!r} is a workbook (or another zip file), which is not read; save the sheet that holds the "
                "genes as CSV"
            )
        return content.decode("utf-16" if content[:2] in UTF16_MARKS else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise PanelError(
            f"{str(place)!r} is not UTF-8 text; expected a panel as JSON, CSV or a plain list (save it as UTF-8)"
        ) from error
    except OSError as error:
        raise PanelError(f"cannot read {str(place)!r} ({error.strerror or error})") from error


def _csv_text(panel: Panel) -> str:
    frame = panel.to_frame()
    for column in ("gene", "gene_id", "reason", *panel.facts):
        if column in frame:
            frame[column] = [shielded(text) for text in frame[column]]
    stream = io.StringIO()
    frame.to_csv(stream, index=False, lineterminator="\n")
    return stream.getvalue()


def shielded(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would take for a formula (and before one that stands there already).

    Examples
    --------
    >>> shielded("=1+1"), shielded("CD3E")
    ("'=1+1", 'CD3E')
    """
    return f"'{text}" if text.startswith((*FORMULA_STARTS, "'")) else text


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _from_json(text: str) -> Panel:
    from pydantic import TypeAdapter, ValidationError

    try:
        file = TypeAdapter(PanelFile).validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        reason = " ".join(first["msg"].removeprefix("Value error, ").split())[:300]
        at = f" at {where!r}" if where else ""
        raise PanelError(f"not a panel file of this package{at} ({reason}); expected one that write() made") from error
    return replace(file.panel, provenance=replace(file.panel.provenance, cells=unpack(file.cells)))
