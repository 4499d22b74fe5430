"""Write and read panels: CSV, JSON and plain lists, including lists of genes from elsewhere.

The JSON file holds everything, exactly. The CSV file holds one line per gene and is safe to open in a spreadsheet: a
name that a spreadsheet would take for a formula gets an apostrophe in front, which is removed when the file is read
(names that begin with an apostrophe get a second one, so nothing is lost). The plain list is for programs and holds
names unchanged.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import math
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from selectormlp.errors import InputError, PanelError, quoted
from selectormlp.files import written_whole
from selectormlp.panel.explain import Explanation
from selectormlp.panel.gene_json import table_from_object
from selectormlp.panel.gene_rows import FORMULA_STARTS
from selectormlp.panel.gene_tables import read_gene_table
from selectormlp.panel.packed_names import PackedNames, pack, unpack
from selectormlp.panel.panel import Panel
from selectormlp.panel.panel_tables import each_once, number_in, panel_of
from selectormlp.panel.text_files import text_of
from selectormlp.results import check_together, whole_result

CSV_NAME, JSON_NAME, LIST_NAME = "panel.csv", "panel.json", "genes.txt"
EXPLANATION_NAME = "explanation.csv"

PANEL_NAME = "panel"
"""Name of the files of a panel as one result of a folder."""

PANEL_FILES = (CSV_NAME, JSON_NAME, LIST_NAME)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PanelFile:
    """Content of a panel's JSON file; cell names are packed separately."""

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
        Target folder, created if absent. Existing files of these names are replaced, all or none.

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
        If the file is absent, too large, not text, or holds no panel; if the column of genes is not clear, or a gene is
        listed twice; or if the files beside it belong to another panel.

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
    """Raise if a panel lies beside files of another one; log if a list of genes was edited by hand."""
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
    """Return whether a list was edited by hand: half of the genes remain, and new ones have no scores."""
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
    """Read a panel from the text of a file; ``suffix`` is that of its name, in lower case.

    Raises
    ------
    PanelError
        See :func:`read_panel`.
    """
    if text.lstrip().startswith("{"):
        table = table_from_object(text)
        return _from_json(text) if table is None else panel_of(table)
    return panel_of(read_gene_table(text, suffix=suffix))


def read_costs(path: Path | str) -> dict[str, float]:
    r"""Read the costs of genes from a CSV or TSV file: a column headed ``cost``, and genes as :func:`read_panel` does.

    Raises
    ------
    PanelError
        If the file is absent or not a table, a gene is listed twice, or a cost is not a number.

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
        table = each_once(read_gene_table(text))
        if "cost" not in table.columns:
            raise PanelError("no column is headed 'cost'; expected the header gene,cost")
        genes = panel_of(table).genes
        costs = [number_in(cost) for cost in table.columns["cost"]]
        missing = [gene for gene, cost in zip(genes, costs, strict=True) if cost is None]
        if missing:
            raise PanelError(f"the cost of {quoted(missing)} is no finite number; fill it in")
    except PanelError as error:
        raise PanelError(f"{str(place)!r}: {error}") from error
    return {gene: cost for gene, cost in zip(genes, costs, strict=True) if cost is not None}


def write_explanation(explanation: Explanation, folder: Path | str) -> Path:
    """Write ``explanation.csv``, one line per gene, safe to open in a spreadsheet as ``panel.csv`` is.

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


def _csv_text(panel: Panel) -> str:
    frame = panel.to_frame()
    for column in ("gene", "gene_id", "reason", *panel.facts):
        if column in frame:
            frame[column] = [shielded(text) for text in frame[column]]
    stream = io.StringIO()
    frame.to_csv(stream, index=False, lineterminator="\n")
    return stream.getvalue()


def shielded(text: str) -> str:
    """Prefix text that a spreadsheet would take for a formula, or that begins with an apostrophe, with an apostrophe.

    Examples
    --------
    >>> shielded("=1+1"), shielded("CD3E")
    ("'=1+1", 'CD3E')
    """
    return f"'{text}" if text.startswith((*FORMULA_STARTS, "'")) else text


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
