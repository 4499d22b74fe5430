import numpy as np
import pytest
import scipy.sparse as sp
import torch

from selectormlp.errors import DataError, SettingsError
from selectormlp.selectors.persist import PersistSelector, UnsupervisedPersistSelector

CODES = np.repeat([0, 1, 2], 30)
Y = np.array(["B", "NK", "T"])[CODES]
RATE = np.full((90, 12), 0.4)
RATE[np.arange(90), CODES] = 6.0  # genes 0, 1, 2 mark the classes
X = np.random.default_rng(0).poisson(RATE).astype(np.float32)
FAST = {"hidden_sizes": (8,), "selection_steps": 60, "device": "cpu", "random_state": 0}
BOTH = pytest.mark.parametrize("kind", [PersistSelector, UnsupervisedPersistSelector])


@BOTH
@pytest.mark.parametrize("k", [1, 11, 12])
def test_exactly_k_distinct_genes_in_a_strict_ranking(kind, k):
    selector = kind(k, **FAST).fit(X, Y)
    assert selector.get_support().sum() == k
    np.testing.assert_array_equal(np.sort(selector.ranking_), np.arange(1, 13))
    assert np.isfinite(selector.scores_).all()
    assert selector.elimination_ is None
    np.testing.assert_array_equal(selector.gate_probabilities_, 1)
    np.testing.assert_array_equal(selector.candidates_, np.arange(12))


@BOTH
def test_must_have_first_and_only_candidates_beside_them(kind):
    selector = kind(5, must_have=[9, 3], candidates=[1, 3, 4, 5, 6], **FAST).fit(X, Y)
    assert selector.ranking_[[9, 3]].tolist() == [1, 2]
    assert set(selector.get_support(indices=True)) <= {1, 3, 4, 5, 6, 9}
    assert selector.gate_probabilities_[0] == 0
    assert selector.mask_probabilities_[[9, 3]].tolist() == [1, 1]
    only = kind(2, must_have=[9, 3], **FAST).fit(X, Y)
    assert sorted(only.get_support(indices=True)) == [3, 9]


@BOTH
def test_panel_then_what_was_left_then_what_was_eliminated(kind):
    wide = np.hstack([X, np.random.default_rng(1).poisson(0.5, size=(90, 60)).astype(np.float32)])
    selector = kind(3, n_candidates=12, **FAST).fit(wide, Y)
    n_left = len(selector.candidates_)
    assert 9 <= n_left <= 15
    assert set(selector.get_support(indices=True)) <= set(selector.candidates_)
    np.testing.assert_array_equal(np.sort(selector.ranking_[selector.candidates_]), np.arange(1, n_left + 1))
    eliminated = np.setdiff1d(np.argsort(selector.ranking_), selector.candidates_)
    by_rank = eliminated[np.argsort(selector.ranking_[eliminated])]
    assert (np.diff(selector.gate_probabilities_[by_rank]) <= 0).all()
    assert selector.scores_[selector.get_support()].any()
    assert not selector.scores_[~selector.get_support()].any()


def test_thresholds_are_in_the_units_of_x_and_reproduce_what_was_learned_from():
    logs = np.log1p(X)
    by_counts, by_logs = (PersistSelector(3, **FAST).fit(data, Y) for data in (X, logs))
    np.testing.assert_array_equal(by_counts.ranking_, by_logs.ranking_)  # 0 means the same on both
    np.testing.assert_array_equal(by_counts.thresholds_, 0)
    selector = PersistSelector(3, threshold="quantile", quantile=0.7, **FAST).fit(logs, Y)
    panel = selector.get_support(indices=True)
    assert selector.thresholds_[panel].any()
    expected = (logs[:, panel] > selector.thresholds_[panel]).astype(np.float32)
    np.testing.assert_array_equal(selector.binarize(logs), expected)
    np.testing.assert_array_equal(selector.transform(logs), logs[:, panel])
    np.testing.assert_array_equal(selector.binarize(sp.csr_array(logs)).toarray(), expected)
    again = PersistSelector(3, **FAST).fit((logs > selector.thresholds_).astype(float), Y)
    np.testing.assert_array_equal(again.ranking_, selector.ranking_)


@pytest.mark.learned
@pytest.mark.parametrize("loss", ["hurdle", "mse"])
def test_another_target_decides(loss):
    fast = {**FAST, "selection_steps": 200}
    alone = UnsupervisedPersistSelector(1, loss=loss, **fast).fit(X, target=np.repeat(5.0 * X[:, [7]] > 0, 9, axis=1))
    assert alone.get_support(indices=True).tolist() == [7]
    sparse = UnsupervisedPersistSelector(2, loss=loss, **fast).fit(sp.csr_array(X), target=sp.csr_array(X))
    np.testing.assert_array_equal(sparse.ranking_, UnsupervisedPersistSelector(2, loss=loss, **fast).fit(X).ranking_)


@BOTH
def test_random_states_stay(kind):
    before = torch.get_rng_state()
    kind(3, **{**FAST, "random_state": np.random.RandomState(0)}).fit(X, Y)
    assert torch.equal(torch.get_rng_state(), before)


WRONG = [
    ({"must_have": [12]}, "must_have holds 12"),
    ({"must_have": [0, 1, 2, 3]}, "must_have holds 4 genes and 3 are to be selected"),
    ({"candidates": [1, 1]}, r"candidates holds 1 position twice"),
    ({"candidates": [1], "must_have": [0]}, "candidates leave 1 columns beside 1 must-have ones and 3"),
    ({"threshold": "median"}, "threshold='median'"),
    ({"tolerance": 0}, "tolerance=0; expected above 0, below 1"),
    ({"n_candidates": 0}, "n_candidates=0; expected 1 or more, or None"),
    ({"hidden_sizes": ()}, r"hidden_sizes=\(\); expected a sequence"),
    ({"elimination_steps": 0}, "elimination_steps=0; expected 1 or more"),
    ({"selection_steps": 0}, "selection_steps=0; expected 1 or more"),
    ({"batch_size": 0}, "batch_size=0; expected 1 or more"),
    ({"lr": 0}, "lr=0; expected above 0"),
    ({"end_temperature": 0}, "end_temperature=0; expected above 0"),
    ({"start_temperature": 1e-3}, "start_temperature=0.001; expected end_temperature or more"),
    ({"device": "tpu"}, "device='tpu'; expected one of 'auto', 'cpu', 'cuda'"),
]


@BOTH
@pytest.mark.parametrize(("settings", "message"), WRONG)
def test_settings_that_cannot_be(kind, settings, message):
    with pytest.raises(SettingsError, match=message):
        kind(3, **{**FAST, **settings}).fit(X, Y)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_that_is_not_there():
    with pytest.raises(SettingsError, match="PyTorch finds no CUDA device"):
        PersistSelector(3, device="cuda").fit(X, Y)


@BOTH
def test_candidates_must_be_enough_for_the_genes_to_be_chosen(kind):
    words = "n_candidates=2 for 3 genes to be chosen; expected 3 or more, or None"
    with pytest.raises(SettingsError, match=words):
        kind(3, n_candidates=2, **FAST).fit(X, Y)
    with pytest.raises(SettingsError, match=words):
        kind(4, n_candidates=2, must_have=[7], **FAST).fit(X, Y)
    selector = kind(3, n_candidates=2, must_have=[7], **FAST).fit(X, Y)  # two beside it
    assert selector.get_support().sum() == 3


def test_class_weights_that_cannot_be():
    with pytest.raises(SettingsError, match=r"class_weight='x'; expected 'balanced', a mapping .*, or None"):
        PersistSelector(3, class_weight="x", **FAST).fit(X, Y)


def test_labels_and_targets_that_cannot_be():
    with pytest.raises(DataError, match=r"all cells are of 1 class \('T'\)"):
        PersistSelector(3, **FAST).fit(X, np.repeat("T", 90))
    with pytest.raises(DataError, match="the target has 89 cells and X has 90"):
        UnsupervisedPersistSelector(3, **FAST).fit(X, target=X[1:])
    with pytest.raises(SettingsError, match="loss='mae'; expected one of 'hurdle', 'mse'"):
        UnsupervisedPersistSelector(3, loss="mae", **FAST).fit(X)
    with pytest.raises(SettingsError, match="zero_weight=-1"):
        UnsupervisedPersistSelector(3, zero_weight=-1, **FAST).fit(X)


@BOTH
def test_a_network_that_diverges_is_refused(kind):
    with pytest.raises(SettingsError, match="the training diverged"):
        kind(3, lr=1e30, **FAST).fit(X, Y)
