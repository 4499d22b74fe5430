"""Masking by adding up groups of genes predicts what really zeroed cells are predicted as."""

import numpy as np
import pytest
import scipy.sparse as sp

from selectormlp.data import batches
from selectormlp.evaluation.masking import masked_hits, masking_curve, masking_sizes
from selectormlp.selectors.mlp import MLP
from selectormlp.selectors.selector_mlp import SelectorMLP
from selectormlp.selectors.svm import LinearSVM

N_GENES = 23
SMALL = {"hidden_sizes": (12, 6), "lr": 0.02, "max_epochs": 4, "batch_size": 32, "random_state": 0, "device": "cpu"}
SELECTORS = {
    "SelectorMLP": SelectorMLP(**SMALL, alpha=0.001),
    "SelectorMLP, batch norm": SelectorMLP(**SMALL, alpha=0.001, batch_norm=True),
    "SelectorMLP, clamped": SelectorMLP(**SMALL, selector_type="clamped"),
    "MLP": MLP(**SMALL),
    "MLP, batch norm": MLP(**SMALL, batch_norm=True),
    "SVM": LinearSVM(random_state=0),
}


def cells(*, n_classes, n_cells=150, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n_cells) % n_classes
    X = rng.poisson(0.7, size=(n_cells, N_GENES)).astype(np.float32)
    X[np.arange(n_cells), labels] += 2
    return np.log1p(X), labels.astype(np.int64)


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("name", SELECTORS)
def test_hits_equal_those_of_zeroed_cells_at_every_size_and_order(name, n_classes, monkeypatch):
    monkeypatch.setattr(batches, "EVALUATION_BATCH", 64)  # several blocks, the last one short
    X, labels = cells(n_classes=n_classes)
    selector = SELECTORS[name].fit(X, labels)
    rng = np.random.default_rng(1)
    orders = [np.argsort(selector.ranking_), rng.permutation(N_GENES), np.arange(N_GENES)]
    sizes = np.arange(N_GENES + 1)
    hits = masked_hits(selector, X, labels, orders, sizes)
    assert hits.shape == (3, N_GENES + 1, n_classes)
    for row, order in enumerate(orders):
        for column, size in enumerate(sizes):
            zeroed = np.zeros_like(X)
            zeroed[:, order[:size]] = X[:, order[:size]]
            right = labels[selector.predict(zeroed) == labels]
            expected = np.bincount(right, minlength=n_classes)
            np.testing.assert_array_equal(hits[row, column], expected, err_msg=f"{name}, {size} genes, order {row}")


@pytest.mark.parametrize("name", SELECTORS)
def test_sparse_cells_give_the_same_hits(name):
    X, labels = cells(n_classes=4)
    selector = SELECTORS[name].fit(X, labels)
    orders, sizes = [np.argsort(selector.ranking_)], masking_sizes(N_GENES, 5)
    dense = masked_hits(selector, X, labels, orders, sizes)
    np.testing.assert_array_equal(masked_hits(selector, sp.csr_array(X), labels, orders, sizes), dense)


@pytest.mark.parametrize("name", SELECTORS)
def test_the_curve_ends_with_the_accuracy_on_all_genes(name):
    X, labels = cells(n_classes=4)
    selector = SELECTORS[name].fit(X, labels)
    curve = masking_curve(
        selector, X, labels, sizes=masking_sizes(N_GENES, 5), random_reps=2, rng=np.random.default_rng(0)
    )
    score = selector.score(X, labels)
    assert curve.accuracy[-1] == pytest.approx(score)
    np.testing.assert_allclose(curve.random_accuracy[:, -1], score)
