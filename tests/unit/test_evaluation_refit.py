"""Refitted classifiers and their confusion."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score, recall_score

from selectormlp.errors import SettingsError
from selectormlp.evaluation.refit import CLASSIFIERS, count_confusion, make_classifier, refit_predict


def test_scores_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    true = rng.integers(0, 5, 300)
    predicted = np.where(rng.random(300) < 0.6, true, rng.integers(0, 5, 300))
    confusion = count_confusion(true, predicted, 5)
    np.testing.assert_array_equal(confusion.counts, confusion_matrix(true, predicted))
    assert confusion.accuracy == pytest.approx(accuracy_score(true, predicted))
    assert confusion.balanced_accuracy == pytest.approx(balanced_accuracy_score(true, predicted))
    assert confusion.macro_f1 == pytest.approx(f1_score(true, predicted, average="macro"))
    np.testing.assert_allclose(confusion.recalls, recall_score(true, predicted, average=None))


def test_classes_without_cells_do_not_count():
    confusion = count_confusion(np.array([0, 0, 2]), np.array([0, 2, 2]), 4)
    assert confusion.balanced_accuracy == pytest.approx(0.75)
    assert np.isnan(confusion.recalls[[1, 3]]).all()
    assert confusion.macro_f1 == pytest.approx(f1_score([0, 0, 2], [0, 2, 2], average="macro"))


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_classifier_learns_and_repeats_itself(name):
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1, 2], 60)
    X = rng.normal(size=(180, 4)).astype(np.float32)
    X[np.arange(180), labels] += 4
    test = rng.permutation(180)[:60]
    train = np.setdiff1d(np.arange(180), test)
    predicted = refit_predict(make_classifier(name, 3), X[train], labels[train], X[test])
    assert (predicted == labels[test]).mean() > 0.85
    again = refit_predict(make_classifier(name, 3), sp.csr_array(X[train]), labels[train], sp.csr_array(X[test]))
    np.testing.assert_array_equal(again, predicted)


def test_unknown_classifiers_are_refused_with_the_nearest_name():
    with pytest.raises(SettingsError, match="logistic"):
        make_classifier("logistics")
