"""A panel on real cells of another technology: classifiers refitted there, and classifiers that come along."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from selectormlp.data.cells import FloatArray, IntArray
from selectormlp.evaluation.counts import alone, typical_total
from selectormlp.evaluation.curve import Curve, summarise
from selectormlp.evaluation.refit import fit_quietly, refit_predict
from selectormlp.evaluation.splits import Folds

REFITTED = "refitted"
TRANSFERRED = "transferred"
STANDARDISED = "transferred, standardised"


@dataclass(frozen=True, eq=False)
class Side:
    """Cells of one technology.

    Attributes
    ----------
    counts
        Of the panel's genes, shape (n_cells, k).
    labels
        Code of the common type of each cell, shape (n_cells,).
    """

    counts: FloatArray
    labels: IntArray


@dataclass(frozen=True, eq=False)
class OtherTechnology:
    """What a panel is worth on cells of another technology.

    Counts are normalised over the panel's genes alone, since an instrument measures nothing else.

    Attributes
    ----------
    genes
        Genes of the panel that both sides have, in the panel's order.
    classes
        Common types.
    n_reference, n_measured
        Cells of these types on each side.
    curves
        ``refitted``: learned from measured cells, tested on others. ``transferred``: learned from the reference.
        ``transferred, standardised``: the same, each gene with mean 0 and variance 1 within its technology. All are
        tested on the same measured cells.
    notes
        What was left out, a sentence each.
    """

    genes: tuple[str, ...]
    classes: tuple[str, ...]
    n_reference: int
    n_measured: int
    curves: tuple[Curve, ...]
    notes: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """Return one line per way, size and score; columns as in :meth:`Curve.to_frame`, ``way`` for ``genes``."""
        found = pd.concat([curve.to_frame() for curve in self.curves], ignore_index=True)
        return found.rename(columns={"genes": "way"})

    def class_frame(self) -> pd.DataFrame:
        """Return the recall of each common type at each size, of all ways; see :meth:`Curve.class_frame`."""
        found = pd.concat([curve.class_frame() for curve in self.curves], ignore_index=True)
        return found.rename(columns={"genes": "way"})


def score_elsewhere(
    reference: Side,
    measured: Side,
    classes: Sequence[str],
    sizes: IntArray,
    folds: Folds,
    refitter: Callable[[], Any],
    *,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[Curve, ...]:
    """Score the first genes of a panel on measured cells, refitted and transferred.

    Parameters
    ----------
    reference, measured
        Cells of the technology that the genes were chosen on, and of that which measures them; genes in the same order.
    classes
        Common types.
    sizes
        Numbers of genes, increasing.
    folds
        Splits of the measured cells.
    refitter
        Makes unfitted classifiers.
    confidence, seed
        Nominal coverage of intervals; seed of their bootstrap.

    Returns
    -------
    The curves of :class:`OtherTechnology`.
    """
    rows = folds.test_rows
    true = measured.labels[rows]
    predicted: dict[str, list[IntArray]] = {REFITTED: [], TRANSFERRED: [], STANDARDISED: []}
    for size in sizes:
        few = measured.counts[:, :size]
        predicted[REFITTED].append(_refitted(few, measured.labels, folds, refitter))
        target = typical_total(reference.counts[:, :size])
        known, asked = (np.asarray(alone(part, target), dtype=np.float64) for part in (reference.counts[:, :size], few))
        for way, (X, query) in {
            TRANSFERRED: (known, asked[rows]),
            STANDARDISED: (_standardised(known), _standardised(asked)[rows]),
        }.items():
            classifier = fit_quietly(refitter(), X.astype(np.float32), reference.labels)
            predicted[way].append(np.asarray(classifier.predict(query.astype(np.float32))))
    return tuple(
        summarise(way, classes, sizes, true, np.array(codes, dtype=np.int64), folds, confidence=confidence, seed=seed)
        for way, codes in predicted.items()
    )


def _refitted(counts: FloatArray, labels: IntArray, folds: Folds, refitter: Callable[[], Any]) -> IntArray:
    found = []
    for train, test in folds:
        target = typical_total(counts[train])
        X, query = (alone(counts[part], target).astype(np.float32) for part in (train, test))
        found.append(refit_predict(refitter(), X, labels[train], query))
    return np.concatenate(found)


def _standardised(values: FloatArray) -> FloatArray:
    deviation = values.std(axis=0)
    scaled: FloatArray = (values - values.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    return scaled
