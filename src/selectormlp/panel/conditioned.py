"""Genes conditioned on a panel: what each adds to it, or in place of one of its genes."""

from __future__ import annotations

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, solve_triangular

from selectormlp.data.cells import FloatArray, IntArray
from selectormlp.errors import DataError
from selectormlp.moments.columns import covariance_rows
from selectormlp.moments.discriminant import DiscriminantObjective
from selectormlp.moments.forward import COLLINEAR
from selectormlp.moments.losses import PairLosses


class Conditioned:
    """Outside genes conditioned on a panel; any one of its genes can be removed again."""

    def __init__(self, objective: DiscriminantObjective, panel: IntArray, outside: IntArray) -> None:
        self._objective = objective
        variances, shrinkage = objective.covariance.diagonal(), objective.shrinkage(len(panel))
        ridge = max(objective.ridge, COLLINEAR * float(variances.max(initial=1.0)))
        own = shrinkage * variances[panel] + ridge
        rows = (1 - shrinkage) * covariance_rows(objective.covariance, panel)
        self._within = rows[:, panel] + np.diag(own)
        self._gaps = objective.gaps[:, panel]
        self.state = self._state(np.arange(len(panel)))
        between = rows[:, outside]
        self._precision: FloatArray = cho_solve(_factor(self._within), np.eye(len(panel)))
        self._slopes = self._precision @ between
        self._scores = self._gaps @ self._precision
        self._variance = np.maximum(variances[outside] + ridge - np.einsum("ij,ij->j", between, self._slopes), ridge)
        self._residual_gaps = objective.gaps[:, outside] - self._gaps @ self._slopes

    def _state(self, kept: IntArray) -> PairLosses:
        """Accumulate some genes of the panel, in order."""
        factor, lower = _factor(self._within[np.ix_(kept, kept)])
        steps = solve_triangular(factor, self._gaps[:, kept].T, lower=lower)
        state = self._objective.state()
        for terms in np.maximum(steps**2 - self._objective.noise, 0.0):
            state.add(terms)
        return state

    def state_without(self, place: int) -> PairLosses:
        """Accumulate the panel without one gene."""
        return self._state(np.delete(np.arange(len(self._within)), place))

    def losses_instead(self, place: int, other: int, without: PairLosses) -> FloatArray:
        """Return the loss of each pair with an outside gene in place of one, shape (n_pairs,)."""
        deviation = np.sqrt(self._precision[place, place])
        slope = self._slopes[place, other] / deviation
        gaps = self._residual_gaps[:, other] + self._scores[:, place] / deviation * slope
        terms = np.maximum(gaps**2 / (self._variance[other] + slope**2) - self._objective.noise, 0.0)
        return without.losses_with(terms[:, None], slice(None))[:, 0]

    def losses_with(self, place: int | None = None, without: PairLosses | None = None) -> FloatArray:
        """Return the criterion with each outside gene added, possibly without a panel gene, shape (n_outside,)."""
        if place is None or without is None:
            return self._objective.losses_with(lambda pairs: self._residual_gaps[pairs], self._variance, self.state)
        deviation = np.sqrt(self._precision[place, place])
        direction, score = self._slopes[place] / deviation, self._scores[:, place] / deviation
        return self._objective.losses_with(
            lambda pairs: self._residual_gaps[pairs] + np.outer(score[pairs], direction),
            self._variance + direction**2,
            without,
        )


def _factor(within: FloatArray) -> tuple[FloatArray, bool]:
    try:
        factor, lower = cho_factor(within, lower=True)
    except LinAlgError as error:
        raise DataError(
            f"the covariance of the panel's genes is not positive definite ({error}); compute it from cells"
        ) from error
    return factor, bool(lower)
