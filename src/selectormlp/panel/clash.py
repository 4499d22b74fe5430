"""Explain why no panel keeps all limits, by a small set of limits that clash."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array, hstack, identity, vstack

from selectormlp.data.cells import BoolArray, IntArray
from selectormlp.errors import counted
from selectormlp.panel.feasible import MAX_NODES, MAX_SECONDS, Answer, find_panel, scaled
from selectormlp.panel.limit_rows import LimitRows
from selectormlp.panel.limits import Limit

MAX_EXPLAIN_SECONDS = 10.0
"""Time limit in seconds; after it, clashing limits are named without narrowing them down further."""

MAX_NAMED = 10
"""Maximum number of limits in a message."""

INFEASIBLE_BY = 1e-7
"""A linear programme with at least this sum of violations, as shares of the largest amount, is infeasible: the
tolerance of HiGHS."""


@dataclass(frozen=True)
class Clash:
    """Limits that clash.

    Attributes
    ----------
    limits
        The limits; at least one of them has to be relaxed.
    is_smallest
        Whether all of them are needed for the clash; False if the time limit was reached.
    each
        Whether each of them alone clashes with the size and the required genes.
    """

    limits: tuple[Limit, ...]
    is_smallest: bool = True
    each: bool = False

    def __str__(self) -> str:
        named = "; ".join(map(str, self.limits[:MAX_NAMED]))
        more = f"; and {len(self.limits) - MAX_NAMED} more" if len(self.limits) > MAX_NAMED else ""
        if self.each:
            return f"{named}{more}; loosen or drop {'each of these' if len(self.limits) > 1 else 'it'}"
        among = "" if self.is_smallest else f" (not narrowed down further in {MAX_EXPLAIN_SECONDS:g} s)"
        return f"{named}{more}{among}; loosen or drop one of these"


def why_impossible(
    limits: Sequence[Limit], allowed: BoolArray, required: Sequence[int], n_genes: int, answer: Answer
) -> str:
    """Explain why there is no panel, by the smallest set of clashing limits found."""
    if answer is Answer.OPEN:
        return (
            f"no panel of {counted(n_genes, 'gene')} within {counted(len(limits), 'limit')} was found, nor proved "
            f"impossible, in {MAX_NODES:,} steps or {MAX_SECONDS:g} s of search; loosen a limit"
        )
    found = clash(limits, allowed, required, n_genes)
    held = f" with {counted(len(required), 'required gene')}" if required else ""
    if not found.limits:
        return (
            f"no panel of {counted(n_genes, 'gene')}{held}: "
            f"{counted(int(allowed.sum()), 'gene is', 'genes are')} allowed; allow more, or ask for fewer"
        )
    return f"no panel of {counted(n_genes, 'gene')}{held} keeps: {found}"


def hopeless(limits: LimitRows, allowed: BoolArray, required: Sequence[int], n_genes: int) -> tuple[Limit, ...]:
    """Return the limits that no panel keeps even if all other limits are dropped."""
    needed = np.unique(np.array(required, dtype=np.int64))
    others = np.setdiff1d(np.flatnonzero(allowed), needed)
    n_others = n_genes - len(needed)
    if not 0 <= n_others <= len(others):
        return ()
    doubtful = np.flatnonzero(~limits.easily_kept(limits.sums(needed), n_others, len(others)))
    return tuple(
        limits.limits[place] for place in doubtful if limits.limits[place].is_hopeless(needed, others, n_others)
    )


def clash(
    limits: Sequence[Limit],
    allowed: BoolArray,
    required: Sequence[int],
    n_genes: int,
    *,
    max_seconds: float = MAX_EXPLAIN_SECONDS,
) -> Clash:
    """Find a set of clashing limits, all of which are needed for the clash.

    Parameters
    ----------
    limits
        Limits that no panel keeps together.
    allowed
        Genes to choose from, shape (n_genes_of_data,).
    required
        Positions of genes that the panel holds.
    n_genes
        Its size.
    max_seconds
        Time limit; after it, the current set is returned.

    Returns
    -------
    All limits that no panel keeps alone, if any; else a set as small as time allows; no limits if size and required
    genes clash already.

    Notes
    -----
    A linear programme minimises the violation of limits. Those with a multiplier other than 0 clash (Farkas' lemma).
    From these, or from all limits if they clash for whole genes only, ever smaller blocks are dropped while the clash
    remains: Junker (QuickXplain, AAAI 2004) does the same recursively.
    """
    deadline = time.monotonic() + max_seconds
    alone = hopeless(LimitRows(limits, len(allowed)), allowed, required, n_genes)
    if alone:
        return Clash(alone, each=True)

    def still_clash(some: Sequence[Limit]) -> bool:
        left = max(deadline - time.monotonic(), 0.01)
        rows = LimitRows(some, len(allowed))
        return find_panel(rows, allowed, required, n_genes, max_seconds=left).answer is Answer.NO

    kept = _certificate(limits, allowed, required, n_genes, max_seconds)
    if not kept or not still_clash(kept):
        kept = list(limits)
    size = (len(kept) + 1) // 2
    while kept and size:
        start = 0
        while start < len(kept):
            if time.monotonic() > deadline:
                return Clash(tuple(kept), is_smallest=False)
            fewer = kept[:start] + kept[start + size :]
            if still_clash(fewer):
                kept = fewer
            else:
                start += size
        size //= 2
    return Clash(tuple(kept))


def _certificate(
    limits: Sequence[Limit], allowed: BoolArray, required: Sequence[int], n_genes: int, max_seconds: float
) -> list[Limit]:
    """Return limits that clash even for fractions of genes; none if fractions of genes could keep all."""
    needed = np.unique(np.array(required, dtype=np.int64))
    pool = np.union1d(np.flatnonzero(allowed), needed)
    rows, owner, bounds = _inequalities(LimitRows(limits, len(allowed)), pool)
    if not len(owner):
        return []
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
        return []
    places = np.unique(owner[np.abs(found.ineqlin.marginals) > 0])
    return [limits[place] for place in places]


def _inequalities(limits: LimitRows, pool: IntArray) -> tuple[csr_array, IntArray, IntArray]:
    """Return limits as rows ≤ bounds over a pool of genes, and the limit of each row."""
    amounts, low, high = scaled(limits, pool)
    has_high, has_low = np.flatnonzero(np.isfinite(high)), np.flatnonzero(np.isfinite(low))
    rows = vstack([amounts[has_high], -amounts[has_low]], format="csr")
    return rows, np.concatenate([has_high, has_low]), np.concatenate([high[has_high], -low[has_low]])
