"""Trials: what they choose from, what they test on, and how two of them are compared."""

import numpy as np
import pytest
import scipy.sparse as sp
from joblib import Memory

from selectormlp.auto.task import Task
from selectormlp.auto.trials import Trial, Trials
from selectormlp.evaluation.splits import make_folds
from selectormlp.selectors.registry import METHODS, Method


def cells(seed=0, *, n_cells=120, n_genes=12):
    """Three classes, each high in one gene (1, 5, 9)."""
    rng = np.random.default_rng(seed)
    codes = np.arange(n_cells) % 3
    X = rng.normal(size=(n_cells, n_genes))
    X[np.arange(n_cells), np.array([1, 5, 9])[codes]] += 4
    return X, codes


def trials(X, codes, *, n_genes=3, must_have=(), classifiers=("logistic", "knn"), folder=None):
    folds = make_folds(codes, n_splits=3, seed=0)
    task = Task(n_genes, np.array(must_have, dtype=np.int64), 0)
    return Trials(X, np.array(["a", "b", "c"])[codes], codes, folds, task, classifiers, Memory(folder, verbose=0))


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array, sp.csr_matrix])
def test_good_genes_are_told_from_random_ones(kind):
    X, codes = cells()
    tried = trials(kind(X), codes)
    tried.run("discriminant", {})
    tried.run("markers", {})
    good, markers = tried.done
    assert good.balanced_accuracy > 0.95
    assert good.least_recall <= good.balanced_accuracy == pytest.approx(good.recalls.mean())
    gain, error = tried.difference(good, markers)
    assert gain == pytest.approx(good.balanced_accuracy - markers.balanced_accuracy)
    assert tried.difference(good, good) == (0.0, 0.0)
    assert 0 <= error < 0.1


def test_tested_cells_have_no_say_in_the_choice(monkeypatch):
    """Each fold's panel is that of its training cells alone."""
    X, codes = cells()
    seen = []

    class Spy(METHODS["discriminant"].make().__class__):
        def fit(self, X, y=None):
            seen.append(len(X))
            return super().fit(X, y)

    monkeypatch.setitem(METHODS, "spy", Method("spy", lambda: Spy))
    tried = trials(X, codes)
    tried.run("spy", {})
    assert seen == [len(train) for train, _ in tried.folds]


def test_shuffled_labels_are_found_by_chance_only():
    X, codes = cells(n_cells=300)
    tried = trials(X, np.random.default_rng(1).permutation(codes))
    tried.run("discriminant", {})
    assert tried.done[0].balanced_accuracy == pytest.approx(1 / 3, abs=0.08)


def test_must_have_genes_come_first_also_for_methods_that_do_not_know_them():
    X, codes = cells()
    task = Task(3, np.array([7, 2]), 0)
    for method in ("discriminant", "forest"):
        order = task.order(task.selector(method, {}).fit(X, codes))
        assert order[:2].tolist() == [7, 2]
        assert sorted(order) == list(range(12))


@pytest.mark.parametrize("among", [None, "two classes"])
def test_the_error_of_a_difference_is_that_of_repeated_draws(among):
    """Over many drawn pairs of trials, the differences spread as the error says."""
    X, codes = cells(n_cells=90)
    tried = trials(X, codes)
    tested = tried.codes[tried.folds.test_rows]
    rng = np.random.default_rng(0)
    counted = None if among is None else tested != 1
    tried.run("discriminant", {})
    one = tried.done[0]
    gains, errors = [], []
    for _ in range(400):
        shares = [(rng.random(len(tested)) < chance).astype(float) for chance in (0.8, 0.7)]
        both = [type(one)("m", {}, 0.0, share, np.zeros(3)) for share in shares]
        gain, error = tried.difference(*both, counted)
        gains.append(gain)
        errors.append(error)
    assert np.mean(gains) == pytest.approx(0.1, abs=0.015)
    assert np.std(gains) == pytest.approx(np.mean(errors), rel=0.12)


def test_the_error_of_a_difference_is_over_donors_where_they_differ():
    """In each of six donors all cells gain alike, so that there are six gains, however many cells."""
    X, codes = cells(n_cells=600)
    donors = np.arange(600) // 3 % 6
    tried = trials(X, codes)
    of_donors = Trials(X, tried.labels, codes, tried.folds, tried.task, ("knn",), Memory(None, verbose=0), donors)
    where = donors[tried.folds.test_rows]
    rng = np.random.default_rng(0)
    gains, errors, of_cells = [], [], []
    for _ in range(400):
        better = rng.normal(0.1, 0.05, 6)[where]
        both = [Trial("m", {}, 0.0, share, np.zeros(3)) for share in (0.5 + better, np.full(600, 0.5))]
        gain, error = of_donors.difference(*both)
        gains.append(gain)
        errors.append(error)
        of_cells.append(tried.difference(*both)[1])
    assert np.std(gains) == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=0.12)
    assert np.mean(of_cells) < 0.2 * np.mean(errors)
    assert of_donors.widened(2.0) == pytest.approx(2.65, abs=0.01)
    assert tried.widened(2.0) == pytest.approx(2.0, abs=0.01)


def test_recalls_elsewhere_are_those_of_the_other_folds():
    X, codes = cells(n_cells=90)
    tried = trials(X, codes)
    tried.run("markers", {})
    found, trial = tried.recalls_elsewhere(tried.done[0]), tried.done[0]
    tested, fold = tried.codes[tried.folds.test_rows], tried.folds.split_of_test
    expected = [trial.shares[(fold != own) & (tested == code)].mean() for own, code in zip(fold, tested, strict=True)]
    np.testing.assert_allclose(found, expected)


def test_a_method_that_cannot_work_is_left_out_and_said(caplog):
    X, codes = cells()
    caplog.set_level("INFO")
    tried = trials(X, codes)
    tried.run("selector_mlp-budget", {"n_networks": 1000})
    assert not tried.done
    assert "selector_mlp-budget cannot be tried: 80 cells for 1000 networks" in caplog.text


def test_rankings_that_are_kept_serve_other_sizes(tmp_path, monkeypatch):
    X, codes = cells(n_genes=40)
    plain, kept = trials(X, codes, n_genes=2), trials(X, codes, n_genes=3, folder=tmp_path)
    kept.run("discriminant", {})
    monkeypatch.setattr(METHODS["discriminant"].make().__class__, "fit", lambda *_: pytest.fail("fitted again"))
    again = trials(X, codes, n_genes=2, folder=tmp_path)
    again.run("discriminant", {})
    monkeypatch.undo()
    plain.run("discriminant", {})
    np.testing.assert_array_equal(again.done[0].shares, plain.done[0].shares)
