"""How well a panel separates the types, what each gene adds to it, and what could replace it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, solve_triangular

from selectormlp.data.cells import IntArray
from selectormlp.errors import DataError
from selectormlp.moments.columns import covariance_rows
from selectormlp.moments.discriminant import CRITERIA, DiscriminantObjective
from selectormlp.moments.forward import COLLINEAR
from selectormlp.moments.moments import Moments
from selectormlp.panel.markers import FloatArray
from selectormlp.panel.provenance import Provenance
from selectormlp.progress import track

LEAST_RESTORED = 0.5
"""Share of a gene's loss that another gene must restore in its place to be named (see benchmarks/substitutes.py)."""

NAMES = {"discriminant-bhattacharyya": "bhattacharyya"}
"""Criterion of methods that are named after theirs."""

NUMBERS = ("ridge", "pooling", "shrinkage", "shrink_after")


@dataclass(frozen=True)
class SeparationSettings:
    """What separation is measured by: the settings of the discriminant choice.

    Attributes
    ----------
    objective
        Arguments of :class:`selectormlp.moments.discriminant.DiscriminantObjective` that are not at their defaults.
    class_weights
        Importance of classes, by label; 1 where not named.
    """

    objective: Mapping[str, Any] = field(default_factory=dict)
    class_weights: Mapping[str, float] = field(default_factory=dict)


def settings_of(provenance: Provenance) -> SeparationSettings:
    """Read the settings by which a panel was chosen; the defaults where it was chosen by another method, or elsewhere.

    Examples
    --------
    >>> chosen = Provenance("discriminant", {"selector": {"criterion": "log", "ridge": 0.1, "refine": False}})
    >>> settings_of(chosen).objective, settings_of(Provenance()).objective
    ({'criterion': 'log', 'ridge': 0.1}, {})
    """
    taken = provenance.taken
    method = taken.method if taken else provenance.method
    selector = taken.options if taken else provenance.settings.get("selector")
    if not isinstance(selector, dict) or not (method.startswith("discriminant") or method == "mixture"):
        return SeparationSettings()
    found: dict[str, Any] = {"criterion": NAMES[method]} if method in NAMES else {}
    if selector.get("criterion") in CRITERIA:
        found["criterion"] = selector["criterion"]
    found |= {name: selector[name] for name in NUMBERS if _is_number(selector.get(name))}
    weights = selector.get("class_weights")
    named = weights.items() if isinstance(weights, dict) else ()
    return SeparationSettings(found, {str(label): float(value) for label, value in named if _is_number(value)})


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


@dataclass(frozen=True, eq=False)
class Separation:
    """Separation of the types by a panel, with and without each of its genes.

    The criterion is that of the discriminant choice: the mean over pairs of types of a loss of their squared
    Mahalanobis distance D² on the panel, 1 / (1 + D²) by default; 0 where all pairs are far apart.

    Attributes
    ----------
    criterion
        Of the whole panel.
    losses
        Growth of the criterion without each gene, ≥ 0, shape (n_panel,).
    pair_losses
        The share of each pair of types in it, shape (n_panel, n_pairs), pairs in the order of ``numpy.triu_indices``.
    substitutes
        Position of the outside gene that best replaces each gene, -1 where none restores half of its loss,
        shape (n_panel,).
    substitute_losses
        What is left of a gene's loss with that gene in its place, ≥ 0, NaN where there is none, shape (n_panel,).
    """

    criterion: float
    losses: FloatArray
    pair_losses: FloatArray
    substitutes: IntArray
    substitute_losses: FloatArray


def measure_separation(
    moments: Moments, panel: IntArray, outside: IntArray, settings: SeparationSettings | None = None
) -> Separation:
    """Measure the criterion of a panel, the loss without each gene, and the gene that best replaces each.

    Parameters
    ----------
    moments
        Of the types, with the within-class scatter.
    panel
        Positions of the panel's genes, in order.
    outside
        Positions of the genes that may replace them.
    settings
        Those of the choice.

    Raises
    ------
    DataError
        If values are not finite, there are fewer than two types, or the covariance is none.

    Notes
    -----
    D² grows gene by gene in the order of the panel, each share less what sampling brings, as in the choice; the
    covariances are shrunk as they are at the panel's size. The gene j that replaces a gene i is the one that makes it
    most superfluous: the criterion grows least when i is taken out of a panel that holds j too, so that a gene that
    would merely add to the whole panel is none. What it restores is counted pair by pair, in each at most what i is
    worth there.

    With K the inverse covariance of the panel and A = gaps · K, an outside gene j has variance s_j and gaps R_j given
    the panel; given the panel without i these are s_j + B_ij² / K_ii and R_j + A_i B_ij / K_ii, B being the regression
    of outside genes on the panel.

    Examples
    --------
    >>> means = np.array([[2.0, 2.0, 0.0], [0.0, 0.0, 0.0]])
    >>> counts, weights = np.array([9, 9]), np.full(2, 1 / 9)
    >>> moments = Moments(counts, means, weights, squares=9 * np.ones((2, 3)), within=2 * np.eye(3))
    >>> separation = measure_separation(moments, np.array([0]), np.array([1, 2]))
    >>> separation.losses.round(2), separation.substitutes, separation.substitute_losses.round(2)
    (array([0.74]), array([1]), array([0.]))
    """
    known = moments.means, moments.covariance().diagonal(), 0.0 if moments.within is None else moments.within
    if not all(np.isfinite(values).all() for values in known):
        raise DataError("means or covariance hold NaN or infinite values; compute them from finite data")
    objective = DiscriminantObjective(moments, **(settings or SeparationSettings()).objective)
    conditioned = _Conditioned(objective, panel, outside)
    criterion = objective.loss(conditioned.distances)
    with_each = conditioned.losses_with()
    pair_losses = np.empty((len(panel), len(objective.noise)))
    substitutes = np.full(len(panel), -1, dtype=np.int64)
    left = np.full(len(panel), np.nan)
    whole = objective.pair_losses(conditioned.distances)
    for place in track(range(len(panel)), "explaining genes"):
        without = conditioned.distances_without(place)
        pair_losses[place] = objective.pair_losses(without) - whole
        loss = max(float(pair_losses[place].sum()), 0.0)
        if len(outside) and loss > 0:
            needed_with = conditioned.losses_with(place, without) - with_each
            best = int(np.argmin(needed_with))
            instead = objective.pair_losses(conditioned.distances_with(place, best, without))
            restored = np.minimum(objective.pair_losses(without) - instead, np.maximum(pair_losses[place], 0.0))
            remaining = max(loss - float(restored.sum()), 0.0)
            if remaining <= (1 - LEAST_RESTORED) * loss:
                substitutes[place], left[place] = outside[best], remaining
    return Separation(criterion, np.maximum(pair_losses.sum(axis=1), 0.0), pair_losses, substitutes, left)


class _Conditioned:
    """Outside genes given a panel, from which any one gene can be taken out again."""

    def __init__(self, objective: DiscriminantObjective, panel: IntArray, outside: IntArray) -> None:
        self._objective = objective
        variances, shrinkage = objective.covariance.diagonal(), objective.shrinkage(len(panel))
        ridge = max(objective.ridge, COLLINEAR * float(variances.max(initial=1.0)))
        own = shrinkage * variances[panel] + ridge
        rows = (1 - shrinkage) * covariance_rows(objective.covariance, panel)
        self._within = rows[:, panel] + np.diag(own)
        self._gaps = objective.gaps[:, panel]
        self.distances = self._distances(np.arange(len(panel)))
        between = rows[:, outside]
        self._precision: FloatArray = cho_solve(_factor(self._within), np.eye(len(panel)))
        self._slopes = self._precision @ between
        self._scores = self._gaps @ self._precision
        self._variance = np.maximum(variances[outside] + ridge - np.einsum("ij,ij->j", between, self._slopes), ridge)
        self._residual_gaps = objective.gaps[:, outside] - self._gaps @ self._slopes

    def _distances(self, kept: IntArray) -> FloatArray:
        """Return D² of each pair on some genes of the panel, in order, shape (n_pairs,)."""
        factor, lower = _factor(self._within[np.ix_(kept, kept)])
        steps = solve_triangular(factor, self._gaps[:, kept].T, lower=lower)
        distances: FloatArray = np.maximum(steps**2 - self._objective.noise, 0.0).sum(axis=0)
        return distances

    def distances_without(self, place: int) -> FloatArray:
        """Return D² of each pair on the panel without one gene, shape (n_pairs,)."""
        return self._distances(np.delete(np.arange(len(self._within)), place))

    def distances_with(self, place: int, other: int, distances: FloatArray) -> FloatArray:
        """Return D² of each pair with an outside gene in the place of one, given D² without that, shape (n_pairs,)."""
        deviation = np.sqrt(self._precision[place, place])
        slope = self._slopes[place, other] / deviation
        gaps = self._residual_gaps[:, other] + self._scores[:, place] / deviation * slope
        share: FloatArray = np.maximum(gaps**2 / (self._variance[other] + slope**2) - self._objective.noise, 0.0)
        return distances + share

    def losses_with(self, place: int | None = None, distances: FloatArray | None = None) -> FloatArray:
        """Return the criterion with each outside gene added, to the panel or to it without a gene, (n_outside,)."""
        if place is None or distances is None:
            return self._objective.losses_with(lambda pairs: self._residual_gaps[pairs], self._variance, self.distances)
        deviation = np.sqrt(self._precision[place, place])
        direction, score = self._slopes[place] / deviation, self._scores[:, place] / deviation
        return self._objective.losses_with(
            lambda pairs: self._residual_gaps[pairs] + np.outer(score[pairs], direction),
            self._variance + direction**2,
            distances,
        )


def _factor(within: FloatArray) -> tuple[FloatArray, bool]:
    try:
        factor, lower = cho_factor(within, lower=True)
    except LinAlgError as error:
        raise DataError(
            f"the covariance of the panel's genes is not positive definite ({error}); compute it from cells"
        ) from error
    return factor, bool(lower)
