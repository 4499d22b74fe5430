"""Resolved constraints: positions and masks over the genes of the data, and their clashes."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from selectormlp.data.cells import BoolArray, FloatArray, IntArray
from selectormlp.errors import SettingsError, counted, quoted
from selectormlp.panel.constraints import MARKER_AUC
from selectormlp.panel.limits import Limit
from selectormlp.panel.names import GeneNames, one_each

logger = logging.getLogger(__name__)

BUDGET_TOLERANCE = 1e-9
"""Relative tolerance of the budget, for rounding in sums of up to a million float64."""


MAX_PHRASES = 5
"""Maximum number of clashes in a message."""


@dataclass(frozen=True, eq=False)
class Rules:
    """Constraints resolved against the genes of the data.

    Attributes
    ----------
    names
        Genes to which positions and masks refer.
    must_have
        Positions of the genes that every panel holds, in the order they were given.
    allowed
        Which genes a panel may hold (must-have genes are among them), shape (n_genes,).
    costs
        Cost of each gene, ≥ 0, in the unit of the budget, shape (n_genes,).
    budget
        Maximum cost of a panel, or None.
    min_markers_per_type
        Minimum number of markers of each type.
    min_markers_per_node
        Minimum number of markers of each node of a tree of labels.
    min_marker_auc
        Minimum AUC of a marker.
    ignored
        Requested names that no gene has, and patterns that match nothing.
    n_existing
        Number of first must-have genes that belong to the panel being extended.
    limits
        Further bounds on sums over the panel, including genes of an existing panel.
    priorities
        Factor on the gain of each gene, shape (n_genes,); None if all are 1.
    """

    names: GeneNames
    must_have: IntArray
    allowed: BoolArray
    costs: FloatArray
    budget: float | None = None
    min_markers_per_type: int = 0
    min_marker_auc: float = MARKER_AUC
    ignored: tuple[str, ...] = ()
    n_existing: int = 0
    limits: tuple[Limit, ...] = ()
    priorities: FloatArray | None = None
    min_markers_per_node: int = 0

    @property
    def genes(self) -> pd.Index[str]:
        """Names of the genes."""
        return self.names.genes

    @property
    def nested(self) -> bool:
        """Whether larger panels contain smaller ones: not with a budget, a minimum per type or other limits."""
        return self.budget is None and not (self.min_markers_per_type or self.min_markers_per_node or self.limits)

    @property
    def cost_limit(self) -> float:
        """The budget plus the rounding tolerance; infinite without a budget."""
        return math.inf if self.budget is None else self.budget * (1 + BUDGET_TOLERANCE)

    def restricted(self) -> Rules:
        """Return the rules restricted to the allowed genes, in the same order."""
        position = np.cumsum(self.allowed) - 1
        aliases = self.names.aliases
        return replace(
            self,
            names=GeneNames(self.genes[self.allowed], None if aliases is None else aliases[self.allowed]),
            must_have=position[self.must_have].astype(np.int64),
            allowed=np.ones(int(self.allowed.sum()), dtype=np.bool_),
            costs=self.costs[self.allowed],
            limits=tuple(limit.take(self.allowed) for limit in self.limits),
            priorities=None if self.priorities is None else self.priorities[self.allowed],
        )

    def with_existing(
        self, panel_genes: Sequence[str], ids: Sequence[str] | None = None, *, strict: bool = False
    ) -> Rules:
        """Require the genes of an existing panel: first, at no cost, and regardless of other rules.

        Parameters
        ----------
        panel_genes
            Names or aliases; those missing from the data are logged and listed in ``ignored``.
        ids
            Identifier of each, used if the data lack its name.
        strict
            Keep limits as they are. Otherwise, a limit that these genes already exceed is relaxed to their sum, so that
            no new gene may add to it; the log names such limits.

        Raises
        ------
        SettingsError
            If a name is ambiguous.
        """
        found = self.names.find_by_either(panel_genes, ids)
        existing = one_each(found, self.genes)
        absent = [name for name, positions in found.items() if not positions]
        if absent:
            logger.warning("genes of the existing panel that are not in the data (%d): %s", len(absent), quoted(absent))
        allowed, costs = self.allowed.copy(), self.costs.copy()
        allowed[existing], costs[existing] = True, 0.0
        limits = self.limits if strict else tuple(limit.given(existing) for limit in self.limits)
        exceeded = [str(own) for own, limit in zip(self.limits, limits, strict=True) if limit is not own]
        if exceeded:
            logger.warning(
                "the panel that is extended already exceeds %s: no new gene may add to %s (%s)",
                counted(len(exceeded), "limit"),
                "it" if len(exceeded) == 1 else "them",
                some(exceeded),
            )
        return replace(
            self,
            must_have=np.concatenate([existing, self.must_have[~np.isin(self.must_have, existing)]]),
            allowed=allowed,
            costs=costs,
            ignored=(*self.ignored, *absent),
            n_existing=len(existing),
            limits=limits,
        )

    def clashes(self, n_genes: int, pool: IntArray | None = None) -> list[str]:
        """Describe what rules out a panel of a given size.

        Parameters
        ----------
        n_genes
            Size of the panel.
        pool
            Positions to choose from, including must-have genes; by default all allowed genes.

        Returns
        -------
        One phrase per clash; none if size and budget can be kept.
        """
        pool = np.flatnonzero(self.allowed) if pool is None else pool
        n_must, n_pool = len(self.must_have), len(pool)
        if n_genes < 1:
            return [f"a panel of {n_genes} genes was asked for: expected 1 or more"]
        if n_must > n_genes:
            return [f"{counted(n_must, 'must-have gene')} for a panel of {n_genes}"]
        if n_pool < n_genes:
            return [f"{counted(n_pool, 'allowed gene')} for a panel of {n_genes}"]
        others, n_others = np.setdiff1d(pool, self.must_have), n_genes - n_must
        cheapest = self.costs[self.must_have].sum() + np.sort(self.costs[others])[:n_others].sum()
        if cheapest > self.cost_limit:
            held = f", its {counted(n_must, 'must-have gene')} included," if n_must else ""
            return [f"the cheapest panel of {n_genes}{held} costs {cheapest:.6g}, above the budget of {self.budget:g}"]
        return [
            self._hopeless(limit, others, n_others)
            for limit in self.limits
            if limit.is_hopeless(self.must_have, others, n_others)
        ]

    def _hopeless(self, limit: Limit, others: IntArray, n_others: int) -> str:
        """Describe the limit that no panel of a size can keep, and the must-have genes that use most of it."""
        n_genes = len(self.must_have) + n_others
        least, most = limit.spread(self.must_have, others, n_others)
        if most < limit.floor:
            return f"{limit}, and {n_genes} genes reach {most:.4g}"
        taken = limit.amounts[self.must_have]
        first = self.must_have[np.argsort(-taken, kind="stable")][: np.count_nonzero(taken)]
        if not len(first):
            return f"{limit}, and the {n_genes} genes that take least of it take {least:.4g}"
        whose = "genes that stay" if self.n_existing else "must-have genes"
        named = quoted(self.genes[first], most=3)
        held = f"the {whose} ({len(self.must_have)}) take {taken.sum():.4g} ({named})"
        if taken.sum() > limit.ceiling:
            return f"{limit}, and {held}"
        return f"{limit}, and {n_genes} genes take {least:.4g} or more, of which {held}"


def refuse(clashes: list[str]) -> None:
    """Raise one error for all clashes.

    Raises
    ------
    SettingsError
        If there are any.
    """
    if clashes:
        raise SettingsError(f"these constraints cannot all be kept: {some(clashes)}; loosen or drop one side of each")


def some(phrases: Sequence[str]) -> str:
    """Join the first phrases, and count the others.

    Examples
    --------
    >>> some(["a", "b"])
    'a; b'
    """
    more = [f"and {len(phrases) - MAX_PHRASES} more"] if len(phrases) > MAX_PHRASES else []
    return "; ".join([*phrases[:MAX_PHRASES], *more])
