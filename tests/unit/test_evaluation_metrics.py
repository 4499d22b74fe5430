import logging

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from selectormlp.data.cells import Cells
from selectormlp.errors import DataError
from selectormlp.evaluation.metrics import accuracy_from_hits, accuracy_of, scorable_cells
from selectormlp.selectors.svm import LinearSVM


def cells(labels, *, classes=("B", "NK", "T", "other"), seed=0):
    labels = np.array(labels)
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(len(labels), 5)).astype(np.float32)
    X[np.arange(len(labels)), labels] += 1
    names = pd.RangeIndex(len(labels)).astype(str)
    return Cells(X, pd.RangeIndex(5).astype(str), names, labels, classes)


@pytest.mark.parametrize("seed", range(5))
def test_both_accuracies_are_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    truth = rng.choice(5, size=80, p=[0.5, 0.3, 0.15, 0.05, 0.0])
    predicted = np.where(rng.random(80) < 0.6, truth, rng.integers(0, 4, 80))
    hits = np.bincount(truth[predicted == truth], minlength=5)
    accuracy, mean_per_class = accuracy_from_hits(hits, np.bincount(truth, minlength=5))
    assert accuracy == pytest.approx(accuracy_score(truth, predicted))
    assert mean_per_class == pytest.approx(balanced_accuracy_score(truth, predicted))


def test_many_orders_and_sizes_are_scored_at_once():
    hits = np.array([[[1, 0, 0], [2, 4, 0]], [[0, 2, 0], [0, 0, 0]]])
    accuracy, mean_per_class = accuracy_from_hits(hits, np.array([2, 4, 0]))
    np.testing.assert_allclose(accuracy, [[1 / 6, 1], [1 / 3, 0]])
    np.testing.assert_allclose(mean_per_class, [[1 / 4, 1], [1 / 4, 0]])


def test_a_models_accuracy_is_scikit_learns():
    train, test = cells(np.arange(90) % 3), cells(np.array([0] * 30 + [1] * 8 + [2] * 3), seed=1)
    svm = LinearSVM(random_state=0).fit(train.X, np.array(train.classes)[train.labels], classes=train.classes)
    predicted, truth = svm.predict(test.X), np.array(test.classes)[test.labels]
    scores = accuracy_of(svm, test)
    assert scores["accuracy"] == pytest.approx(accuracy_score(truth, predicted))
    assert scores["mean_per_class_accuracy"] == pytest.approx(balanced_accuracy_score(truth, predicted))
    assert scores["accuracy"] != pytest.approx(scores["mean_per_class_accuracy"])


def test_cells_of_classes_never_trained_on_are_left_out_counted_and_said(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("selectormlp"), "propagate", True)
    kept = scorable_cells(cells([0, 1, 2, 3, 1]), np.array([True, True, False, False]))
    assert kept.labels.tolist() == [0, 1, 1]
    assert kept.names.tolist() == ["0", "1", "4"]
    assert "2 of 5 cells are of classes that were never trained on: left out of the scores" in caplog.text


def test_cells_of_no_known_class_are_left_out_too():
    given = cells([0, 1, 2])
    unknown = Cells(given.X, given.genes, given.names, np.array([0, -1, 2]), given.classes)
    assert scorable_cells(unknown, np.array([True, True, True, True])).names.tolist() == ["0", "2"]


def test_cells_that_can_all_be_scored_are_handed_back(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("selectormlp"), "propagate", True)
    given = cells([0, 1])
    assert scorable_cells(given, np.array([True, True, False, False])) is given
    assert not caplog.text


def test_no_cell_of_a_trained_class_is_an_error():
    with pytest.raises(DataError, match=r"none of the 2 cells is of a class that the model was trained on \('B'\)"):
        scorable_cells(cells([3, 2]), np.array([True, False, False, False]))
