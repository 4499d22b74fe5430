"""What the benchmarks of accuracy share: reading, splitting, refitted classifiers, variance explained.

Accuracy: classes of ≥ 40 cells, split 4 : 1 : 1 (at most 1,000 : 250 : 250 cells a class), 2,000 most variable
training genes; panels from training cells; classifiers refitted on training + validation cells, scored by balanced
accuracy on test cells.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.metrics import balanced_accuracy_score

from selectormlp.data.anndata_files import read_adata
from selectormlp.data.anndata_io import CellsSource, cells_from_adata
from selectormlp.data.cells import Cells
from selectormlp.data.normalize import Normalization
from selectormlp.data.split import Split, SplitSizes, split_cells
from selectormlp.evaluation.refit import make_classifier, refit_predict
from selectormlp.selectors.base import order_by_score


def load(folder: Path, name: str, normalize: Normalization = "auto") -> Cells:
    return cells_from_adata(read_adata(folder / f"{name}.h5ad"), CellsSource("cell_type", normalize=normalize))


def refitted(X, y, X_test, y_test, classifiers=("logistic", "knn", "forest")) -> list[float]:
    """Score classifiers: logistic regression, 15-NN and a random forest, unless others are named."""
    predictions = (refit_predict(make_classifier(name), X, y, X_test) for name in classifiers)
    return [float(balanced_accuracy_score(y_test, predicted)) for predicted in predictions]


def split_of(cells: Cells, seed: int) -> tuple[Split, np.ndarray]:
    """Split the cells, and name the most variable genes of the training cells."""
    split = split_cells(cells.labels, SplitSizes(1000, 250, 250), min_cluster_size=40, rng=np.random.default_rng(seed))
    return split, order_by_score(cells.X[split.train].toarray().var(axis=0))[:2000]


def accuracy_splits(cells: Cells, n_splits: int) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield training cells, cells to refit on and test cells, each with labels, on the most variable genes."""
    for seed in range(n_splits):
        split, genes = split_of(cells, seed)
        train = cells.X[split.train].toarray()
        refit = np.concatenate([split.train, split.validation])
        rest = [
            part for rows in (refit, split.test) for part in (cells.X[rows][:, genes].toarray(), cells.labels[rows])
        ]
        yield train[:, genes], cells.labels[split.train], *rest


def by_loadings(X: np.ndarray, size: int) -> np.ndarray:
    """Rank genes by their loadings on the leading 50 components, each weighted by its variance."""
    pca = PCA(50, random_state=0).fit(X)
    return order_by_score(pca.explained_variance_ @ pca.components_**2)[:size]


def explained(X, X_test, panel) -> float:
    """Return the share of the variance of all genes of held-out cells that ridge regression explains."""
    predicted = Ridge(alpha=1.0).fit(X[:, panel], X).predict(X_test[:, panel])
    return float(1 - ((X_test - predicted) ** 2).sum() / ((X_test - X.mean(axis=0)) ** 2).sum())
