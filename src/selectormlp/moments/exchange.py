"""Exchange genes of a panel for others at fixed size."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import scipy.linalg

from selectormlp.data.cells import BoolArray, FloatArray, IntArray
from selectormlp.moments.columns import covariance_rows
from selectormlp.moments.discriminant import ROUNDING, DiscriminantObjective
from selectormlp.moments.forward import COLLINEAR

MayReplace = Callable[[IntArray, int], BoolArray]
"""Genes allowed at a place of a panel: (panel, place) → mask, shape (n_genes,)."""


def exchange(
    objective: DiscriminantObjective,
    genes: IntArray,
    *,
    n_fixed: int = 0,
    max_refine_s: float = 10.0,
    may_replace: MayReplace | None = None,
) -> IntArray:
    """Swap genes of a panel while a swap lowers the discriminant loss.

    Each gene in turn is taken out and the gene that lowers the loss most takes its place, until a whole round
    changes nothing. The loss strictly falls, so this ends; it need not end at the best panel.

    Parameters
    ----------
    objective
        Gives covariance, gaps and loss; its own chosen genes are ignored.
    genes
        The panel (columns), shape (n_chosen,).
    n_fixed
        Number of first genes that stay.
    max_refine_s
        Seconds after which no further swap is tried; a run that reaches it may differ from the next.
    may_replace
        Genes allowed at each place, so that limits still hold; None: any gene.

    Returns
    -------
    The new panel, shape (n_chosen,); each new gene takes the place of the gene it replaces. Panels of different sizes
    are not nested.
    """
    panel = genes.copy()
    deadline = time.monotonic() + max_refine_s
    state = _Conditioned(objective, panel)
    since_swap, place = 0, n_fixed
    while since_swap < len(panel) - n_fixed and time.monotonic() < deadline:
        losses = state.losses_without(place)
        if may_replace is not None:
            losses[~may_replace(panel, place)] = np.inf
        best = int(np.argmin(losses))
        if losses[best] < losses[panel[place]] - ROUNDING:
            panel[place] = best
            state = _Conditioned(objective, panel)
            since_swap = 1  # no gene is better there than the one just put in
        else:
            since_swap += 1
        place = place + 1 if place + 1 < len(panel) else n_fixed
    return panel


class _Conditioned:
    """All genes conditioned on a panel; any one of its genes can be removed again in O(n_genes · n_chosen).

    With P the inverse of the panel's covariance and B = Σ_{·panel} P the regression on it, leaving out gene i
    adds B_i B_iᵀ / P_ii to the conditional covariance, and correspondingly to gaps and distances.
    """

    def __init__(self, objective: DiscriminantObjective, panel: IntArray) -> None:
        self._objective, self._panel = objective, panel
        variances, shrinkage = objective.covariance.diagonal(), objective.shrinkage(len(panel))
        cross = (1.0 - shrinkage) * covariance_rows(objective.covariance, panel).T
        cross[panel, np.arange(len(panel))] += shrinkage * variances[panel] + objective.ridge
        self._marginal = variances + objective.ridge
        self._precision: FloatArray = scipy.linalg.pinvh(cross[panel])
        self._regression: FloatArray = cross @ self._precision
        self._variance = self._marginal - np.einsum("jk,jk->j", self._regression, cross)
        chosen_gaps = objective.gaps[:, panel]
        self._gaps = objective.gaps - chosen_gaps @ self._regression.T
        self._scores = chosen_gaps @ self._precision  # pairs × panel
        self._distances = np.einsum("pk,pk->p", self._scores, chosen_gaps)

    def losses_without(self, place: int) -> FloatArray:
        """Return the loss with each gene in the place of one, shape (n_genes,); infinite for the other chosen."""
        direction = self._regression[:, place] / np.sqrt(self._precision[place, place])
        score = self._scores[:, place] / np.sqrt(self._precision[place, place])
        variance = self._variance + direction**2
        distances = self._distances - score**2 - len(self._panel) * self._objective.noise
        free = variance > COLLINEAR * self._marginal.max()
        state = self._objective.state()
        state.add(np.maximum(distances, 0.0))
        losses = self._objective.losses_with(
            lambda pairs: self._gaps[pairs] + np.outer(score[pairs], direction),
            np.where(free, variance, np.inf),
            state,
            np.maximum(-distances, 0.0),
        )
        losses[np.delete(self._panel, place)] = np.inf
        return losses
