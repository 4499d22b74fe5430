"""Split the text of a table or list of genes into rows of cells."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Sequence

from selectormlp.errors import PanelError, counted
from selectormlp.gate.tables import table_rows
from selectormlp.panel.gene_headers import known

logger = logging.getLogger(__name__)

FORMULA_STARTS = "=+-@\t\r\n＝＋－＠"
"""First characters of cells that spreadsheets may take for formulas (OWASP, "CSV injection"), including full-width
forms."""


def rows_of(text: str, *, plain: bool) -> list[list[str]]:
    """Split text into cells; drop empty lines and blanks around cells."""
    lines = text.splitlines(keepends=True)
    filled = [line for line in lines if line.strip()]
    if filled and (given := re.fullmatch(r'"?sep=(.)"?', filled[0].strip())):
        return _cells("".join(filled[1:]), given[1])
    body = [line for line in filled if not _is_comment(line)]
    if len(body) < len(filled):
        logger.info("%s that begin with '#' are skipped", counted(len(filled) - len(body), "line", "lines"))
    delimiter = _delimiter(body, plain=plain)
    if delimiter is not None:
        return _cells("".join(body), delimiter)
    if plain:  # names are kept as they are, without quotes around all of them
        names = [line.strip() for line in body]
        is_quoted = all(len(name) > 1 and name[0] == name[-1] == '"' for name in names)
        return _blank_separated([[name[1:-1].strip() if is_quoted else name] for name in names])
    return _blank_separated([[",".join(row)] for row in _cells("".join(body), ",")])


def _is_comment(line: str) -> bool:
    """Return whether a line is a comment, not a header that begins with ``#``."""
    start = line.lstrip()
    return start.startswith("#") and known(re.split(r"[,;\t]", start.lstrip("# "))[0]) is None


def _delimiter(lines: Sequence[str], *, plain: bool) -> str | None:
    """Find the separator of cells: the one that occurs equally often on most lines, outside quotes."""
    bare = [re.sub(r'"[^"]*"', "", line.strip()) for line in lines]
    best: tuple[float, int, str] | None = None
    for rank, mark in enumerate("|,;\t"):
        counts = [line.count(mark) for line in bare]
        having = sum(count > 0 for count in counts)
        # a plain list has one name per line, and few names hold a comma
        if not having or (mark == "|" and not counts[0]) or (plain and mark != "\t" and having * 2 < len(bare)):
            continue
        n_lines = max(n_lines for count, n_lines in Counter(counts).items() if count)
        found = (n_lines / len(bare), rank, mark)
        best = found if best is None or found > best else best
    return None if best is None else best[2]


def _cells(text: str, delimiter: str) -> list[list[str]]:
    cells = ([_unshielded(cell) for cell in row] for row in table_rows(text, delimiter, PanelError))
    return [row for row in cells if any(row)]


def _unshielded(text: str) -> str:
    return text[1:] if text[:1] == "'" and text[1:].startswith((*FORMULA_STARTS, "'")) else text


def _blank_separated(rows: list[list[str]]) -> list[list[str]]:
    """Split genes at blanks if they cannot be part of names: on a single line."""
    rows = [row for row in rows if row[0]]
    names = rows[1:] if rows and known(rows[0][0]) else rows
    if len(names) == 1 and len(names[0][0].split()) > 1:
        return [*rows[: len(rows) - 1], *([word] for word in names[0][0].split())]
    if len(names) > 1 and all(re.fullmatch(r"[\d.\s]+", row[0]) for row in names):
        raise PanelError("the file holds numbers and no gene names; expected one line per gene")
    if len(names) > 1 and names is rows and all(len(row[0].split()) > 1 for row in names):
        raise PanelError(
            f"each line holds several words ({names[0][0][:60]!r}); write one gene per line, or commas between columns "
            "and the header 'gene' above the genes"
        )
    return rows
