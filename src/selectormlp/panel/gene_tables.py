"""Read tables and lists of genes in common formats, or raise with what to do."""

from __future__ import annotations

import logging
import re
from bisect import bisect_left
from collections.abc import Sequence

from selectormlp.errors import PanelError, counted, quoted
from selectormlp.panel.controls import is_control
from selectormlp.panel.gene_columns import GENE_LIKE, GeneTable, are_numbers, below_header, is_number
from selectormlp.panel.gene_headers import (
    CHOSEN_HEADERS,
    CODE_HEADERS,
    GENE_ENDING,
    GENE_HEADERS,
    GROUP_HEADERS,
    ID_HEADERS,
    folded,
)
from selectormlp.panel.gene_json import is_json, table_from_json
from selectormlp.panel.gene_rows import rows_of
from selectormlp.panel.names import IDENTIFIER

logger = logging.getLogger(__name__)

MAX_ABOVE = 10
"""Maximum number of lines above the header, such as titles, that are skipped."""

MIN_IDENTIFIERS = 0.6
"""Minimum share of identifiers in a column of identifiers without header; controls have none."""

RANKED = re.compile(r"(.+)_(names|n)")
"""Suffixes of headers of names and scores, a pair per type, as scanpy's users write them: ``T_names``, ``T_scores``."""


def read_gene_table(text: str, *, suffix: str = ".csv") -> GeneTable:
    r"""Read genes from the text of a table or list.

    A list has one gene per line, or all genes on one line separated by commas, semicolons, tabs or blanks, or is a JSON
    list. In a table, genes are taken from the column with a known header; else from the column beside identifiers, from
    the only column of text, or from all columns if each is a list of names. Lines that begin with ``#``, titles above
    the header and Excel's ``sep=`` are skipped. Cells may hold lists, as NS-Forest writes them.

    Parameters
    ----------
    text
        The text.
    suffix
        Suffix of the file name, in lower case: in a plain list (``.txt``) few names hold commas.

    Raises
    ------
    PanelError
        If there are no genes, or the column that holds them is not clear.

    Examples
    --------
    >>> read_gene_table("CD3E, MS4A1, NKG7").genes
    ('CD3E', 'MS4A1', 'NKG7')
    >>> read_gene_table("Table S3\nGene Symbol;n\nCD3E;1\n").genes
    ('CD3E',)
    """
    if suffix == ".json" or is_json(text):
        return table_from_json(text)
    if re.match(r"\s*\[\w+\]\s*$", text.partition("\n")[0]):
        raise PanelError("the file has sections, as INI and RLF files do, which are not read; export the genes as CSV")
    rows = rows_of(text, plain=suffix == ".txt")
    if not rows:
        raise PanelError("the file holds no genes; expected one line per gene")
    top = _header_row(rows)
    if top is not None:
        return below_header(rows[top], rows[top + 1 :])
    return _ranked_lists(rows) or _without_header(rows)


def _header_row(rows: Sequence[Sequence[str]]) -> int | None:
    """Find the header of genes: the first line, or one below titles or lines of keys and values."""
    for place, row in enumerate(rows[:MAX_ABOVE]):
        names = [folded(cell) for cell in row]
        telling = [name for name in names if name in {*GENE_HEADERS, *ID_HEADERS, *CHOSEN_HEADERS}]
        endings = len(row) > 1 and any(name in GROUP_HEADERS or "id" in name for name in names)
        telling += [name for name in names if endings and GENE_ENDING.fullmatch(name)]
        if telling and (telling != ["x"] or not row[0]):
            return _said(rows, place)
        cell = next(cell for cell in row if cell)
        if sum(map(bool, row)) > 1 or (len(row) == 1 and GENE_LIKE.fullmatch(cell)):
            break
    for place, row in enumerate(rows[:MAX_ABOVE]):  # below lines of keys and values, as codebooks have them
        if all(set(map(folded, row)) & set(some) for some in (GENE_HEADERS, ID_HEADERS, CODE_HEADERS)):
            return _said(rows, place)
    return None


def _said(rows: Sequence[Sequence[str]], place: int) -> int:
    if place:
        above = "; ".join(" ".join(filter(None, row)) for row in rows[:place])
        logger.info("skipped above the header: %s", above[:120])
    return place


def _ranked_lists(rows: Sequence[Sequence[str]]) -> GeneTable | None:
    """Read tables with several columns per type, one of them with gene names; None for other tables."""
    header, body = rows[0], rows[1:]
    groups = {match[1]: place for place, cell in enumerate(header) if (match := RANKED.fullmatch(cell))}
    in_order = sorted(header)
    groups = {group: place for group, place in groups.items() if _n_beginning(f"{group}_", in_order) > 1}
    if not groups and any(folded(cell) in GROUP_HEADERS for cell in header):  # early NS-Forest numbers its markers
        groups = {cell: place for place, cell in enumerate(header) if re.fullmatch(r"\d{1,2}", cell)}
    named = {group: [row[place] for row in body if place < len(row)] for group, place in groups.items()}
    genes = list(dict.fromkeys(gene for cells in named.values() for gene in cells if gene))
    if not genes or are_numbers(genes) or not all(map(GENE_LIKE.fullmatch, genes)):
        return None
    logger.info("%s are read from the columns %s", counted(len(genes), "gene", "genes"), quoted(groups, most=4))
    return GeneTable(tuple(genes))


def _n_beginning(start: str, in_order: Sequence[str]) -> int:
    """Count the texts that begin so, in a sorted list of them."""
    after = start[:-1] + chr(ord(start[-1]) + 1)
    return bisect_left(in_order, after) - bisect_left(in_order, start)


def _without_header(rows: list[list[str]]) -> GeneTable:
    """Read genes without a header: one line, one column of text, or columns that are all lists."""
    if len(rows) == 1 and not _identifier_column([rows[0]]):
        return GeneTable(tuple(cell for cell in rows[0] if cell))
    width = max(map(len, rows))
    rows = [[*row, *[""] * (width - len(row))] for row in rows]
    used = [place for place in range(width) if not place or any(row[place] for row in rows)]
    rows = [[row[place] for place in used] for row in rows]
    if (beside := _beside_identifiers(rows)) is not None:
        return beside
    if _numbered(rows):  # row numbers
        rows = [row[1:] for row in rows]
        header: list[str] | None = rows[0]
    else:
        header = rows[0] if not rows[0][0] else None
    body = rows[1:]
    places = range(len(rows[0]))
    named = [place for place in places if not are_numbers(row[place] for row in body)]
    if header is None and any(not is_number(rows[0][place]) for place in places if place not in named):
        header = rows[0]  # text above numbers
    if not named:
        raise PanelError("the file holds numbers and no gene names; expected one line per gene")
    if len(named) > 1:
        return _lists(rows, header, named)
    if header is None and len(rows) > 1 and _is_title(rows[0][named[0]], [row[named[0]] for row in body]):
        header = rows[0]
    lines = rows if header is None else body
    genes = [row[named[0]] for row in lines]
    if not all(genes):
        raise PanelError(f"line {genes.index('') + 1} names no gene; fill it in or drop it")
    if header is None:
        return GeneTable(tuple(genes))
    logger.info("the first line (%s) is taken for a header above %d lines", quoted(header, most=3), len(body))
    others = [place for place in range(len(header)) if place != named[0]]
    return GeneTable(tuple(genes), {header[place].casefold(): tuple(row[place] for row in body) for place in others})


def _identifier_column(rows: Sequence[Sequence[str]]) -> int | None:
    """Find a column of identifiers (Ensembl, FlyBase, WormBase, RefSeq) beside others, or return None."""
    if len(rows[0]) < 2:
        return None
    genes = [row for row in rows[1:] if not any(map(is_control, row))]
    first = [] if any(map(is_control, rows[0])) else rows[:1]
    for place, top in enumerate(rows[0]):
        cells = [row[place] for row in ([*first, *genes] if IDENTIFIER.fullmatch(top) else genes)]
        if cells and sum(IDENTIFIER.fullmatch(cell) is not None for cell in cells) >= MIN_IDENTIFIERS * len(cells):
            return place
    return None


def _beside_identifiers(rows: Sequence[Sequence[str]]) -> GeneTable | None:
    """Read genes beside a column of identifiers, as in 10x's features.tsv; None for other tables."""
    held = _identifier_column(rows)
    if held is None:
        return None
    has_header = len(rows) > 1 and not IDENTIFIER.fullmatch(rows[0][held])
    body = [row for row in (rows[1:] if has_header else rows) if not any(map(is_control, row))]
    for place in range(len(rows[0])):
        cells = [row[place] for row in body]
        if place == held or not all(map(GENE_LIKE.fullmatch, cells)) or any(map(is_number, cells)):
            continue
        if sum(IDENTIFIER.fullmatch(cell) is not None for cell in cells) > len(cells) / 2 or len(set(cells)) < len(
            cells
        ):
            continue
        ids = tuple(row[held] for row in body)
        others = [at for at in range(len(rows[0])) if at not in (place, held)]
        kinds = {at: f"column {at + 1}" for at in others}
        kinds |= {at: "feature_type" for at in others if any("Gene Expression" in row[at] for row in body)}
        heads = rows[0] if has_header else [kinds.get(at, "") for at in range(len(rows[0]))]
        logger.info("no header names a column of genes: column %d is taken, beside identifiers", place + 1)
        return GeneTable(
            tuple(cells), {heads[at].casefold(): tuple(row[at] for row in body) for at in others if heads[at]}, ids
        )
    return None


def _is_title(first: str, others: Sequence[str]) -> bool:
    """Detect the title of a bare list: it holds a word such as "genes", or is much longer than the names below."""
    words = set(re.split(r"[\W_]+", first.casefold()))
    longest = max(map(len, others))
    return bool(words & {"panel", "genes", "list", "targets", "codebook"}) or len(first) > max(20, 2 * longest)


def _numbered(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the first column holds row numbers, below an empty cell or another header."""
    if len(rows[0]) < 2:
        return False
    numbers = [row[0] for row in rows[1:]]
    return not rows[0][0].isdigit() and numbers in (
        [str(n) for n in range(len(numbers))],
        [str(n + 1) for n in range(len(numbers))],
    )


def _lists(rows: list[list[str]], header: list[str] | None, named: list[int]) -> GeneTable:
    """Read all columns if each is a list of names, such as one per cell type; raise if one describes the others."""
    body = rows[1:] if header is not None else rows
    columns = [[row[place] for row in body if row[place]] for place in named]
    if header is None and not all(GENE_LIKE.fullmatch(cell) for cell in filter(None, rows[0])):
        columns, header = [column[1:] for column in columns], rows[0]  # names with blanks above names without
    alike = all(GENE_LIKE.fullmatch(cell) for column in columns for cell in column)
    if len(named) < len(rows[0]) or not alike or any(len(set(column)) < len(column) for column in columns):
        raise PanelError(
            f"{len(named)} columns may hold genes (first line: {quoted(rows[0], most=4)}); write 'gene' above "
            "the column of genes, or one gene per line"
        )
    read = columns if header is not None else rows  # without a header it may be a wrapped list
    genes = list(dict.fromkeys(cell for part in read for cell in part if cell))
    logger.warning(
        "no header names a column of genes: %s are read from all %d columns, %s",
        counted(len(genes), "name", "names"),
        len(named),
        "the first line included" if header is None else "below the first line, which is taken for a header",
    )
    return GeneTable(tuple(genes))
