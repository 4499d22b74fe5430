"""Genes planted among noise are found; where labels mean nothing, nothing is found."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from selectormlp.selectors.discriminant import DiscriminantSelector
from selectormlp.selectors.markers import MarkerSelector
from selectormlp.selectors.mixture import MixtureSelector

N_PLANTED = 6


def planted(seed):
    """Draw log counts of 400 cells × 300 genes in 4 classes, told apart by 6 genes at random columns."""
    rng = np.random.default_rng(seed)
    y = rng.choice(4, size=400, p=[0.5, 0.3, 0.15, 0.05])
    rates = np.tile(rng.gamma(1.0, 1.0, 300), (4, 1))
    columns = rng.choice(300, N_PLANTED, replace=False)
    rates[:, columns] = 1.0
    for position, column in enumerate(columns):
        rates[position % 4, column] = 5.0
    return np.log1p(rng.poisson(rates[y])), y, set(columns.tolist()), rng


@pytest.mark.parametrize(
    "selector",
    [
        DiscriminantSelector(N_PLANTED),
        DiscriminantSelector(N_PLANTED, refine=True),
        MixtureSelector(N_PLANTED, weight=0.1),
        MarkerSelector(2 * N_PLANTED),  # by turns: a class whose markers are used up picks noise
    ],
    ids=lambda s: repr(s),
)
def test_planted_genes_are_found_on_nine_of_ten_seeds(selector):
    found = 0
    for seed in range(10):
        X, y, columns, _ = planted(seed)
        found += columns <= set(selector.fit(X, y).get_support(indices=True).tolist())
    assert found >= 9


def test_shuffled_labels_give_chance():
    accuracies, hits = [], 0
    for seed in range(10):
        X, y, columns, rng = planted(seed)
        shuffled = rng.permutation(y)
        panel = DiscriminantSelector(N_PLANTED).fit(X[:200], shuffled[:200]).get_support(indices=True)
        hits += len(columns & set(panel.tolist()))
        model = LogisticRegression(class_weight="balanced").fit(X[:200][:, panel], shuffled[:200])
        accuracies.append(balanced_accuracy_score(shuffled[200:], model.predict(X[200:][:, panel])))
    assert np.mean(accuracies) == pytest.approx(0.25, abs=0.05)  # of 4 classes; the mean's error is about 0.02
    assert hits <= 6  # of 60 choices, 60 · 6/300 = 1.2 expected
