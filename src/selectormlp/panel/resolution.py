"""Turn constraints by name into positions and masks over the genes of the data."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from selectormlp.data.cells import AnyFloatArray, BoolArray, FloatArray, IntArray
from selectormlp.errors import SettingsError, UnknownGenesError, counted, nearest, quoted
from selectormlp.panel.constraints import Constraints
from selectormlp.panel.names import GeneNames, is_pattern, one_each
from selectormlp.panel.physics import TypeCounts, exclusions, limit_rows
from selectormlp.panel.presets import in_family
from selectormlp.panel.quotas import quota_limits, quotas_of, with_groups
from selectormlp.panel.rules import Rules, refuse

logger = logging.getLogger(__name__)

OWNED_PREFERENCE = 1.25
"""Factor on the gain of an owned gene: a new one must gain a quarter more to be preferred."""

MAX_SUGGESTIONS = 3
"""Number of unknown names for which a message offers the nearest names; finding them takes a while."""


def resolve_constraints(
    wanted: Constraints,
    genes: pd.Index[str],
    *,
    n_genes: int | None = None,
    aliases: pd.Index[str] | None = None,
    mean_expression: AnyFloatArray | None = None,
    counts: TypeCounts | None = None,
) -> Rules:
    """Turn names into positions and masks over the genes of the data; see :meth:`Constraints.resolve`."""
    names = GeneNames(genes, aliases)
    must_have = names.find(wanted.must_have)
    forbidden = names.find(wanted.forbidden, patterns=True)
    candidates = names.find(wanted.candidates or ())
    costs = names.find(wanted.costs)
    owned = _present(names, "owned", wanted.owned)
    found = {"must_have": must_have, "forbidden": forbidden, "candidates": candidates, "costs": costs}
    ignored = _ignored(wanted, found, names)
    required = one_each(must_have, genes)
    excluded = {"forbidden": _mask(forbidden, len(genes)), **_out_of_bounds(wanted, genes, mean_expression)}
    if wanted.candidates is not None:
        excluded["not a candidate"] = ~_mask(candidates, len(genes))
    for family in wanted.forbid_preset:
        excluded[f"of the family {family!r}"] = in_family(family, names)
    facts = _facts(wanted, names)
    excluded |= exclusions(wanted, facts, counts, len(genes))
    quotas = quotas_of(with_groups(wanted.gene_sets, _groups(facts, genes)), wanted.min_per_set)
    _present(names, "gene_sets", tuple(gene for quota in quotas for gene in quota.genes))
    sets, _ = quota_limits(quotas, names)
    cost = _costs(wanted, facts, costs, _mask(owned, len(genes)))
    rules = Rules(
        names,
        required,
        ~np.logical_or.reduce(list(excluded.values())),
        cost,
        wanted.budget,
        wanted.min_markers_per_type,
        wanted.min_marker_auc,
        ignored,
        limits=(*limit_rows(wanted, facts, counts, len(genes)), *sets),
        priorities=_priorities(facts, _mask(owned, len(genes))),
        min_markers_per_node=wanted.min_markers_per_node,
    )
    clashes = _excluded_must_haves(genes, required, excluded)
    if n_genes is not None:
        clashes += rules.clashes(n_genes, np.union1d(np.flatnonzero(rules.allowed), required))
    refuse(clashes)
    return rules


def _excluded_must_haves(genes: pd.Index[str], required: IntArray, excluded: Mapping[str, BoolArray]) -> list[str]:
    return [
        f"must-have but {reason}: {quoted(genes[required[mask[required]]])}"
        for reason, mask in excluded.items()
        if mask[required].any()
    ]


def _present(names: GeneNames, what: str, wanted: Sequence[str]) -> dict[str, list[int]]:
    """Find genes, with a warning for missing ones; raise if all are missing."""
    found = names.find(wanted)
    absent = [name for name, positions in found.items() if not positions]
    if absent and len(absent) == len(found):
        raise SettingsError(
            f"{what}: no gene of {len(found)} ({quoted(absent, most=3)}) is in the data (first: "
            f"{quoted(names.genes, most=3)}); use names of the same species and kind, or name a column of var with "
            "second names (gene_name_key, --gene-name-key)"
        )
    if absent:
        _warn_of_ignored(what, absent)
    return found


def _costs(
    wanted: Constraints, facts: Mapping[str, pd.Series], given: Mapping[str, list[int]], owned: BoolArray
) -> FloatArray:
    """Return the cost of each gene: as given, else from the gene table, else 1; 0 for owned genes."""
    cost = np.ones(len(owned))
    if "cost" in facts:
        cost = facts["cost"].fillna(1.0).to_numpy(dtype=np.float64, copy=True)
    for name, positions in given.items():
        cost[positions] = wanted.costs[name]
    cost[owned] = 0.0
    return cost


def _facts(wanted: Constraints, names: GeneNames) -> dict[str, pd.Series]:
    """Read the gene table and align it with the genes of the data."""
    if wanted.gene_table is None:
        return {}
    from selectormlp.panel.gene_files import read_gene_facts  # it imports constraints

    return read_gene_facts(wanted.gene_table).aligned(names)


def _groups(facts: Mapping[str, pd.Series], genes: pd.Index[str]) -> dict[str, list[str]]:
    """Return the genes of each group in the gene table; a gene may be in several, separated by semicolons."""
    found: dict[str, list[str]] = {}
    for gene, text in zip(genes, facts.get("group", ()), strict=False):
        for name in (text or "").split(";"):
            if name.strip():
                found.setdefault(name.strip(), []).append(str(gene))
    return found


def _priorities(facts: Mapping[str, pd.Series], owned: BoolArray) -> FloatArray | None:
    """Return the factor on the gain of each gene; None if all are 1."""
    if "priority" not in facts and not owned.any():
        return None
    factors = np.ones(len(owned))
    if "priority" in facts:
        factors = facts["priority"].fillna(1.0).to_numpy(dtype=np.float64)
    return np.where(owned, factors * OWNED_PREFERENCE, factors)


def _ignored(wanted: Constraints, lookups: Mapping[str, dict[str, list[int]]], names: GeneNames) -> tuple[str, ...]:
    """Raise for names that no gene has, or return them if they are to be ignored; a pattern may match nothing."""
    absent = {what: [name for name, positions in found.items() if not positions] for what, found in lookups.items()}
    idle = [name for name in absent["forbidden"] if is_pattern(name)]
    if idle:
        logger.warning("forbidden patterns that match no gene (case matters): %s", quoted(idle))
    unknown = {
        what: [name for name in missing if what != "forbidden" or not is_pattern(name)]
        for what, missing in absent.items()
    }
    listed = list(dict.fromkeys(name for missing in unknown.values() for name in missing))
    if listed and not wanted.ignore_unknown:
        near = "; ".join(f"{name!r}: {nearest(name, names.positions)}" for name in listed[:MAX_SUGGESTIONS])
        found_in = ", ".join(f"{what} {quoted(missing)}" for what, missing in unknown.items() if missing)
        raise UnknownGenesError(
            f"{counted(len(listed), 'gene name is', 'gene names are')} not in the data ({found_in}); {near}; correct "
            "them, or have unknown names ignored (ignore_unknown, --ignore-unknown)",
            tuple(listed),
        )
    for what, missing in unknown.items():
        if missing:
            _warn_of_ignored(what, missing)
    return tuple(dict.fromkeys([*listed, *idle]))


def _warn_of_ignored(what: str, names: Sequence[str]) -> None:
    logger.warning("%s: ignoring %s not in the data: %s", what, counted(len(names), "name"), quoted(names))


def _out_of_bounds(
    wanted: Constraints, genes: pd.Index[str], mean_expression: AnyFloatArray | None
) -> dict[str, BoolArray]:
    """Return which genes are below and above the bounds on mean expression."""
    if not wanted.bounds_means:
        return {}
    if mean_expression is None or len(mean_expression) != len(genes):
        found = "none" if mean_expression is None else f"{len(mean_expression)} means"
        raise SettingsError(
            f"bounds on mean expression need the mean of each of the {len(genes)} genes; given: {found}"
        )
    excluded: dict[str, BoolArray] = {}
    if wanted.min_mean is not None:
        excluded[f"below the mean expression of {wanted.min_mean:g}"] = mean_expression < wanted.min_mean
    if wanted.max_mean is not None:
        excluded[f"above the mean expression of {wanted.max_mean:g}"] = mean_expression > wanted.max_mean
    return excluded


def _mask(found: Mapping[str, list[int]], n_genes: int) -> BoolArray:
    mask = np.zeros(n_genes, dtype=np.bool_)
    mask[[position for positions in found.values() for position in positions]] = True
    return mask
