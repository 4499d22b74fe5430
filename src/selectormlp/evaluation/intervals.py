"""Scores with their intervals: from a bootstrap over test cells, and from the spread over splits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.stats import norm
from scipy.stats import t as t_law

from selectormlp.data.cells import BoolArray, FloatArray, IntArray

METRICS = ("accuracy", "balanced_accuracy", "macro_f1")
"""The scores that are measured: share of cells right, mean recall of the classes, mean F1 of the classes."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """A score at each of several sizes, with two intervals.

    Attributes
    ----------
    value
        Score over all test cells, 0 to 1, shape (n_sizes,).
    low, high
        Interval from a bootstrap over test cells: how far chance in the choice of cells goes; shape (n_sizes,).
    split_values
        Score of each split alone, shape (n_splits, n_sizes).
    split_low, split_high
        Interval about the same ``value`` from the spread over the splits: how far the choice of training cells (or
        donors) goes too; inside 0 to 1, shape (n_sizes,). NaN where there is one split.
    """

    value: FloatArray
    low: FloatArray
    high: FloatArray
    split_values: FloatArray
    split_low: FloatArray
    split_high: FloatArray

    def interval(self, *, over_splits: bool) -> tuple[FloatArray, FloatArray]:
        """Return low and high ends: over splits, or over test cells."""
        return (self.split_low, self.split_high) if over_splits else (self.low, self.high)


N_DRAWS = 500
"""Draws of the bootstrap: the standard error of a 2.5 % quantile is then about 0.7 % of coverage."""

BLOCK = 4_000_000
"""Weights held at a time (draws × cells), 32 MB."""


def wilson(hits: npt.ArrayLike, totals: npt.ArrayLike, confidence: float = 0.95) -> tuple[FloatArray, FloatArray]:
    """Return the interval of a proportion by E. B. Wilson (JASA 1927), which has width at 0 and 1 too.

    Parameters
    ----------
    hits, totals
        Successes and trials, of the same shape.
    confidence
        Nominal coverage.

    Returns
    -------
    Low and high ends; NaN where there were no trials.

    Examples
    --------
    >>> low, high = wilson([10], [10])
    >>> round(float(low[0]), 3), round(float(high[0]), 3)
    (0.722, 1.0)
    """
    n = np.asarray(totals, dtype=np.float64)
    z = float(norm.ppf(0.5 + confidence / 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.asarray(hits, dtype=np.float64) / n
        centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return np.where(n > 0, np.maximum(centre - half, 0), np.nan), np.where(n > 0, np.minimum(centre + half, 1), np.nan)


def unbroken_limits(
    recall_low: FloatArray, recall_high: FloatArray, n_test: int, confidence: float = 0.95
) -> tuple[FloatArray, FloatArray]:
    """Return bounds for scores of 1 and of 0, whose bootstrap intervals have no width.

    Parameters
    ----------
    recall_low, recall_high
        Wilson interval of each class's recall where all cells are right, and where none is; NaN for classes without
        test cells, shape (n_classes,).
    n_test
        Number of test cells.
    confidence
        Nominal coverage.

    Returns
    -------
    Floors and roofs, each of shape (n_metrics,): of accuracy, Wilson's over all test cells; of balanced accuracy, from
    the classes' own by the method of variance estimates recovery (Zou & Donner, Statistics in Medicine 2008), so that
    few cells of one class widen it; of macro F1 likewise, which is a guess, since an error costs two classes.

    Examples
    --------
    >>> low, high = wilson([10, 0], [10, 10])
    >>> floor, roof = unbroken_limits(low[[0, 0]], high[[1, 1]], 20)
    >>> floor.round(3), roof.round(3)
    (array([0.839, 0.804, 0.804]), array([0.161, 0.196, 0.196]))
    """
    present = int(np.isfinite(recall_low).sum())
    low, high = wilson([n_test, 0], [n_test, n_test], confidence)
    below = 1 - float(np.sqrt(np.nansum((1 - recall_low) ** 2))) / present
    above = float(np.sqrt(np.nansum(recall_high**2))) / present
    return np.array([low[0], below, below]), np.array([high[1], above, above])


def scores_of(hits: FloatArray, true: FloatArray, predicted: FloatArray) -> FloatArray:
    """Turn counts per class into the scores of ``METRICS``.

    Parameters
    ----------
    hits, true, predicted
        Cells of each class that are right, that there are, and that were given the class, shape (…, n_classes).

    Returns
    -------
    Scores, shape (n_metrics, …), as scikit-learn's: classes without cells do not count for balanced accuracy, those
    neither there nor predicted do not count for F1.

    Examples
    --------
    >>> scores_of(np.array([1.0, 1.0]), np.array([1.0, 3.0]), np.array([3.0, 1.0])).round(3)
    array([0.5  , 0.667, 0.5  ])
    """
    involved = true + predicted
    recalls = np.divide(hits, true, out=np.zeros_like(hits), where=true > 0)
    f1 = np.divide(2 * hits, involved, out=np.zeros_like(hits), where=involved > 0)
    return np.stack(
        [
            hits.sum(axis=-1) / true.sum(axis=-1),
            recalls.sum(axis=-1) / (true > 0).sum(axis=-1),
            f1.sum(axis=-1) / (involved > 0).sum(axis=-1),
        ]
    )


def bootstrap_scores(
    true: IntArray, predicted: IntArray, n_classes: int, *, n_draws: int = N_DRAWS, seed: int = 0
) -> FloatArray:
    """Score predictions on resampled test cells (Efron, Annals of Statistics 1979).

    Parameters
    ----------
    true
        Class code of each test cell, shape (n_cells,).
    predicted
        Codes predicted, one row per classifier, shape (n_rows, n_cells).
    n_classes
        Number of classes.
    n_draws
        How often cells are drawn with replacement.
    seed
        The same seed and number of cells draw the same cells, so that two calls can be compared in pairs.

    Returns
    -------
    Scores, shape (n_metrics, n_draws, n_rows).

    Examples
    --------
    >>> bootstrap_scores(np.array([0, 1]), np.array([[0, 1]]), 2, n_draws=1)[:, 0, 0]
    array([1., 1., 1.])
    """
    n_cells = len(true)
    rng = np.random.default_rng(seed)
    codes = _one_hot(true, n_classes)
    rows = [(_one_hot(row, n_classes), _one_hot(true, n_classes, weights=row == true)) for row in predicted]
    blocks = []
    step = max(1, BLOCK // n_cells)
    for start in range(0, n_draws, step):
        drawn = rng.multinomial(n_cells, np.full(n_cells, 1 / n_cells), size=min(step, n_draws - start))
        weights = drawn.astype(np.float64)
        totals = weights @ codes
        block = [scores_of(weights @ hit, totals, weights @ given) for given, hit in rows]
        blocks.append(np.stack(block, axis=-1))
    return np.concatenate(blocks, axis=1)


def _one_hot(codes: IntArray, n_classes: int, weights: BoolArray | None = None) -> sp.csr_array:
    values = np.ones(len(codes)) if weights is None else weights.astype(np.float64)
    return sp.csr_array((values, codes, np.arange(len(codes) + 1)), shape=(len(codes), n_classes))


def split_interval(
    values: FloatArray,
    centre: FloatArray,
    test_shares: FloatArray,
    confidence: float = 0.95,
    *,
    least: float = 0.0,
    most: float = 1.0,
) -> tuple[FloatArray, FloatArray]:
    """Return the interval of a score from its spread over splits, corrected for their shared training cells.

    Parameters
    ----------
    values
        Score of each split, shape (n_splits, …).
    centre
        The score that the interval is of, over all test cells, shape (…).
    test_shares
        Test cells / training cells of each split, shape (n_splits,).
    confidence
        Nominal coverage.
    least, most
        Range of the score, which the interval does not leave.

    Returns
    -------
    Low and high ends, shape (…); NaN where there is one split.

    Notes
    -----
    Nadeau & Bengio (Machine Learning 2003): the variance of the mean is taken as (1/J + n_test/n_train)·s², for J
    splits whose scores have variance s², with J − 1 degrees of freedom. Theirs is about the mean over splits; a score
    over all test cells differs from it where splits differ in size or in classes; its variance is taken as the same.
    """
    n_splits = len(values)
    if n_splits < 2:
        nothing = np.full(values.shape[1:], np.nan)
        return nothing, nothing.copy()
    share = 1 / n_splits + float(np.mean(test_shares))
    half = t_law.ppf(0.5 + confidence / 2, n_splits - 1) * values.std(axis=0, ddof=1) * np.sqrt(share)
    return np.maximum(centre - half, least), np.minimum(centre + half, most)
