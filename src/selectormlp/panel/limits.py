"""Hard limits on a panel: bounds on sums over its genes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from selectormlp.data.cells import BoolArray, IntArray

Amounts = npt.NDArray[np.float64] | npt.NDArray[np.int8]
"""Amount that each gene adds to a sum. Groups store 0 and 1 as bytes, since a gene table may name thousands."""

TOLERANCE = 1e-9
"""Relative tolerance of a bound, for rounding in sums of up to a million float64."""


@dataclass(frozen=True, eq=False)
class Limit:
    """A bound on a sum over the genes of a panel: ``low`` ≤ Σ ``amounts`` ≤ ``high``.

    Attributes
    ----------
    name
        Name for messages: ``"counts per cell in 'T cell'"``.
    amounts
        Amount of each gene, shape (n_genes,); in the unit of the bounds.
    low, high
        Bounds, both included.
    reason
        Reason recorded for genes that the lower bound requires.

    Examples
    --------
    >>> limit = Limit("cost", np.array([3.0, 1.0, 2.0]), high=4)
    >>> limit.is_kept(np.array([0, 1])), limit.is_kept(np.array([0, 2]))
    (True, False)
    """

    name: str
    amounts: Amounts
    low: float = -math.inf
    high: float = math.inf
    reason: str = ""

    @property
    def floor(self) -> float:
        """The lower bound minus the rounding tolerance."""
        return self.low - TOLERANCE * abs(self.low) if math.isfinite(self.low) else self.low

    @property
    def ceiling(self) -> float:
        """The upper bound plus the rounding tolerance."""
        return self.high + TOLERANCE * abs(self.high) if math.isfinite(self.high) else self.high

    def is_kept(self, genes: IntArray) -> bool:
        """Return whether a panel of these genes (positions) keeps the limit."""
        return bool(self.floor <= self.amounts[genes].sum() <= self.ceiling)

    def spread(self, held: IntArray, others: IntArray, n_others: int) -> tuple[float, float]:
        """Return the smallest and largest possible sum of a panel, ignoring other limits.

        Parameters
        ----------
        held
            Positions of genes that the panel holds, distinct.
        others
            Positions of genes to choose from beside these, distinct.
        n_others
            Number of them that the panel takes, 0 to len(others).

        Examples
        --------
        >>> limit = Limit("cost", np.array([3.0, 1.0, 2.0]), high=4)
        >>> limit.spread(np.array([0]), np.array([1, 2]), 1)
        (4.0, 5.0)
        """
        sum_held, amounts = float(self.amounts[held].sum()), self.amounts[others]
        if not 0 < n_others < len(others):
            whole = sum_held + (float(amounts.sum()) if n_others else 0.0)
            return whole, whole
        least = np.partition(amounts, n_others - 1)[:n_others].sum()
        most = np.partition(amounts, len(others) - n_others)[len(others) - n_others :].sum()
        return sum_held + float(least), sum_held + float(most)

    def is_hopeless(self, held: IntArray, others: IntArray, n_others: int) -> bool:
        """Return whether no panel keeps this limit, even without all others; parameters as for :meth:`spread`."""
        if self._is_easily_kept(held, others, n_others):
            return False
        least, most = self.spread(held, others, n_others)
        slack = TOLERANCE * float(np.abs(self.amounts).max(initial=0.0)) * (len(held) + n_others)
        return least - slack > self.ceiling or most + slack < self.floor

    def _is_easily_kept(self, held: IntArray, others: IntArray, n_others: int) -> bool:
        """Return whether enough genes add nothing to a sum without lower bound, as for most small groups."""
        n_without = len(others) - int(np.count_nonzero(self.amounts[others]))
        return math.isinf(self.low) and n_without >= n_others and float(self.amounts[held].sum()) <= self.ceiling

    def given(self, genes: IntArray) -> Limit:
        """Return the limit, relaxed if genes that stay already exceed it: then its bound is what they use.

        The limit is unchanged if they keep its upper bound, or if other genes can compensate (amounts below 0).

        Examples
        --------
        >>> limit = Limit("genes of group 'HLA'", np.array([1.0, 1.0, 1.0, 0.0]), high=1)
        >>> str(limit.given(np.array([0, 1])))
        "genes of group 'HLA' (above 1 in the panel that is extended) at most 2"
        """
        held = float(self.amounts[genes].sum())
        if held <= self.ceiling or self.amounts.min(initial=0.0) < 0:
            return self
        return replace(self, name=f"{self.name} (above {self.high:g} in the panel that is extended)", high=held)

    def take(self, genes: IntArray | BoolArray) -> Limit:
        """Return the limit over some of the genes, in the order given."""
        return replace(self, amounts=self.amounts[genes])

    def __str__(self) -> str:
        if self.low == self.high:
            return f"{self.name} exactly {self.low:g}"
        low = f"at least {self.low:g}" if math.isfinite(self.low) else ""
        high = f"at most {self.high:g}" if math.isfinite(self.high) else ""
        return f"{self.name} {' and '.join(filter(None, (low, high)))}"
