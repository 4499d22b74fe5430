"""scikit-learn's own contract, kept by every selector that classifies."""

import pickle

import anndata as ad
import joblib
import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from selectormlp.errors import DataError
from selectormlp.selectors.budget import BudgetSelectorMLP
from selectormlp.selectors.mlp import MLP
from selectormlp.selectors.selector_mlp import SelectorMLP
from selectormlp.selectors.svm import LinearSVM

SMALL = {"hidden_sizes": (16,), "lr": 0.05, "max_epochs": 15, "batch_size": 64, "device": "cpu"}
SELECTORS = [
    SelectorMLP(**SMALL, alpha=0.001, random_state=0),
    MLP(**SMALL, random_state=0),
    LinearSVM(random_state=0),
    BudgetSelectorMLP(
        hidden_sizes=(16,), lr=0.02, first_steps=60, steps=5, panel_steps=150, device="cpu", random_state=0
    ),
]


@parametrize_with_checks(SELECTORS)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def blobs(seed=0, *, n_cells=90, n_genes=8):
    """Three classes, each high in one gene (0, 1, 2)."""
    rng = np.random.default_rng(seed)
    codes = np.arange(n_cells) % 3
    X = rng.normal(size=(n_cells, n_genes)).astype(np.float32)
    X[np.arange(n_cells), codes] += 4
    return X, np.array(["B", "NK", "T"])[codes]


@pytest.mark.parametrize("selector", SELECTORS, ids=lambda s: type(s).__name__)
def test_an_adata_object_is_refused_with_what_to_give(selector):
    X, y = blobs()
    with pytest.raises(DataError, match=r"X is an AnnData object; expected a matrix.*give adata\.X"):
        clone(selector).fit(ad.AnnData(X), y)


@pytest.mark.parametrize("selector", SELECTORS, ids=lambda s: type(s).__name__)
def test_a_clone_learns_the_same(selector):
    X, y = blobs()
    first = clone(selector).fit(X, y)
    again = clone(first)
    assert not hasattr(again, "ranking_")
    assert again.get_params() == selector.get_params()
    np.testing.assert_array_equal(again.fit(X, y).scores_, first.scores_)


@pytest.mark.learned  # on each of ten seeds the three genes score twice what any other does, or more
@pytest.mark.parametrize("selector", SELECTORS, ids=lambda s: type(s).__name__)
def test_a_pipeline_hands_on_the_panels_genes(selector):
    X, y = blobs()
    line = make_pipeline(StandardScaler(), clone(selector).set_params(n_features_to_select=3), LinearSVC())
    line.fit(X, y)
    assert line[-1].n_features_in_ == 3
    assert line[:-1].get_feature_names_out([f"g{i}" for i in range(8)]).tolist() == ["g0", "g1", "g2"]
    assert line.score(X, y) > 0.9


@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])  # other processes import torch again
def test_grid_search_tries_settings(n_jobs):
    X, y = blobs()
    selector = SelectorMLP(**SMALL, random_state=0)
    search = GridSearchCV(selector, {"lr": [1e-6, 0.05]}, cv=2, n_jobs=n_jobs).fit(X, y)
    assert search.best_params_ == {"lr": 0.05}
    assert len(search.predict(X)) == len(y)


@pytest.mark.parametrize("selector", SELECTORS, ids=lambda s: type(s).__name__)
def test_joblib_and_pickle_bring_a_fitted_selector_back(selector, tmp_path):
    X, y = blobs()
    fitted = clone(selector).fit(X, y)
    joblib.dump(fitted, tmp_path / "fitted.joblib")
    for copy in (joblib.load(tmp_path / "fitted.joblib"), pickle.loads(pickle.dumps(fitted))):
        np.testing.assert_array_equal(copy.class_scores(X), fitted.class_scores(X))
        np.testing.assert_array_equal(copy.get_support(), fitted.get_support())


@pytest.mark.parametrize("selector", SELECTORS, ids=lambda s: type(s).__name__)
def test_sparse_cells_give_what_dense_ones_give(selector):
    X, y = blobs()
    X[X < 0] = 0
    dense, sparse = clone(selector).fit(X, y), clone(selector).fit(sp.csr_matrix(X), y)
    np.testing.assert_allclose(sparse.scores_, dense.scores_, rtol=1e-5)
    np.testing.assert_allclose(sparse.class_scores(sp.csc_array(X)), dense.class_scores(X), atol=1e-4)


@pytest.mark.parametrize("selector", SELECTORS, ids=lambda s: type(s).__name__)
def test_cells_that_may_not_be_written_to_are_predicted_without_a_warning(selector):
    X, y = blobs()
    fitted = clone(selector).fit(X, y)
    expected = fitted.class_scores(X)
    X.flags.writeable = False  # as joblib hands large arrays to its workers
    np.testing.assert_array_equal(fitted.class_scores(X), expected)
