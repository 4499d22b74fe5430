"""Tables of the section on ordering: genes with their identifiers and status, use of the limits, their price."""

from __future__ import annotations

import math
from collections.abc import Iterator

from selectormlp.exchange.orders import Order
from selectormlp.panel.limit_use import prices_of, uses_of
from selectormlp.reports.findings import Findings
from selectormlp.reports.tables import Cell, Column, Table, data_names, number

FACTS = {"n_probes": "probes", "codewords": "codewords"}
"""Facts of a panel that the table shows, and their heads."""


def order_of(found: Findings) -> Order | None:
    """Return what is to be ordered; None for a panel without identifiers, limits and genes that are there already."""
    panel, settings = found.panel, found.panel.provenance.settings
    extended, constraints = settings.get("extended"), settings.get("constraints")
    owned = constraints.get("owned") if isinstance(constraints, dict) else None
    n_existing = len(extended) if isinstance(extended, list) else 0
    held = tuple(map(str, owned)) if isinstance(owned, list) else ()
    if not (panel.gene_ids or n_existing or held or panel.facts or uses_of(panel.provenance)):
        return None
    return Order(panel, n_existing, held)


def gene_table(found: Findings) -> Table | None:
    """Return the genes as an order list has them; None where there is nothing to say of an order."""
    order = order_of(found)
    if order is None:
        return None
    panel, named = found.panel, data_names(found)
    marks = {why.gene: ", ".join(kind.name for kind in why.marks) for why in found.explanation.genes}
    facts = {name: cells for name, cells in panel.facts.items() if name in FACTS}
    rows = [
        (
            Cell(gene),
            *([Cell(panel.gene_ids[place])] if panel.gene_ids else []),
            Cell(order.status[place]),
            Cell(panel.reasons[place]),
            Cell(marks.get(named.get(gene, ""), "")),
            *(Cell(str(cells[place])) for cells in facts.values()),
        )
        for place, gene in enumerate(panel.genes)
    ]
    columns = (
        Column("gene"),
        *([Column("Ensembl ID")] if panel.gene_ids else []),
        Column("status", "existing: of the panel that was extended; owned: probes are there; new: to be ordered"),
        Column("why"),
        Column("marks", "types that the gene marks"),
        *(Column(FACTS[name]) for name in facts),
    )
    return Table("order", columns, tuple(rows))


def limit_table(found: Findings) -> Table | None:
    """Return the use of each limit, the fullest first; None without limits."""
    used = sorted(uses_of(found.panel.provenance), key=lambda one: -one.share if one.share >= 0 else 0.0)
    if not used:
        return None
    rows = [
        (
            Cell(one.limit),
            number(one.use, ".4g"),
            *(number(bound if math.isfinite(bound) else None, ".4g") for bound in (one.low, one.high)),
            number(one.share, ".0%"),
        )
        for one in used
    ]
    columns = (
        Column("limit"),
        Column("use", "sum over the genes of the panel", numeric=True),
        Column("at least", numeric=True),
        Column("at most", numeric=True),
        Column("share", "of the upper bound", numeric=True),
    )
    return Table("limits", columns, tuple(rows))


def price_table(found: Findings) -> Table | None:
    """Return what each constraint costs; None where it was not asked for."""
    prices = prices_of(found.panel.provenance)
    known = any(one.accuracy is not None for one in prices)
    rows = [
        (
            Cell(f"without {one.without}" if one.without else "all kept"),
            number(one.criterion, ".4g"),
            number(one.price if one.without else None, ".3g"),
            number(one.n_changed if one.without else None, "d"),
            *([number(one.accuracy, ".3f")] if known else []),
        )
        for one in prices
    ]
    if not rows:
        return None
    columns = (
        Column("constraints"),
        Column("criterion", "mean over pairs of types of 1 / (1 + D²): lower is better", numeric=True),
        Column("price", "by how much the criterion falls without the constraint", numeric=True),
        Column("genes that change", numeric=True),
        *(
            [Column("balanced accuracy", "logistic regression on the panel, three splits", numeric=True)]
            if known
            else []
        ),
    )
    return Table("prices", columns, tuple(rows))


def problems(found: Findings) -> Iterator[str]:
    """Yield what a vendor may refuse, for panels of which identifiers are known."""
    order = order_of(found)
    if order is not None and found.panel.gene_ids:
        yield from order.problems()
