"""Find the genes of a panel in the data, and suggest names for those that are missing."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Sequence

import numpy as np
import pandas as pd

from selectormlp.data.cells import IntArray
from selectormlp.errors import DataError, PanelError, quoted
from selectormlp.evaluation.result import UnusableGene
from selectormlp.panel.names import GeneNames
from selectormlp.panel.panel import Panel
from selectormlp.panel.spelling import spelling_hint

logger = logging.getLogger(__name__)

MAX_LOOKED_FOR = 50
"""Number of missing genes for which similar names are searched; each takes up to 0.5 s among 20,000 genes."""

LENGTHS_APART = 2
"""Maximum difference in length of a similar name; without this bound the search takes three times as long."""


def match_genes(
    panel: Panel, genes: pd.Index[str], aliases: pd.Index[str] | None = None, *, warn: bool = True
) -> tuple[IntArray, tuple[UnusableGene, ...]]:
    """Find the genes of a panel by name, by second name, or by the panel's identifiers.

    Parameters
    ----------
    panel
        The panel.
    genes
        Gene names of the data, unique.
    aliases
        A second name for each, or None.
    warn
        Whether to log a warning of those that could not be used.

    Returns
    -------
    Columns of the genes found, in the panel's order, each once; and those that could not be used (absent, or a name
    that several genes share), with near names.

    Raises
    ------
    PanelError
        If none is found.

    Examples
    --------
    >>> columns, unusable = match_genes(Panel(("CD3E", "MS4A2")), pd.Index(["MS4A1", "CD3E"]))
    >>> columns, unusable[0].name, unusable[0].suggestions
    (array([1]), 'MS4A2', ('MS4A1',))
    """
    names = GeneNames(genes, aliases)
    found = names.find_by_either(panel.genes, panel.gene_ids)
    columns: list[int] = []
    unusable = []
    for gene in panel.genes:
        positions = found[gene]
        if len(positions) == 1:
            columns.append(positions[0])
        elif positions:
            unusable.append(UnusableGene(gene, tuple(map(str, genes[positions]))))
        else:
            near = suggest(gene, list(names.positions)) if len(unusable) < MAX_LOOKED_FOR else ()
            unusable.append(UnusableGene(gene, near))
    if not columns:
        closest = next((gene for gene in unusable if gene.suggestions), None)
        hint = "" if closest is None else f"; for {closest.name!r}, did you mean {quoted(closest.suggestions)}?"
        which = "the one gene" if len(panel) == 1 else f"none of the {len(panel)} genes"
        isnt = "cannot be found" if len(panel) == 1 else "can be found"
        spelling = spelling_hint(panel.genes, names.positions)
        hint += f"; {spelling}" if spelling else ""
        raise PanelError(
            f"{which} of the panel ({quoted(panel.genes, most=3)}) {isnt} in the data, whose {len(genes):,} genes "
            f"begin with {quoted(genes[:3])}{hint}; use the same gene names, or name a column of var with second names "
            "(gene_name_key, --gene-name-key)"
        )
    if unusable and warn:
        listed = "; ".join(
            f"{gene.name!r} ({'nearest: ' + quoted(gene.suggestions) if gene.suggestions else 'nothing is near'})"
            for gene in unusable[:10]
        )
        more = f"; and {len(unusable) - 10} more" if len(unusable) > 10 else ""
        hint = spelling_hint([gene.name for gene in unusable], names.positions)
        logger.warning(
            "%d of the %d genes of the panel cannot be used, since the data lack them (or several genes share the "
            "name): %s%s%s",
            len(unusable),
            len(panel),
            listed,
            more,
            f"; {hint}" if hint else "",
        )
    return np.array(list(dict.fromkeys(columns)), dtype=np.int64), tuple(unusable)


def find_panel_genes(
    wanted: Sequence[str], genes: pd.Index[str], aliases: pd.Index[str] | None = None, *, partial: bool = False
) -> tuple[IntArray, IntArray]:
    """Find the genes that a classifier learned from, by name or second name.

    Parameters
    ----------
    wanted
        Their names.
    genes, aliases
        Names of the data's genes, and a second name of each or None.
    partial
        Whether some may be missing.

    Returns
    -------
    Columns of those found, and their places in ``wanted``.

    Raises
    ------
    DataError
        If any is missing and none may be, or all are; the message says where they are spelt otherwise.

    Examples
    --------
    >>> find_panel_genes(["CD3E", "MS4A1"], pd.Index(["MS4A1", "ACTB"]), partial=True)
    (array([0]), array([1]))
    """
    names = GeneNames(genes, aliases)
    found = list(names.find(wanted).values())
    present = [place for place, positions in enumerate(found) if len(positions) == 1]
    missing = [gene for gene, positions in zip(wanted, found, strict=True) if len(positions) != 1]
    if missing and (not present or not partial):
        hint = spelling_hint(missing, names.positions)
        remedy = "use the same gene names, or name a column of var with second names (gene_name_key, --gene-name-key)"
        if present:
            remedy += "; or have them filled in, with a report of what that costs (partial, --partial)"
        are = "is" if len(missing) == 1 else "are"
        raise DataError(
            f"{len(missing)} of the {len(wanted)} genes needed {are} missing: {quoted(missing, most=10)}"
            + (f" ({hint})" if hint else "")
            + f"; the data have {len(genes):,} genes (first: {quoted(genes, most=3)}): {remedy}"
        )
    columns = [found[place][0] for place in present]
    return np.array(columns, dtype=np.int64), np.array(present, dtype=np.int64)


def suggest(name: str, known: Sequence[str], *, most: int = 3) -> tuple[str, ...]:
    """Return the known names that come nearest, the nearest first; may be none.

    Examples
    --------
    >>> suggest("cd3e", ["CD3D", "CD3E", "ACTB"])
    ('CD3E', 'CD3D')
    """
    folded: dict[str, str] = {}
    wanted = name.casefold()
    for candidate in known:
        if abs(len(candidate) - len(name)) <= LENGTHS_APART:
            folded.setdefault(candidate.casefold(), candidate)
    folded.pop("", None)
    return tuple(folded[match] for match in difflib.get_close_matches(wanted, list(folded), n=most, cutoff=0.6))
