"""Prove that no panel keeps all limits, by a linear programme over fractions of genes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array, hstack, identity, vstack

from selectormlp.data.cells import BoolArray, FloatArray, IntArray
from selectormlp.panel.feasible import MAX_SECONDS, scaled
from selectormlp.panel.limit_rows import LimitRows
from selectormlp.panel.limits import Limit

INFEASIBLE_BY = 1e-7
"""A linear programme with at least this sum of violations, as shares of the largest amount, is infeasible: the
tolerance of HiGHS."""


@dataclass(frozen=True, eq=False)
class Certificate:
    """Limits that clash even for fractions of genes.

    Attributes
    ----------
    limits
        The limits.
    total
        Their weighted sum, as one limit over all genes, which no panel keeps either; 0 for genes that may not be
        chosen.
    """

    limits: tuple[Limit, ...]
    total: Limit


def certificate(
    limits: LimitRows, allowed: BoolArray, needed: IntArray, n_genes: int, max_seconds: float = MAX_SECONDS
) -> Certificate | None:
    """Return limits that clash even for fractions of genes; None if fractions of genes could keep all.

    Parameters
    ----------
    limits
        Limits of a panel.
    allowed
        Genes to choose from, shape (n_genes_of_data,).
    needed
        Positions of genes that the panel holds, distinct.
    n_genes
        Its size.
    max_seconds
        Time limit; after it, None.

    Notes
    -----
    The programme minimises the violation of limits. Their multipliers prove that they clash (Farkas' lemma): whatever
    the panel, the sum of the limits, each times its multiplier, is exceeded. Such a sum is a surrogate constraint
    (Glover, Operations Research 1965).

    Examples
    --------
    >>> low = Limit("markers", np.array([1.0, 1.0, 0.0]), low=2)
    >>> cost = Limit("cost", np.array([2.0, 3.0, 1.0]), high=4)
    >>> found = certificate(LimitRows([low, cost], 3), np.ones(3, dtype=bool), np.array([1]), 2)
    >>> [str(limit) for limit in found.limits], found.total.is_kept(np.array([0, 1]))
    (['markers at least 2', 'cost at most 4'], False)
    """
    pool = np.union1d(np.flatnonzero(allowed), needed)
    rows, owner, bounds = _inequalities(limits, pool)
    if not len(owner):
        return None
    n_rows = len(owner)
    found = linprog(
        np.concatenate([np.zeros(len(pool)), np.ones(n_rows)]),
        A_ub=hstack([rows, -identity(n_rows)], format="csr"),
        b_ub=bounds,
        A_eq=csr_array(np.concatenate([np.ones(len(pool)), np.zeros(n_rows)])[None]),
        b_eq=[n_genes],
        bounds=np.column_stack(
            [
                np.concatenate([np.isin(pool, needed).astype(np.float64), np.zeros(n_rows)]),
                np.concatenate([np.ones(len(pool)), np.full(n_rows, np.inf)]),
            ]
        ),
        method="highs",
        options={"time_limit": max_seconds},
    )
    if found.status != 0 or found.fun < INFEASIBLE_BY:
        return None
    weights = np.abs(found.ineqlin.marginals)
    amounts = np.zeros(len(allowed))
    amounts[pool] = weights @ rows
    clashing = tuple(limits.limits[place] for place in np.unique(owner[weights > 0]))
    return Certificate(clashing, Limit("limits together", amounts, high=float(weights @ bounds)))


def _inequalities(limits: LimitRows, pool: IntArray) -> tuple[csr_array, IntArray, FloatArray]:
    """Return limits as rows ≤ bounds over a pool of genes, and the limit of each row."""
    amounts, low, high = scaled(limits, pool)
    has_high, has_low = np.flatnonzero(np.isfinite(high)), np.flatnonzero(np.isfinite(low))
    rows = vstack([amounts[has_high], -amounts[has_low]], format="csr")
    return rows, np.concatenate([has_high, has_low]), np.concatenate([high[has_high], -low[has_low]])
