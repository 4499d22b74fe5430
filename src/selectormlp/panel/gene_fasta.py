"""Read genes from FASTA files of probes or transcripts; each record counts as a probe."""

from __future__ import annotations

import logging
import re
from collections import Counter

from selectormlp.errors import PanelError, quoted
from selectormlp.panel.controls import is_control
from selectormlp.panel.names import IDENTIFIER
from selectormlp.panel.panel import Panel

logger = logging.getLogger(__name__)

GENCODE_PARTS = 6
"""Parts up to the symbol in names of GENCODE: transcript, gene, two of Havana, name of the transcript, symbol."""


def panel_from_fasta(text: str) -> Panel:
    r"""Count the probes of each gene.

    Parameters
    ----------
    text
        Records named ``identifier|symbol|…`` (Xenium), ``symbol|identifier|…`` (BD Rhapsody), as GENCODE and Ensembl
        name transcripts (``gene:…``, ``gene_symbol:…``), or by the symbol alone.

    Raises
    ------
    PanelError
        If no record names a gene, or a symbol has several identifiers.

    Examples
    --------
    >>> panel_from_fasta(">ENSG1|CD3E|a\nACGT\n>ENSG1|CD3E|b\nACGA\n").facts
    {'n_probes': ('2',)}
    """
    named = [_gene(line[1:].strip()) for line in text.splitlines() if line.startswith(">") and line[1:].strip()]
    named = [(gene_id, symbol) for gene_id, symbol in named if symbol and not is_control(symbol)]
    if not named:
        raise PanelError("the FASTA file names no genes; expected records named 'identifier|symbol|…'")
    probes = Counter(named)
    symbols = [symbol for _, symbol in probes]
    shared = [symbol for symbol, n in Counter(symbols).items() if n > 1]
    if shared:
        raise PanelError(f"symbols shared by several identifiers: {quoted(shared)}; rename these records")
    logger.info("%d probes of %d genes are read; their number is taken for n_probes", len(named), len(probes))
    ids = tuple(gene_id for gene_id, _ in probes)
    return Panel(
        tuple(symbols), gene_ids=ids if any(ids) else None, facts={"n_probes": tuple(str(n) for n in probes.values())}
    )


def _gene(record: str) -> tuple[str, str]:
    """Return identifier and symbol from the name of a record; ``""`` if missing."""
    said = dict(re.findall(r"\b(gene|gene_symbol|gene_name)[:=]([^\s|;\]]+)", record))
    symbol = said.get("gene_symbol") or said.get("gene_name")
    if symbol or IDENTIFIER.fullmatch(said.get("gene", "")):
        return said.get("gene", ""), symbol or said["gene"]
    parts = [part for part in record.split()[0].split("|") if part]
    if len(parts) >= GENCODE_PARTS and all(map(IDENTIFIER.fullmatch, parts[:2])):
        return parts[1], parts[GENCODE_PARTS - 1]
    if len(parts) == 1:
        return "", parts[0]
    if IDENTIFIER.fullmatch(parts[1]) and not IDENTIFIER.fullmatch(parts[0]):
        return parts[1], parts[0]
    return parts[0], parts[1]
