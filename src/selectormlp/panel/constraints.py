"""What a panel must obey, as the user states it."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from selectormlp.errors import SettingsError, UnknownGenesError, nearest, quoted
from selectormlp.panel.markers import MARKER_AUC, BoolArray
from selectormlp.panel.names import GeneNames, gene_names, is_pattern, one_each
from selectormlp.panel.rules import Rules, refuse
from selectormlp.values import settle

logger = logging.getLogger(__name__)

MOST_SUGGESTIONS = 3
"""Unknown names that one message offers the nearest names for; finding them takes a while."""


@dataclass(frozen=True)
class Constraints:
    """What a panel must obey, in the user's words; all hold together.

    Attributes
    ----------
    must_have
        Genes that every panel holds, in this order.
    forbidden
        Genes that no panel holds: names, or shell patterns such as ``MT-*`` and ``RP[SL]*`` (case matters).
    candidates
        The only genes to choose from, say surface proteins; None for all. Must-have genes must be among them.
    costs
        Cost of a gene, ≥ 0; one that is not listed costs 1.
    budget
        The most that a panel may cost in all, or None.
    min_mean, max_mean
        Bounds on a gene's mean expression over all cells (bounds included; in the unit of the matrix), or None.
    min_markers_per_type
        The fewest genes of the panel that mark each type; a gene marks a type where its mean is higher there than
        in the rest and its AUC against the rest is at least ``min_marker_auc``.
    min_marker_auc
        See there; 0.5 to 1.
    ignore_unknown
        Leave out names that the data lack, and log them, instead of refusing them.

    Raises
    ------
    SettingsError
        If a value is out of its range, a single name stands where a list is expected, or costs lack a budget.
    """

    must_have: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    candidates: tuple[str, ...] | None = None
    costs: Mapping[str, float] = field(default_factory=dict)
    budget: float | None = None
    min_mean: float | None = None
    max_mean: float | None = None
    min_markers_per_type: int = 0
    min_marker_auc: float = MARKER_AUC
    ignore_unknown: bool = False

    def __post_init__(self) -> None:
        for name in ("must_have", "forbidden", "candidates"):
            given = getattr(self, name)
            if given is not None:
                object.__setattr__(self, name, gene_names(given, name))
        settle(self)
        costs: object = self.costs
        if not isinstance(costs, Mapping):
            kind = type(costs).__name__
            raise SettingsError(f"costs are of the type {kind}; expected a mapping from gene names to numbers")
        object.__setattr__(self, "costs", dict(zip(gene_names(self.costs, "costs"), self.costs.values(), strict=True)))
        self._check_types()
        self._check_numbers()

    @property
    def bounds_means(self) -> bool:
        """Whether mean expression is needed to resolve them."""
        return self.min_mean is not None or self.max_mean is not None

    def _check_types(self) -> None:
        """Refuse what is no number where one is expected."""
        given = {name: getattr(self, name) for name in ("budget", "min_mean", "max_mean")}
        given |= {f"the cost of {gene!r}": cost for gene, cost in self.costs.items()}
        given |= {name: getattr(self, name) for name in ("min_markers_per_type", "min_marker_auc")}
        for name, value in given.items():
            optional = name in ("budget", "min_mean", "max_mean") and value is None
            if not optional and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise SettingsError(f"{name} is {value!r} ({type(value).__name__}); expected a number")
        if not isinstance(self.ignore_unknown, bool):
            raise SettingsError(f"ignore_unknown is {self.ignore_unknown!r}; expected True or False")

    def _check_numbers(self) -> None:
        bad = [gene for gene, cost in self.costs.items() if not (math.isfinite(cost) and cost >= 0)]
        if bad:
            raise SettingsError(
                f"the cost of {quoted(bad)} is {quoted(self.costs[gene] for gene in bad)}; expected numbers from 0 up"
            )
        if self.costs and self.budget is None:
            raise SettingsError(f"{len(self.costs)} costs but no budget, so they would change nothing; give a budget")
        if self.budget is not None and not (math.isfinite(self.budget) and self.budget >= 0):
            raise SettingsError(f"budget is {self.budget}; expected a number from 0 up")
        low, high = self.min_mean, self.max_mean
        if any(bound is not None and not math.isfinite(bound) for bound in (low, high)):
            raise SettingsError(f"min_mean is {low} and max_mean {high}; expected finite numbers, None for no bound")
        if low is not None and high is not None and low > high:
            raise SettingsError(f"min_mean {low:g} is above max_mean {high:g}; expected it below")
        if self.min_markers_per_type < 0:
            raise SettingsError(f"min_markers_per_type is {self.min_markers_per_type}; expected 0 or more")
        if not 0.5 <= self.min_marker_auc <= 1:
            raise SettingsError(f"min_marker_auc is {self.min_marker_auc}; expected 0.5 (chance) to 1 (never wrong)")

    def resolve(
        self,
        genes: pd.Index[str],
        *,
        n_genes: int | None = None,
        aliases: pd.Index[str] | None = None,
        mean_expression: npt.NDArray[np.floating] | None = None,
    ) -> Rules:
        """Turn names into positions and masks over the genes of the data.

        Parameters
        ----------
        genes
            Gene names of the data, unique.
        n_genes
            Size of the panel, to be checked against the rest; None to check that later.
        aliases
            A second name for each gene; a name is looked for among ``genes`` first.
        mean_expression
            Mean of each gene over all cells, shape (len(genes),); needed for bounds.

        Raises
        ------
        SettingsError
            If names are unknown or fit several genes, or the constraints cannot all be kept: one message says
            which clash.

        Examples
        --------
        >>> genes = pd.Index(["CD3E", "MT-CO1", "MS4A1", "NKG7"])
        >>> rules = Constraints(must_have=("NKG7",), forbidden=("MT-*",)).resolve(genes, n_genes=2)
        >>> rules.must_have, rules.allowed
        (array([3]), array([ True, False,  True,  True]))
        """
        names = GeneNames(genes, aliases)
        must_have = names.find(self.must_have)
        forbidden = names.find(self.forbidden, patterns=True)
        candidates = names.find(self.candidates or ())
        costs = names.find(self.costs)
        ignored = self._ignored(
            {"must_have": must_have, "forbidden": forbidden, "candidates": candidates, "costs": costs}, names
        )
        required = one_each(must_have, genes)
        excluded = {"forbidden": _mask(forbidden, len(genes)), **self._out_of_bounds(genes, mean_expression)}
        if self.candidates is not None:
            excluded["not a candidate"] = ~_mask(candidates, len(genes))
        cost = np.ones(len(genes))
        for name, positions in costs.items():
            cost[positions] = self.costs[name]
        rules = Rules(
            names,
            required,
            ~np.logical_or.reduce(list(excluded.values())),
            cost,
            self.budget,
            self.min_markers_per_type,
            self.min_marker_auc,
            ignored,
        )
        clashes = [
            f"must-have but {reason}: {quoted(genes[required[mask[required]]])}"
            for reason, mask in excluded.items()
            if mask[required].any()
        ]
        if n_genes is not None:
            clashes += rules.clashes(n_genes, np.union1d(np.flatnonzero(rules.allowed), required))
        refuse(clashes)
        return rules

    def _ignored(self, lookups: Mapping[str, dict[str, list[int]]], names: GeneNames) -> tuple[str, ...]:
        """Refuse names that no gene has, or list them where that is wanted; a pattern may fit no gene."""
        absent = {what: [name for name, positions in found.items() if not positions] for what, found in lookups.items()}
        idle = [name for name in absent["forbidden"] if is_pattern(name)]
        if idle:
            logger.warning("no gene fits the forbidden pattern(s) %s (case matters)", quoted(idle))
        unknown = {
            what: [name for name in missing if what != "forbidden" or not is_pattern(name)]
            for what, missing in absent.items()
        }
        listed = list(dict.fromkeys(name for missing in unknown.values() for name in missing))
        if listed and not self.ignore_unknown:
            near = "; ".join(f"{name!r}: {nearest(name, names.positions)}" for name in listed[:MOST_SUGGESTIONS])
            found_in = ", ".join(f"{what} {quoted(missing)}" for what, missing in unknown.items() if missing)
            raise UnknownGenesError(
                f"{len(listed)} gene name(s) are not in the data ({found_in}); {near}; correct them, or ask for "
                "unknown names to be ignored (ignore_unknown, --ignore-unknown)",
                tuple(listed),
            )
        for what, missing in unknown.items():
            if missing:
                logger.warning("%s: %d name(s) not in the data are ignored: %s", what, len(missing), quoted(missing))
        return tuple(dict.fromkeys([*listed, *idle]))

    def _out_of_bounds(
        self, genes: pd.Index[str], mean_expression: npt.NDArray[np.floating] | None
    ) -> dict[str, BoolArray]:
        """Say which genes lie below and above the bounds on mean expression."""
        if not self.bounds_means:
            return {}
        if mean_expression is None or len(mean_expression) != len(genes):
            found = "none" if mean_expression is None else f"{len(mean_expression)} means"
            raise SettingsError(
                f"bounds on mean expression need the mean of each of the {len(genes)} genes; given: {found}"
            )
        excluded: dict[str, BoolArray] = {}
        if self.min_mean is not None:
            excluded[f"below the mean expression of {self.min_mean:g}"] = mean_expression < self.min_mean
        if self.max_mean is not None:
            excluded[f"above the mean expression of {self.max_mean:g}"] = mean_expression > self.max_mean
        return excluded


def _mask(found: Mapping[str, list[int]], n_genes: int) -> BoolArray:
    mask = np.zeros(n_genes, dtype=np.bool_)
    mask[[position for positions in found.values() for position in positions]] = True
    return mask
