"""Read gene tables and named sets of genes from files."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from selectormlp.errors import PanelError, counted, quoted
from selectormlp.panel.facts import GeneFacts
from selectormlp.panel.gene_columns import GENE_LIKE, are_numbers, gene_column, parts_of
from selectormlp.panel.gene_headers import SET_HEADERS, folded
from selectormlp.panel.gene_rows import rows_of
from selectormlp.panel.gene_tables import read_gene_table
from selectormlp.panel.text_files import text_of
from selectormlp.panel.vendors import read_panel

logger = logging.getLogger(__name__)

WHOLE = re.compile(r"[0-9]{1,9}")


def read_gene_facts(path: Path | str) -> GeneFacts:
    r"""Read a gene table: transcript lengths, probes, codewords, homologs, costs, priorities, sets.

    Parameters
    ----------
    path
        A table (CSV, TSV) with the genes in a column as :func:`selectormlp.panel.vendors.read_panel` finds it, and any
        of the columns of :data:`selectormlp.panel.facts.COLUMNS` by one of their headers; or another file that
        :func:`~selectormlp.panel.vendors.read_panel` reads, such as probe sequences as FASTA. If a gene is in several
        lines, the first one is used.

    Raises
    ------
    PanelError
        If the file cannot be read, or a cell should hold a number and does not; the message lists these cells.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> file = Path(mkdtemp()) / "genes.csv"
    >>> _ = file.write_text("gene_name,probe_count\nA1BG,9\nA1CF,41\n")
    >>> read_gene_facts(file).columns
    {'n_probes': (9.0, 41.0)}
    """
    place = Path(path)
    if place.suffix.lower() in (".csv", ".tsv", ".txt"):
        text = text_of(place)
        try:
            table = read_gene_table(text, suffix=place.suffix.lower())
            return GeneFacts.from_columns(table.genes, table.columns)
        except PanelError as error:
            raise PanelError(f"{str(place)!r}: {error}") from error
    panel = read_panel(place)
    ids = {} if panel.gene_ids is None else {"ensembl_id": panel.gene_ids}
    return GeneFacts.from_columns(panel.genes, {**ids, **panel.facts})


def read_gene_sets(path: Path | str) -> dict[str, Any]:
    r"""Read named sets of genes: a JSON, YAML or TOML mapping, or a table.

    In a mapping each set is a list of genes, or has ``genes``, ``min``, ``max`` and ``together``. A table has a column
    of sets (``set``, ``pathway``, ``cell_type``, ``cluster``, …), one of genes, which may list several in a cell, and
    perhaps ``min`` and ``max``, taken from the first line of a set. Or each column is a set, headed by its name.

    Raises
    ------
    PanelError, SettingsError
        If the file cannot be read, or has no such columns.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> file = Path(mkdtemp()) / "sets.csv"
    >>> _ = file.write_text("cell type,markers,min\nT,CD3E,1\nT,CD3D,1\n")
    >>> read_gene_sets(file)
    {'T': {'genes': ['CD3E', 'CD3D'], 'min': 1}}
    """
    from selectormlp.config.files import read_table

    place = Path(path)
    if place.suffix.lower() in (".json", ".yaml", ".yml", ".toml"):
        return read_table(place)
    text = text_of(place)
    try:
        return _sets(rows_of(text, plain=False))
    except PanelError as error:
        raise PanelError(f"{str(place)!r}: {error}") from error


def _sets(rows: Sequence[Sequence[str]]) -> dict[str, Any]:
    header = [folded(cell) for cell in rows[0]] if rows else []
    lines = [[*row, *[""] * (len(header) - len(row))] for row in rows[1:]]
    at_set = next((header.index(name) for name in SET_HEADERS if name in header), None)
    at_gene = None if at_set is None else gene_column(header, lines, other_than=at_set)
    if at_set is None or at_gene is None:
        return _columns(rows)
    sets: dict[str, Any] = {}
    for line in lines:
        name, genes = line[at_set], [gene for gene in parts_of(line[at_gene]) if gene]
        if not name or not genes:
            raise PanelError(f"the line {','.join(line)[:60]!r} lacks the set or the gene; fill it in or drop it")
        bounds = {key: _whole(key, line[header.index(key)]) for key in ("min", "max") if key in header}
        given: dict[str, Any] = {key: bound for key, bound in bounds.items() if bound is not None}
        one = sets.setdefault(name, {"genes": {}, **given})
        one["genes"] |= dict.fromkeys(genes)
    logger.info(
        "%s are read from the columns %r and %r", counted(len(sets), "set", "sets"), rows[0][at_set], rows[0][at_gene]
    )
    return {name: {**one, "genes": list(one["genes"])} for name, one in sets.items()}


def _columns(rows: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Read each column as a set, headed by its name."""
    header = rows[0] if rows else []
    columns = {
        name: [row[at] for row in rows[1:] if at < len(row) and row[at]] for at, name in enumerate(header) if name
    }
    listed = {name: cells for name, cells in columns.items() if not are_numbers(cells)}
    if len(rows) < 2 or not listed or not all(GENE_LIKE.fullmatch(cell) for cells in listed.values() for cell in cells):
        raise PanelError(
            f"the header is {','.join(header)[:80]!r}; expected the columns set and gene, and min or max; or one "
            "column per set"
        )
    logger.info("each column is taken for a set: %s", quoted(listed, most=5))
    return {name: {"genes": list(dict.fromkeys(cells))} for name, cells in listed.items() if cells}


def _whole(key: str, text: str) -> int | None:
    if text and not WHOLE.fullmatch(text):
        raise PanelError(f"{key} is {quoted([text])}; expected a whole number from 0 up")
    return int(text) if text else None
