"""Scoring a panel on the cells of another technology: classifiers refitted there, and classifiers that come along.

Counts are normalised over the panel alone, to one total per cell, since an instrument measures nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from other_technology.pairs import Codes, Counts, Pair
from selectormlp.evaluation.refit import CLASSIFIERS, fit_quietly

MAX_CELLS = 150
"""Cells of a type to refit on, and as many to test on, at most; smaller types are halved."""

MEASURES = ("refit", "transfer", "transfer standardised")
"""Learned on measured cells; learned on the reference; the same with each gene standardised within its technology."""

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Draw:
    """Cells of one repetition: rows of the reference, a bootstrap by type, and of measured cells to learn and test."""

    seed: int
    reference: Codes
    learn: Codes
    test: Codes


def draw_cells(pair: Pair, seed: int) -> Draw:
    """Draw the cells of a repetition."""
    rng = np.random.default_rng(seed)
    reference, learn, test = [], [], []
    for kind in range(len(pair.types)):
        rows = np.flatnonzero(pair.reference.codes == kind)
        reference.append(rng.choice(rows, len(rows)))
        rows = rng.permutation(np.flatnonzero(pair.measured.codes == kind))
        half = min(len(rows) // 2, MAX_CELLS)
        learn.append(rows[:half])
        test.append(rows[half : 2 * half])
    return Draw(seed, *(np.sort(np.concatenate(rows)) for rows in (reference, learn, test)))


def score(pair: Pair, draw: Draw, panel: Codes, classifiers: Sequence[str]) -> Iterator[tuple[str, str, float]]:
    """Yield measure, classifier and balanced accuracy.

    Parameters
    ----------
    pair, draw
        The cells.
    panel
        Columns chosen.
    classifiers
        Names in ``selectormlp.evaluation.refit.CLASSIFIERS``.
    """
    reference, measured = pair.reference.counts[:, panel], pair.measured.counts[:, panel]
    total = float(np.median(reference[draw.reference].sum(axis=1)))
    known = over_panel(reference[draw.reference], total), pair.reference.codes[draw.reference]
    own = float(np.median(measured[draw.learn].sum(axis=1)))
    learn, test = (over_panel(measured[rows], own) for rows in (draw.learn, draw.test))
    learn_codes, truth = pair.measured.codes[draw.learn], pair.measured.codes[draw.test]
    same_total = over_panel(measured[draw.test], total)
    sides = {
        "refit": (learn, learn_codes, test),
        "transfer": (*known, same_total),
        "transfer standardised": (standardised(known[0]), known[1], standardised(same_total)),
    }
    for measure, (X, y, query) in sides.items():
        for name in classifiers:
            fitted = fit_quietly(make_pipeline(StandardScaler(), CLASSIFIERS[name](draw.seed)), X, y)
            yield measure, name, float(balanced_accuracy_score(truth, fitted.predict(query)))


def over_panel(counts: Counts, total: float) -> Values:
    """Scale each cell to a total over the panel and take log(1 + x); a cell without counts stays 0."""
    sums = counts.sum(axis=1, keepdims=True)
    return np.log1p(counts * (total / np.maximum(sums, 1)))


def standardised(values: Values) -> Values:
    """Give each gene mean 0 and variance 1 over the cells at hand."""
    return StandardScaler().fit_transform(values)
