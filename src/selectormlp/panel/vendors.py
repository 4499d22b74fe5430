"""Read panels and gene lists of vendors and other tools."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import logging
import re
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from selectormlp.errors import PanelError, counted, quoted
from selectormlp.gate.archives import check_zip
from selectormlp.gate.files import read_start
from selectormlp.panel.controls import KIND_HEADERS, are_controls, is_control
from selectormlp.panel.feature_matrix import MAGIC, features_of
from selectormlp.panel.gene_fasta import panel_from_fasta
from selectormlp.panel.gene_headers import CELL_HEADERS, folded
from selectormlp.panel.panel import Panel
from selectormlp.panel.panel_tables import panel_of
from selectormlp.panel.storage import panel_from_text
from selectormlp.panel.storage import read_panel as read_plain_panel
from selectormlp.panel.text_files import text_of

logger = logging.getLogger(__name__)

MAX_BYTES = 1 << 28
"""Maximum unpacked size of a compressed list: a probe file of a whole transcriptome has tens of megabytes."""

MAX_HEADER = 1 << 22
"""Number of characters in which header and first line of a table of cells × genes must lie."""

MAX_SHEETS, MAX_ROWS, MAX_CELLS = 100, 1 << 20, 5_000_000
"""Limits of a workbook: number of sheets tried, rows per sheet, and cells read per sheet."""

MIN_GENES = 10
"""With at least this many columns, numbers below a line of names are taken for counts of cells."""

GZIP_MAGIC, ZIP_MAGIC = b"\x1f\x8b", b"PK\x03\x04"


def read_panel(path: Path | str) -> Panel:
    r"""Read a panel from our files, a gene list or table, or a vendor's file.

    Parameters
    ----------
    path
        Our ``panel.json`` or ``panel.csv``; a list or table of genes (CSV, TSV, text, JSON, xlsx; see
        :func:`selectormlp.panel.gene_tables.read_gene_table`); a table of a vendor's pre-designed panel;
        ``gene_panel.json`` or ``cell_feature_matrix.h5`` of a Xenium run; a MERSCOPE codebook; a table of cells × genes
        or of molecules; tables of markers of NS-Forest, spapros and scanpy; probe sequences as FASTA. Text may be
        gzipped.

    Returns
    -------
    Genes in the order of the file. Identifiers, probe sets, codewords and other columns are kept as ``gene_ids`` and
    ``facts``. Controls (``Blank-*``) are left out.

    Raises
    ------
    PanelError
        If the file cannot be read, or the place of the genes is not clear.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> file = Path(mkdtemp()) / "add_on.csv"
    >>> _ = file.write_text("Gene,Ensembl ID,Probe sets\nTAP1,ENSG00000168394,7\nGAD2,ENSG00000136750,8\n")
    >>> panel = read_panel(file)
    >>> panel.genes, panel.gene_ids, panel.facts
    (('TAP1', 'GAD2'), ('ENSG00000168394', 'ENSG00000136750'), {'n_probes': ('7', '8')})
    """
    place = Path(path)
    try:
        if place.is_file():
            start = read_start(place, 4096, PanelError)
            special = _special(place, start)
            if special is not None:
                return special
    except OSError as error:
        raise PanelError(f"cannot read {str(place)!r} ({error.strerror or error})") from error
    except PanelError as error:
        shown = repr(str(place))
        raise PanelError(f"{shown}: {str(error).removeprefix(f'{shown} ')}") from error
    return _without_controls(read_plain_panel(place))


def _special(place: Path, start: bytes) -> Panel | None:
    """Read files other than plain lists and tables; None for those."""
    if start[:4] == ZIP_MAGIC:
        return _from_workbook(place)
    if start[:8] == MAGIC:
        return _without_controls(panel_of(features_of(place)))
    if start[:2] == GZIP_MAGIC:
        text, suffix = _unpacked(place), Path(place.stem).suffix.lower()
        return _from_text(text) or _without_controls(panel_from_text(text, suffix))
    if start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b">":
        return panel_from_fasta(text_of(place))
    with place.open(encoding="utf-8-sig", errors="replace") as stream:
        return _from_cell_table(stream.read(MAX_HEADER))


def _from_text(text: str) -> Panel | None:
    return panel_from_fasta(text) if text.lstrip().startswith(">") else _from_cell_table(text)


def _unpacked(place: Path) -> str:
    try:
        with gzip.open(place) as stream:
            content = stream.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise PanelError(f"unpacks to more than {MAX_BYTES:,} bytes; unpack it, and name the genes you want")
        return content.decode("utf-8-sig")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise PanelError(f"cannot be unpacked ({error}); copy the file again") from error
    except UnicodeDecodeError as error:
        raise PanelError("is not UTF-8 text once unpacked; expected a list of genes or FASTA") from error


def _from_cell_table(text: str) -> Panel | None:
    """Read the column names of a table of cells × genes; None for other text."""
    header, _, rest = text.lstrip("\ufeff\r\n").partition("\n")
    delimiter = "\t" if header.count("\t") > header.count(",") else ","
    names = [cell.strip().strip('"') for cell in header.split(delimiter)]
    first = rest.partition("\n")[0].split(delimiter)
    is_codebook = "barcodetype" in map(str.casefold, names)
    described = [place for place, name in enumerate(names) if folded(name) in CELL_HEADERS or not place]
    counts = [cell for place, cell in enumerate(first) if place not in described]
    if is_codebook or len(names) < MIN_GENES or len(first) != len(names) or not all(map(_is_count, counts)):
        return None
    genes = tuple(name for place, name in enumerate(names) if name and place not in described)
    if len(genes) < MIN_GENES - 1:
        return None
    logger.info("the file is taken for a table of cells × genes: its %d column names are the genes", len(genes))
    return _without_controls(Panel(genes))


def _from_workbook(place: Path) -> Panel:
    """Read the first sheet that names genes."""
    try:
        import openpyxl
    except ImportError as error:
        raise PanelError(
            "a workbook (or another zip file); save the sheet that holds the genes as CSV, or install "
            "selectormlp[xlsx], which reads workbooks"
        ) from error
    if zipfile.is_zipfile(place):
        check_zip(place, PanelError)
    try:
        with zipfile.ZipFile(place) as bundle:
            if sum(part.file_size for part in bundle.infolist()) > MAX_BYTES:
                raise PanelError(f"unpacks to more than {MAX_BYTES:,} bytes; save the sheet as CSV")
        book = openpyxl.load_workbook(place, read_only=True, data_only=True)
        sheets = {sheet.title: _rows_of(sheet) for sheet in book.worksheets[:MAX_SHEETS]}
    except (PanelError, MemoryError):
        raise
    except Exception as error:  # openpyxl raises many kinds of errors for damaged parts
        raise PanelError(f"not a readable workbook ({type(error).__name__}); save the sheet as CSV") from error
    problems = []
    for name, rows in sheets.items():
        try:
            panel = panel_from_text(_csv_of(rows), ".csv")
        except PanelError as error:
            problems.append(f"sheet {name!r}: {error}")
            continue
        if len(sheets) > 1:
            logger.info("the sheet %r is read", name)
        return _without_controls(panel)
    raise PanelError("; ".join(problems[:2]) or "a workbook without sheets; save the genes as CSV")


def _rows_of(sheet: Any) -> list[tuple[object, ...]]:
    """Return the nonempty rows of a sheet; the size it claims is not trusted."""
    sheet.reset_dimensions()
    rows, n_cells = [], 0
    for row in sheet.iter_rows(max_row=MAX_ROWS, values_only=True):
        n_cells += len(row)
        if n_cells > MAX_CELLS:
            raise PanelError(f"a sheet has more than {MAX_CELLS:,} cells; save the part with the genes as CSV")
        last = next((place for place in range(len(row), 0, -1) if str(row[place - 1] or "").strip()), 0)
        rows += [row[:last]] if last else []
    return rows


def _csv_of(rows: Sequence[Sequence[object]]) -> str:
    """Return the cells of a sheet as text; raise for dates, into which genes such as SEPT1 were turned."""
    dates = [cell for row in rows for cell in row if isinstance(cell, dt.date)]
    if dates:
        raise PanelError(
            f"{counted(len(dates), 'cell is a date', 'cells are dates')} ({quoted(map(str, dates), most=3)}), as a "
            "spreadsheet makes of genes such as SEPTIN1 or MARCHF1; write these as text"
        )
    stream = io.StringIO()
    whole = (
        [int(cell) if isinstance(cell, float) and cell.is_integer() else cell for cell in row]
        for row in rows
        if any(cell is not None for cell in row)
    )
    csv.writer(stream).writerows([["" if cell is None else str(cell) for cell in row] for row in whole])
    return stream.getvalue()


def _without_controls(panel: Panel) -> Panel:
    """Leave out controls, by name or by a column with the kind of each target; log how many."""
    controls = {place for place, gene in enumerate(panel.genes) if is_control(gene)}
    for header, kinds in panel.facts.items():
        if folded(header) in KIND_HEADERS:
            controls |= {place for place, control in enumerate(are_controls(kinds)) if control}
    kept = [place for place in range(len(panel)) if place not in controls]
    if not controls:
        return panel
    if not kept:
        raise PanelError("all names are of controls; expected genes")
    logger.info("%s left out", counted(len(controls), "control is", "controls are"))
    return panel.take(kept)


def _is_count(text: str) -> bool:
    return bool(re.fullmatch(r"\d+(\.0*)?", text.strip()))
