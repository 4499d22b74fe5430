"""Splits for evaluation."""

import numpy as np
import pytest

from selectormlp.errors import DataError
from selectormlp.evaluation.splits import make_folds

LABELS = np.arange(120) % 3
DONORS = np.array([f"d{i}" for i in np.arange(120) // 3 % 6])


def test_each_cell_is_tested_once_and_never_learned_from_with_it():
    folds = make_folds(LABELS, n_splits=4)
    assert folds.scheme == "stratified"
    np.testing.assert_array_equal(np.sort(folds.test_rows), np.arange(120))
    for train, test in folds:
        assert not np.intersect1d(train, test).size
        assert (np.bincount(LABELS[test]) == 10).all()
    np.testing.assert_allclose(folds.test_shares, 1 / 3)


@pytest.mark.parametrize(("n_splits", "scheme", "n_found"), [(6, "leave one donor out", 6), (3, "grouped", 3)])
def test_no_donor_is_on_both_sides(n_splits, scheme, n_found):
    folds = make_folds(LABELS, n_splits=n_splits, donors=DONORS)
    assert (folds.scheme, len(folds)) == (scheme, n_found)
    np.testing.assert_array_equal(np.sort(folds.test_rows), np.arange(120))
    for train, test in folds:
        assert not np.intersect1d(DONORS[train], DONORS[test]).size


def test_only_testable_cells_are_tested_and_all_others_learned_from():
    testable = np.arange(120) >= 90
    folds = make_folds(LABELS, n_splits=3, testable=testable)
    np.testing.assert_array_equal(np.sort(folds.test_rows), np.arange(90, 120))
    assert all(len(train) == 110 for train in folds.train)
    one_donor = make_folds(LABELS, n_splits=3, donors=DONORS, testable=DONORS == "d2")
    assert len(one_donor) == 1
    assert set(DONORS[one_donor.train[0]]) == {"d0", "d1", "d3", "d4", "d5"}


def test_cells_of_a_class_that_cannot_be_learned_are_left_out_and_counted():
    labels = np.append(LABELS, 3)
    folds = make_folds(labels, n_splits=4)
    assert folds.n_untested == 1
    assert 120 not in folds.test_rows


def test_a_split_that_is_dropped_is_named_and_its_cells_are_counted():
    labels, donors = np.repeat([0, 1, 0], [15, 15, 30]), np.repeat(["A", "B"], 30)
    folds = make_folds(labels, n_splits=5, donors=donors)
    assert (len(folds), len(folds.test_rows), folds.n_untested) == (1, 30, 30)
    (part,) = folds.dropped
    assert (part.donors, part.n_cells, part.n_learned, part.learned) == (("A",), 30, 30, (0,))


def test_many_training_cells_are_thinned_class_by_class():
    labels = np.repeat([0, 1, 2], [500, 495, 5])
    folds = make_folds(labels, n_splits=2, max_train=60)
    for train in folds.train:
        assert np.bincount(labels[train]).tolist() == [30, 30, 1]


@pytest.mark.parametrize(
    ("labels", "donors", "message"),
    [
        (LABELS, np.full(120, "d"), "one donor"),
        (np.arange(5), None, "5 different labels for 5 cells, one for each; expected"),
        (np.arange(5), np.array(list("aabbc")), "5 different labels for 5 cells"),
        (np.array([0, 0, 1, 1]), np.array(["a", "a", "b", "b"]), "each of the 2 classes comes from one donor only"),
    ],
)
def test_what_cannot_be_split_is_refused(labels, donors, message):
    with pytest.raises(DataError, match=message):
        make_folds(labels, n_splits=3, donors=donors)


def test_donors_whose_absence_leaves_too_little_are_refused():
    labels, donors = np.array([0, 0, 0, 1, 1]), np.array(list("aabbb"))
    with pytest.raises(DataError, match="no donor can be left out: for each of the 1 donor to test"):
        make_folds(labels, n_splits=3, donors=donors, testable=donors == "b")
    with pytest.raises(DataError, match="none of the classes has more than 1 cell to test"):
        make_folds(labels, n_splits=3, testable=np.array([True, False, False, True, False]))


def test_more_splits_than_cells_of_a_class_with_many_donors_are_made_fewer():
    labels, donors = np.array([0, 0, 1, 1, 2]), np.array(list("abcde"))
    folds = make_folds(labels, n_splits=4, donors=donors)
    assert folds.scheme == "grouped"
    assert len(folds) <= 2
