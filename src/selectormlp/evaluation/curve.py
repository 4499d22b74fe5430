"""Scores of refitted classifiers as a panel grows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
import scipy.sparse as sp

from selectormlp.blas import one_thread
from selectormlp.data.cells import FloatArray, IntArray, Matrix, dense
from selectormlp.data.count_scale import CountScale
from selectormlp.evaluation.counts import alone, counts_of, typical_total
from selectormlp.evaluation.intervals import (
    METRICS,
    Estimate,
    bootstrap_scores,
    scores_of,
    split_interval,
    unbroken_limits,
    wilson,
)
from selectormlp.evaluation.refit import Confusion, count_confusion, refit_predict
from selectormlp.evaluation.splits import Folds


@dataclass(frozen=True, eq=False)
class Curve:
    """Scores on test cells at several numbers of genes, a classifier refitted at each.

    Attributes
    ----------
    name
        What the genes are: ``"panel"``, ``"random"``, ``"all genes"``, or the name of a panel that is compared.
    classes
        Class names, in the order of the codes.
    sizes
        Numbers of genes, increasing, shape (n_sizes,).
    accuracy, balanced_accuracy, macro_f1
        The scores, each of shape (n_sizes,).
    confusions
        Cells of each true class (rows) that were given each class (columns), over all test cells,
        shape (n_sizes, n_classes, n_classes).
    recall_low, recall_high
        Wilson interval of each class's recall, NaN for classes without test cells, shape (n_sizes, n_classes).
    """

    name: str
    classes: tuple[str, ...]
    sizes: IntArray
    accuracy: Estimate
    balanced_accuracy: Estimate
    macro_f1: Estimate
    confusions: IntArray
    recall_low: FloatArray
    recall_high: FloatArray

    def metric(self, name: str) -> Estimate:
        """Return a score by its name, one of ``METRICS``."""
        found: Estimate = getattr(self, name)
        return found

    def confusion(self, place: int = -1) -> Confusion:
        """Return the confusion at one of the sizes, by default the last."""
        return Confusion(self.confusions[place])

    @property
    def recalls(self) -> FloatArray:
        """Share of each class's test cells that are right, NaN for classes without, shape (n_sizes, n_classes)."""
        return np.array([Confusion(counts).recalls for counts in self.confusions])

    def to_frame(self) -> pd.DataFrame:
        """Return one line per size and score.

        Columns: genes, n_genes, metric, value, low, high, split_low, split_high, split_sd.
        """
        parts = []
        for name in METRICS:
            found = self.metric(name)
            spread = found.split_values.std(axis=0, ddof=1) if len(found.split_values) > 1 else np.nan
            columns = {"genes": self.name, "n_genes": self.sizes, "metric": name, "value": found.value}
            bounds = {which: getattr(found, which) for which in ("low", "high", "split_low", "split_high")}
            parts.append(pd.DataFrame({**columns, **bounds, "split_sd": spread}))
        return pd.concat(parts, ignore_index=True)

    def class_frame(self) -> pd.DataFrame:
        """Return one line per size and class: genes, n_genes, class, n_cells, recall, low, high."""
        n_sizes, n_classes = self.recall_low.shape
        return pd.DataFrame(
            {
                "genes": self.name,
                "n_genes": np.repeat(self.sizes, n_classes),
                "class": np.tile(np.array(self.classes, dtype=object), n_sizes),
                "n_cells": self.confusions.sum(axis=2).ravel(),
                "recall": self.recalls.ravel(),
                "low": self.recall_low.ravel(),
                "high": self.recall_high.ravel(),
            }
        )

    def confused_pairs(self, place: int = -1, *, most: int = 20) -> pd.DataFrame:
        """Return the commonest errors at a size: true, predicted, n_cells, share (of the true class's test cells)."""
        counts = self.confusions[place].copy()
        totals = counts.sum(axis=1)
        np.fill_diagonal(counts, 0)
        best = np.argsort(-counts, axis=None, kind="stable")[:most]
        rows, columns = np.unravel_index(best[counts.ravel()[best] > 0], counts.shape)
        names = np.array(self.classes, dtype=object)
        found = counts[rows, columns]
        return pd.DataFrame(
            {"true": names[rows], "predicted": names[columns], "n_cells": found, "share": found / totals[rows]}
        )


@dataclass(frozen=True)
class LevelOff:
    """Where a curve levels off: the first size that is nearly as good as the best size measured.

    Attributes
    ----------
    metric
        Which score.
    distance
        How near: the best score measured less this much.
    size
        The first size that is so near; None where only the largest is, so that the curve still rises (or where one
        size alone was measured).
    low, high
        The same in the bootstrap over test cells, at the two ends of the interval.
    """

    metric: str
    distance: float
    size: int | None
    low: int | None
    high: int | None


MAX_CEILING_GENES = 2000
"""Maximum number of genes of the "all genes" curve, those of most variance. With more, refitting is slow, and logistic
regression gets worse, not better (zeisel_4000g, 47 types: 0.71 with 2,000, 0.61 with all 4,000)."""


class Refitter(Protocol):
    """Makes an unfitted classifier."""

    def __call__(self) -> Any:
        """Return a classifier with scikit-learn's contract."""


def default_sizes(n_genes: int) -> IntArray:
    """List sizes to measure at: 5, 10, 25, 50, 100, 200, 400, … and the whole panel.

    Examples
    --------
    >>> default_sizes(120)
    array([  5,  10,  25,  50, 100, 120])
    """
    steps = [5, 10, 25, 50]
    while steps[-1] < n_genes:
        steps.append(steps[-1] * 2)
    return np.array([*(size for size in steps if size < n_genes), n_genes], dtype=np.int64)


def predict_folds(
    X: Matrix,
    labels: IntArray,
    folds: Folds,
    orders: Sequence[IntArray],
    sizes: IntArray,
    refitter: Refitter,
    *,
    scale: CountScale | None = None,
    advance: Callable[[int], object] = lambda _: None,
) -> IntArray:
    """Refit a classifier in each split at each size, and predict its test cells.

    Parameters
    ----------
    X
        Expression, shape (n_cells, n_genes), dense or CSR.
    labels
        Class codes, shape (n_cells,).
    folds
        Which cells to learn from and to test.
    orders
        For each split, gene columns from the first to the last chosen, at least ``sizes[-1]``.
    sizes
        Numbers of genes, increasing.
    refitter
        Makes classifiers.
    scale
        If given, the genes of each size are normalised by their own counts alone, to the median total of the training
        cells, as an assay that measures no other genes must do it. None: X is taken as it is.
    advance
        Called with 1 after each fit.

    Returns
    -------
    Class codes for ``folds.test_rows``, shape (n_sizes, n_test).
    """
    predicted = []
    for (train, test), order in zip(folds, orders, strict=True):
        learned, asked = (dense(X[part][:, order[: sizes[-1]]]) for part in (train, test))
        if scale is not None:
            learned, asked = counts_of(learned, scale, train), counts_of(asked, scale, test)
        rows = []
        with one_thread():
            for size in sizes:
                known, new = learned[:, :size], asked[:, :size]
                if scale is not None:
                    target = typical_total(known)
                    known, new = alone(known, target), alone(new, target)
                rows.append(refit_predict(refitter(), known, labels[train], new))
                advance(1)
        predicted.append(np.array(rows))
    return np.concatenate(predicted, axis=1).astype(np.int64)


def variable_orders(X: Matrix, folds: Folds, most: int = MAX_CEILING_GENES) -> list[IntArray]:
    """List, for each split, all genes, or those of most variance in its training cells, shape (n,)."""
    if X.shape[1] <= most:
        return [np.arange(X.shape[1])] * len(folds)
    return [np.sort(np.argsort(-_variances(X, train), kind="stable")[:most]) for train, _ in folds]


def _variances(X: Matrix, rows: IntArray) -> FloatArray:
    part = X[rows]
    squares = part.power(2) if isinstance(part, sp.csr_array) else np.square(part)
    means = np.asarray(part.mean(axis=0, dtype=np.float64)).ravel()
    variances: FloatArray = np.asarray(squares.mean(axis=0, dtype=np.float64)).ravel() - means**2
    return variances


def summarise(
    name: str,
    classes: Sequence[str],
    sizes: IntArray,
    true: IntArray,
    predicted: IntArray,
    folds: Folds,
    *,
    draws: FloatArray | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> Curve:
    """Score predictions, with intervals.

    Parameters
    ----------
    name, classes, sizes
        As in :class:`Curve`.
    true, predicted
        Class codes of the test cells, shape (n_test,), and those predicted, shape (n_sizes, n_test).
    folds
        The splits.
    draws
        From :func:`bootstrap_scores`, where already drawn.
    confidence, seed
        Nominal coverage; seed of the bootstrap.
    """
    n_classes = len(classes)
    confusions = np.array([count_confusion(true, row, n_classes).counts for row in predicted])
    draws = bootstrap_scores(true, predicted, n_classes, seed=seed) if draws is None else draws
    values = _scores(true, predicted, n_classes)
    tail = (1 - confidence) / 2
    low, high = np.quantile(draws, [tail, 1 - tail], axis=1)
    split_of = folds.split_of_test
    by_split = np.stack(
        [_scores(true[split_of == s], predicted[:, split_of == s], n_classes) for s in range(len(folds))], axis=1
    )
    totals = confusions[0].sum(axis=1)
    ends = wilson(totals, totals, confidence)[0], wilson(np.zeros(n_classes), totals, confidence)[1]
    floor, roof = (limit[:, None] for limit in unbroken_limits(*ends, len(true), confidence))
    low, high = np.where(values >= 1, floor, low), np.where(values <= 0, roof, high)  # else without width
    estimates = {}
    for place, metric in enumerate(METRICS):
        bounds = split_interval(by_split[place], values[place], folds.test_shares, confidence)
        estimates[metric] = Estimate(values[place], low[place], high[place], by_split[place], *bounds)
    recall_low, recall_high = wilson(confusions.diagonal(axis1=1, axis2=2), confusions.sum(axis=2), confidence)
    return Curve(
        name, tuple(classes), sizes, **estimates, confusions=confusions, recall_low=recall_low, recall_high=recall_high
    )


def _scores(true: IntArray, predicted: IntArray, n_classes: int) -> FloatArray:
    """Return the scores of each row of predictions, shape (n_metrics, n_rows)."""
    counts = np.array([count_confusion(true, row, n_classes).counts for row in predicted], dtype=np.float64)
    return scores_of(counts.diagonal(axis1=1, axis2=2), counts.sum(axis=2), counts.sum(axis=1))


def level_off(
    sizes: IntArray,
    values: FloatArray,
    draws: FloatArray,
    *,
    metric: str,
    distance: float,
    confidence: float = 0.95,
) -> LevelOff:
    """Find the first size, but for the largest, whose score is within a distance of the best measured.

    All genes are not an upper bound: with many uninformative genes a classifier does worse.

    Parameters
    ----------
    sizes, values
        The curve, shape (n_sizes,).
    draws
        The same on resampled test cells, shape (n_draws, n_sizes).
    metric, distance, confidence
        Which score; how near; nominal coverage of the interval.

    Examples
    --------
    >>> sizes, values = np.array([5, 10, 20]), np.array([0.5, 0.79, 0.8])
    >>> level_off(sizes, values, values[None], metric="accuracy", distance=0.02).size
    10
    """

    def firsts(scores: FloatArray) -> IntArray:
        near = scores >= scores.max(axis=1, keepdims=True) - distance
        near[:, -1] = True
        places: IntArray = near.argmax(axis=1)
        return places

    names: list[int | None] = [*map(int, sizes[:-1]), None]
    tail = (1 - confidence) / 2
    ends = np.quantile(firsts(draws), [tail, 1 - tail], method="nearest")
    return LevelOff(metric, distance, *(names[int(place)] for place in (firsts(values[None])[0], *ends)))
