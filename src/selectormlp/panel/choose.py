"""Turning a ranking into a panel: exactly so many genes that obey every rule."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from selectormlp.data.cells import IntArray
from selectormlp.errors import SettingsError
from selectormlp.panel.exchange import exchange
from selectormlp.panel.markers import BoolArray, FloatArray, Markers
from selectormlp.panel.rules import Rules, refuse

MUST_HAVE = "must-have"
SELECTED = "selected"


@dataclass(frozen=True, eq=False)
class Choice:
    """The genes chosen for a panel.

    Attributes
    ----------
    positions
        Positions of the genes, distinct: must-have genes first, then as ranked, then markers brought in for types
        that lacked them; shape (n_genes,).
    reasons
        Why each gene is there: ``"must-have"``, ``"selected"`` or ``"marker of T (minimum per type)"``.
    n_required
        How many of the first genes every size holds (the must-have genes).
    nested
        Whether the first n genes (n ≥ ``n_required``) are what the same ranking and rules give for size n.
    """

    positions: IntArray
    reasons: tuple[str, ...]
    n_required: int
    nested: bool


def choose(order: IntArray, rules: Rules, n_genes: int, markers: Markers | None = None) -> Choice:
    """Choose exactly ``n_genes`` distinct genes that obey the rules, following a ranking.

    Must-have genes come first. The ranking is then walked from the best gene on, and a gene is taken if the budget
    left after it still pays for the cheapest way to fill the panel. Where types then lack markers, the genes are
    exchanged that cost the ranking least: an integer programme keeps as many as possible of those chosen, the
    best-ranked first, and brings in the strongest markers of the types that lack them.

    Parameters
    ----------
    order
        Positions of genes from the best to the worst, each once. Genes that are not allowed are passed over; one
        that is neither ranked nor must-have is not chosen.
    rules
        What the panel must obey; positions refer to the same genes.
    n_genes
        Size of the panel.
    markers
        Of all genes of ``rules``; needed for a minimum of markers per type. Types without cells need none.

    Raises
    ------
    SettingsError
        If no panel obeys the rules (the message says which clash), the order is not one, or markers are missing.

    Notes
    -----
    Without a budget and a minimum per type a larger panel holds the smaller one.

    Examples
    --------
    >>> import pandas as pd
    >>> from selectormlp.panel.constraints import Constraints
    >>> genes = pd.Index(["CD3E", "MT-CO1", "MS4A1", "NKG7"])
    >>> rules = Constraints(must_have=("NKG7",), forbidden=("MT-*",)).resolve(genes)
    >>> choice = choose(np.array([1, 2, 0, 3]), rules, 2)
    >>> genes[choice.positions].tolist(), choice.reasons
    (['NKG7', 'MS4A1'], ('must-have', 'selected'))
    """
    pool = _pool(order, rules)
    n_required = len(rules.must_have)
    clashes = rules.clashes(n_genes, pool)
    marks = None
    if rules.min_markers_per_type:
        if markers is None or markers.auc.shape[1] != len(rules.genes):
            raise SettingsError("a minimum of markers per type needs the markers of all genes; measure them first")
        marks = markers.marks(rules.min_marker_auc)[:, pool]
        clashes += _scarce_types(marks, markers, rules)
    refuse(clashes)

    costs = rules.costs[pool]
    chosen = np.arange(n_genes)
    if rules.budget is not None:
        chosen = _within_budget(costs, n_required, n_genes, rules.cost_limit)
    reasons = [MUST_HAVE] * n_required + [SELECTED] * (n_genes - n_required)
    if marks is not None and markers is not None:
        lacking = _present(markers) & (marks[:, chosen].sum(axis=1) < rules.min_markers_per_type)
        if lacking.any():
            strength: FloatArray = np.where(marks, markers.auc[:, pool] - 0.5, 0.0)[lacking].max(axis=0)
            kept, brought = exchange(chosen, strength, marks[_present(markers)], rules, costs)
            chosen = np.concatenate([kept, brought])
            reasons = reasons[: len(kept)]
            for gene in brought:
                types = [markers.classes[t] for t in np.flatnonzero(lacking & marks[:, gene])]
                reasons.append(f"marker of {', '.join(types)} (minimum per type)" if types else SELECTED)
    return Choice(pool[chosen], tuple(reasons), n_required, rules.nested)


def _pool(order: IntArray, rules: Rules) -> IntArray:
    """Genes that may be chosen: must-have ones first, then the allowed ones as ranked."""
    n_genes = len(rules.genes)
    if len(order) and not (order.min() >= 0 and order.max() < n_genes and len(np.unique(order)) == len(order)):
        raise SettingsError(f"the order is not one of {n_genes} genes; expected distinct positions from 0 up")
    others = order[rules.allowed[order] & ~np.isin(order, rules.must_have)]
    return np.concatenate([rules.must_have, others]).astype(np.int64)


def _within_budget(costs: FloatArray, n_required: int, n_genes: int, limit: float) -> IntArray:
    """Walk genes in order and take each that leaves enough for the cheapest completion, shape (n_genes,)."""
    taken = np.zeros(len(costs), dtype=np.bool_)
    taken[:n_required] = True
    for n_left in range(n_genes - n_required, 0, -1):
        left = np.flatnonzero(~taken)
        cheapest = np.sort(costs[left])[:n_left]
        spare = limit - costs[taken].sum() - cheapest[:-1].sum()
        affordable = costs[left] <= max(spare, cheapest[0])  # the cheapest always is; sums may be off by rounding
        taken[left[np.argmax(affordable)]] = True
    return np.flatnonzero(taken)


def _present(markers: Markers) -> BoolArray:
    """Say which types have cells, and others to compare with."""
    return ~np.isnan(markers.auc[:, 0])


def _scarce_types(marks: BoolArray, markers: Markers, rules: Rules) -> list[str]:
    available = marks.sum(axis=1)
    scarce = np.flatnonzero(_present(markers) & (available < rules.min_markers_per_type))
    if not len(scarce):
        return []
    found = ", ".join(f"{markers.classes[t]!r} has {available[t]}" for t in scarce)
    return [
        f"{rules.min_markers_per_type} marker(s) of each type are asked for, and among the allowed genes {found} "
        f"(a marker has a higher mean in the type and an AUC of {rules.min_marker_auc:g} or more)"
    ]
