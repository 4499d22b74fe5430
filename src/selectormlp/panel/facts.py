"""Facts of genes from tables: transcripts, probes, codewords, homologs, costs, priorities, sets."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd

from selectormlp.errors import PanelError, SettingsError, quoted
from selectormlp.panel.names import GeneNames

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Column:
    """A column that a gene table may have.

    Attributes
    ----------
    kind
        Type of its values.
    headers
        Headers that mean this column, in lower case without blanks and punctuation.
    about
        Description for the docs.
    """

    kind: Literal["number", "text"]
    headers: tuple[str, ...]
    about: str


COLUMNS: dict[str, Column] = {
    "ensembl_id": Column(
        "text",
        ("ensemblid", "ensembl", "ensemblgeneid", "geneid", "ensemblids", "genestableid"),
        "identifier of the gene",
    ),
    "length_nt": Column(
        "number", ("lengthnt", "length", "transcriptlength", "txlength", "lengthbp"), "transcript length, nucleotides"
    ),
    "n_probes": Column(
        "number",
        ("nprobes", "probes", "probesets", "numprobesets", "nprobesets", "probecount", "probesetcount", "numprobes"),
        "probes or probe sets that fit the gene",
    ),
    "codewords": Column("number", ("codewords", "ncodewords", "codewordcount"), "codewords that the gene takes"),
    "homolog_group": Column(
        "text", ("homologgroup", "homologs", "paraloggroup", "genefamily", "family"), "genes that probes may confuse"
    ),
    "cost": Column("number", ("cost", "price"), "cost, in the unit of the budget"),
    "priority": Column("number", ("priority", "weight"), "factor on the gain of the gene, 1 for no preference"),
    "group": Column(
        "text", ("group", "annotation", "category", "celltypes", "celltype", "tissues"), "named set, such as a pathway"
    ),
}
"""Columns of a gene table by name."""


@dataclass(frozen=True)
class GeneFacts:
    """Facts of genes by column; see ``COLUMNS``.

    Attributes
    ----------
    genes
        Gene names.
    columns
        One value per gene: numbers (NaN if unknown) or text (``""`` if unknown).

    Examples
    --------
    >>> facts = GeneFacts.from_columns(("CD3E", "MS4A1"), {"Num_Probesets": ("8", "")})
    >>> facts.columns
    {'n_probes': (8.0, nan)}
    """

    genes: tuple[str, ...]
    columns: dict[str, tuple[float | str, ...]] = field(default_factory=dict)

    @classmethod
    def from_columns(cls, genes: Sequence[str], cells: Mapping[str, Sequence[str]]) -> GeneFacts:
        """Take facts from the columns of a table; log what each column is taken for.

        Parameters
        ----------
        genes
            Gene names.
        cells
            Text of each column by header, one cell per gene.

        Raises
        ------
        PanelError
            If a cell is not a number ≥ 0 where one is expected; the message lists these cells.
        """
        folded = {_folded(header): header for header in reversed(list(cells))}
        taken: dict[str, tuple[float | str, ...]] = {}
        problems: list[str] = []
        for name, column in COLUMNS.items():
            header = next((folded[alias] for alias in column.headers if alias in folded), None)
            if header is None:
                continue
            logger.info("the column %r of the gene table is taken for %s", header, name)
            texts = [text.strip() for text in cells[header]]
            if column.kind == "text":
                taken[name] = tuple(texts)
                continue
            numbers = _numbers(texts)
            problems += [
                f"{name} of {quoted([gene])} is {quoted([text])}"
                for gene, text, number in zip(genes, texts, numbers, strict=True)
                if number is None or number < 0
            ]
            taken[name] = tuple(math.nan if number is None else number for number in numbers)
        if problems:
            more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
            raise PanelError(
                f"expected numbers from 0 up: {'; '.join(problems[:5])}{more}; correct them, or leave them empty"
            )
        unknown = [
            header for header in cells if _folded(header) not in {a for c in COLUMNS.values() for a in c.headers}
        ]
        if unknown:
            logger.info("columns of the gene table that are not used: %s", quoted(unknown))
        return cls(tuple(genes), taken)

    def aligned(self, names: GeneNames) -> dict[str, pd.Series]:
        """Return each column over the genes of the data, by position; NaN or None for genes not in the table.

        If several lines name a gene, the first one is used. Genes are looked up by name, then by identifier.

        Raises
        ------
        SettingsError
            If no gene of the table is in the data.
        """
        ids = tuple(map(str, self.columns.get("ensembl_id", ())))
        found = names.find_by_either(self.genes, ids)
        known = sum(bool(positions) for positions in found.values())
        if found and not known:
            raise SettingsError(
                f"none of the {len(found)} genes of the gene table ({quoted(found, most=3)}) is in the data (first: "
                f"{quoted(names.genes, most=3)}); give a table of the same species and kind of names, or name a column "
                "of var with second names (gene_name_key, --gene-name-key)"
            )
        aligned = {}
        for name, cells in self.columns.items():
            is_text = COLUMNS[name].kind == "text"
            values = np.full(len(names.genes), None if is_text else np.nan, dtype=object if is_text else np.float64)
            for gene, cell in zip(reversed(self.genes), reversed(cells), strict=True):
                values[found[gene]] = (cell or None) if is_text else cell
            aligned[name] = pd.Series(values, dtype=values.dtype)  # pandas 3 would turn None into NaN
        logger.info("the gene table has %d genes, %d of them in the data", len(found), known)
        return aligned


def fact_name(header: str) -> str:
    """Return the name in ``COLUMNS`` that a header means, or the header itself.

    Examples
    --------
    >>> fact_name("Num_Probesets"), fact_name("Tissue of origin")
    ('n_probes', 'Tissue of origin')
    """
    folded = _folded(header)
    return next((name for name, column in COLUMNS.items() if folded in column.headers), header)


def _numbers(texts: Sequence[str]) -> list[float | None]:
    """Read a column of numbers, with decimal commas if needed; None for other text."""
    if any(
        "," in text and re.fullmatch(r"\d+,\d+|\d{1,3}(\.\d{3})+,\d+", text) and _number(text) is None for text in texts
    ):
        return [_number(text.replace(".", "").replace(",", ".")) for text in texts]
    return [_number(text) for text in texts]


def _number(text: str) -> float | None:
    if not text or text.casefold() in ("na", "nan", "n/a", "-"):
        return math.nan
    thousands = "," in text and re.fullmatch(r"\d{1,3}(,\d{3})+", text)
    try:
        value = float(text.replace(",", "") if thousands else text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _folded(header: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", header.casefold())
