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
from selectormlp.moments.losses import PairLosses

MayReplace = Callable[[IntArray, int], BoolArray]
"""Genes allowed at a place of a panel: (panel, place) → mask, shape (n_genes,)."""


def exchange(
    objective: DiscriminantObjective,
    genes: IntArray,
    *,
    n_fixed: int = 0,
    n_rounds: int = 0,
    max_refine_s: float = 10.0,
    may_replace: MayReplace | None = None,
    priorities: FloatArray | None = None,
) -> IntArray:
    """Swap genes of a panel while a swap lowers the discriminant loss.

    Each gene in turn is taken out and the gene that lowers the loss most takes its place, until a whole round
    changes nothing. The loss strictly falls, unless priorities or failing probes bear on it; it need not end at the
    best panel.

    Parameters
    ----------
    objective
        Gives covariance, gaps and loss; its own chosen genes are ignored.
    genes
        The panel (columns), shape (n_chosen,).
    n_fixed
        Number of first genes that stay.
    n_rounds
        How many times each gene is looked at, however long that takes.
    max_refine_s
        Seconds after which no further swap is tried once these rounds are over; a run that reaches it may differ from
        the next. 0: the rounds only.
    may_replace
        Genes allowed at each place, so that limits still hold; None: any gene.
    priorities
        Factor on what each gene lowers the loss by, shape (n_genes,); None: all count alike.

    Returns
    -------
    The new panel, shape (n_chosen,); each new gene takes the place of the gene it replaces. Panels of different sizes
    are not nested.
    """
    panel = genes.copy()
    factor = np.ones(len(objective.covariance.diagonal())) if priorities is None else priorities
    deadline = time.monotonic() + max_refine_s
    state = _Conditioned(objective, panel)
    since_swap, looks, place = 0, 0, n_fixed
    n_free = len(panel) - n_fixed
    while since_swap < n_free and (looks < n_rounds * n_free or time.monotonic() < deadline):
        may = None if may_replace is None else may_replace(panel, place)
        gains = state.gains_at(place, may)
        worth = factor * gains
        best = int(np.argmax(worth))
        if worth[best] > worth[panel[place]] + ROUNDING:
            panel[place] = best
            objective.expect(gains)
            state = _Conditioned(objective, panel)
            since_swap = 1  # no gene is better there than the one just put in
        else:
            since_swap += 1
        looks += 1
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
        self._within, self._chosen_gaps = cross[panel], chosen_gaps
        self._gaps = objective.gaps - chosen_gaps @ self._regression.T
        self._scores = chosen_gaps @ self._precision  # pairs × panel
        self._distances = np.einsum("pk,pk->p", self._scores, chosen_gaps)

    def gains_at(self, place: int, may: BoolArray | None = None) -> FloatArray:
        """Return by how much each gene in the place of one lowers the loss without it, shape (n_genes,).

        −∞ for the other genes of the panel and for those that may not stand there.
        """
        direction = self._regression[:, place] / np.sqrt(self._precision[place, place])
        score = self._scores[:, place] / np.sqrt(self._precision[place, place])
        variance = self._variance + direction**2
        able = variance > COLLINEAR * self._marginal.max()
        variance[~able] = np.inf
        if may is not None:
            able &= may
        able[np.delete(self._panel, place)] = False
        able[self._panel[place]] = True
        few = np.flatnonzero(able)
        state, taken_off = self._state_without(place, score)
        losses = self._objective.losses_with(
            lambda rows: self._gaps[rows][:, few] + np.outer(score[rows], direction[few]),
            variance[few],
            state,
            taken_off,
        )
        gains = np.full(len(variance), -np.inf)
        gains[few] = self._objective.mean_loss(state) - losses
        return gains

    def _state_without(self, place: int, score: FloatArray) -> tuple[PairLosses, FloatArray]:
        """Return the panel's own terms without one gene, and what is taken off that of another in its place."""
        state, noise = self._objective.state(), self._objective.noise
        if self._objective.sums_up:
            distances = self._distances - score**2 - len(self._panel) * noise
            state.add(np.maximum(distances, 0.0))
            return state, np.maximum(-distances, 0.0)
        left = np.delete(np.arange(len(self._panel)), place)
        factor = scipy.linalg.cholesky(self._within[np.ix_(left, left)], lower=True)
        for steps in scipy.linalg.solve_triangular(factor, self._chosen_gaps[:, left].T, lower=True):
            state.add(np.maximum(steps**2 - noise, 0.0))
        return state, noise
