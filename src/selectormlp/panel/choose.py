"""Turn a ranking into a panel of exactly n genes that obey all rules."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from selectormlp.data.cells import BoolArray, IntArray
from selectormlp.errors import SettingsError, counted
from selectormlp.panel.completion import Completion
from selectormlp.panel.limits import Limit
from selectormlp.panel.markers import Markers
from selectormlp.panel.rules import Rules, refuse

MUST_HAVE = "must-have"
SELECTED = "selected"


@dataclass(frozen=True, eq=False)
class Choice:
    """The genes chosen for a panel.

    Attributes
    ----------
    positions
        Distinct positions of the genes: must-have genes first, then ranked ones; shape (n_genes,).
    reasons
        Reason for each gene: ``"must-have"``, ``"selected"``, or a lower bound that required it, as in ``"marker of T
        (minimum per type)"``.
    n_required
        Number of first genes that panels of every size hold (the must-have genes).
    nested
        Whether the first n genes (n ≥ ``n_required``) are the panel of size n under the same ranking and rules.
    """

    positions: IntArray
    reasons: tuple[str, ...]
    n_required: int
    nested: bool


def choose(order: IntArray, rules: Rules, n_genes: int, markers: Markers | None = None) -> Choice:
    """Choose exactly ``n_genes`` distinct genes that obey the rules, following a ranking.

    Must-have genes come first. Then genes are considered from the best to the worst, and a gene is taken if a panel
    with it can still keep every limit (budget, markers per type, and ``rules.limits``).

    Parameters
    ----------
    order
        Positions of genes from the best to the worst, each once. Genes that are not allowed are skipped; genes that are
        neither ranked nor must-have are not chosen.
    rules
        Rules for the panel, with positions of the same genes.
    n_genes
        Size of the panel.
    markers
        Markers among the genes of ``rules``; needed for a minimum of markers per type. Types without cells need none.

    Raises
    ------
    SettingsError
        If no panel obeys the rules (the message says which clash), the order is invalid, or markers are missing.

    Notes
    -----
    Without a budget, a minimum per type or other limits, larger panels contain smaller ones.

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
    limits = all_limits(rules, markers)
    clashes = rules.clashes(n_genes, pool)
    if rules.min_markers_per_type and markers is not None:
        clashes += _scarce_types(markers.marks(rules.min_marker_auc)[:, pool], markers, rules)
    refuse(clashes)
    chosen, reasons = np.arange(n_genes), [MUST_HAVE] * n_required + [SELECTED] * (n_genes - n_required)
    if limits:
        chosen, reasons = _walk([limit.take(pool) for limit in limits], len(pool), n_required, n_genes)
    return Choice(pool[chosen], tuple(reasons), n_required, rules.nested)


def all_limits(rules: Rules, markers: Markers | None) -> list[Limit]:
    """Return every limit of the rules, including budget and markers per type.

    Raises
    ------
    SettingsError
        If a minimum of markers per type is requested, and the markers of all genes are not given.
    """
    limits = list(rules.limits)
    if rules.budget is not None:
        limits.append(Limit("cost", rules.costs, high=rules.budget))
    if not rules.min_markers_per_type:
        return limits
    if markers is None or markers.auc.shape[1] != len(rules.genes):
        raise SettingsError("a minimum of markers per type needs the markers of all genes; measure them first")
    marks = markers.marks(rules.min_marker_auc).astype(np.float64)
    return limits + [
        Limit(
            f"markers of {markers.classes[t]!r}",
            marks[t],
            low=rules.min_markers_per_type,
            reason=f"marker of {markers.classes[t]} (minimum per type)",
        )
        for t in np.flatnonzero(_present(markers))
    ]


def _walk(limits: list[Limit], n_pool: int, n_required: int, n_genes: int) -> tuple[IntArray, list[str]]:
    """Go through the pool, take each gene that leaves a feasible panel, and record the reason."""
    completion = Completion(limits, np.ones(n_pool, dtype=np.bool_), range(n_required), n_genes)
    reasons: list[str] = []
    for gene in range(n_pool):
        if len(completion.chosen) == n_genes:
            break
        if gene >= n_required and not completion.may_follow(gene):
            continue
        reasons.append(MUST_HAVE if gene < n_required else _brought_in_by(gene, limits, completion) or SELECTED)
        completion.choose(gene)
    return np.array(completion.chosen, dtype=np.int64), reasons


def _brought_in_by(gene: int, limits: list[Limit], completion: Completion) -> str:
    """Name the lower bounds that require one of their genes at this place; ``""`` if others may come too."""
    short = [
        limit
        for limit in limits
        if limit.reason and limit.amounts[gene] > 0 and limit.amounts[completion.chosen].sum() < limit.floor
    ]
    if not short:
        return ""
    serves = np.logical_or.reduce([limit.amounts > 0 for limit in short])
    if any(completion.may_follow(int(other)) for other in np.flatnonzero(~serves & completion.open)):
        return ""
    return "; ".join(limit.reason for limit in short)


def _pool(order: IntArray, rules: Rules) -> IntArray:
    """Return the genes that may be chosen: must-have ones first, then allowed ones by rank."""
    n_genes = len(rules.genes)
    if len(order) and not (order.min() >= 0 and order.max() < n_genes and len(np.unique(order)) == len(order)):
        raise SettingsError(f"the order is not one of {n_genes} genes; expected distinct positions from 0 up")
    others = order[rules.allowed[order] & ~np.isin(order, rules.must_have)]
    return np.concatenate([rules.must_have, others]).astype(np.int64)


def _present(markers: Markers) -> BoolArray:
    """Return which types have cells, and other cells to compare with."""
    return ~np.isnan(markers.auc[:, 0])


def _scarce_types(marks: BoolArray, markers: Markers, rules: Rules) -> list[str]:
    available = marks.sum(axis=1)
    scarce = np.flatnonzero(_present(markers) & (available < rules.min_markers_per_type))
    if not len(scarce):
        return []
    found = ", ".join(f"{markers.classes[t]!r} has {available[t]}" for t in scarce)
    return [
        f"each type needs {counted(rules.min_markers_per_type, 'marker')}, and among the allowed genes {found} "
        f"(a marker has a higher mean in the type and an AUC of {rules.min_marker_auc:g} or more)"
    ]
