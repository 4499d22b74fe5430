"""Measure how well a panel separates types, the loss without each gene, and its best substitute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from selectormlp.data.cells import BoolArray, FloatArray, IntArray
from selectormlp.data.label_tree import Mistakes
from selectormlp.errors import DataError, SettingsError
from selectormlp.moments.batches import COMBINES
from selectormlp.moments.discriminant import CRITERIA, DiscriminantObjective
from selectormlp.moments.measurement import Measurement, measured_moments
from selectormlp.moments.moments import Moments
from selectormlp.panel.assay import ASSAYS, Assay, find_assay
from selectormlp.panel.conditioned import Conditioned
from selectormlp.panel.provenance import Provenance
from selectormlp.progress import track

LEAST_RESTORED = 0.5
"""Minimum share of a gene's loss that a substitute must restore (see benchmarks/substitutes.py)."""

NAMES = {"discriminant-bhattacharyya": "bhattacharyya"}
"""Criterion of methods named after it."""

ON_OFF = "discriminant-binary"
"""Method that treats genes as on or off."""

NUMBERS = ("ridge", "pooling", "shrinkage", "shrink_after")

LOSSES = {"inverse": "1 / (1 + D²)", "bhattacharyya": "exp(−D²/8)", "log": "−log(1 + D²)"}
"""Loss of a pair of types by criterion."""


@dataclass(frozen=True)
class SeparationSettings:
    """Settings of the criterion of separation: those of the discriminant choice.

    Attributes
    ----------
    objective
        Non-default arguments of :class:`selectormlp.moments.discriminant.DiscriminantObjective`.
    class_weights
        Importance of classes, by label; 1 where not named.
    assay
        Assay that will measure the panel; None: the technology of the data.
    mistakes
        Costs of mistakes between types; None: all equal.
    on_off
        ``threshold`` and ``quantile`` above which genes count as on; None if genes are not treated as on or off.
    batch_key
        Column of ``obs`` with batches; None: cells are pooled.

    Examples
    --------
    >>> SeparationSettings(assay=ASSAYS["imaging"]).described
    "1 / (1 + D²), mean over pairs of types and over each type and all others, for the assay 'imaging'"
    """

    objective: Mapping[str, Any] = field(default_factory=dict)
    class_weights: Mapping[str, float] = field(default_factory=dict)
    assay: Assay | None = None
    mistakes: Mistakes | None = None
    on_off: Mapping[str, Any] | None = None
    batch_key: str | None = None

    def measurement(self, genes: Sequence[str]) -> Measurement:
        """Return the properties of the assay that affect separation."""
        return Measurement() if self.assay is None else self.assay.measurement(genes)

    @property
    def needs_counts(self) -> bool:
        """Whether moments of counts are needed."""
        return self.assay is not None and self.assay.efficiency is not None

    @property
    def described(self) -> str:
        """The criterion in words: the loss and what it is averaged over."""
        found = LOSSES[self.objective.get("criterion", "inverse")]
        found += " times what the mistake costs" if self.mistakes is not None else ""
        found += " of genes as on or off" if self.on_off is not None else ""
        both = self.assay is not None and self.assay.specificity
        found += ", mean over pairs of types" + (" and over each type and all others" if both else "")
        if self.assay is not None:
            found += f", for the assay {self.assay.name!r}"
        if self.batch_key is not None:
            found += f", over batches of {self.batch_key!r} ({self.objective.get('combine', COMBINES[0])})"
        return found

    def importance(self, classes: Sequence[str]) -> FloatArray:
        """Return the weight of each class, shape (n_classes,)."""
        given = np.array([self.class_weights.get(label, 1.0) for label in classes], dtype=np.float64)
        known = self._known(classes)
        if self.mistakes is not None and known.any():
            given[known] *= self.mistakes.importance(np.array(classes)[known])
        return given

    def for_classes(self, classes: Sequence[str]) -> SeparationSettings:
        """Add the costs of mistakes between classes to the arguments of the objective.

        Mistakes with a class without costs, as in other data, get the average cost.
        """
        known = self._known(classes)
        if self.mistakes is None or known.sum() < 2:
            return self
        own = self.mistakes.pair_costs(np.array(classes)[known])
        costs = np.full((len(classes), len(classes)), own.sum() / (len(own) * (len(own) - 1)))
        costs[np.ix_(known, known)] = own
        return replace(self, objective={**self.objective, "costs": costs}, mistakes=None)

    def _known(self, classes: Sequence[str]) -> BoolArray:
        known = () if self.mistakes is None else self.mistakes.types
        return np.array([label in known for label in classes], dtype=np.bool_)


def settings_of(provenance: Provenance) -> SeparationSettings:
    """Read the settings by which a panel was chosen; defaults for other methods and panels from elsewhere.

    Examples
    --------
    >>> chosen = Provenance("discriminant", {"selector": {"criterion": "log", "ridge": 0.1, "refine": False}})
    >>> settings_of(chosen).objective, settings_of(Provenance()).objective
    ({'criterion': 'log', 'ridge': 0.1}, {})
    """
    taken = provenance.taken
    method = taken.method if taken else provenance.method
    selector = taken.options if taken else provenance.settings.get("selector")
    key = provenance.settings.get("batch_key")
    key = key if isinstance(key, str) else None
    if not isinstance(selector, dict) or not (method.startswith("discriminant") or method == "mixture"):
        return SeparationSettings(batch_key=key)
    found: dict[str, Any] = {"criterion": NAMES[method]} if method in NAMES else {}
    if selector.get("criterion") in CRITERIA:
        found["criterion"] = selector["criterion"]
    if selector.get("combine") in COMBINES:
        found["combine"] = selector["combine"]
    found |= {name: selector[name] for name in NUMBERS if _is_number(selector.get(name))}
    weights = selector.get("class_weights")
    named = weights.items() if isinstance(weights, dict) else ()
    of_classes = {str(label): float(value) for label, value in named if _is_number(value)}
    kept = provenance.settings.get("mistakes")
    mistakes = None if kept is None else Mistakes.from_record(kept)
    on_off = _recorded_thresholds(selector) if method == ON_OFF else None
    return SeparationSettings(found, of_classes, _recorded_assay(selector.get("assay")), mistakes, on_off, key)


def measured_assay(assay: Assay | str | Path | Mapping[str, object] | None) -> Assay | None:
    """Return an assay by name, file or values; None for the technology of the data.

    Raises
    ------
    SettingsError
        As :func:`selectormlp.panel.assay.find_assay` does.
    """
    found = None if assay is None else find_assay(assay)
    return found if found is not None and found.alters_choice else None


def _recorded_thresholds(selector: Mapping[str, Any]) -> dict[str, Any]:
    """Read the thresholds of genes treated as on or off; defaults of the method if there are none."""
    threshold, quantile = selector.get("threshold"), selector.get("quantile")
    is_usable = threshold == "quantile" or (isinstance(threshold, int | float) and np.isfinite(threshold))
    return {
        "threshold": threshold if is_usable and not isinstance(threshold, bool) else 0.0,
        "quantile": quantile if isinstance(quantile, int | float) and _is_number(quantile) and quantile < 1 else 0.5,
    }


def _recorded_assay(assay: object) -> Assay | None:
    """Read the assay in a panel's provenance: one of our names or values, never a file; None for anything else."""
    known = isinstance(assay, dict) or (isinstance(assay, str) and assay in ASSAYS)
    try:
        return measured_assay(assay) if known else None  # type: ignore[arg-type]  # as `known` says
    except SettingsError:
        return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


@dataclass(frozen=True, eq=False)
class Separation:
    """Separation of the types by a panel, with and without each of its genes.

    The criterion is that of the discriminant choice: the mean over pairs of types of a loss of their squared
    Mahalanobis distance D² on the panel, 1 / (1 + D²) by default; 0 if all pairs are well separated. For an assay,
    pairs may include each type against all others mixed, and the loss accounts for measurement and failing probes.

    Attributes
    ----------
    criterion
        Criterion of the whole panel.
    losses
        Increase of the criterion without each gene, ≥ 0, shape (n_panel,).
    pair_losses
        Share of each pair of types in the loss, shape (n_panel, n_pairs), pairs in the order of ``numpy.triu_indices``;
        with a specificity, each type against all others follows.
    substitutes
        Position of the outside gene that best replaces each gene, -1 if none restores half of its loss, shape
        (n_panel,).
    substitute_losses
        Remaining loss with the substitute in place, ≥ 0, NaN without a substitute, shape (n_panel,).
    """

    criterion: float
    losses: FloatArray
    pair_losses: FloatArray
    substitutes: IntArray
    substitute_losses: FloatArray


def measure_separation(
    moments: Moments,
    panel: IntArray,
    outside: IntArray,
    settings: SeparationSettings | None = None,
    *,
    genes: Sequence[str] = (),
) -> Separation:
    """Measure the criterion of a panel, the loss without each gene, and the gene that best replaces each.

    Parameters
    ----------
    moments
        Of the types, with the within-class scatter, and with moments of counts where the assay has an efficiency.
    panel
        Positions of the panel's genes, in order.
    outside
        Positions of the genes that may replace them.
    settings
        Those of the choice.
    genes
        Names of the genes of the moments, for an assay with efficiencies of genes.

    Raises
    ------
    DataError
        If values are not finite, there are fewer than two types, or the covariance is none.

    Notes
    -----
    D² is accumulated gene by gene in the order of the panel, net of sampling, as in the choice; covariances are shrunk
    as at the panel's size. The gene j that replaces gene i is the one that makes i most redundant: the criterion
    increases least when i is removed from the panel with j added. A gene that merely improves the whole panel is not a
    substitute. The restored loss is counted pair by pair, in each at most the value of i there.

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
    settings = settings or SeparationSettings()
    measurement = settings.measurement(genes)
    objective = DiscriminantObjective(
        measured_moments(moments, measurement),
        specificity=measurement.specificity,
        failure=measurement.failure,
        **settings.objective,
    )
    conditioned = Conditioned(objective, panel, outside)
    with_each = conditioned.losses_with()
    pair_losses = np.empty((len(panel), len(objective.pair_weights)))
    substitutes = np.full(len(panel), -1, dtype=np.int64)
    left = np.full(len(panel), np.nan)
    weights, whole = objective.pair_weights, objective.pair_weights * conditioned.state.losses()
    for place in track(range(len(panel)), "explaining genes"):
        state = conditioned.state_without(place)
        without = weights * state.losses()
        pair_losses[place] = without - whole
        loss = max(float(pair_losses[place].sum()), 0.0)
        if len(outside) and loss > 0:
            needed_with = conditioned.losses_with(place, state) - with_each
            best = int(np.argmin(needed_with))
            instead = weights * conditioned.losses_instead(place, best, state)
            restored = np.minimum(without - instead, np.maximum(pair_losses[place], 0.0))
            remaining = max(loss - float(restored.sum()), 0.0)
            if remaining <= (1 - LEAST_RESTORED) * loss:
                substitutes[place], left[place] = outside[best], remaining
    criterion = objective.mean_loss(conditioned.state)
    return Separation(criterion, np.maximum(pair_losses.sum(axis=1), 0.0), pair_losses, substitutes, left)
