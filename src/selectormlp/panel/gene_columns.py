"""Find the columns of genes and identifiers in a table, and read its cells."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from selectormlp.errors import PanelError, counted, quoted
from selectormlp.panel.controls import is_control
from selectormlp.panel.gene_headers import (
    CHOSEN_HEADERS,
    GENE_ENDING,
    GENE_HEADERS,
    GROUP_HEADERS,
    ID_HEADERS,
    PLACE_HEADERS,
    UNKNOWN,
    folded,
)
from selectormlp.panel.names import IDENTIFIER

logger = logging.getLogger(__name__)

TRUE, FALSE = frozenset({"true", "1", "yes", "t", "1.0"}), frozenset({"false", "0", "no", "f", "", "0.0"})

GENE_LIKE = re.compile(r"[^\s,;|\"]+")

NUMBER = re.compile(r"[-+]?\d*[.,]?\d+(e[-+]?\d+)?", re.IGNORECASE)

OWN_HEADERS = frozenset({"position", "gene", "score", "reason"})
"""Headers of ``panel.csv``."""

MOSTLY, HALF = 0.8, 0.5
"""Minimum share of cells that look like names in a column of genes; and a lower one if no column reaches it."""


@dataclass(frozen=True)
class GeneTable:
    """A table of genes.

    Attributes
    ----------
    genes
        Names of the genes, in order; not empty.
    columns
        Other columns by header (in lower case), one cell per gene.
    ids
        Identifiers, if a column holds them.
    header, id_header
        Headers of the columns taken for genes and identifiers; ``""`` for none.
    """

    genes: tuple[str, ...]
    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)
    ids: tuple[str, ...] | None = None
    header: str = ""
    id_header: str = ""


def below_header(header: Sequence[str], lines: Sequence[Sequence[str]]) -> GeneTable:
    """Read a table whose header shows the column of genes.

    Parameters
    ----------
    header
        Names of the columns.
    lines
        Cells, one line per gene; a cell with several genes, as in lists of markers, counts as several lines.

    Raises
    ------
    PanelError
        If a line is wider than the header or names no gene, or there are no lines.

    Examples
    --------
    >>> below_header(["clusterName", "NSForest_markers"], [["T", "['CD3E', 'CD3D']"], ["B", "['MS4A1']"]]).genes
    ('CD3E', 'CD3D', 'MS4A1')
    """
    width = len(header)
    if lines and all(len(line) == width + 1 for line in lines):  # R's write.table gives row names no header
        header = ["", *header]
        width += 1
    wide = next((line for line in lines if any(line[width:])), None)
    if wide is not None:
        raise PanelError(
            f"the line {','.join(wide)[:60]!r} has {len(wide)} cells below a header of {width}; write one gene per line"
        )
    names = [folded(cell) for cell in header]
    filled = [[*line[:width], *[""] * (width - len(line))] for line in lines]
    is_own = set(names) >= OWN_HEADERS  # names there are taken as they are
    column = names.index("gene") if is_own else gene_column(names, filled) or 0
    held = _identifier_column(names, filled, column)
    filled = _chosen(names, filled)
    if not is_own:
        filled = _one_gene_a_line(filled, column)
    filled = _named(filled, column, held, as_they_are=is_own)
    by_place = any(name in PLACE_HEADERS for name in names) and len({line[column] for line in filled}) < len(filled)
    if by_place or any(name in GROUP_HEADERS for name in names):
        first = {line[column]: line for line in reversed(filled)}
        filled = [line for line in filled if first[line[column]] is line]
    if by_place:
        logger.info("the file has one line per molecule: its %d genes are read", len(filled))
        return GeneTable(tuple(line[column] for line in filled), header=header[column])
    if not filled:
        raise PanelError("the file holds a header but no genes; expected one line per gene")
    columns: dict[str, tuple[str, ...]] = {}
    for place, name in enumerate(header):
        if place != column and not names[place].startswith("unnamed:"):
            columns.setdefault(name.casefold(), tuple(line[place] for line in filled))
    ids = None if held is None else tuple("" if line[held] in UNKNOWN else line[held] for line in filled)
    if held is not None and ids is not None:
        columns[header[held].casefold()] = ids
    return GeneTable(
        tuple(line[column] for line in filled), columns, ids, header[column], "" if held is None else header[held]
    )


def gene_column(names: Sequence[str], lines: Sequence[Sequence[str]], other_than: int | None = None) -> int | None:
    """Find the column of genes: the first with a known header whose cells look like names.

    Parameters
    ----------
    names
        Headers as :func:`~selectormlp.panel.gene_headers.folded` writes them.
    lines
        Cells below, equally many per line.
    other_than
        A column to skip.

    Returns
    -------
    Its position; None if no header means genes or identifiers.
    """
    by_header = [names.index(name) for name in GENE_HEADERS if name in names]
    by_ending = [place for place, name in enumerate(names) if GENE_ENDING.fullmatch(name) and name not in ID_HEADERS]
    named = [place for place in dict.fromkeys([*by_header, *by_ending]) if place != other_than]
    by_id = [names.index(name) for name in ID_HEADERS if name in names]
    named.sort(key=lambda place: are_identifiers([line[place] for line in lines]))  # symbols before identifiers
    shares = {place: _share_of_names([line[place] for line in lines]) for place in [*named, *by_id]}
    return next(
        (place for least in (MOSTLY, HALF) for place in named if shares[place] >= least),
        next((place for place in by_id if shares[place] >= HALF), next(iter([*named, *by_id]), None)),
    )


def _identifier_column(names: Sequence[str], lines: Sequence[Sequence[str]], genes: int) -> int | None:
    """Find the column of identifiers beside genes: by its header, or a column headed as genes that holds them."""
    by_header = [names.index(name) for name in ID_HEADERS if name in names]
    by_content = [
        place
        for place, name in enumerate(names)
        if (name in GENE_HEADERS or GENE_ENDING.fullmatch(name)) and are_identifiers([line[place] for line in lines])
    ]
    return next((place for place in [*by_header, *by_content] if place != genes), None)


def are_identifiers(cells: Sequence[str]) -> bool:
    """Return whether most filled cells hold identifiers, such as Ensembl's."""
    filled = [cell for cell in cells if cell]
    return sum(IDENTIFIER.fullmatch(cell) is not None for cell in filled) > HALF * len(filled)


def _share_of_names(cells: Sequence[str]) -> float:
    """Return the share of cells that look like gene names or lists of them, not descriptions or numbers."""
    filled = [cell for cell in cells if cell]
    alike = [cell for cell in filled if not NUMBER.fullmatch(cell) and all(map(GENE_LIKE.fullmatch, parts_of(cell)))]
    return len(alike) / len(filled) if filled else 1.0


def parts_of(cell: str) -> list[str]:
    """Return the genes of a cell, which may hold a list in Python's or another notation.

    Examples
    --------
    >>> parts_of("['CD3E', 'CD3D']"), parts_of("MS4A1; CD79A"), parts_of("7,8-x"), parts_of("T cell, B")
    (['CD3E', 'CD3D'], ['MS4A1', 'CD79A'], ['7,8-x'], ['T cell, B'])
    """
    bare = cell.strip()
    if bare.isalnum():
        return [bare]
    in_brackets = re.fullmatch(r"[\[({](.*)[\])}]", bare, re.DOTALL)
    text = in_brackets[1] if in_brackets else bare
    if not in_brackets and not re.search(r",\s|;", text):
        return [re.sub(r"\|[NX][MR]_\d.*", "", bare)]  # BD Rhapsody: symbol|RefSeq|…
    parts = [
        part.strip().strip("'\"").strip() for part in re.split(r"[,;]" if re.search("[,;]", text) else r"\s+", text)
    ]
    parts = [part for part in parts if part]
    return parts if in_brackets or (len(parts) > 1 and all(map(GENE_LIKE.fullmatch, parts))) else [bare]


def _one_gene_a_line(lines: Sequence[Sequence[str]], column: int) -> list[list[str]]:
    """Repeat lines whose cell holds several genes, once for each gene."""
    found = [[*line[:column], gene, *line[column + 1 :]] for line in lines for gene in (parts_of(line[column]) or [""])]
    if len(found) > len(lines):
        logger.info("cells that list several genes are split: %d genes in %d lines", len(found), len(lines))
    return found


def _named(lines: Sequence[list[str]], column: int, held: int | None, *, as_they_are: bool = False) -> list[list[str]]:
    """Keep lines that name a gene; raise for others unless they are empty, controls, or notes at the end."""
    found, n_empty, by_id = [], 0, []
    last = max((place for place, line in enumerate(lines) if sum(map(bool, line)) > 1), default=len(lines) - 1)
    for place, line in enumerate(lines):
        others = [cell for at, cell in enumerate(line) if at != column and cell and cell not in UNKNOWN]
        if as_they_are and line[column]:
            found.append(line)
        elif place > last and len(line) > 1 and re.search(r"\s|:", line[column]):
            n_empty += 1
        elif line[column] and line[column] not in UNKNOWN:
            found.append(line)
        elif not others or any(map(is_control, others)):
            n_empty += 1
        elif held is not None and line[held] and line[held] not in UNKNOWN:
            by_id.append(line[held])
            found.append([*line[:column], line[held], *line[column + 1 :]])
        else:
            shown = ",".join(line).rstrip(",")[:60]
            raise PanelError(f"the line {shown!r} names no gene (column {column + 1}); fill it in or drop it")
    if n_empty:
        logger.info("%s passed over", counted(n_empty, "line without a gene is", "lines without a gene are"))
    if by_id:
        logger.info(
            "%s without a name go by their identifiers: %s", counted(len(by_id), "gene", "genes"), quoted(by_id)
        )
    return found


def _chosen(names: Sequence[str], lines: Sequence[list[str]]) -> list[list[str]]:
    """Keep the lines marked by a column of True and False, if there is one."""
    for place, name in enumerate(names):
        if name not in CHOSEN_HEADERS:
            continue
        marks = [line[place].casefold() for line in lines]
        if set(marks) <= TRUE | FALSE:
            kept = [line for line, mark in zip(lines, marks, strict=True) if mark in TRUE]
            logger.info(
                "%d of %d genes are marked in the column %r: the others are left out", len(kept), len(lines), name
            )
            if not kept:
                raise PanelError(f"the column {name!r} marks none of the {len(lines)} genes; mark some with True")
            return kept
    return list(lines)


def are_numbers(cells: Iterable[str]) -> bool:
    """Return whether cells hold numbers or booleans, and not all are empty."""
    given = list(cells)
    return any(given) and all(map(is_number, given))


def is_number(cell: str) -> bool:
    """Return whether a cell is empty, or holds a number or a boolean."""
    try:
        float(cell or "0")
    except ValueError:
        return cell.casefold() in ("na", "true", "false")
    return True
