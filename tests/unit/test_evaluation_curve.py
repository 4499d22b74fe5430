"""Curves of refitted classifiers."""

import numpy as np
import pytest
import scipy.sparse as sp

from selectormlp.data.count_scale import CountScale
from selectormlp.evaluation.curve import default_sizes, level_off, predict_folds, summarise, variable_orders
from selectormlp.evaluation.refit import make_classifier
from selectormlp.evaluation.splits import make_folds


@pytest.fixture
def planted():
    """150 cells × 12 genes: genes 3, 5 and 7 mark one class each."""
    rng = np.random.default_rng(0)
    labels = np.arange(150) % 3
    X = rng.normal(size=(150, 12)).astype(np.float32)
    X[np.arange(150), np.array([3, 5, 7])[labels]] += 4
    return X, labels, make_folds(labels, n_splits=3)


def curve_of(X, labels, folds, order, sizes):
    sizes = np.array(sizes)
    predicted = predict_folds(X, labels, folds, [np.array(order)] * 3, sizes, lambda: make_classifier("logistic"))
    return summarise("panel", "abc", sizes, labels[folds.test_rows], predicted, folds)


def test_good_genes_make_the_curve_rise_and_noise_does_not(planted):
    good = curve_of(*planted, [3, 5, 7, 0], [1, 2, 3])
    assert good.accuracy.value[0] < 0.8 < 0.9 < good.accuracy.value[2]
    noise = curve_of(*planted, [0, 1, 2], [3])
    assert noise.accuracy.low[0] < 1 / 3 + 0.1 < 0.7 < good.accuracy.low[2]


def test_intervals_hold_the_score_and_confusions_all_test_cells(planted):
    curve = curve_of(*planted, [3, 5, 7], [1, 3])
    for metric in ("accuracy", "balanced_accuracy", "macro_f1"):
        found = curve.metric(metric)
        assert (found.low <= found.value).all()
        assert (found.value <= found.high).all()
        assert found.split_values.shape == (3, 2)
        assert (found.split_low >= 0).all()
        assert (found.split_low <= found.value).all()
        assert (found.value <= found.split_high).all()
        assert (found.split_high <= 1).all()
    assert curve.confusions.sum(axis=(1, 2)).tolist() == [150, 150]
    assert curve.confusion().accuracy == pytest.approx(curve.accuracy.value[-1])
    frame = curve.to_frame()
    assert len(frame) == 6
    np.testing.assert_allclose(frame["split_sd"][:2], curve.accuracy.split_values.std(axis=0, ddof=1))
    by_class = curve.class_frame()
    assert by_class["n_cells"].tolist() == [50] * 6
    assert ((by_class["low"] <= by_class["recall"]) & (by_class["recall"] <= by_class["high"])).all()


def test_sparse_and_dense_give_the_same(planted):
    X, labels, folds = planted
    dense = curve_of(X, labels, folds, [3, 5, 7], [2, 3])
    sparse = curve_of(sp.csr_array(X), labels, folds, [3, 5, 7], [2, 3])
    np.testing.assert_array_equal(dense.confusions, sparse.confusions)


def test_a_perfect_score_has_an_interval_with_width():
    labels = np.arange(40) % 2
    folds = make_folds(labels, n_splits=2)
    true = labels[folds.test_rows]
    curve = summarise("panel", "ab", np.array([1]), true, true[None], folds)
    assert curve.accuracy.high[0] == 1
    assert curve.accuracy.low[0] == pytest.approx(0.9123, abs=1e-3)  # Wilson, 40 of 40
    class_floor = 20 / (20 + 1.959964**2)  # Wilson, 20 of 20
    assert curve.balanced_accuracy.low[0] == pytest.approx(1 - (1 - class_floor) / np.sqrt(2), abs=1e-6)
    rare = np.repeat([0, 1], [38, 2])
    few = summarise("panel", "ab", np.array([1]), rare, rare[None], make_folds(rare, n_splits=2))
    assert few.accuracy.low[0] == pytest.approx(0.9123, abs=1e-3)
    assert few.balanced_accuracy.low[0] == few.macro_f1.low[0] < 0.7  # 2 of 2 say little
    wrong = summarise("panel", "ab", np.array([1]), true, 1 - true[None], folds)
    assert wrong.accuracy.high[0] == pytest.approx(1 - 0.9123, abs=1e-3)


def test_confused_pairs_are_listed_by_number():
    labels = np.repeat([0, 1, 2], 10)
    folds = make_folds(labels, n_splits=2)
    true = labels[folds.test_rows]
    predicted = true.copy()
    predicted[np.flatnonzero(true == 0)[:3]] = 2
    predicted[np.flatnonzero(true == 1)[:1]] = 0
    pairs = summarise("panel", "abc", np.array([1]), true, predicted[None], folds).confused_pairs()
    assert pairs.to_numpy().tolist() == [["a", "c", 3, 0.3], ["b", "a", 1, 0.1]]


def test_sizes_go_up_to_the_whole_panel():
    assert default_sizes(3).tolist() == [3]
    assert default_sizes(5).tolist() == [5]
    assert default_sizes(500).tolist() == [5, 10, 25, 50, 100, 200, 400, 500]


def test_levelling_off_and_its_interval():
    sizes, values = np.array([5, 10, 20]), np.array([0.5, 0.78, 0.79])
    draws = np.array([[0.5, 0.78, 0.79]] * 8 + [[0.5, 0.7, 0.9]] * 2)
    found = level_off(sizes, values, draws, metric="accuracy", distance=0.02, confidence=0.8)
    assert (found.size, found.low, found.high) == (10, 10, None)


def test_a_curve_that_rises_to_its_end_does_not_level_off():
    for values in ([0.5, 0.7, 0.79], [0.79]):
        rising = np.array(values)
        found = level_off(np.array([5, 10, 20])[-len(values) :], rising, rising[None], metric="accuracy", distance=0.02)
        assert (found.size, found.low, found.high) == (None, None, None)


def test_a_curve_that_falls_levels_off_at_its_peak_whatever_all_genes_reach():
    values = np.array([0.55, 0.67, 0.6])
    assert level_off(np.array([25, 50, 100]), values, values[None], metric="accuracy", distance=0.02).size == 50


def test_panels_are_normalised_by_the_counts_of_each_size_alone(planted):
    X, labels, folds = planted
    counts = np.rint(np.abs(X) * 10)
    unit = np.full(len(counts), 2.5)
    seen = []

    class Spy:
        def fit(self, known, y):
            seen.append(known)
            return self

        def predict(self, new):
            seen.append(new)
            return np.zeros(len(new), dtype=np.int64)

    order = np.arange(4)
    scale = CountScale(unit)
    predict_folds(np.log1p(counts * 2.5), labels, folds, [order] * len(folds), np.array([2, 4]), Spy, scale=scale)
    train, test = next(iter(folds))
    for place, size in enumerate((2, 4)):
        known, new = counts[train][:, :size], counts[test][:, :size]
        target = np.median(known.sum(axis=1)[known.sum(axis=1) > 0])
        for found, part in zip(seen[2 * place : 2 * place + 2], (known, new), strict=True):
            wanted = np.log1p(part / np.maximum(part.sum(axis=1, keepdims=True), 1) * target)
            np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_all_genes_are_those_of_most_variance_in_training_cells(planted):
    X, _, folds = planted
    X = X * np.arange(1, 13, dtype=np.float32)
    for order in variable_orders(sp.csr_array(X), folds, most=4):
        assert len(order) == 4
        assert {10, 11} < set(order.tolist())
    assert variable_orders(X, folds)[0].tolist() == list(range(12))
