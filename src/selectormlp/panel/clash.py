"""Explain why no panel keeps all limits, by a small set of limits that clash."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from selectormlp.data.cells import BoolArray
from selectormlp.errors import counted
from selectormlp.panel.feasible import MAX_NODES, MAX_SECONDS, Answer, find_panel
from selectormlp.panel.limit_rows import LimitRows
from selectormlp.panel.limits import Limit
from selectormlp.panel.relaxation import certificate

MAX_EXPLAIN_SECONDS = 10.0
"""Time limit in seconds; after it, clashing limits are named without narrowing them down further."""

MAX_NAMED = 10
"""Maximum number of limits in a message."""


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
    rows = LimitRows(limits, len(allowed))
    alone = hopeless(rows, allowed, required, n_genes)
    if alone:
        return Clash(alone, each=True)

    def still_clash(some: Sequence[Limit]) -> bool:
        left = max(deadline - time.monotonic(), 0.01)
        few = LimitRows(some, len(allowed))
        return find_panel(few, allowed, required, n_genes, max_seconds=left).answer is Answer.NO

    proof = certificate(rows, allowed, np.unique(np.array(required, dtype=np.int64)), n_genes, max_seconds)
    kept = list(limits) if proof is None or not still_clash(proof.limits) else list(proof.limits)
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
