"""What is left of a panel's accuracy when the assay falls short of the data it was chosen on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from selectormlp.blas import one_thread
from selectormlp.data.cells import IntArray, Matrix, as_matrix
from selectormlp.data.count_scale import CountScale, find_count_scale
from selectormlp.errors import SettingsError, quoted
from selectormlp.evaluation.intervals import FloatArray
from selectormlp.evaluation.refit import count_confusion, fit_quietly, refit_predict
from selectormlp.evaluation.splits import Folds

BINARISED = "binarised"


@dataclass(frozen=True, eq=False)
class Disturbance:
    """One way in which an assay falls short, and what it costs.

    Attributes
    ----------
    kind
        ``"none"``, ``"thinned"``, ``"probes failed"``, ``"gain"`` or ``"binarised"``.
    level
        Share of the counts kept; share of the genes lost; standard deviation of the natural logarithm of each gene's
        gain; NaN for the others.
    accuracy, balanced_accuracy
        On disturbed test cells, of a classifier that learned from undisturbed cells; one value a draw,
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
class Robustness:
    """Accuracy of a whole panel under each disturbance.

    Attributes
    ----------
    n_genes
        Size of the panel.
    disturbances
        The first is ``"none"``: what the others are to be compared with.
    notes
        What could not be measured, and why.
    """

    n_genes: int
    disturbances: tuple[Disturbance, ...]
    notes: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """Return a line a disturbance: kind, level, mean over draws of the four scores, sd of balanced_accuracy."""
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

    Raises
    ------
    SettingsError
        If a value is out of range.
    """

    thinning: tuple[float, ...] = (0.5, 0.2)
    failures: tuple[float, ...] = (0.05, 0.1)
    gains: tuple[float, ...] = (0.5,)
    n_draws: int = 2

    def __post_init__(self) -> None:
        for name, most in (("thinning", 1.0), ("failures", 1.0), ("gains", np.inf)):
            wrong = [value for value in getattr(self, name) if not 0 < value < most]
            if wrong:
                limit = "above 0" if most == np.inf else "above 0 and below 1"
                raise SettingsError(f"{name} holds {quoted(wrong)}; expected numbers {limit}")
        if self.n_draws < 1:
            raise SettingsError(f"n_draws is {self.n_draws}; expected 1 or more")


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
    counts = np.rint(np.expm1(few) / scale.unit[:, None]).astype(np.int64)
    kept: FloatArray = np.log1p(rng.binomial(counts, share) * (scale.unit[:, None] / share))
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


def change_gains(few: FloatArray, rng: np.random.Generator, *, sd: float) -> FloatArray:
    """Multiply each gene, before the logarithm, by a factor of its own, whose logarithm is normal with this spread."""
    factors = np.exp(rng.normal(0.0, sd, few.shape[1]))
    changed: FloatArray = np.log1p(np.expm1(few) * factors)
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
        Log-normalised expression of all genes, shape (n_cells, n_genes).
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
    clean = np.asarray(few.toarray() if isinstance(few, sp.csr_array) else few, dtype=np.float64)
    with one_thread():
        fitted = [fit_quietly(refitter(), clean[train].astype(np.float32), labels[train]) for train, _ in folds]
    ways, notes = _ways(X, clean, plan)
    n_classes = int(labels.max()) + 1
    true = labels[folds.test_rows]

    def score(predicted: list[IntArray]) -> tuple[float, float]:
        found = count_confusion(true, np.concatenate(predicted), n_classes)
        return found.accuracy, found.balanced_accuracy

    results = []
    for place, (kind, level, disturb) in enumerate(ways):
        n_draws = plan.n_draws if disturb is not None and kind != BINARISED else 1
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
    """List what can be done to these cells, and say what cannot."""
    ways: list[Way] = [("none", np.nan, None)]
    notes = []
    scale = find_count_scale(X)
    if scale is None:
        notes.append("counts could not be thinned: the values are not log1p-normalised counts")
    else:
        ways += [("thinned", share, partial(thin, scale=scale, share=share)) for share in plan.thinning]
    ways += [("probes failed", share, partial(fail_probes, share=share)) for share in plan.failures]
    if clean.min(initial=0) < 0:
        notes.append("gains could not be changed and values not binarised: some are below 0")
    else:
        ways += [("gain", sd, partial(change_gains, sd=sd)) for sd in plan.gains]
        ways.append((BINARISED, np.nan, lambda few, _: (few > 0).astype(np.float64)))
    return ways, tuple(notes)
