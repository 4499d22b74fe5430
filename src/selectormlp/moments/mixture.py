"""Mix two objectives by a weight."""

from __future__ import annotations

import numpy as np

from selectormlp.data.cells import FloatArray
from selectormlp.errors import SettingsError
from selectormlp.moments.forward import Objective


class MixtureObjective:
    """The mean of two objectives, weighted.

    The gain of a gene is (1 − weight)·g₁ + weight·g₂. Both losses start at 1 (mean 1/(1 + D²) over pairs of classes,
    unexplained share of the variance), so they are on one scale, and an objective that is met no longer contributes
    gain.

    Parameters
    ----------
    first, second
        The objectives, over the same genes.
    weight
        Of the second, 0 to 1; an objective of weight 0 is not computed.

    Raises
    ------
    SettingsError
        If the weight is outside 0 to 1.
    """

    def __init__(self, first: Objective, second: Objective, *, weight: float) -> None:
        if not 0 <= weight <= 1:
            raise SettingsError(f"weight={weight!r}; expected a number from 0 to 1")
        self._parts = [(share, part) for share, part in ((1.0 - weight, first), (weight, second)) if share > 0]

    def gains(self) -> FloatArray:
        """Return the mixed gain of each gene, shape (n_genes,), ≥ 0."""
        gains: FloatArray = np.sum([share * part.gains() for share, part in self._parts], axis=0)
        return gains

    def choose(self, gene: int) -> None:
        """Condition both on a gene (by column)."""
        for _, part in self._parts:
            part.choose(gene)
