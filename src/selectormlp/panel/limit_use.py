"""Read from a panel's provenance its use of each limit, and the price of each constraint."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from selectormlp.panel.provenance import Provenance


@dataclass(frozen=True)
class LimitUse:
    """Use of a limit: its sum over the genes of a panel, and its bounds.

    Attributes
    ----------
    limit
        Name of the limit, see :class:`selectormlp.panel.limits.Limit`.
    use
        The sum, in the unit of the bounds.
    low, high
        Bounds; infinite if there is none.
    """

    limit: str
    use: float
    low: float = -math.inf
    high: float = math.inf

    @property
    def share(self) -> float:
        """Use as a share of the upper bound; NaN without one above 0.

        Examples
        --------
        >>> LimitUse("cost", 3, high=4).share
        0.75
        """
        return self.use / self.high if 0 < self.high < math.inf else math.nan


@dataclass(frozen=True)
class Price:
    """The separation of the types with all constraints, or without one of them.

    Attributes
    ----------
    without
        The constraint left out; ``""`` if all are kept.
    criterion
        Mean over pairs of types of 1 / (1 + D²); lower is better.
    price
        Decrease of the criterion without the constraint.
    n_changed
        Number of genes that would change.
    accuracy
        Balanced accuracy of a classifier refitted on the panel, 0 to 1; None if not requested.
    """

    without: str
    criterion: float
    price: float
    n_changed: int
    accuracy: float | None = None


def uses_of(provenance: Provenance) -> tuple[LimitUse, ...]:
    """Return the use of each limit; empty if none is recorded.

    Examples
    --------
    >>> kept = {"limit": "cost", "use": 3.0, "low": None, "high": 4.0}
    >>> uses_of(Provenance(settings={"limit_use": [kept]}))
    (LimitUse(limit='cost', use=3.0, low=-inf, high=4.0),)
    """
    return tuple(
        LimitUse(
            str(one.get("limit", "")),
            one["use"],
            one["low"] if _is_number(one.get("low")) else -math.inf,
            one["high"] if _is_number(one.get("high")) else math.inf,
        )
        for one in _entries(provenance, "limit_use")
        if _is_number(one.get("use"))
    )


def prices_of(provenance: Provenance) -> tuple[Price, ...]:
    """Return the price of each constraint, first with all kept; empty if not requested."""
    return tuple(
        Price(
            str(one.get("without", "")),
            one["criterion"],
            one["price"],
            int(one["n_changed"]),
            one["accuracy"] if _is_number(one.get("accuracy")) else None,
        )
        for one in _entries(provenance, "limit_price")
        if all(_is_number(one.get(name)) for name in ("criterion", "price", "n_changed"))
    )


def _entries(provenance: Provenance, name: str) -> Iterator[Mapping[str, Any]]:
    """Yield the valid entries of a list in the settings; a file may hold anything there."""
    listed = provenance.settings.get(name)
    yield from (one for one in (listed if isinstance(listed, list) else ()) if isinstance(one, dict))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
