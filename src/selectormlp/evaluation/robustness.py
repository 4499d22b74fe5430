"""What is left of a panel's accuracy when the assay falls short of the data it was chosen on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from selectormlp.blas import one_thread
from selectormlp.data.cells import FloatArray, IntArray, Matrix, as_matrix, dense
from selectormlp.data.count_scale import CountScale, find_count_scale
from selectormlp.data.normalize import LARGEST_PLAUSIBLE_LOG, stored_values
from selectormlp.errors import SettingsError, counted, quoted
from selectormlp.evaluation.contamination import add_ambient, mix_cells
from selectormlp.evaluation.lost_probes import LostProbes
from selectormlp.evaluation.refit import count_confusion, fit_quietly, refit_predict
from selectormlp.evaluation.splits import Folds
from selectormlp.progress import track
from selectormlp.values import Shown

BINARISED = "binarised"

FAILED = "probes failed"


@dataclass(frozen=True, eq=False)
class Disturbance:
    """One way in which an assay falls short, and what it costs.

    Attributes
    ----------
    kind
        ``"none"``, ``"thinned"``, ``"mixed with another cell"``, ``"ambient"``, ``"probes failed"``, ``"gain"`` or
        ``"binarised"``.
    level
        Share of the counts kept, or not the cell's own; share of the genes lost; standard deviation of the natural
        logarithm of each gene's gain; NaN for the others.
    accuracy, balanced_accuracy
        On disturbed test cells, of a classifier that learned from undisturbed cells; one value per draw,
        shape (n_draws,).
        NaN for ``"binarised"``.
    refitted_accuracy, refitted_balanced_accuracy
        The same, of a classifier that learned from cells disturbed in the same way, shape (n_draws,).
    """

    kind: str
    level: float
    accuracy: FloatArray
    balanced_accuracy: FloatArray
    refitted_accuracy: FloatArray
    refitted_balanced_accuracy: FloatArray


@dataclass(frozen=True, eq=False)
class Robustness(Shown):
    """Accuracy of a whole panel under each disturbance.

    Attributes
    ----------
    n_genes
        Size of the panel.
    disturbances
        The first is ``"none"``: what the others are to be compared with.
    notes
        What could not be measured, and why.
    probes
        Each gene lost in turn; None where that was not asked for.
    """

    n_genes: int
    disturbances: tuple[Disturbance, ...]
    notes: tuple[str, ...] = ()
    probes: LostProbes | None = None

    def __repr__(self) -> str:
        """Return the accuracy of the panel undisturbed, and under the worst disturbance."""
        scores = {f"{one.kind} {one.level:g}": float(one.balanced_accuracy.mean()) for one in self.disturbances}
        worst = min(scores, key=lambda name: scores[name])
        first = self.disturbances[0].balanced_accuracy.mean()
        return (
            f"Robustness({counted(self.n_genes, 'gene')}, {counted(len(scores) - 1, 'disturbance')}: balanced "
            f"accuracy {first:.3f}, lowest {scores[worst]:.3f} at {worst})"
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one line per disturbance: kind, level, mean over draws of the four scores, sd of balanced_accuracy."""
        names = ("accuracy", "balanced_accuracy", "refitted_accuracy", "refitted_balanced_accuracy")
        return pd.DataFrame(
            [
                {
                    "kind": found.kind,
                    "level": found.level,
                    **{name: float(getattr(found, name).mean()) for name in names},
                    "draw_sd": float(found.balanced_accuracy.std()),
                }
                for found in self.disturbances
            ]
        )


@dataclass(frozen=True, eq=False)
class Plan:
    """What to do to the cells.

    Attributes
    ----------
    thinning
        Shares of the counts kept, above 0 and below 1.
    failures
        Shares of the genes that fail, above 0 and below 1.
    gains
        Standard deviations of the natural logarithm of each gene's gain, above 0.
    n_draws
        How often each is drawn.
    mixing
        Shares of each cell's counts that are those of another cell, above 0 and below 1.
    ambient
        Shares of each cell's counts that are of the mean of all cells, above 0 and below 1.
    n_failure_draws
        How often failing probes are drawn; None: as the others.

    Raises
    ------
    SettingsError
        If a value is out of range.
    """

    thinning: tuple[float, ...] = (0.5, 0.2)
    failures: tuple[float, ...] = (0.05, 0.1)
    gains: tuple[float, ...] = (0.5,)
    n_draws: int = 2
    mixing: tuple[float, ...] = ()
    ambient: tuple[float, ...] = ()
    n_failure_draws: int | None = None

    def __post_init__(self) -> None:
        limits = {"thinning": 1.0, "failures": 1.0, "gains": np.inf, "mixing": 1.0, "ambient": 1.0}
        for name, most in limits.items():
            wrong = [value for value in getattr(self, name) if not 0 < value < most]
            if wrong:
                limit = "above 0" if most == np.inf else "above 0 and below 1"
                raise SettingsError(f"{name} holds {quoted(wrong)}; expected numbers {limit}")
        for name in ("n_draws", "n_failure_draws"):
            given = getattr(self, name)
            if given is not None and given < 1:
                raise SettingsError(f"{name} is {given}; expected 1 or more")


def thin(few: FloatArray, rng: np.random.Generator, *, scale: CountScale, share: float) -> FloatArray:
    """Keep each count by chance, as if sequenced or detected less deeply, and normalise to the same total.

    Parameters
    ----------
    few
        Log-normalised expression, shape (n_cells, k).
    scale
        Of these cells.
    share
        Chance to keep a count, 0 to 1.
    rng
        Source of chance.
    """
    kept: FloatArray = np.log1p(rng.binomial(scale.whole_counts(few), share) * (scale.unit[:, None] / share))
    return kept


def fail_probes(few: FloatArray, rng: np.random.Generator, *, share: float) -> FloatArray:
    """Set genes to 0 at random: this share of them, at least one.

    Examples
    --------
    >>> float(fail_probes(np.ones((1, 4)), np.random.default_rng(0), share=0.5).sum())
    2.0
    """
    n_genes = few.shape[1]
    lost = rng.choice(n_genes, max(1, round(share * n_genes)), replace=False)
    left = few.copy()
    left[:, lost] = 0.0
    return left


def change_gains(few: FloatArray, rng: np.random.Generator, *, sd: float, logged: bool = True) -> FloatArray:
    """Multiply each gene, before the logarithm, by a factor of its own, whose logarithm is normal with this spread.

    Parameters
    ----------
    few
        Expression, shape (n_cells, k).
    rng
        Source of chance.
    sd
        The spread.
    logged
        Whether the values are logarithms, natural and of 1 + x.
    """
    factors = np.exp(rng.normal(0.0, sd, few.shape[1]))
    changed: FloatArray = np.log1p(np.expm1(few) * factors) if logged else few * factors
    return changed


def measure_robustness(
    X: Matrix,
    labels: IntArray,
    genes: IntArray,
    folds: Folds,
    refitter: Callable[[], Any],
    plan: Plan,
    *,
    seed: int = 0,
) -> Robustness:
    """Disturb cells, and score classifiers that have and have not learned from cells so disturbed.

    Parameters
    ----------
    X
        Log-normalised expression of all genes, shape (n_cells, n_genes); what cannot be done to other values is left
        out, and said.
    labels
        Class codes, shape (n_cells,).
    genes
        Columns of the panel, shape (k,).
    folds
        The splits.
    refitter
        Makes unfitted classifiers.
    plan
        What to do to the cells.
    seed
        Of all that is drawn.
    """
    few = as_matrix(X[:, genes])
    clean = dense(few).astype(np.float64)
    with one_thread():
        fitted = [fit_quietly(refitter(), clean[train].astype(np.float32), labels[train]) for train, _ in folds]
    ways, notes = _ways(X, clean, plan)
    n_classes = int(labels.max()) + 1
    true = labels[folds.test_rows]

    def score(predicted: list[IntArray]) -> tuple[float, float]:
        found = count_confusion(true, np.concatenate(predicted), n_classes)
        return found.accuracy, found.balanced_accuracy

    results = []
    for place, (kind, level, disturb) in enumerate(track(ways, "disturbing the cells")):
        n_draws = plan.n_draws if disturb is not None and kind != BINARISED else 1
        if kind == FAILED and plan.n_failure_draws is not None:
            n_draws = plan.n_failure_draws
        scores = np.full((4, n_draws), np.nan)
        for draw in range(n_draws):
            rng = np.random.default_rng((seed, place, draw))
            changed = (clean if disturb is None else disturb(clean, rng)).astype(np.float32)
            if kind != BINARISED:
                unaware = [clf.predict(changed[test]) for clf, (_, test) in zip(fitted, folds, strict=True)]
                scores[:2, draw] = score(unaware)
            scores[2:, draw] = scores[:2, draw]
            if disturb is not None:  # those that have learned from undisturbed cells are the same
                with one_thread():
                    aware = [
                        refit_predict(refitter(), changed[train], labels[train], changed[test]) for train, test in folds
                    ]
                scores[2:, draw] = score(aware)
        results.append(Disturbance(kind, level, *scores))
    return Robustness(len(genes), tuple(results), notes)


Way = tuple[str, float, "Callable[[FloatArray, np.random.Generator], FloatArray] | None"]


def _ways(X: Matrix, clean: FloatArray, plan: Plan) -> tuple[list[Way], tuple[str, ...]]:
    """List the disturbances that these cells allow, and note those that they do not."""
    ways: list[Way] = [("none", np.nan, None)]
    notes = []
    logged = float(stored_values(X).max(initial=0)) <= LARGEST_PLAUSIBLE_LOG
    scale = find_count_scale(X) if logged else None
    if scale is None:
        notes.append("counts could not be thinned: the values are not log1p-normalised counts")
    else:
        for kind, change, shares in (
            ("thinned", thin, plan.thinning),
            ("mixed with another cell", mix_cells, plan.mixing),
            ("ambient", add_ambient, plan.ambient),
        ):
            ways += [(kind, share, partial(change, scale=scale, share=share)) for share in shares]
    ways += [(FAILED, share, partial(fail_probes, share=share)) for share in plan.failures]
    if clean.min(initial=0) < 0:
        notes.append("gains could not be changed and values not binarised: some are below 0")
    else:
        if not logged:
            notes.append("gains were changed as values that are not logged: some are too large for logarithms")
        ways += [("gain", sd, partial(change_gains, sd=sd, logged=logged)) for sd in plan.gains]
        ways.append((BINARISED, np.nan, lambda few, _: (few > 0).astype(np.float64)))
    return ways, tuple(notes)
