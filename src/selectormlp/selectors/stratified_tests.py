"""Tests of each class against the others of its batch, combined over batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from selectormlp.data.cells import FloatArray, IntArray
from selectormlp.moments.stream import as_float, class_sums

LEAST_CELLS = 2
"""Cells of the class, and of the others, that a batch needs to be tested."""

Test = Callable[[Any, IntArray, IntArray], FloatArray]
"""Statistic of each tested class and gene by cells, class codes and the codes that are tested."""


def testable_classes(codes: IntArray, tested: IntArray) -> IntArray:
    """Return the classes of ``tested`` that some cells can test: two of the class or more, and two others.

    Examples
    --------
    >>> testable_classes(np.array([0, 0, 1, 2, 2]), np.array([0, 1, 2, 3]))
    array([0, 2])
    """
    counts = np.bincount(codes, minlength=int(tested.max(initial=-1)) + 1)[tested]
    return tested[(counts >= LEAST_CELLS) & (len(codes) - counts >= LEAST_CELLS)]


def stratified_t(X: Any, codes: IntArray, tested: IntArray, parts: Sequence[IntArray]) -> FloatArray:
    """Compare each class with the other cells of its batch, and combine the differences.

    With d_b the difference of the means in batch b and e_b its standard error (Welch's), the statistic is
    Σ w_b d_b / √Σ (w_b e_b)², weights w_b = n₁n₀ / (n₁ + n₀) of the numbers of cells on both sides.

    Parameters
    ----------
    X, codes
        Cells × genes, and their class codes.
    tested
        Codes of the classes that are tested, increasing.
    parts
        Cells of each batch.

    Returns
    -------
    Statistics, shape (n_tested, n_genes); NaN for a class that no batch can test, ±infinity where a gene differs and
    does not vary.

    References
    ----------
    Weights: Cochran, Biometrics 1954, section 5.
    """
    top = np.zeros((len(tested), X.shape[1]))
    below = np.zeros_like(top)
    known = np.zeros(len(tested), dtype=np.bool_)
    for rows in parts:
        here = testable_classes(codes[rows], tested)
        if len(here):
            at = np.searchsorted(tested, here)
            difference, variance, weight = _differences(X[rows], codes[rows], here)
            top[at] += weight * difference
            below[at] += weight**2 * variance
            known[at] = True
    with np.errstate(invalid="ignore", divide="ignore"):
        found: FloatArray = np.where(top == 0, 0.0, top / np.sqrt(below))
    found[~known] = np.nan
    return found


def stratified_ranks(X: Any, codes: IntArray, tested: IntArray, parts: Sequence[IntArray], test: Test) -> FloatArray:
    """Combine Wilcoxon's rank sum tests of all batches, each weighing 1 / (its number of cells + 1).

    Parameters
    ----------
    X, codes, tested, parts
        As of :func:`stratified_t`.
    test
        Gives the standardised rank sums of one batch.

    Returns
    -------
    Statistics, shape (n_tested, n_genes); NaN for a class that no batch can test.

    References
    ----------
    Van Elteren, Bulletin of the International Statistical Institute 1960.
    """
    top = np.zeros((len(tested), X.shape[1]))
    below = np.zeros((len(tested), 1))
    for rows in parts:
        here = testable_classes(codes[rows], tested)
        if len(here):
            n_one = np.bincount(codes[rows], minlength=int(tested.max()) + 1)[here]
            n_all = len(rows)
            weights = np.sqrt(n_one * (n_all - n_one) / 12.0 / (n_all + 1))[:, None]
            at = np.searchsorted(tested, here)
            top[at] += weights * test(X[rows], codes[rows], here)
            below[at] += weights**2
    with np.errstate(invalid="ignore"):
        found: FloatArray = top / np.sqrt(below)
    return found


def _differences(X: Any, codes: IntArray, tested: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the difference of means, its variance, and the weight of a batch, for each class against the others."""
    counts = np.bincount(codes).astype(np.float64)
    sums, squares = (class_sums(as_float(X), codes, len(counts), squared=squared) for squared in (False, True))

    def summary(sums: FloatArray, squares: FloatArray, n: FloatArray) -> tuple[FloatArray, FloatArray]:
        means = sums / n
        return means, np.maximum(squares / n - means**2, 0.0) / (n - 1)

    n_one = counts[tested, None]
    n_rest = counts.sum() - n_one
    one = summary(sums[tested], squares[tested], n_one)
    rest = summary(sums.sum(axis=0) - sums[tested], squares.sum(axis=0) - squares[tested], n_rest)
    return one[0] - rest[0], one[1] + rest[1], n_one * n_rest / (n_one + n_rest)
