"""Scores at two levels of labels."""

import numpy as np
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from selectormlp.evaluation.hierarchy import find_parents, measure_hierarchy
from selectormlp.evaluation.refit import count_confusion


def test_scores_are_those_of_scikit_learn_on_the_coarse_labels():
    rng = np.random.default_rng(0)
    parents = np.array([0, 0, 1, 1, 2])
    true = rng.integers(0, 5, 400)
    predicted = np.where(rng.random(400) < 0.5, true, rng.integers(0, 5, 400))
    counts = count_confusion(true, predicted, 5).counts[None]
    found = measure_hierarchy("level1", ("x", "y", "z"), parents, np.array([7]), counts)
    assert found.coarse_accuracy[0] == accuracy_score(parents[true], parents[predicted])
    np.testing.assert_allclose(
        found.coarse_balanced_accuracy[0], balanced_accuracy_score(parents[true], parents[predicted])
    )
    wrong = predicted != true
    inside = (wrong & (parents[true] == parents[predicted])).mean()
    np.testing.assert_allclose([found.inside[0], found.across[0]], [inside, wrong.mean() - inside])
    np.testing.assert_allclose(found.accuracy + found.inside + found.across, 1)
    assert found.class_frame()["n_cells"].sum() == 400
    assert found.to_frame()["n_genes"].tolist() == [7]


def test_parents_are_those_of_most_cells():
    labels = np.array([0, 0, 0, 1, 1, 2])
    coarse = np.array([2, 2, 1, 0, -1, -1])
    parents, apart = find_parents(labels, coarse, 3)
    assert parents.tolist() == [2, 0, -1]
    assert apart.tolist() == [1, 0, 0]
