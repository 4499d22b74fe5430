"""Quotas: named sets of genes with a minimum, a maximum, or "all or none"."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from selectormlp.errors import SettingsError, quoted
from selectormlp.panel.limits import Limit
from selectormlp.panel.names import GeneNames

KEYS = ("genes", "min", "max", "together")
"""Keys of an entry that is not a plain list of genes."""


@dataclass(frozen=True)
class Quota:
    """A named set of genes, and how many of them a panel holds.

    Attributes
    ----------
    name
        Name of the set, such as a pathway or a type with markers.
    genes
        Its members; those missing from the data are ignored.
    low, high
        Minimum and maximum number of them in a panel, both included.
    together
        Whether a panel holds all of them or none, such as a receptor and its ligand.

    Raises
    ------
    SettingsError
        If there are no genes, or the bounds are not in order.

    Examples
    --------
    >>> Quota("cytokines", ("IL2", "IL4", "IFNG"), low=1).low
    1
    """

    name: str
    genes: Sequence[str]
    low: int = 0
    high: float = math.inf
    together: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.genes, str):
            raise SettingsError(f"the genes of set {self.name!r} are the text {self.genes!r}; expected a list of names")
        object.__setattr__(self, "genes", tuple(map(str, self.genes)))
        if not self.genes:
            raise SettingsError(f"the set {self.name!r} lists no genes; name some, or drop it")
        if not 0 <= self.low <= self.high:
            raise SettingsError(f"the set {self.name!r} asks for {self.low} to {self.high} genes; expected min ≤ max")


def quotas_of(sets: Mapping[str, Any], low: int = 1) -> tuple[Quota, ...]:
    """Make quotas from a mapping of set names to genes, or to ``genes``, ``min``, ``max`` and ``together``.

    A plain list of genes, or a set without bounds, means at least ``low`` of them.

    Raises
    ------
    SettingsError
        If an entry is invalid, or holds an unknown key or a bound that is not an integer.

    Examples
    --------
    >>> one, two = quotas_of({"T": ["CD3E", "CD3D"], "B": {"genes": ["MS4A1", "CD79A"], "min": 2}})
    >>> one.low, two.low
    (1, 2)
    """
    return tuple(_quota(name, entry, low) for name, entry in sets.items())


def _quota(name: str, entry: Any, usual: int) -> Quota:
    if isinstance(entry, Iterable) and not isinstance(entry, str | Mapping):
        return Quota(name, tuple(entry), low=usual)
    if not isinstance(entry, Mapping) or "genes" not in entry or not set(entry) <= set(KEYS):
        raise SettingsError(f"the set {name!r} is {entry!r}; expected a list of genes, or {quoted(KEYS)}")
    together = entry.get("together", False)
    low, high = entry.get("min", 0 if together or "max" in entry else usual), entry.get("max")
    for key, number in (("min", low), ("max", high)):
        if number is not None and (not isinstance(number, int) or isinstance(number, bool) or number < 0):
            raise SettingsError(f"{key} of the set {name!r} is {number!r}; expected a whole number from 0 up")
    if not isinstance(together, bool):
        raise SettingsError(f"together of the set {name!r} is {together!r}; expected true or false")
    return Quota(name, entry["genes"], low, math.inf if high is None else high, together)


def with_groups(sets: Mapping[str, Any], groups: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Fill in sets without genes from the gene table's group of the same name.

    Parameters
    ----------
    sets
        As for :func:`quotas_of`.
    groups
        Genes by the name of a group, from the gene table.

    Raises
    ------
    SettingsError
        If there is no such group.

    Examples
    --------
    >>> with_groups({"WNT": {"min": 2}}, {"WNT": ["WNT5A", "WNT3"]})
    {'WNT': {'min': 2, 'genes': ['WNT5A', 'WNT3']}}
    """
    found: dict[str, Any] = {}
    for name, entry in sets.items():
        found[name] = entry
        if isinstance(entry, Mapping) and "genes" not in entry and set(entry) <= set(KEYS):
            if name not in groups:
                known = f"; groups of the gene table: {quoted(groups, most=5)}" if groups else ""
                raise SettingsError(
                    f"the set {name!r} lists no genes, and the gene table has no group of this name{known}; name "
                    "genes, or give a table with a column group (gene_table, --gene-table)"
                )
            found[name] = {**entry, "genes": list(groups[name])}
    return found


def quota_limits(quotas: Sequence[Quota], names: GeneNames) -> tuple[tuple[Limit, ...], tuple[str, ...]]:
    """Turn quotas into bounds on sums over the genes of the data.

    Parameters
    ----------
    quotas
        Named sets. If the data lack a gene of an "all or none" set, none of it may be chosen.
    names
        Genes of the data.

    Returns
    -------
    The bounds, and the names that no gene of the data has.

    Raises
    ------
    SettingsError
        If the data have fewer genes of a set than its minimum.
    """
    rows: list[Limit] = []
    absent: list[str] = []
    for quota in quotas:
        found = names.find(quota.genes)
        missing = [name for name, positions in found.items() if not positions]
        absent += missing
        places = list(dict.fromkeys(position for positions in found.values() for position in positions))
        if len(places) < quota.low:
            raise SettingsError(
                f"{quota.low} genes of {quota.name!r} are asked for, and the data have {len(places)} of its "
                f"{len(quota.genes)}; lower the minimum, or check the names"
            )
        members = np.zeros(len(names.genes))
        members[places] = 1
        what = f"genes of {quota.name!r}"
        if quota.together:
            rows += _together(quota.name, places, len(names.genes), broken=bool(missing))
        if quota.low or math.isfinite(quota.high):
            reason = f"{quota.name} (at least {quota.low})" if quota.low else ""
            rows.append(Limit(what, members, quota.low or -math.inf, quota.high, reason))
    return tuple(rows), tuple(dict.fromkeys(absent))


def _together(name: str, places: Sequence[int], n_genes: int, *, broken: bool) -> list[Limit]:
    """Tie each gene to the first, or exclude all if one is missing."""
    rows = []
    for place in places if broken else places[1:]:
        difference = np.zeros(n_genes)
        difference[place] = 1
        if not broken:
            difference[places[0]] = -1
        rows.append(Limit(f"{name!r} all or none, difference", difference, low=0, high=0))
    return rows
