"""Genes that are known to matter are found, and nothing is found in noise."""

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from selectormlp.selectors.selector_mlp import SelectorMLP

pytestmark = pytest.mark.learned

PLANTED = np.array([3, 11, 17, 24])


def cells(rng, n_cells=400, n_genes=40):
    labels = np.arange(n_cells) % 4
    X = rng.normal(size=(n_cells, n_genes)).astype(np.float32)
    X[np.arange(n_cells), PLANTED[labels]] += 3
    return X, labels


def selector(seed):
    return SelectorMLP(
        4, hidden_sizes=(32,), lr=0.01, max_epochs=25, batch_size=64, alpha=0.01, random_state=seed, device="cpu"
    )


def test_planted_genes_are_found_on_nine_of_ten_seeds():
    found = [
        selector(seed).fit(*cells(np.random.default_rng(seed))).get_support(indices=True).tolist() == PLANTED.tolist()
        for seed in range(10)
    ]
    assert sum(found) >= 9


def test_shuffled_labels_give_chance():
    scores = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        X, labels = cells(rng)
        X_train, X_test, y_train, y_test = train_test_split(X, rng.permutation(labels), random_state=seed)
        scores.append(selector(seed).fit(X_train, y_train).score(X_test, y_test))
    # 6 × 100 test cells of four classes: a standard deviation of 0.018 about 0.25
    assert 0.25 - 4 * 0.018 < np.mean(scores) < 0.25 + 4 * 0.018


def test_permuting_the_genes_permutes_the_planted_ones():
    found = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        X, labels = cells(rng)
        order = rng.permutation(X.shape[1])
        support = selector(seed).fit(X[:, order], labels).get_support(indices=True)
        found.append(sorted(order[support]) == PLANTED.tolist())
    assert sum(found) >= 9
