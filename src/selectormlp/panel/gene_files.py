"""Tables that describe genes, and named sets of genes, from files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from selectormlp.errors import PanelError
from selectormlp.panel.facts import GeneFacts
from selectormlp.panel.gene_tables import read_gene_table
from selectormlp.panel.text_files import text_of
from selectormlp.panel.vendors import read_panel


def read_gene_facts(path: Path | str) -> GeneFacts:
    r"""Read what is known of genes: transcript lengths, probes, codewords, homologs, costs, priorities, sets.

    Parameters
    ----------
    path
        A table (CSV, TSV) with the genes in a column as :func:`selectormlp.panel.vendors.read_panel` finds it, and
        any of the columns of :data:`selectormlp.panel.facts.COLUMNS` by one of their headers; or another file that
        :func:`~selectormlp.panel.vendors.read_panel` reads, such as probe sequences as FASTA. Of a gene that stands
        in several lines the first counts.

    Raises
    ------
    PanelError
        If the file cannot be read, or a number is none; the message lists the cells.

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
    r"""Read named sets of genes: a JSON, YAML or TOML mapping, or a table with the columns ``set`` and ``gene``.

    In a mapping each set is a list of genes, or has ``genes``, ``min``, ``max`` and ``together``. In a table, columns
    ``min`` and ``max`` may stand beside; the first line of a set counts.

    Raises
    ------
    PanelError, SettingsError
        If the file cannot be read, or has no such columns.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> file = Path(mkdtemp()) / "sets.csv"
    >>> _ = file.write_text("set,gene,min\nT,CD3E,1\nT,CD3D,1\n")
    >>> read_gene_sets(file)
    {'T': {'genes': ['CD3E', 'CD3D'], 'min': 1}}
    """
    from selectormlp.config.files import read_table

    place = Path(path)
    if place.suffix.lower() in (".json", ".yaml", ".yml", ".toml"):
        return read_table(place)
    text = text_of(place)
    try:
        rows = [[cell.strip() for cell in line.split("\t" if "\t" in line else ",")] for line in text.splitlines()]
        return _sets([row for row in rows if any(row)])
    except PanelError as error:
        raise PanelError(f"{str(place)!r}: {error}") from error


def _sets(rows: Sequence[Sequence[str]]) -> dict[str, Any]:
    header = [cell.casefold() for cell in rows[0]] if rows else []
    if not {"set", "gene"} <= set(header):
        raise PanelError(f"the header is {','.join(header)[:80]!r}; expected the columns set and gene, and min or max")
    sets: dict[str, Any] = {}
    for row in rows[1:]:
        cells = dict(zip(header, row, strict=False))
        name, gene = cells.get("set", ""), cells.get("gene", "")
        if not name or not gene:
            raise PanelError(f"the line {','.join(row)[:60]!r} lacks the set or the gene; fill it in or drop it")
        bounds = {key: _whole(key, cells[key]) for key in ("min", "max") if cells.get(key)}
        sets.setdefault(name, {"genes": [], **bounds})["genes"].append(gene)
    return sets


def _whole(key: str, text: str) -> int:
    if not text.isdigit():
        raise PanelError(f"{key} is {text!r}; expected a whole number from 0 up")
    return int(text)
