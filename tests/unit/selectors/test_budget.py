"""SelectorMLP trained to a number of genes."""

import numpy as np
import pytest
import torch

from selectormlp.errors import DataError, SettingsError
from selectormlp.selectors.budget import BudgetSelectorMLP

FAST = {"hidden_sizes": (16,), "first_steps": 60, "steps": 5, "panel_steps": 100, "lr": 0.01, "device": "cpu"}


def cells(seed=0, n_genes=30):
    rng = np.random.default_rng(seed)
    labels = np.arange(150) % 3
    X = rng.normal(size=(150, n_genes)).astype(np.float32)
    X[np.arange(150), np.array([3, 11, 17])[labels]] += 3
    return X, np.array(["B", "NK", "T"])[labels]


def test_screened_out_genes_come_last_with_score_0():
    X, y = cells()
    model = BudgetSelectorMLP(3, n_screened=10, random_state=0, **FAST).fit(X, y)
    assert len(model.candidates_) == 10
    out = np.setdiff1d(np.arange(30), model.candidates_)
    assert (model.ranking_[out] > 10).all()
    assert (model.scores_[out] == 0).all()
    assert sorted(model.ranking_) == list(range(1, 31))


def test_must_have_genes_come_first():
    X, y = cells()
    model = BudgetSelectorMLP(4, must_have=[29, 0], random_state=0, **FAST).fit(X, y)
    assert model.ranking_[29] <= 2
    assert model.ranking_[0] <= 2


def test_a_panel_within_the_screening_is_the_beginning_of_a_larger_one():
    X, y = cells()
    small, large = (BudgetSelectorMLP(n, n_screened=12, random_state=0, **FAST).fit(X, y) for n in (2, 6))
    np.testing.assert_array_equal(small.ranking_, large.ranking_)
    assert small.is_nested_
    assert large.is_nested_
    assert not BudgetSelectorMLP(7, n_screened=12, random_state=0, **FAST).fit(X, y).is_nested_


def test_genes_outside_the_panel_do_not_matter_to_predictions():
    X, y = cells()
    model = BudgetSelectorMLP(3, random_state=0, **FAST).fit(X, y)
    other = X.copy()
    other[:, ~model.get_support()] = 50
    np.testing.assert_array_equal(model.predict_proba(other), model.predict_proba(X))


@pytest.mark.learned
def test_the_genes_that_mark_the_classes_are_chosen_on_nine_of_ten_seeds():
    found, scores = 0, []
    for seed in range(10):
        X, y = cells(seed)
        model = BudgetSelectorMLP(3, n_screened=10, random_state=seed, **FAST).fit(X, y)
        found += model.get_support(indices=True).tolist() == [3, 11, 17]
        scores.append(model.score(X, y))
    assert found >= 9
    assert np.sum(np.array(scores) > 0.8) >= 9  # chance: 0.33


def test_the_global_random_state_is_left_as_it_was():
    X, y = cells()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    BudgetSelectorMLP(3, random_state=0, **FAST).fit(X, y)
    torch.testing.assert_close(torch.rand(3), expected)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kept_share": 1.0}, r"kept_share=1\.0; expected above 0, below 1"),
        ({"n_networks": 1}, "n_networks=1; expected 2 or more"),
        ({"hidden_sizes": ()}, "hidden_sizes=.*; expected a sequence"),
        ({"device": "tpu"}, "device='tpu'; expected one of 'auto', 'cpu', 'cuda'"),
        ({"must_have": [1, 2, 3, 4]}, "must_have holds 4 genes and 3 are to be selected"),
        ({"must_have": [99]}, "must_have holds 99; expected column positions"),
    ],
)
def test_unusable_settings(settings, message):
    X, y = cells()
    with pytest.raises(SettingsError, match=message):
        BudgetSelectorMLP(3, random_state=0, **{**FAST, **settings}).fit(X, y)


def test_fewer_cells_than_networks_are_refused():
    X, y = cells()
    with pytest.raises(DataError, match="2 cells for 3 networks"):
        BudgetSelectorMLP(3, **FAST).fit(X[:2], y[:2])


def test_a_network_that_diverges_is_refused():
    X, y = cells()
    with pytest.raises(SettingsError, match="the training diverged"):
        BudgetSelectorMLP(3, random_state=0, **{**FAST, "lr": 1e30}).fit(X, y)
