"""Find out whether a panel within all limits exists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from selectormlp.data.cells import BoolArray, FloatArray, IntArray
from selectormlp.panel.limit_rows import LimitRows, entries_of, row_of

MAX_NODES = 2_000
"""Maximum number of branch-and-bound nodes per question. Real panels take a few. Work is bounded rather than time, so
that panels are reproducible."""

MAX_SECONDS = 60.0
"""Time limit in seconds per question, for work that nodes do not bound: far more than a question takes, so that panels
do not depend on how busy the machine is. Unanswered questions are counted and reported."""

INFEASIBLE = 2
"""Status of SciPy's ``milp`` for "there is no solution"."""


class Answer(Enum):
    """Answer to the question whether a panel exists."""

    YES = "yes"
    NO = "no"
    OPEN = "not decided"


@dataclass(frozen=True, eq=False)
class Solution:
    """Result of a search for a panel within limits.

    Attributes
    ----------
    answer
        Whether a panel exists.
    panel
        A panel within the limits as a mask, shape (n_genes,); None unless one was found.
    """

    answer: Answer
    panel: BoolArray | None = None


def find_panel(
    limits: LimitRows,
    allowed: BoolArray,
    required: Iterable[int],
    n_genes: int,
    *,
    max_nodes: int = MAX_NODES,
    max_seconds: float = MAX_SECONDS,
) -> Solution:
    """Look for any panel of a given size within limits, preferably one that uses little of them.

    Parameters
    ----------
    limits
        All of them hold.
    allowed
        Genes to choose from, shape (n_genes_of_data,).
    required
        Positions of genes that the panel holds.
    n_genes
        Its size.
    max_nodes, max_seconds
        Bounds on the branch-and-bound search.

    Notes
    -----
    An integer programme, solved by HiGHS through :func:`scipy.optimize.milp`. The solution is checked again, since the
    solver's tolerance is looser than that of :class:`Limit`.
    """
    needed = np.unique(np.fromiter(required, dtype=np.int64))
    if not allowed[needed].all() or len(needed) > n_genes or allowed.sum() < n_genes:
        return Solution(Answer.NO)
    pool = np.flatnonzero(allowed)
    few = _likely(limits, pool, n_genes)
    few = np.union1d(few, needed)
    bounds = {"node_limit": max_nodes, "time_limit": max_seconds}
    solution = _solve(limits, few, needed, n_genes, len(allowed), bounds)
    if solution.answer is Answer.YES or len(few) == len(pool):
        return solution
    return _solve(limits, pool, needed, n_genes, len(allowed), bounds)


def _likely(limits: LimitRows, pool: IntArray, n_genes: int) -> IntArray:
    """Return genes likely to be in a panel within limits: they use little of them, or serve a lower bound most."""
    rows, low, high = scaled(limits, pool)
    use = _use(rows, high)
    kept = [pool[np.argsort(use, kind="stable")[: 2 * n_genes]]]
    for place in np.flatnonzero(np.isfinite(low)).tolist():
        genes, amounts = entries_of(rows, place)
        serving = genes[amounts > 0]
        worth = amounts[amounts > 0] / (use[serving] + 1e-3)
        kept.append(pool[serving[np.argsort(-worth, kind="stable")[: 2 * n_genes]]])
    return np.unique(np.concatenate(kept))


def _solve(
    limits: LimitRows,
    pool: IntArray,
    needed: IntArray,
    n_genes: int,
    n_all: int,
    search: Mapping[str, float],
) -> Solution:
    """Solve the integer programme over a pool of genes."""
    rows, low, high = scaled(limits, pool)
    use = _use(rows, high)
    constraints = [LinearConstraint(np.ones((1, len(pool))), n_genes, n_genes)]
    if len(low):
        constraints.append(LinearConstraint(rows, low, high))
    result = milp(
        use + np.linspace(0, 1e-6, len(pool)),  # the first gene wins ties
        constraints=constraints,
        bounds=Bounds(np.isin(pool, needed).astype(np.float64), 1.0),
        integrality=np.ones(len(pool)),
        options={**search, "mip_rel_gap": 0.5, "presolve": False},
    )
    if result.x is None:
        return Solution(Answer.NO if result.status == INFEASIBLE else Answer.OPEN)
    panel = pool[result.x > 0.5]
    if len(panel) != n_genes or not all(limit.is_kept(panel) for limit in limits.limits):
        return Solution(Answer.OPEN)
    return Solution(Answer.YES, as_mask(panel, n_all))


def scaled(limits: LimitRows, pool: IntArray) -> tuple[csr_array, FloatArray, FloatArray]:
    """Return the limits as rows whose largest amount is about 1: the solver's tolerance (1e-6) is absolute."""
    rows = limits.amounts[:, pool]
    largest = np.zeros(len(limits.limits))
    np.maximum.at(largest, row_of(rows), np.abs(rows.data))
    scale = np.where(largest > 0, largest, 1.0)
    rows.data /= scale[row_of(rows)]
    return rows, limits.floor / scale, limits.ceiling / scale


def _use(rows: csr_array, high: FloatArray) -> FloatArray:
    """Return how much of all upper bounds each gene uses, shape (n_genes,)."""
    bounded = np.isfinite(high)[row_of(rows)]
    used = np.maximum(rows.data, 0.0) * bounded
    return np.asarray(np.bincount(rows.indices, used, minlength=rows.shape[1]), dtype=np.float64)


def as_mask(genes: IntArray, n_genes: int) -> BoolArray:
    """Return positions as a mask, shape (n_genes,)."""
    mask = np.zeros(n_genes, dtype=np.bool_)
    mask[genes] = True
    return mask
