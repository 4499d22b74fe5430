"""Add facts from a gene table to a panel for order lists: identifiers, probe sets, codewords."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from selectormlp.panel.facts import GeneFacts
from selectormlp.panel.names import VERSIONED
from selectormlp.panel.panel import Panel

KEPT = ("length_nt", "n_probes", "codewords", "homolog_group", "group")
"""Columns of a gene table that become facts of a panel; costs and priorities concern the choice, not the gene."""


def with_known_facts(panel: Panel, table: GeneFacts) -> Panel:
    """Fill in missing identifiers and facts of a panel.

    Parameters
    ----------
    panel
        Its own identifiers and facts are kept.
    table
        Gene table; lines are found by name, then by identifier; the first match is used.

    Examples
    --------
    >>> table = GeneFacts.from_columns(("CD3E", "NKG7"), {"probes": ("8", "5"), "ensembl_id": ("ENSG1", "ENSG2")})
    >>> panel = with_known_facts(Panel(("NKG7", "CD8A")), table)
    >>> panel.gene_ids, panel.facts
    (('ENSG2', ''), {'n_probes': ('5', '')})
    """
    ids = tuple(map(str, table.columns.get("ensembl_id", ())))
    lines = {_bare(gene_id): line for line, gene_id in reversed(list(enumerate(ids))) if gene_id}
    lines |= {gene: line for line, gene in reversed(list(enumerate(table.genes)))}
    own = panel.gene_ids or ("",) * len(panel)
    places = [lines.get(gene, lines.get(_bare(gene_id))) for gene, gene_id in zip(panel.genes, own, strict=True)]
    found = {
        name: _filled(panel.facts.get(name, ("",) * len(panel)), [_text(column, place) for place in places])
        for name, column in table.columns.items()
        if name in KEPT
    }
    gene_ids = _filled(own, [_text(ids, place) for place in places]) if ids else own
    return replace(
        panel,
        gene_ids=gene_ids if any(gene_ids) else panel.gene_ids,
        facts={**panel.facts, **{name: cells for name, cells in found.items() if any(cells)}},
    )


def _filled(own: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    return tuple(mine or other for mine, other in zip(own, known, strict=True))


def _text(column: Sequence[float | str], place: int | None) -> str:
    """Return a cell as text, ``""`` if unknown."""
    value = "" if place is None else column[place]
    if isinstance(value, str):
        return value
    return "" if np.isnan(value) else f"{value:.15g}"


def _bare(gene_id: str) -> str:
    versioned = VERSIONED.fullmatch(gene_id)
    return versioned[1] if versioned else gene_id
