"""Intervals of scores."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from selectormlp.evaluation.intervals import bootstrap_scores, scores_of, split_interval, wilson


def test_wilson_is_that_of_the_textbook():
    low, high = wilson([8, 0, 10, 0], [10, 10, 10, 0])  # 8 of 10: Newcombe 1998; 10 of 10: n / (n + z²)
    np.testing.assert_allclose(low[:3], [0.4901625, 0.0, 0.7224672], atol=1e-6)
    np.testing.assert_allclose(high[:3], [0.9433178, 0.2775328, 1.0], atol=1e-6)
    assert np.isnan([low[3], high[3]]).all()


def test_draws_lie_about_the_scores_of_scikit_learn():
    rng = np.random.default_rng(0)
    true = rng.integers(0, 4, 60)
    predicted = np.array([np.where(rng.random(60) < right, true, rng.integers(0, 4, 60)) for right in (0.9, 0.3)])
    draws = bootstrap_scores(true, predicted, 5, n_draws=7, seed=3)
    assert draws.shape == (3, 7, 2)
    draws = bootstrap_scores(true, predicted, 5, n_draws=4000, seed=3)
    for row in range(2):  # of many draws: about the score of all cells, as scikit-learn has it, with its known spread
        t, p = true, predicted[row]
        whole = [accuracy_score(t, p), balanced_accuracy_score(t, p), f1_score(t, p, average="macro")]
        spread = np.sqrt(whole[0] * (1 - whole[0]) / 60)
        np.testing.assert_allclose(draws[:, :, row].mean(axis=1), whole, atol=0.25 * spread)
        assert draws[0, :, row].std() == pytest.approx(spread, rel=0.05)
    right = bootstrap_scores(true, true[None], 5, n_draws=7, seed=3)
    np.testing.assert_array_equal(right[0], 1)


def test_blocks_of_draws_give_what_one_block_gives(monkeypatch):
    true = np.array([0, 1, 1, 0, 1])
    whole = bootstrap_scores(true, true[None, ::-1], 2, n_draws=9, seed=1)
    monkeypatch.setattr("selectormlp.evaluation.intervals.BLOCK", 10)
    np.testing.assert_array_equal(bootstrap_scores(true, true[None, ::-1], 2, n_draws=9, seed=1), whole)


def test_split_interval_is_wider_the_more_training_cells_are_shared():
    values = np.array([[0.5], [0.6], [0.7]])
    low, high = split_interval(values, np.array([0.58]), np.array([0.5, 0.5, 0.5]))
    half = 4.302652729911275 * 0.1 * np.sqrt(1 / 3 + 0.5)  # t with 2 degrees of freedom
    assert (low[0], high[0]) == pytest.approx((0.58 - half, 0.58 + half))
    low, high = split_interval(values, np.array([0.9]), np.array([0.5, 0.5, 0.5]))
    assert (low[0], high[0]) == pytest.approx((0.9 - half, 1))
    low, high = split_interval(values - 0.6, np.array([0.0]), np.array([0.5, 0.5, 0.5]), least=-1)
    assert (low[0], high[0]) == pytest.approx((-half, half))
    assert np.isnan(split_interval(values[:1], values[0], np.array([0.5]))).all()


def test_scores_of_nothing_right_are_zero():
    none = np.zeros(3)
    np.testing.assert_array_equal(scores_of(none, np.array([1.0, 1, 0]), np.array([0.0, 0, 2])), [0, 0, 0])
