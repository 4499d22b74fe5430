"""scikit-learn's own checks for the selectors that choose and do not classify, and its tools around them."""

import warnings

import joblib
import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from selectormlp.auto.selector import AutoSelector
from selectormlp.selectors.discriminant import DiscriminantSelector
from selectormlp.selectors.forest import ForestSelector
from selectormlp.selectors.markers import MarkerSelector
from selectormlp.selectors.mixture import MixtureSelector
from selectormlp.selectors.persist import PersistSelector, UnsupervisedPersistSelector
from selectormlp.selectors.random_order import RandomSelector
from selectormlp.selectors.reconstruction import ReconstructionSelector
from selectormlp.selectors.variance import VarianceSelector

SMALL = {"selection_steps": 5, "hidden_sizes": (8,), "device": "cpu", "random_state": 0}
SELECTORS = [
    AutoSelector(2, contenders=("discriminant", "markers"), random_state=0),
    DiscriminantSelector(2),
    DiscriminantSelector(2, refine=True),
    ReconstructionSelector(2),
    ReconstructionSelector(2, target="components"),
    MixtureSelector(2),
    MarkerSelector(2),
    MarkerSelector(2, method="wilcoxon"),
    MarkerSelector(2, method="logreg"),
    VarianceSelector(2),
    ForestSelector(2, n_estimators=5, random_state=0),
    RandomSelector(2, random_state=0),
    PersistSelector(2, **SMALL),
    UnsupervisedPersistSelector(2, **SMALL),
]
EACH = pytest.mark.parametrize("selector", SELECTORS, ids=repr)
RNG = np.random.default_rng(0)
Y = np.repeat(["B", "NK", "T"], 30)
X = np.log1p(RNG.poisson(RNG.gamma(1.0, 2.0, size=(3, 12))[np.repeat([0, 1, 2], 30)])).astype(np.float32)


# Some checks hand in a single feature: half of the features, the default, is always possible.
@parametrize_with_checks([clone(selector).set_params(n_features_to_select=None) for selector in SELECTORS])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@EACH
def test_ranking_is_strict_and_the_panel_its_beginning(selector):
    fitted = clone(selector).set_params(n_features_to_select=5).fit(X, Y)
    np.testing.assert_array_equal(np.sort(fitted.ranking_), np.arange(1, 13))
    np.testing.assert_array_equal(fitted.get_support(), fitted.ranking_ <= 5)
    assert fitted.scores_.shape == (12,)
    assert not np.isnan(fitted.scores_).any()
    np.testing.assert_array_equal(fitted.transform(X), X[:, fitted.get_support()])


@EACH
@pytest.mark.parametrize("kind", [sp.csr_array, sp.csr_matrix])
def test_sparse_and_dense_agree(selector, kind):
    dense, sparse = clone(selector).fit(X, Y), clone(selector).fit(kind(X), Y)
    np.testing.assert_array_equal(dense.ranking_, sparse.ranking_)


@EACH
def test_same_settings_same_ranking_and_the_global_random_state_stays(selector):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = clone(selector).fit(X, Y), clone(selector).fit(X, Y)
    np.testing.assert_array_equal(first.ranking_, second.ranking_)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@EACH
def test_in_a_pipeline_under_a_grid_search_in_parallel(selector):
    pipeline = make_pipeline(clone(selector), LogisticRegression())
    step = pipeline.steps[0][0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of joblib, where a worker is slow to stop
        with joblib.parallel_backend("threading", n_jobs=2):
            search = GridSearchCV(pipeline, {f"{step}__n_features_to_select": [1, 6]}, cv=2).fit(X, Y)
    assert search.cv_results_["mean_test_score"][1] > 0.4
    assert search.best_estimator_[0].get_support().sum() == search.best_params_[f"{step}__n_features_to_select"]


@EACH
def test_survives_joblib(selector, tmp_path):
    fitted = clone(selector).fit(X, Y)
    joblib.dump(fitted, tmp_path / "selector.joblib")
    np.testing.assert_array_equal(joblib.load(tmp_path / "selector.joblib").ranking_, fitted.ranking_)
