"""Make panels from tables of genes: each gene once, identifiers and facts under known names."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from selectormlp.errors import counted, quoted
from selectormlp.panel.facts import fact_name
from selectormlp.panel.gene_columns import GeneTable
from selectormlp.panel.names import IDENTIFIER
from selectormlp.panel.panel import Panel

logger = logging.getLogger(__name__)

T = TypeVar("T")

OWN_COLUMNS = ("", "position", "gene_id", "score", "threshold", "reason")
"""Columns of ``panel.csv`` that are not facts of genes (and one of row numbers)."""

DATE = re.compile(
    r"\d{1,2}-(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)|(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)-\d{1,2}|"
    r"\d{4}-\d\d-\d\d( 00:00:00)?",
    re.IGNORECASE,
)
"""Dates into which spreadsheets turn genes such as SEPT1 and MARCH1."""


def panel_of(table: GeneTable) -> Panel:
    """Make a panel from a table; log what each column is taken for, and repeated lines that agree.

    Raises
    ------
    PanelError
        If lines of a gene disagree, or a name cannot be printed.

    Examples
    --------
    >>> panel_of(GeneTable(("CD3E", "CD3E"), {"probe sets": ("8", "8")})).facts
    {'n_probes': ('8',)}
    """
    table = each_once(table)

    def column_of(name: str, read: Callable[[str], T]) -> tuple[T, ...] | None:
        cells = table.columns.get(name)
        return None if cells is None else tuple(map(read, cells))

    others: dict[str, tuple[str, ...]] = {}
    headers: dict[str, str] = {}
    if "barcodetype" not in table.columns:  # other columns of a codebook hold the code
        for header, cells in table.columns.items():
            name = fact_name(header)
            name = header if name in others else name
            others[name], headers[name] = cells, header
    facts = {
        name: cells for name, cells in others.items() if name not in OWN_COLUMNS and any(cells) and cells != table.ids
    }
    _log_columns(table, {name: headers[name] for name in facts if headers[name] != name})
    if table.ids is None and all(map(IDENTIFIER.fullmatch, table.genes)):
        table = replace(table, ids=table.genes)
    return Panel(
        genes=table.genes,
        reasons=column_of("reason", str) or (),
        scores=column_of("score", number_in) or (),
        gene_ids=table.ids if any(table.ids or ()) else None,
        thresholds=column_of("threshold", number_in),
        facts=facts,
    )


def _log_columns(table: GeneTable, renamed: dict[str, str]) -> None:
    """Log what each column was taken for, except in files of this package; warn of dates."""
    dates = [gene for gene in table.genes if DATE.fullmatch(gene)]
    if dates:
        logger.warning(
            "%s (%s), as a spreadsheet makes of genes such as SEPTIN1 or MARCHF1; correct them",
            counted(len(dates), "name is a date", "names are dates"),
            quoted(dates, most=3),
        )
    if not table.header or "position" in table.columns:
        return
    taken = [f"genes from the column {table.header!r}"]
    taken += [f"identifiers from {table.id_header!r}"] if table.id_header and any(table.ids or ()) else []
    taken += [f"{name} from {header!r}" for name, header in renamed.items()]
    logger.info("%s", ", ".join(taken))


def each_once(table: GeneTable) -> GeneTable:
    """Keep one of several lines of a gene that agree; lines that differ stay, and are refused as duplicates."""
    lines = list(zip(table.genes, *table.columns.values(), table.ids or table.genes, strict=True))
    first = {line: place for place, line in reversed(list(enumerate(lines)))}
    kept = sorted(first.values())
    if len(kept) == len(lines) or len({table.genes[place] for place in kept}) < len(kept):
        return table
    dropped = set(range(len(lines))) - set(kept)
    repeated = dict.fromkeys(table.genes[place] for place in sorted(dropped))
    logger.warning("genes in several lines that agree count once (%d): %s", len(repeated), quoted(repeated))
    return replace(
        table,
        genes=tuple(table.genes[place] for place in kept),
        columns={name: tuple(cells[place] for place in kept) for name, cells in table.columns.items()},
        ids=None if table.ids is None else tuple(table.ids[place] for place in kept),
    )


def number_in(text: str) -> float | None:
    """Return the finite number that a cell holds, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
