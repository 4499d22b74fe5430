"""Exchanging genes of a panel so that every type has its markers."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.optimize import Bounds, LinearConstraint, milp

from selectormlp.data.cells import IntArray
from selectormlp.panel.markers import BoolArray, FloatArray
from selectormlp.panel.rules import BUDGET_TOLERANCE, Rules, refuse

MOST_NODES = 2_000
"""Nodes of branch and bound that the search may take; real panels take a few."""

LARGEST_GAP = 1e-3
"""Share of the best worth that the panel found may fall short of it."""

INFEASIBLE = 2
"""Status by which SciPy's ``milp`` says that there is no solution."""

SOLVER_TOLERANCE = 1e-6
"""By how much HiGHS may exceed a bound."""


def exchange(
    chosen: IntArray, strength: FloatArray, marks: BoolArray, rules: Rules, costs: FloatArray
) -> tuple[IntArray, IntArray]:
    """Exchange genes so that every type has its markers.

    Maximises the summed worth of the panel: 2 (first chosen) down to just above 1 (last) for a gene that was
    chosen; for the others AUC − 0.5 where the gene marks a type that lacks some, and up to 0.1 by its place in the
    pool. So no gene leaves without need, and the last ranked leave first.

    Parameters
    ----------
    chosen
        Genes chosen so far, increasing positions in the pool; must-have genes come first.
    strength
        AUC − 0.5 of each gene of the pool for the types that lack markers, 0 where it marks none of them.
    marks
        Which genes of the pool mark which types, shape (n_classes, n_pool).
    rules
        Budget, minimum per type and number of must-have genes.
    costs
        Of each gene of the pool.

    Returns
    -------
    The genes kept and those brought in, each in the order of the pool.

    Raises
    ------
    SettingsError
        If there is no such panel, or none was found.
    """
    n_genes, n_pool = len(chosen), len(costs)
    worth = strength + 0.1 * (1 - np.arange(n_pool) / n_pool)
    worth[chosen] = 2 - np.arange(n_genes) / n_genes
    useful = _useful(chosen, worth, marks, rules, costs)
    constraints = [
        LinearConstraint(np.ones((1, len(useful))), n_genes, n_genes),
        LinearConstraint(marks[:, useful].astype(np.float64), rules.min_markers_per_type, np.inf),
    ]
    if rules.budget:
        scale = SOLVER_TOLERANCE / BUDGET_TOLERANCE / rules.budget  # the solver's tolerance is absolute
        constraints.append(LinearConstraint(scale * costs[None, useful], -np.inf, scale * rules.budget))
    result = milp(
        -worth[useful],
        constraints=constraints,
        bounds=Bounds(useful < len(rules.must_have), costs[useful] <= rules.cost_limit),
        integrality=np.ones(len(useful)),
        options={"node_limit": MOST_NODES, "mip_rel_gap": LARGEST_GAP},  # bounded by work: same data, same panel
    )
    if result.x is None:
        within = "" if rules.budget is None else f" within the budget of {rules.budget:g}"
        verdict = "exists" if result.status == INFEASIBLE else f"was found in {MOST_NODES:,} steps of search"
        refuse(
            [f"no panel of {n_genes} genes with {rules.min_markers_per_type} marker(s) of each type{within} {verdict}"]
        )
    taken = useful[result.x > 0.5]
    return taken[np.isin(taken, chosen)], taken[~np.isin(taken, chosen)]


def _useful(chosen: IntArray, worth: FloatArray, marks: BoolArray, rules: Rules, costs: FloatArray) -> IntArray:
    """Leave out genes that no best panel needs, or that others replace; increasing positions in the pool.

    Of genes that mark the same types, the minimum per type needs at most ``min_markers_per_type``: the worthiest
    serve and, where there is a budget, the cheapest. The rest of a panel needs at most ``n_genes`` others, the
    cheapest. So a panel is found if there is one.
    """
    _, pattern = np.unique(np.packbits(marks, axis=0), axis=1, return_inverse=True)
    useful = np.zeros(len(costs), dtype=np.bool_)
    useful[chosen] = True
    others = np.flatnonzero(~useful)
    orders = [np.argsort(-worth[others], kind="stable")]
    if rules.budget is not None:
        orders.append(np.argsort(costs[others], kind="stable"))
        useful[others[orders[1][: len(chosen)]]] = True
    for order in orders:
        rank = pd.Series(pattern[others[order]]).groupby(pattern[others[order]]).cumcount().to_numpy()
        useful[others[order[rank < rules.min_markers_per_type]]] = True
    return np.flatnonzero(useful)
