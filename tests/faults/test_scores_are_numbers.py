"""Genes are never ranked by scores that are no numbers, whoever gave them."""

import logging

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectKBest

import selectormlp as sm
from selectormlp.errors import DataError
from selectormlp.selectors.base import GeneSelector, check_scores
from selectormlp.selectors.estimators import EstimatorSelector


class Scores(BaseEstimator):
    """An estimator of a user's, which scores genes by what it was given."""

    def __init__(self, attribute="scores_", value=np.nan):
        self.attribute = attribute
        self.value = value

    def fit(self, X, y=None):
        values = np.arange(X.shape[1], dtype=float)
        values[2] = self.value
        setattr(self, self.attribute, np.stack([values, values]) if self.attribute == "coef_" else values)
        return self


class Careless(GeneSelector):
    """A registered selector that sets its results itself."""

    def __init__(self, n_features_to_select=None):
        self.n_features_to_select = n_features_to_select

    def fit(self, X, y=None):
        X, y = self._checked(X, y)
        self.n_features_to_select_ = self._resolve_n_features(X.shape[1])
        self.scores_ = np.full(X.shape[1], np.nan)
        self.ranking_ = np.arange(1, X.shape[1] + 1)
        return self


@pytest.mark.parametrize("attribute", ["scores_", "feature_importances_", "coef_", "ranking_"])
def test_a_users_estimator_that_scores_nan_is_refused(adata, attribute):
    with pytest.raises(
        DataError, match=r"Scores scores \d+ genes? of 30 NaN or infinite \(the first: column \d+\)"
    ) as said:
        sm.select(adata, label_key="cell_type", n_genes=3, method=Scores(attribute))
    assert "\n" not in str(said.value)
    assert "selectormlp_selected" not in adata.var


def test_a_selector_that_sets_its_results_itself_is_refused(adata):
    with pytest.raises(DataError, match="scores 30 genes of 30 NaN or infinite"):
        sm.select(adata, label_key="cell_type", n_genes=3, method=Careless())


@pytest.mark.parametrize("name", ["reconstruction", "mixture"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_closed_forms_whose_sums_overflow_are_refused(name):
    kind = {"reconstruction": sm.ReconstructionSelector, "mixture": sm.MixtureSelector}[name]
    X = np.random.default_rng(0).poisson(2.0, size=(60, 12)) * 1e200
    with pytest.raises(DataError, match="scores 12 genes of 12 NaN or infinite"):
        kind(3).fit(X, np.repeat(["B", "NK", "T"], 20))


def test_a_constant_gene_of_which_a_test_says_nothing_is_no_error():
    y = np.repeat(["B", "T"], 20)
    X = np.random.default_rng(0).normal(size=(40, 5))
    X[y == "B", 3] += 5
    X[:, 1] = 2.0
    with pytest.warns(UserWarning, match="constant"), np.errstate(invalid="ignore", divide="ignore"):
        found = EstimatorSelector(1, estimator=SelectKBest(k=1)).fit(X, y)
    assert found.get_support(indices=True).tolist() == [3]
    assert found.ranking_[1] == 5
    assert np.isfinite(found.scores_).all()


def test_a_gene_that_separates_without_error_is_first():
    found = EstimatorSelector(1, estimator=Scores(value=np.inf)).fit(np.random.default_rng(0).normal(size=(9, 5)))
    assert found.get_support(indices=True).tolist() == [2]


def test_auto_leaves_out_a_method_whose_scores_are_no_numbers(adata, said, monkeypatch):
    from selectormlp.selectors.registry import METHODS, Method

    monkeypatch.setitem(METHODS, "nan", Method("nan", lambda: EstimatorSelector, {"estimator": Scores()}))
    options = {"contenders": ["nan", "discriminant"]}
    panel = sm.select(adata, label_key="cell_type", n_genes=3, options=options)
    assert len(panel) == 3
    assert "nan cannot be tried: Scores scores 1 gene of 30 NaN or infinite" in said()


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_each_kind_of_no_number_is_refused(wrong):
    check_scores(np.array([1.0, -2.0]), "it")
    with pytest.raises(DataError, match=r"it scores 1 gene of 2 .*column 1"):
        check_scores(np.array([1.0, wrong]), "it")


def test_nothing_is_said_where_all_is_well(adata, caplog):
    with caplog.at_level(logging.WARNING):
        sm.select(adata, label_key="cell_type", n_genes=3, method="discriminant")
    assert not caplog.records
