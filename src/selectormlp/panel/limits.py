"""Hard limits on a panel as linear bounds on sums over its genes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from selectormlp.data.cells import BoolArray, FloatArray, IntArray

TOLERANCE = 1e-9
"""Share of a bound by which a sum may pass it: rounding of sums of up to a million float64."""


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
    >>> import numpy as np
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
