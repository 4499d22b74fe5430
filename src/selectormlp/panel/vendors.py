"""Panels and gene lists as vendors and other tools write them."""

from __future__ import annotations

import csv
import gzip
import io
import json
import logging
import re
import zipfile
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from selectormlp.errors import PanelError, counted, quoted
from selectormlp.gate.archives import check_zip
from selectormlp.gate.files import read_start
from selectormlp.panel.panel import Panel
from selectormlp.panel.storage import panel_from_text
from selectormlp.panel.storage import read_panel as read_plain_panel

logger = logging.getLogger(__name__)

MAX_BYTES = 1 << 28
"""Largest unpacked size of a compressed list: a probe file of a whole transcriptome has tens of megabytes."""

CONTROL = re.compile(
    r"^(blank|neg(ative)?[ _-]?control|negcontrol|unassigned|deprecated|antisense|intergenic)", re.IGNORECASE
)
"""Names of controls, which are no genes."""

MAX_HEADER = 1 << 22
"""Bytes within which the header and first line of a table of cells × genes lie."""

MOST_ROWS, MOST_CELLS = 1 << 20, 5_000_000
"""Of a workbook: rows that a sheet may have, and cells that are read."""

MIN_GENES = 10
"""Columns from which on numbers below a line of names are taken for counts of cells."""

GZIP_MAGIC, ZIP_MAGIC, BOM = b"\x1f\x8b", b"PK\x03\x04", b"\xef\xbb\xbf"


def read_panel(path: Path | str) -> Panel:
    r"""Read a panel from our files, a gene list or table, or a vendor's file.

    Parameters
    ----------
    path
        Our ``panel.json`` or ``panel.csv``; a list or table of genes (CSV, TSV, text, JSON, xlsx; see
        :func:`selectormlp.panel.gene_tables.read_gene_table`); a table of a vendor's pre-designed panel;
        ``gene_panel.json`` of a Xenium run; a MERSCOPE codebook; a table of cells × genes of a run; probe sequences as
        FASTA, whose records are named ``identifier|symbol|…``. All but tables of cells may be gzipped.

    Returns
    -------
    Genes in the order of the file. Identifiers, probe sets, codewords and other columns are kept as ``gene_ids`` and
    ``facts``. Controls (``Blank-*``) are left out.

    Raises
    ------
    PanelError
        If the file cannot be read, or it cannot be told where the genes are.

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
    special = None
    if place.is_file():
        try:
            start = read_start(place, MAX_HEADER, PanelError)
        except OSError as error:
            raise PanelError(f"cannot read {str(place)!r} ({error.strerror or error})") from error
        if start.startswith(ZIP_MAGIC):
            check_zip(place, PanelError)
        try:
            special = _special(place, start)
        except PanelError as error:
            raise PanelError(f"{str(place)!r}: {error}") from error
    return special or _without_controls(read_plain_panel(place))


def _special(place: Path, start: bytes) -> Panel | None:
    """Read what is no plain list or table; None for these."""
    if start[:4] == ZIP_MAGIC:
        return _from_workbook(place)
    if start[:2] == GZIP_MAGIC:
        text = _unpacked(place)
        if text.lstrip().startswith(">"):
            return _from_fasta(text)
        return _from_cell_table(text) or _without_controls(panel_from_text(text, Path(place.stem).suffix.lower()))
    first = start.removeprefix(BOM).lstrip()[:1]
    if first == b">":
        return _from_fasta(_text(place))
    if first == b"{" and b'"payload"' in start:
        return _from_gene_panel(_text(place))
    return _from_cell_table(start.decode("utf-8", errors="replace"))


def _text(place: Path) -> str:
    content = read_start(place, MAX_BYTES + 1, PanelError)
    if len(content) > MAX_BYTES:
        raise PanelError(f"has more than {MAX_BYTES:,} bytes; name the genes that are meant")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PanelError("is not UTF-8 text; expected a list of genes, FASTA or JSON") from error


def _unpacked(place: Path) -> str:
    try:
        with gzip.open(place) as stream:
            content = stream.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise PanelError(f"unpacks to more than {MAX_BYTES:,} bytes; unpack it, and name the genes that are meant")
        return content.decode("utf-8-sig")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise PanelError(f"cannot be unpacked ({error}); copy the file again") from error
    except UnicodeDecodeError as error:
        raise PanelError("is not UTF-8 text once unpacked; expected a list of genes or FASTA") from error


def _from_cell_table(text: str) -> Panel | None:
    """Read the column names of a table of cells × genes; None for other text."""
    header, _, rest = text.lstrip("\ufeff\r\n").partition("\n")
    names = [cell.strip().strip('"') for cell in header.split(",")]
    first = rest.partition("\n")[0].split(",")
    is_codebook = "barcodetype" in map(str.casefold, names)
    if is_codebook or len(names) < MIN_GENES or len(first) != len(names) or not all(map(_is_count, first[1:])):
        return None
    genes = tuple(name for name in names[1:] if name)
    logger.info("the file is taken for a table of cells × genes: its %d column names are the genes", len(genes))
    return _without_controls(Panel(genes))


def _from_gene_panel(text: str) -> Panel:
    """Read ``gene_panel.json`` of a Xenium run: ``payload.targets``, each with its type, codewords and source."""
    wanted = "expected the gene_panel.json of a Xenium run (payload.targets)"
    try:
        targets = json.loads(text)["payload"]["targets"]
        found = [_target(target) for target in targets]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PanelError(f"not readable ({type(error).__name__}: {str(error)[:80]}); {wanted}") from error
    genes = [target for target in found if target is not None]
    if not genes:
        raise PanelError(f"it names no gene; {wanted}")
    if len(genes) < len(found):
        logger.info("%s are controls, and left out", counted(len(found) - len(genes), "target", "targets"))
    frame = pd.DataFrame(genes)
    facts = {name: tuple(frame[name]) for name in ("codewords", "coverage", "source") if any(frame[name])}
    return Panel(tuple(frame["gene"]), gene_ids=tuple(frame["gene_id"]), facts=facts)


def _target(target: dict[str, Any]) -> dict[str, str] | None:
    """Take the facts of a target; None for a control."""
    kind = target["type"]
    if kind.get("descriptor", "gene") != "gene":
        return None
    data, info = kind["data"], target.get("info") or {}
    name, gene_id = data.get("name") or data.get("id"), data.get("id") or ""
    if not isinstance(name, str) or CONTROL.match(name):
        return None
    source = target.get("source") or {}
    identity = source.get("identity") or {} if isinstance(source, dict) else {}
    return {
        "gene": name,
        "gene_id": str(gene_id),
        "codewords": str(len(target.get("codewords") or [])),
        "coverage": str(info.get("gene_coverage") or ""),
        "source": str(identity.get("name") or (source.get("category") if isinstance(source, dict) else source) or ""),
    }


def _from_fasta(text: str) -> Panel:
    """Count the probes of each gene; records are named ``identifier|symbol|…``."""
    records = [
        line[1:].split()[0].split("|") for line in text.splitlines() if line.startswith(">") and line[1:].split()
    ]
    named = [(parts[0], parts[1]) if len(parts) > 1 else ("", parts[0]) for parts in records]
    named = [(gene_id, symbol) for gene_id, symbol in named if not CONTROL.match(symbol)]
    if not named:
        raise PanelError("the FASTA file names no genes; expected records named 'identifier|symbol|…'")
    probes = Counter(named)
    symbols = [symbol for _, symbol in probes]
    shared = [symbol for symbol, n in Counter(symbols).items() if n > 1]
    if shared:
        raise PanelError(f"several identifiers share the symbol(s) {quoted(shared)}; rename these records")
    logger.info("%d probes of %d genes are read; their number is taken for n_probes", len(named), len(probes))
    return Panel(
        tuple(symbols),
        gene_ids=tuple(gene_id for gene_id, _ in probes),
        facts={"n_probes": tuple(str(n) for n in probes.values())},
    )


def _from_workbook(place: Path) -> Panel:
    """Read the first sheet that names genes."""
    try:
        import openpyxl
    except ImportError as error:
        raise PanelError(
            "a workbook (or another zip file); save the sheet that holds the genes as CSV, or install "
            "selectormlp[xlsx], which reads workbooks"
        ) from error
    try:
        with zipfile.ZipFile(place) as bundle:
            if sum(part.file_size for part in bundle.infolist()) > MAX_BYTES:
                raise PanelError(f"unpacks to more than {MAX_BYTES:,} bytes; save the sheet as CSV")
        book = openpyxl.load_workbook(place, read_only=True, data_only=True)
        rows = _rows_of(book.worksheets[0])
    except (PanelError, MemoryError):
        raise
    except Exception as error:  # openpyxl raises whatever a damaged part brings
        raise PanelError(f"not a readable workbook ({type(error).__name__}); save the sheet as CSV") from error
    logger.info("the first sheet, %r, is read", book.sheetnames[0])
    stream = io.StringIO()
    csv.writer(stream).writerows(rows)
    return _without_controls(panel_from_text(stream.getvalue(), ".csv"))


def _rows_of(sheet: Any) -> list[list[str]]:
    """Return the rows of a sheet that hold something; its own word for its size is not taken."""
    sheet.reset_dimensions()
    rows, n_cells = [], 0
    for row in sheet.iter_rows(max_row=MOST_ROWS, values_only=True):
        n_cells += len(row)
        if n_cells > MOST_CELLS:
            raise PanelError(f"its first sheet has more than {MOST_CELLS:,} cells; save the part with the genes as CSV")
        texts = ["" if cell is None else str(cell) for cell in row]
        while texts and not texts[-1].strip():
            texts.pop()
        rows += [texts] if texts else []
    return rows


def _without_controls(panel: Panel) -> Panel:
    """Leave out controls of a codebook, and say how many."""
    kept = [place for place, gene in enumerate(panel.genes) if not CONTROL.match(gene)]
    if len(kept) == len(panel):
        return panel
    if not kept:
        raise PanelError("all names are those of controls; expected genes")
    logger.info("%s are left out", counted(len(panel) - len(kept), "control", "controls"))
    return panel.take(kept)


def _is_count(text: str) -> bool:
    return bool(re.fullmatch(r"\d+(\.0*)?", text.strip()))
