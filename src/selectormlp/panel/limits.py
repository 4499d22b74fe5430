"""Hard limits on a panel as linear bounds, and whether a set of genes can still be completed within them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from selectormlp.data.cells import IntArray
from selectormlp.errors import SettingsError
from selectormlp.panel.markers import BoolArray, FloatArray

TOLERANCE = 1e-9
"""Share of a bound by which a sum may pass it: rounding of sums of up to a million float64."""

MAX_NODES = 2_000
"""Branch-and-bound nodes of one feasibility question. Real panels take a few; work, not time, so that panels repeat."""

MAX_SECONDS = 10.0
"""Seconds of one feasibility question, for what nodes do not bound. Questions left open are counted and reported."""

INFEASIBLE = 2
"""Status of SciPy's ``milp`` for "there is no solution"."""


@dataclass(frozen=True, eq=False)
class Limit:
    """A bound on a sum over the genes of a panel: ``low`` ≤ Σ ``amounts`` ≤ ``high``.

    Attributes
    ----------
    name
        What is limited, as a message says it: ``"counts per cell in 'T cell'"``.
    amounts
        What each gene adds to the sum, shape (n_genes,); in the unit of the bounds.
    low, high
        Bounds, both included.
    reason
        Why a gene is in a panel that the lower bound brought in.

    Examples
    --------
    >>> limit = Limit("cost", np.array([3.0, 1.0, 2.0]), high=4)
    >>> limit.is_kept(np.array([0, 1])), limit.is_kept(np.array([0, 2]))
    (True, False)
    """

    name: str
    amounts: FloatArray
    low: float = -math.inf
    high: float = math.inf
    reason: str = ""

    @property
    def floor(self) -> float:
        """The lower bound less what rounding may take off."""
        return self.low - TOLERANCE * abs(self.low) if math.isfinite(self.low) else self.low

    @property
    def ceiling(self) -> float:
        """The upper bound and what rounding may add."""
        return self.high + TOLERANCE * abs(self.high) if math.isfinite(self.high) else self.high

    def is_kept(self, genes: IntArray) -> bool:
        """Say whether a panel of these genes (positions) keeps the limit."""
        return bool(self.floor <= self.amounts[genes].sum() <= self.ceiling)

    def take(self, genes: IntArray | BoolArray) -> Limit:
        """Return the limit over some of the genes, in the order given."""
        return replace(self, amounts=self.amounts[genes])

    def __str__(self) -> str:
        if self.low == self.high:
            return f"{self.name} exactly {self.low:g}"
        low = f"at least {self.low:g}" if math.isfinite(self.low) else ""
        high = f"at most {self.high:g}" if math.isfinite(self.high) else ""
        return f"{self.name} {' and '.join(filter(None, (low, high)))}"


class Answer(Enum):
    """Answer to whether a panel exists."""

    YES = "yes"
    NO = "no"
    OPEN = "not decided"


@dataclass(frozen=True, eq=False)
class Solution:
    """What a search for a panel within limits found.

    Attributes
    ----------
    answer
        Whether there is one.
    panel
        Such a panel as a mask, shape (n_genes,); None unless there is one.
    """

    answer: Answer
    panel: BoolArray | None = None


def find_panel(
    limits: Sequence[Limit], allowed: BoolArray, required: Iterable[int], n_genes: int, *, max_nodes: int = MAX_NODES
) -> Solution:
    """Look for any panel of a size within limits, one that uses little of them.

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
    max_nodes
        Bound on the branch-and-bound search.

    Notes
    -----
    An integer programme, solved by HiGHS through :func:`scipy.optimize.milp`. Its solution is checked against the
    limits in exact order of summation, since the solver's own tolerance is looser.
    """
    needed = np.unique(np.fromiter(required, dtype=np.int64))
    if not allowed[needed].all() or len(needed) > n_genes or allowed.sum() < n_genes:
        return Solution(Answer.NO)
    pool = np.flatnonzero(allowed)
    few = _likely(limits, pool, n_genes)
    few = np.union1d(few, needed)
    solution = _solve(limits, few, needed, n_genes, len(allowed), max_nodes)
    if solution.answer is Answer.YES or len(few) == len(pool):
        return solution
    return _solve(limits, pool, needed, n_genes, len(allowed), max_nodes)


def _likely(limits: Sequence[Limit], pool: IntArray, n_genes: int) -> IntArray:
    """Return the genes that a panel within limits most likely needs: they use little, or serve a lower bound most."""
    rows, low, high = _scaled(limits, pool)
    use = np.where(np.isfinite(high)[:, None], np.maximum(rows, 0.0), 0.0).sum(axis=0)
    kept = [pool[np.argsort(use, kind="stable")[: 2 * n_genes]]]
    for row in rows[np.isfinite(low)]:
        serving = np.flatnonzero(row > 0)
        worth = row[serving] / (use[serving] + 1e-3)
        kept.append(pool[serving[np.argsort(-worth, kind="stable")[: 2 * n_genes]]])
    return np.unique(np.concatenate(kept))


def _solve(
    limits: Sequence[Limit], pool: IntArray, needed: IntArray, n_genes: int, n_all: int, max_nodes: int
) -> Solution:
    """Solve the integer programme over a pool of genes."""
    rows, low, high = _scaled(limits, pool)
    use = np.where(np.isfinite(high)[:, None], np.maximum(rows, 0.0), 0.0).sum(axis=0)
    constraints = [LinearConstraint(np.ones((1, len(pool))), n_genes, n_genes)]
    if len(rows):
        constraints.append(LinearConstraint(csr_array(rows), low, high))
    result = milp(
        use + np.linspace(0, 1e-6, len(pool)),  # ties go to the first
        constraints=constraints,
        bounds=Bounds(np.isin(pool, needed).astype(np.float64), 1.0),
        integrality=np.ones(len(pool)),
        options={"node_limit": max_nodes, "time_limit": MAX_SECONDS, "mip_rel_gap": 0.5, "presolve": False},
    )
    if result.x is None:
        return Solution(Answer.NO if result.status == INFEASIBLE else Answer.OPEN)
    panel = pool[result.x > 0.5]
    if len(panel) != n_genes or not all(limit.is_kept(panel) for limit in limits):
        return Solution(Answer.OPEN)
    return Solution(Answer.YES, _mask(panel, n_all))


class Completion:
    """Which genes may come next, so that a panel within all limits remains possible; and why not the others.

    Parameters
    ----------
    limits
        All of them hold.
    allowed
        Genes that may be chosen at all, shape (n_genes_of_data,).
    required
        Positions of genes that the panel holds.
    n_genes
        Its size.

    Raises
    ------
    SettingsError
        If there is no such panel, or none was found in the bounded search.

    Notes
    -----
    A panel that keeps all limits (the witness) is known at any time. A gene of the witness may come next; so may one
    that can be swapped into it. Else bounds on each limit, and then an integer programme, decide. What may not come
    next never may later, since the choices that are left only shrink.

    Examples
    --------
    >>> cost = Limit("cost", np.array([3.0, 1.0, 1.0, 2.0]), high=4)
    >>> completion = Completion([cost], np.ones(4, dtype=bool), [0], 2)
    >>> [completion.may_follow(gene) for gene in range(1, 4)], completion.why_not(3)
    ([True, True, False], 'cost at most 4')
    """

    def __init__(
        self, limits: Sequence[Limit], allowed: BoolArray, required: Iterable[int] = (), n_genes: int = 1
    ) -> None:
        self.limits, self.n_genes = tuple(limits), n_genes
        self._required = list(dict.fromkeys(int(gene) for gene in required))
        self._allowed, self.open = allowed.copy(), allowed.copy()
        self.n_undecided = 0
        self.chosen: list[int] = []
        self._refused: dict[int, str] = {}
        self._amounts = np.array([limit.amounts for limit in self.limits]).reshape(len(self.limits), len(allowed))
        self._floor = np.array([limit.floor for limit in self.limits])
        self._ceiling = np.array([limit.ceiling for limit in self.limits])
        found = find_panel(self.limits, allowed, self._required, n_genes)
        if found.panel is None:
            raise SettingsError(why_impossible(self.limits, allowed, self._required, n_genes, found.answer))
        self._witness = found.panel
        self._close_impossible()

    @property
    def example(self) -> IntArray:
        """A panel that keeps all limits and holds the genes chosen so far, increasing positions, shape (n_genes,)."""
        return np.flatnonzero(self._witness)

    def may_follow(self, gene: int) -> bool:
        """Say whether a panel within all limits holds the genes chosen so far and this one."""
        if not self.open[gene]:
            return False
        if self._witness[gene]:
            return True
        swapped = self._swap(gene)
        if swapped is None:
            given = [*self._required, *self.chosen, gene]
            allowed = self.open | _mask(np.array(given), len(self.open))
            found = find_panel(self.limits, allowed, given, self.n_genes)
            if found.panel is None:
                self.n_undecided += found.answer is Answer.OPEN
                self._refuse(
                    gene, "" if found.answer is Answer.NO else "a panel with it was neither found nor excluded"
                )
                return False
            swapped = found.panel
        self._witness = swapped
        return True

    def choose(self, gene: int) -> None:
        """Take a gene that may follow."""
        if not self._witness[gene] and not self.may_follow(gene):
            raise SettingsError(f"gene {gene} may not follow: {self.why_not(gene)}")
        self.chosen.append(gene)
        self.open[gene] = False
        self._close_impossible()

    def may_replace(self, panel: IntArray, place: int) -> BoolArray:
        """Say which genes keep all limits in the place of one of a full panel, shape (n_genes_of_data,)."""
        left = np.delete(panel, place)
        sums = self._amounts[:, left].sum(axis=1, keepdims=True) + self._amounts
        kept = ((sums >= self._floor[:, None]) & (sums <= self._ceiling[:, None])).all(axis=0)
        may: BoolArray = self._allowed & kept
        may[left] = False
        if panel[place] in self._required:
            may = np.arange(len(may)) == panel[place]
        return may

    def why_not(self, gene: int) -> str:
        """Name the limits that keep a gene out, or ``""`` if it may come next."""
        if gene in self.chosen or self.may_follow(gene):
            return ""
        if not self._allowed[gene]:
            return "not allowed"
        if not self._refused[gene]:
            given = [*self._required, *self.chosen, gene]
            blocking = _irreducible(self.limits, self._allowed, given, self.n_genes)
            self._refused[gene] = "; ".join(map(str, blocking)) or f"the panel of {self.n_genes} genes is full"
        return self._refused[gene]

    def _refuse(self, gene: int, why: str) -> None:
        self.open[gene] = False
        self._refused[gene] = why

    def _swap(self, gene: int) -> BoolArray | None:
        """Put a gene into the witness in the place of one that is not needed, if that keeps all limits."""
        free = self._witness.copy()
        free[[*self._required, *self.chosen]] = False
        out = np.flatnonzero(free)
        sums = self._amounts[:, self._witness].sum(axis=1, keepdims=True)
        sums = sums - self._amounts[:, out] + self._amounts[:, [gene]]
        kept = ((sums >= self._floor[:, None]) & (sums <= self._ceiling[:, None])).all(axis=0)
        for leaver in out[kept]:
            witness = self._witness.copy()
            witness[leaver], witness[gene] = False, True
            panel = np.flatnonzero(witness)
            if all(limit.is_kept(panel) for limit in self.limits):
                return witness
        return None

    def _close_impossible(self) -> None:
        """Close genes that break one limit even with the best completion of that limit alone."""
        held = list(dict.fromkeys([*self._required, *self.chosen]))
        n_left = self.n_genes - len(held)
        others = self.open.copy()
        others[held] = False
        candidates = np.flatnonzero(others)
        if n_left < 1 or not len(candidates):
            return
        for limit in self.limits:
            amounts = limit.amounts[candidates]
            fillers = np.sort(amounts)
            least = limit.amounts[held].sum() + amounts + fillers[: n_left - 1].sum()
            most = limit.amounts[held].sum() + amounts + fillers[len(fillers) - n_left + 1 :].sum()
            slack = TOLERANCE * np.abs(amounts).max(initial=0.0) * self.n_genes
            for gene in candidates[(least - slack > limit.ceiling) | (most + slack < limit.floor)]:
                if self.open[gene] and not self._witness[gene]:
                    self._refuse(int(gene), str(limit))


def why_impossible(
    limits: Sequence[Limit], allowed: BoolArray, required: Sequence[int], n_genes: int, answer: Answer
) -> str:
    """Say why there is no panel: the smallest set of limits found that cannot hold together."""
    if answer is Answer.OPEN:
        return (
            f"no panel of {n_genes} genes within the {len(limits)} limits was found, and none excluded, in "
            f"{MAX_NODES:,} steps or {MAX_SECONDS:g} s of search; loosen a limit"
        )
    blocking = _irreducible(limits, allowed, required, n_genes)
    held = f" that holds the {len(required)} required gene(s)" if required else ""
    if not blocking:
        return (
            f"no panel of {n_genes} genes{held}: {int(allowed.sum())} gene(s) are allowed; allow more, or ask for fewer"
        )
    together = "; ".join(map(str, blocking))
    return f"no panel of {n_genes} genes{held} keeps: {together}; loosen or drop one of these"


def _irreducible(
    limits: Sequence[Limit], allowed: BoolArray, required: Sequence[int], n_genes: int
) -> tuple[Limit, ...]:
    """Return limits that clash, none of which can be left out: each is dropped in turn, if the clash stays."""
    kept = list(limits)
    for limit in limits:
        fewer = [other for other in kept if other is not limit]
        if find_panel(fewer, allowed, required, n_genes).answer is Answer.NO:
            kept = fewer
    return tuple(kept)


def _scaled(limits: Sequence[Limit], pool: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the limits as rows whose largest amount is about 1: the solver's tolerance (1e-6) is absolute."""
    rows = np.array([limit.amounts[pool] for limit in limits]).reshape(len(limits), len(pool))
    low, high = np.array([limit.floor for limit in limits]), np.array([limit.ceiling for limit in limits])
    largest = np.abs(rows).max(axis=1, initial=0.0)
    scale = np.where(largest > 0, largest, 1.0)
    return rows / scale[:, None], low / scale, high / scale


def _mask(genes: IntArray, n_genes: int) -> BoolArray:
    mask = np.zeros(n_genes, dtype=np.bool_)
    mask[genes] = True
    return mask
