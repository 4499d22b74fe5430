"""Named sets of genes of which a panel holds a minimum or maximum; pairs that come both or not at all."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from selectormlp.errors import SettingsError
from selectormlp.panel.limits import Limit
from selectormlp.panel.names import GeneNames


@dataclass(frozen=True)
class Quota:
    """A named set of genes, and how many of it a panel holds.

    Attributes
    ----------
    name
        What the set stands for: a pathway, a type whose markers it lists.
    genes
        Its members; those that the data lack do not count.
    low, high
        Fewest and most of them in a panel, both included.

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

    def __post_init__(self) -> None:
        if isinstance(self.genes, str):
            raise SettingsError(
                f"the genes of quota {self.name!r} are the text {self.genes!r}; expected a list of names"
            )
        object.__setattr__(self, "genes", tuple(map(str, self.genes)))
        if not self.genes:
            raise SettingsError(f"the quota {self.name!r} lists no genes; name some, or drop it")
        if not 0 <= self.low <= self.high:
            raise SettingsError(
                f"the quota {self.name!r} asks for {self.low} to {self.high} genes; expected low ≤ high"
            )


def quotas_from_lists(lists: Mapping[str, Iterable[str]], *, low: int = 1) -> tuple[Quota, ...]:
    """Make one quota for each list of a mapping, as with own marker lists by type.

    Examples
    --------
    >>> [quota.name for quota in quotas_from_lists({"T": ["CD3E", "CD3D"], "B": ["MS4A1"]}, low=1)]
    ['T', 'B']
    """
    return tuple(Quota(name, tuple(genes), low=low) for name, genes in lists.items())


def quota_limits(
    quotas: Sequence[Quota], pairs: Sequence[tuple[str, str]], names: GeneNames
) -> tuple[tuple[Limit, ...], tuple[str, ...]]:
    """Turn quotas and pairs into bounds over the genes of the data.

    Parameters
    ----------
    quotas
        Named sets with their minimum and maximum.
    pairs
        Genes that come both or not at all, as a receptor and its ligand. A pair of which the data lack one gene keeps
        the other out.
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
    n_genes = len(names.genes)
    rows, absent = [], []
    for quota in quotas:
        found = names.find(quota.genes)
        absent += [name for name, positions in found.items() if not positions]
        members = np.zeros(n_genes)
        members[[position for positions in found.values() for position in positions]] = 1
        if members.sum() < quota.low:
            raise SettingsError(
                f"{quota.low} genes of {quota.name!r} are asked for, and the data have {members.sum():.0f} of its "
                f"{len(quota.genes)}; lower the minimum, or check the names"
            )
        reason = f"{quota.name} (at least {quota.low})"
        rows.append(Limit(f"genes of {quota.name!r}", members, low=quota.low, high=quota.high, reason=reason))
    for first, second in pairs:
        found = names.find((first, second))
        absent += [name for name, positions in found.items() if not positions]
        difference = np.zeros(n_genes)
        difference[found[first]] += 1
        difference[found[second]] -= 1
        if first != second and difference.any():
            rows.append(Limit(f"{first} less {second} (both or none)", difference, low=0, high=0))
    return tuple(rows), tuple(dict.fromkeys(absent))
