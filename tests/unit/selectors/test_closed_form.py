import inspect
import logging

import numpy as np
import pytest
from sklearn.base import clone

from selectormlp.errors import DataError, SettingsError
from selectormlp.moments.discriminant import DiscriminantObjective
from selectormlp.moments.forward import forward_select
from selectormlp.moments.stream import moments_of
from selectormlp.panel.limits import Limit
from selectormlp.selectors.discriminant import DiscriminantSelector
from selectormlp.selectors.mixture import MixtureSelector
from selectormlp.selectors.reconstruction import ReconstructionSelector

CODES = np.repeat([0, 1, 2], 30)
X = np.random.default_rng(0).normal(size=(90, 12)) + 3 * np.eye(3, 12)[CODES]
ALL = pytest.mark.parametrize(
    "selector", [DiscriminantSelector(3), ReconstructionSelector(3), MixtureSelector(3)], ids=lambda s: type(s).__name__
)


@ALL
def test_moments_alone_give_the_same_ranking(selector):
    codes = CODES if isinstance(selector, DiscriminantSelector | MixtureSelector) else None
    from_cells = selector.fit(X, CODES).ranking_
    np.testing.assert_array_equal(selector.fit_moments(moments_of(X, codes)).ranking_, from_cells)
    assert selector.n_features_in_ == 12


@ALL
def test_only_the_most_variable_genes_are_considered_and_that_is_said(selector, caplog):
    scaled = X * np.r_[np.ones(6), np.full(6, 0.01)]
    caplog.set_level(logging.INFO, logger="selectormlp")
    selector.set_params(max_genes=5, must_have=[11]).fit(scaled, CODES)
    assert "5 of 12 genes are considered" in caplog.text
    assert 11 in selector.candidates_
    assert selector.ranking_[11] == 1
    left_out = np.setdiff1d(np.arange(12), selector.candidates_)
    assert (selector.ranking_[left_out] > 5).all()
    assert not selector.scores_[left_out].any()
    np.testing.assert_array_equal(np.sort(selector.ranking_), np.arange(1, 13))
    caplog.clear()
    selector.set_params(max_genes=None, must_have=None).fit(scaled, CODES)
    assert len(selector.candidates_) == 12
    assert "considered" not in caplog.text


@ALL
def test_memory_is_checked_before_anything_is_computed(selector):
    with pytest.raises(SettingsError, match="set max_genes to at most"):
        selector.set_params(max_memory_gb=1e-6).fit(X, CODES)
    selector.set_params(max_memory_gb=8.0)


@pytest.mark.parametrize(
    ("must_have", "message"),
    [
        ([12], "must_have holds 12; expected column positions, whole numbers from 0 to 11"),
        ([-1], "must_have holds -1"),
        (["MS4A1"], "must_have holds 'MS4A1'"),
        ([1, 1], r"must_have holds 1 position twice"),
        ([0, 1, 2, 3], "must_have holds 4 genes and 3 are to be selected"),
    ],
)
def test_must_have_that_cannot_be(must_have, message):
    with pytest.raises(SettingsError, match=message):
        DiscriminantSelector(3, must_have=must_have).fit(X, CODES)


def test_moments_without_the_scatter_needed():
    with pytest.raises(DataError, match="no within-class scatter"):
        DiscriminantSelector(3).fit_moments(moments_of(X, CODES, within=False))
    with pytest.raises(DataError, match="no total scatter"):
        ReconstructionSelector(3).fit_moments(moments_of(X, CODES, total=False))


def test_one_class_is_refused():
    with pytest.raises(DataError, match=r"1 class"):
        DiscriminantSelector(3).fit(X, np.zeros(90, dtype=int))


def test_labels_are_needed_where_classes_are_told_apart():
    with pytest.raises(ValueError, match="requires y to be passed"):
        DiscriminantSelector(3).fit(X)


def test_genes_to_consider_are_as_many_as_was_said_at_the_start():
    assert len(DiscriminantSelector(3, max_genes=5).fit(X, CODES).candidates_) == 5


def test_defaults_are_those_of_the_objective():
    parameters = inspect.signature(DiscriminantObjective.__init__).parameters
    expected = {name: given.default for name, given in parameters.items() if name not in ("self", "moments")}
    shared = expected.keys() & DiscriminantSelector().get_params()
    assert shared >= {"criterion", "ridge", "pooling", "shrinkage", "shrink_after"}
    assert {name: getattr(DiscriminantSelector(), name) for name in shared} == {name: expected[name] for name in shared}


@pytest.mark.parametrize(
    "settings",
    [
        {"criterion": "log"},
        {"ridge": 5.0},
        {"pooling": 0.0},
        {"shrinkage": 0.9, "shrink_after": 1},
        {"shrinkage": 0.5, "shrink_after": 1},
    ],
    ids=str,
)
def test_settings_are_handed_to_the_objective(settings):
    moments = moments_of(X * CODES[:, None], CODES)
    expected = forward_select(DiscriminantObjective(moments, **settings), 3)
    found = DiscriminantSelector(3, **settings).fit_moments(moments)
    np.testing.assert_array_equal(found.scores_, expected.gains)
    assert found.scores_.tolist() != DiscriminantSelector(3).fit_moments(moments).scores_.tolist()


def test_class_weights_decide_which_pairs_count():
    first = DiscriminantSelector(1, class_weights={0: 1e-6}).fit(X, CODES).get_support(indices=True)
    assert first[0] in (1, 2)
    first = DiscriminantSelector(1, class_weights={1: 1e-6}).fit(X, CODES).get_support(indices=True)
    assert first[0] in (0, 2)


def test_refined_panel_comes_first_and_must_have_stay():
    rng = np.random.default_rng(6)
    data = X @ rng.normal(size=(12, 12))
    plain = DiscriminantSelector(4, must_have=[5]).fit(data, CODES)
    refined = DiscriminantSelector(4, must_have=[5], refine=True).fit(data, CODES)
    assert set(plain.get_support(indices=True)) != set(refined.get_support(indices=True))
    assert (plain.is_nested_, refined.is_nested_) == (True, False)
    in_no_time = clone(refined).set_params(max_refine_s=0.0).fit(data, CODES)
    np.testing.assert_array_equal(in_no_time.ranking_, plain.ranking_)
    assert refined.ranking_[5] == 1
    np.testing.assert_array_equal(np.sort(refined.ranking_), np.arange(1, 13))


def limited(seed):
    """Cells of four classes, and limits of two kinds that a free panel breaks."""
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(4), 40)
    data = rng.normal(size=(160, 24)) + rng.exponential(1.5, (4, 24))[y]
    costs, of_set = rng.exponential(1, 24), (rng.random(24) < 0.5).astype(float)
    some = np.argsort(costs)[1:7]  # one panel that keeps both
    return data, y, [Limit("cost", costs, high=costs[some].sum()), Limit("set", of_set, high=of_set[some].sum())]


def criterion(selector, data, y):
    """The loss of a panel, in the order of its columns, whatever order they were chosen in."""
    moments = moments_of(data, y, cell_weights=np.full(4, 1 / 160))
    objective = DiscriminantObjective(moments)
    for gene in selector.get_support(indices=True):
        objective.choose(int(gene))
    return objective.current_loss


def test_where_limits_keep_genes_out_the_chosen_are_exchanged():
    better = 0
    for seed in range(15):
        data, y, limits = limited(seed)
        searched = DiscriminantSelector(6, limits=limits, exchange_rounds=0).fit(data, y)
        exchanged = DiscriminantSelector(6, limits=limits).fit(data, y)
        again = DiscriminantSelector(6, limits=limits, max_refine_s=1e-9).fit(data, y)
        np.testing.assert_array_equal(exchanged.ranking_, again.ranking_)
        assert all(limit.is_kept(exchanged.get_support(indices=True)) for limit in limits)
        gain = criterion(searched, data, y) - criterion(exchanged, data, y)
        assert gain > -1e-6
        better += gain > 1e-6
    assert better > 2


def test_limits_that_keep_nothing_out_change_nothing():
    data, y, _ = limited(0)
    limits = [Limit("cost", np.ones(24), high=5), Limit("set", np.arange(24.0), low=1)]
    free, bounded = DiscriminantSelector(4).fit(data, y), DiscriminantSelector(4, limits=limits).fit(data, y)
    np.testing.assert_array_equal(free.ranking_, bounded.ranking_)


def test_a_number_of_rounds_below_0_is_refused():
    with pytest.raises(SettingsError, match="exchange_rounds=-1"):
        DiscriminantSelector(2, exchange_rounds=-1).fit(X, CODES)


def test_more_genes_than_carry_anything_are_still_ranked():
    data = np.column_stack([X[:, :3], np.ones((90, 4))])
    selector = DiscriminantSelector(6).fit(data, CODES)
    assert selector.get_support().sum() == 6
    assert set(np.argsort(selector.ranking_)[:3]) == {0, 1, 2}


def test_mixture_weight_outside_is_refused():
    with pytest.raises(SettingsError, match=r"weight=2\.0"):
        MixtureSelector(3, weight=2.0).fit(X, CODES)
