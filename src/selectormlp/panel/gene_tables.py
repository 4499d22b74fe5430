"""Tables and lists of genes as people and programs write them: all of it is read, or refused with what to do."""

from __future__ import annotations

import csv
import io
import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from selectormlp.errors import PanelError, counted, quoted
from selectormlp.gate.text import check_json
from selectormlp.panel.gene_headers import CHOSEN_HEADERS, GENE_HEADERS, GROUP_HEADERS, ID_HEADERS, folded, known

logger = logging.getLogger(__name__)

FORMULA_STARTS = "=+-@\t\r\n＝＋－＠"
"""A cell that begins so may be a formula to spreadsheets (OWASP, "CSV injection"), the wide forms to some."""

TRUE, FALSE = frozenset({"true", "1", "yes", "t", "1.0"}), frozenset({"false", "0", "no", "f", "", "0.0"})

MAX_ABOVE = 10
"""Lines above the header, such as titles, that are passed over."""

GENE_LIKE = re.compile(r"[^\s,;|\"]+")


@dataclass(frozen=True)
class GeneTable:
    """A table of genes.

    Attributes
    ----------
    genes
        Their names, in order; not empty.
    columns
        Other columns by header (in small letters), a cell a gene.
    ids
        Identifiers where a column holds them.
    """

    genes: tuple[str, ...]
    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)
    ids: tuple[str, ...] | None = None


def read_gene_table(text: str, *, suffix: str = ".csv") -> GeneTable:
    r"""Read genes from the text of a table or list.

    A list stands one gene a line, or on one line between commas, semicolons, tabs or blanks, or as a JSON list. In a
    table, genes are taken from the column whose header says so; without such a header from the only column of text, or
    from all columns where each is a list of names. Lines that begin with ``#``, titles above the header and Excel's
    ``sep=`` are passed over.

    Parameters
    ----------
    text
        The text.
    suffix
        Of the file's name, in small letters: in a plain list (``.txt``) few names may hold commas.

    Raises
    ------
    PanelError
        If there are no genes, or it cannot be told which column holds them.

    Examples
    --------
    >>> read_gene_table("CD3E, MS4A1, NKG7").genes
    ('CD3E', 'MS4A1', 'NKG7')
    >>> read_gene_table("Table S3\nGene Symbol;n\nCD3E;1\n").genes
    ('CD3E',)
    """
    if suffix == ".json" or text.lstrip().startswith("["):
        return GeneTable(tuple(_json_list(text)))
    rows = _rows(text, plain=suffix == ".txt")
    if not rows:
        raise PanelError("the file holds no genes; expected a line a gene")
    top = _header_row(rows)
    if top is not None:
        return _below_header(rows[top], rows[top + 1 :])
    return _without_header(rows)


def _json_list(text: str) -> list[str]:
    wanted = "expected the panel.json of this package, or a list of gene names in double quotes"
    try:
        check_json(text)
        genes = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PanelError(f"not readable as JSON ({' '.join(str(error).split())[:160]}); {wanted}") from error
    if not isinstance(genes, list) or not all(isinstance(gene, str) for gene in genes):
        raise PanelError(f"the JSON holds a {type(genes).__name__}, and not of names only; {wanted}")
    if not genes:
        raise PanelError(f"the JSON list is empty; {wanted}")
    return [gene.strip() for gene in genes]


def _rows(text: str, *, plain: bool) -> list[list[str]]:
    """Cut the text into cells; lines without any are left out, blanks around cells too."""
    lines = text.splitlines(keepends=True)
    filled = [line for line in lines if line.strip()]
    if filled and (given := re.fullmatch(r'"?sep=(.)"?', filled[0].strip())):
        return _cells("".join(filled[1:]), given[1])
    body = [line for line in filled if not _is_comment(line)]
    if len(body) < len(filled):
        logger.info("%s that begin with '#' are passed over", counted(len(filled) - len(body), "line", "lines"))
    delimiter = _delimiter(body, plain=plain)
    if delimiter is not None:
        return _cells("".join(body), delimiter)
    if plain:  # names as they are, but for quotes around all of them
        names = [line.strip() for line in body]
        is_quoted = all(len(name) > 1 and name[0] == name[-1] == '"' for name in names)
        return _blank_separated([[name[1:-1].strip() if is_quoted else name] for name in names])
    return _blank_separated([[",".join(row)] for row in _cells("".join(body), ",")])


def _is_comment(line: str) -> bool:
    """Tell a comment from a header that begins with ``#``."""
    start = line.lstrip()
    return start.startswith("#") and known(re.split(r"[,;\t]", start.lstrip("# "))[0]) is None


def _delimiter(lines: Sequence[str], *, plain: bool) -> str | None:
    """Find what separates cells: the mark that stands equally often on most lines, outside of quotes."""
    bare = [re.sub(r'"[^"]*"', "", line.strip()) for line in lines]
    best: tuple[float, int, str] | None = None
    for rank, mark in enumerate("|,;\t"):
        counts = [line.count(mark) for line in bare]
        having = sum(count > 0 for count in counts)
        # a plain list holds a name a line, of which few may hold a comma
        if not having or (plain and mark != "\t" and having * 2 < len(bare)):
            continue
        usual = max(set(counts) - {0}, key=counts.count)
        found = (counts.count(usual) / len(bare), rank, mark)
        best = found if best is None or found > best else best
    return None if best is None else best[2]


def _cells(text: str, delimiter: str) -> list[list[str]]:
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True))
    except csv.Error as error:
        raise PanelError(f"not a readable table ({error}); expected a line a gene, separated by commas") from error
    cells = [[_unshielded(cell.strip()) for cell in row] for row in rows]
    return [row for row in cells if any(row)]


def _unshielded(text: str) -> str:
    return text[1:] if text[:1] == "'" and text[1:].startswith((*FORMULA_STARTS, "'")) else text


def _blank_separated(rows: list[list[str]]) -> list[list[str]]:
    """Take blanks for what separates genes where they cannot be part of names: on the only line."""
    rows = [row for row in rows if row[0]]
    names = rows[1:] if rows and known(rows[0][0]) else rows
    if len(names) == 1 and len(names[0][0].split()) > 1:
        return [*rows[: len(rows) - 1], *([word] for word in names[0][0].split())]
    if len(names) > 1 and names is rows and all(len(row[0].split()) > 1 for row in names):
        raise PanelError(
            f"each line holds several words ({names[0][0][:60]!r}); write one gene a line, or commas between columns "
            "and the header 'gene' above the genes"
        )
    return rows


def _header_row(rows: Sequence[Sequence[str]]) -> int | None:
    """Find the line that is a header of genes: the first, or one below titles, which fill one cell."""
    for place, row in enumerate(rows[:MAX_ABOVE]):
        names = [folded(cell) for cell in row]
        telling = [name for name in names if name in {*GENE_HEADERS, *ID_HEADERS, *CHOSEN_HEADERS}]
        if telling and (telling != ["x"] or not row[0]):
            if place:
                above = "; ".join(" ".join(filter(None, row)) for row in rows[:place])
                logger.info("above the header, passed over: %s", above[:120])
            return place
        cell = next(cell for cell in row if cell)
        if sum(map(bool, row)) > 1 or (len(row) == 1 and GENE_LIKE.fullmatch(cell)):
            return None
    return None


def _below_header(header: Sequence[str], lines: Sequence[Sequence[str]]) -> GeneTable:
    """Read the columns of a table whose header says where the genes are."""
    width = len(header)
    if lines and all(len(line) == width + 1 for line in lines):  # R's write.table names no column of row names
        header = ["", *header]
        width += 1
    names = [folded(cell) for cell in header]
    column = next((names.index(name) for name in (*GENE_HEADERS, *ID_HEADERS) if name in names), 0)
    wide = next((line for line in lines if any(line[width:])), None)
    if wide is not None:
        raise PanelError(
            f"the line {','.join(wide)[:60]!r} has {len(wide)} cells below a header of {width}; write one gene a line"
        )
    lines = _chosen(names, lines)
    short = next((line for line in lines if len(line) <= column or not line[column]), None)
    if short is not None:
        raise PanelError(
            f"the line {','.join(short)[:60]!r} names no gene (column {column + 1}); fill it in or drop it"
        )
    if any(name in GROUP_HEADERS for name in names):
        first = {line[column]: line for line in reversed(lines)}
        lines = [line for line in lines if first[line[column]] is line]
    if not lines:
        raise PanelError("the file holds a header but no genes; expected a line a gene")
    columns = {
        name.casefold(): tuple(line[place] if place < len(line) else "" for line in lines)
        for place, name in reversed(list(enumerate(header)))
        if place != column
    }
    held = next((names.index(name) for name in ID_HEADERS if name in names and names.index(name) != column), None)
    ids = None if held is None else columns[header[held].casefold()]
    return GeneTable(tuple(line[column] for line in lines), columns, ids)


def _chosen(names: Sequence[str], lines: Sequence[Sequence[str]]) -> list[Sequence[str]]:
    """Keep the lines that a column of True and False marks, where there is one."""
    for place, name in enumerate(names):
        if name not in CHOSEN_HEADERS:
            continue
        marks = [line[place].casefold() if place < len(line) else "" for line in lines]
        if set(marks) <= TRUE | FALSE:
            kept = [line for line, mark in zip(lines, marks, strict=True) if mark in TRUE]
            logger.info(
                "%d of %d genes are marked in the column %r: the others are left out", len(kept), len(lines), name
            )
            if not kept:
                raise PanelError(f"the column {name!r} marks none of the {len(lines)} genes; mark some with True")
            return kept
    return list(lines)


def _without_header(rows: list[list[str]]) -> GeneTable:
    """Read genes where no header names them: one line, one column of text, or columns that are all lists."""
    if len(rows) == 1:
        return GeneTable(tuple(cell for cell in rows[0] if cell))
    width = max(map(len, rows))
    rows = [[*row, *[""] * (width - len(row))] for row in rows]
    used = [place for place in range(width) if not place or any(row[place] for row in rows)]
    rows = [[row[place] for place in used] for row in rows]
    if _numbered(rows):  # row numbers
        rows = [row[1:] for row in rows]
        header: list[str] | None = rows[0]
    else:
        header = rows[0] if not rows[0][0] else None
    body = rows[1:]
    places = range(len(rows[0]))
    named = [place for place in places if not _are_numbers([row[place] for row in body])]
    if header is None and any(not _is_number(rows[0][place]) for place in places if place not in named):
        header = rows[0]  # text above numbers
    if not named:
        raise PanelError("the file holds numbers and no gene names; expected a line a gene")
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


def _is_title(first: str, others: Sequence[str]) -> bool:
    """Tell the title of a bare list from a gene: it says what it is, or is far longer than any name below."""
    words = set(re.split(r"[\W_]+", first.casefold()))
    longest = max(map(len, others))
    return bool(words & {"panel", "genes", "list", "targets", "codebook"}) or len(first) > max(20, 2 * longest)


def _numbered(rows: Sequence[Sequence[str]]) -> bool:
    """Tell whether the first column holds row numbers, below an empty cell or another header."""
    if len(rows[0]) < 2:
        return False
    numbers = [row[0] for row in rows[1:]]
    return not rows[0][0].isdigit() and numbers in (
        [str(n) for n in range(len(numbers))],
        [str(n + 1) for n in range(len(numbers))],
    )


def _lists(rows: list[list[str]], header: list[str] | None, named: list[int]) -> GeneTable:
    """Read all columns where each is a list of names, say one a cell type; refuse where one describes the others."""
    body = rows[1:] if header is not None else rows
    columns = [[row[place] for row in body if row[place]] for place in named]
    if header is None and not all(GENE_LIKE.fullmatch(cell) for cell in filter(None, rows[0])):
        columns, header = [column[1:] for column in columns], rows[0]  # names with blanks above names without
    alike = all(GENE_LIKE.fullmatch(cell) for column in columns for cell in column)
    if len(named) < len(rows[0]) or not alike or any(len(set(column)) < len(column) for column in columns):
        raise PanelError(
            f"{len(named)} columns may hold genes (first line: {quoted(rows[0], most=4)}); write 'gene' above the one "
            "that does, or one gene a line"
        )
    read = columns if header is not None else rows  # without a header it may be a list that was wrapped
    genes = list(dict.fromkeys(cell for part in read for cell in part if cell))
    logger.warning(
        "no header names a column of genes: %s are read from all %d columns, %s",
        counted(len(genes), "name", "names"),
        len(named),
        "the first line included" if header is None else "below the first line, which is taken for a header",
    )
    return GeneTable(tuple(genes))


def _are_numbers(cells: Sequence[str]) -> bool:
    return any(cells) and all(map(_is_number, cells))


def _is_number(cell: str) -> bool:
    try:
        float(cell or "0")
    except ValueError:
        return cell.casefold() in ("na", "true", "false")
    return True
