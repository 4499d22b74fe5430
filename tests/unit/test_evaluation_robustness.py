"""Disturbed cells."""

import numpy as np
import pytest
import scipy.sparse as sp

from selectormlp.data.count_scale import find_count_scale
from selectormlp.data.normalize import log1p_cp10k
from selectormlp.errors import SettingsError
from selectormlp.evaluation.refit import make_classifier
from selectormlp.evaluation.robustness import (
    Plan,
    change_gains,
    fail_probes,
    measure_robustness,
    thin,
)
from selectormlp.evaluation.splits import make_folds


def counts_of(n_cells=150, n_genes=20, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n_cells) % 3
    rate = np.full((n_cells, n_genes), 3.0)
    rate[np.arange(n_cells), labels] = 12
    return rng.poisson(rate).astype(np.float32), labels


def test_counts_come_back_from_their_logarithms():
    counts, _ = counts_of()
    X = log1p_cp10k(sp.csr_array(counts))
    scale = find_count_scale(X)
    np.testing.assert_array_equal(scale.counts(X).toarray(), counts)
    np.testing.assert_array_equal(scale.counts(X.toarray()), counts)
    np.testing.assert_allclose(scale.unit, 1e4 / counts.sum(axis=1), rtol=1e-4)
    np.testing.assert_allclose(np.expm1(X.toarray()) / scale.unit[:, None], counts, atol=0.02)
    assert find_count_scale(X.toarray()) is not None


@pytest.mark.parametrize(
    "spoil", [lambda X: X * 1.3, lambda X: X - X.mean(axis=0), lambda X: (X > 0).astype(np.float32)]
)
def test_what_are_not_counts_are_not_taken_for_them(spoil):
    X = spoil(log1p_cp10k(counts_of()[0]))
    assert find_count_scale(X) is None


def test_thinning_keeps_that_share_of_the_counts_and_the_mean():
    counts, _ = counts_of(400)
    X = log1p_cp10k(counts).astype(np.float64)
    scale = find_count_scale(X.astype(np.float32))
    thinned = np.expm1(thin(X, np.random.default_rng(0), scale=scale, share=0.2))
    whole = thinned * 0.2 / scale.unit[:, None]
    np.testing.assert_allclose(whole, np.rint(whole), atol=1e-6)
    assert (np.rint(whole) <= counts).all()
    assert whole.sum() / counts.sum() == pytest.approx(0.2, abs=0.01)
    assert thinned.mean() == pytest.approx(np.expm1(X).mean(), rel=0.03)


def test_gains_multiply_genes_and_probes_fail_in_all_cells():
    X = np.log1p(counts_of()[0].astype(np.float64))
    factors = np.expm1(change_gains(X, np.random.default_rng(0), sd=0.5)) / np.maximum(np.expm1(X), 1e-9)
    shown = np.where(X > 0, factors, np.nan)
    assert np.nanstd(shown, axis=0).max() < 1e-9
    assert 0.2 < np.log(np.nanmean(shown, axis=0)).std() < 0.8
    lost = (fail_probes(X, np.random.default_rng(0), share=0.1) == 0).all(axis=0)
    assert lost.sum() == 2


def test_losing_genes_costs_accuracy_and_learning_with_the_loss_helps():
    counts, labels = counts_of(300)
    X = log1p_cp10k(sp.csr_array(counts))
    folds = make_folds(labels, n_splits=3)
    plan = Plan(thinning=(0.1,), failures=(0.7,), gains=(1.0,), n_draws=2)
    found = measure_robustness(X, labels, np.arange(6), folds, lambda: make_classifier("logistic"), plan)
    frame = found.to_frame().set_index("kind")
    assert list(frame.index) == ["none", "thinned", "probes failed", "gain", "binarised"]
    clean = frame.loc["none", "balanced_accuracy"]
    assert clean > 0.9
    assert clean == frame.loc["none", "refitted_balanced_accuracy"]
    for kind in ("thinned", "probes failed", "gain"):
        assert frame.loc[kind, "balanced_accuracy"] < clean - 0.03
    assert frame.loc["gain", "refitted_balanced_accuracy"] == pytest.approx(clean, abs=0.03)
    assert np.isnan(frame.loc["binarised", "accuracy"])
    assert frame.loc["binarised", "refitted_accuracy"] < 0.7  # 3 counts or 12: both are on
    assert found.disturbances[1].accuracy.shape == (2,)
    assert found.notes == ()


def test_scaled_values_are_neither_thinned_nor_binarised_and_the_result_says_so():
    counts, labels = counts_of()
    X = counts - counts.mean(axis=0)
    found = measure_robustness(
        X, labels, np.arange(4), make_folds(labels, n_splits=2), lambda: make_classifier("knn"), Plan(n_draws=1)
    )
    assert [one.kind for one in found.disturbances] == ["none", "probes failed", "probes failed"]
    assert len(found.notes) == 2


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"thinning": (1.0,)}, "thinning"),
        ({"failures": (0.0,)}, "failures"),
        ({"gains": (-1,)}, "gains"),
        ({"n_draws": 0}, "n_draws"),
    ],
)
def test_plans_out_of_range_are_refused(wrong, message):
    with pytest.raises(SettingsError, match=message):
        Plan(**wrong)
