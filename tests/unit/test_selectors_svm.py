import logging

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.svm import LinearSVC

from selectormlp.errors import DataError, SettingsError
from selectormlp.selectors.svm import LinearSVM


def cells(n_classes=3, *, n_cells=90, n_genes=8, seed=0):
    rng = np.random.default_rng(seed)
    codes = np.arange(n_cells) % n_classes
    X = rng.normal(size=(n_cells, n_genes)).astype(np.float32)
    X[np.arange(n_cells), codes] += 3
    return X, np.array(["B", "NK", "T"])[codes]


@pytest.mark.parametrize("n_classes", [2, 3])
def test_it_is_scikit_learns_linear_svc(n_classes):
    X, y = cells(n_classes)
    ours = LinearSVM(C=0.3, random_state=0).fit(X, y)
    theirs = LinearSVC(penalty="l1", loss="squared_hinge", dual=False, C=0.3, random_state=0).fit(X, y)
    np.testing.assert_allclose(ours.svm_.coef_, theirs.coef_, rtol=1e-6)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    decision, expected = ours.decision_function(X), theirs.decision_function(X)
    np.testing.assert_allclose(decision, expected * (2 if n_classes == 2 else 1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("loss", "hinge"),
        ("penalty", "l2"),
        ("dual", True),
        ("C", 0.01),
        ("class_weight", "balanced"),
        ("max_iter", 7),
        ("random_state", 3),
    ],
)
def test_every_setting_reaches_it(setting, value):
    needed = {"loss": {"penalty": "l2", "dual": True}, "dual": {"penalty": "l2"}}.get(setting, {})
    fitted = LinearSVM(**({"random_state": 0} | needed | {setting: value})).fit(*cells())
    assert fitted.svm_.get_params()[setting] == value


def test_a_combination_that_does_not_exist_is_scikit_learns_error():
    with pytest.raises(ValueError, match="Unsupported set of arguments"):
        LinearSVM(loss="hinge", random_state=0).fit(*cells())


@pytest.mark.parametrize("n_classes", [2, 3])
def test_genes_are_ranked_by_their_coefficients(n_classes):
    fitted = LinearSVM(n_features_to_select=n_classes, random_state=0).fit(*cells(n_classes))
    np.testing.assert_allclose(fitted.scores_, np.abs(fitted.svm_.coef_).sum(axis=0))
    np.testing.assert_array_equal(np.argsort(fitted.ranking_), np.argsort(-fitted.scores_, kind="stable"))
    assert fitted.get_support(indices=True).tolist() == list(range(n_classes))


def test_two_classes_have_two_scores_of_opposite_sign():
    X, y = cells(2)
    scores = LinearSVM(random_state=0).fit(X, y).class_scores(X)
    assert scores.shape == (90, 2)
    np.testing.assert_array_equal(scores[:, 0], -scores[:, 1])
    np.testing.assert_array_equal(np.where(scores[:, 1] > 0, "NK", "B"), LinearSVM(random_state=0).fit(X, y).predict(X))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_classes_without_training_cells_score_minus_infinity(n_classes):
    X, y = cells(n_classes)
    fitted = LinearSVM(random_state=0).fit(X, y, classes=["T", "never", "NK", "B", "nor this"])
    scores = fitted.class_scores(X)
    expected = [n_classes == 3, False, True, True, False]
    assert fitted.trained_classes_.tolist() == expected
    assert np.isfinite(scores[:, expected]).all()
    assert (scores[:, ~np.array(expected)] == -np.inf).all()
    np.testing.assert_array_equal(fitted.predict(X), LinearSVM(random_state=0).fit(X, y).predict(X))


def test_sparse_cells_stay_sparse_and_64_bit_indices_are_taken(monkeypatch):
    X, y = cells()
    X[X < 0.5] = 0
    seen = []
    original = LinearSVC.fit
    monkeypatch.setattr(LinearSVC, "fit", lambda self, X, y: seen.append(X) or original(self, X, y))
    wide = sp.csr_array(X)
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    found = LinearSVM(random_state=0).fit(wide, y)
    assert sp.issparse(seen[0])
    assert seen[0].indices.dtype == np.int32
    np.testing.assert_allclose(found.scores_, LinearSVM(random_state=0).fit(X, y).scores_, rtol=1e-5)


def test_too_few_iterations_are_said_not_warned_of(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("selectormlp"), "propagate", True)
    LinearSVM(max_iter=1, random_state=0).fit(*cells())
    assert "the SVM stopped after max_iter=1 iterations, before it converged" in caplog.text
    caplog.clear()
    LinearSVM(random_state=0).fit(*cells())
    assert not caplog.text


def test_the_same_seed_gives_the_same_ranking():
    first, second = (LinearSVM(random_state=5).fit(*cells()) for _ in range(2))
    np.testing.assert_array_equal(first.scores_, second.scores_)


def test_one_class_is_refused():
    with pytest.raises(DataError, match=r"all cells are of one class \('B'\)"):
        LinearSVM().fit(cells()[0], ["B"] * 90)


def test_weights_of_classes_are_by_label_for_any_labels():
    X, y = cells()
    labels = np.array(["c", "b", "a"])[np.unique(y, return_inverse=True)[1]]
    weighted = LinearSVM(class_weight={"a": 50.0}, random_state=0).fit(X, labels)
    expected = LinearSVC(penalty="l1", dual=False, class_weight={0: 50.0, 1: 1, 2: 1}, random_state=0)
    expected.fit(X.astype(np.float32), np.unique(labels, return_inverse=True)[1])
    np.testing.assert_allclose(weighted.svm_.coef_, expected.coef_)
    assert not np.allclose(weighted.svm_.coef_, LinearSVM(random_state=0).fit(X, labels).svm_.coef_)


@pytest.mark.parametrize(
    ("weight", "words"),
    [
        ("x", r"class_weight='x'; expected 'balanced', a mapping .*, or None"),
        ({"z": 1.0}, "class_weight names 'z', which no cell has"),
    ],
)
def test_weights_of_classes_that_cannot_be(weight, words):
    with pytest.raises(SettingsError, match=words):
        LinearSVM(class_weight=weight).fit(*cells())
