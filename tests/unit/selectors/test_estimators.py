"""Estimators of scikit-learn's kind, and names that other packages register, as methods."""

import logging
from importlib.metadata import EntryPoint

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.feature_selection import RFE, SelectKBest, f_classif
from sklearn.linear_model import LogisticRegression

import selectormlp as sm
from selectormlp.errors import PanelError, SettingsError
from selectormlp.selection.repeat import settings_of
from selectormlp.selectors import registry
from selectormlp.selectors.estimators import EstimatorSelector
from selectormlp.selectors.registry import find_method, method_names

ESTIMATORS = {
    "scores_": SelectKBest(f_classif, k=2),
    "ranking_": RFE(LogisticRegression(max_iter=500), n_features_to_select=1),
    "feature_importances_": ExtraTreesClassifier(n_estimators=20),
    "coef_": LogisticRegression(max_iter=500),
}


@pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=ESTIMATORS)
def test_an_estimator_chooses_a_panel_and_provenance_says_which(adata, estimator):
    first, second = (sm.select(adata.copy(), label_key="cell_type", n_genes=4, method=estimator) for _ in range(2))
    assert first == second
    assert len(set(first.genes)) == 4
    kind = type(estimator)
    assert first.provenance.method == f"{kind.__module__}.{kind.__qualname__}"
    recorded = first.provenance.settings["selector"]["estimator"]
    assert recorded["class"] == first.provenance.method
    assert recorded["parameters"].keys() == estimator.get_params(deep=False).keys()
    assert not hasattr(estimator, "classes_")  # a clone is fitted


def test_the_best_gene_of_an_estimator_comes_first():
    X = np.random.default_rng(0).normal(size=(60, 5))
    y = np.repeat(["a", "b"], 30)
    X[:30, 3] += 5
    for estimator in ESTIMATORS.values():
        selector = EstimatorSelector(1, estimator=estimator, random_state=0).fit(X, y)
        assert selector.ranking_[3] == 1
        assert sorted(selector.ranking_) == [1, 2, 3, 4, 5]


def test_a_selector_of_ours_keeps_its_parameters(adata):
    panel = sm.select(adata, label_key="cell_type", n_genes=3, method=sm.DiscriminantSelector(ridge=0.7))
    assert panel.provenance.settings["selector"]["ridge"] == 0.7


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (KMeans(3), "KMeans has none of 'ranking_', 'scores_', 'feature_importances_', 'coef_' once fitted"),
        (3, "method is 3; expected a name, or an estimator"),
        (SelectKBest, "expected a name, or an unfitted estimator"),
    ],
)
def test_what_scores_no_genes_is_refused(adata, method, message):
    with pytest.raises(SettingsError, match=message):
        sm.select(adata, label_key="cell_type", n_genes=3, method=method)


def test_a_panel_by_an_unregistered_estimator_is_not_repeated(adata, tmp_path):
    panel = sm.select(adata, label_key="cell_type", n_genes=3, method=SelectKBest())
    with pytest.raises(PanelError, match="is not registered here under this name") as caught:
        settings_of(panel, [tmp_path / "cells.h5ad"], lazy=False)
    assert "\n" not in str(caught.value)


def test_estimators_stand_beside_methods_in_a_comparison(adata):
    methods = [SelectKBest(k=2), "discriminant", ExtraTreesClassifier(n_estimators=20)]
    found = sm.compare(adata, {}, methods=methods, n_genes=3, label_key="cell_type", n_splits=2)
    names = [panel.name for panel in found.panels]
    assert names == [find_method(method).name for method in methods]
    assert {panel.protocol for panel in found.panels} == {"reselected"}
    assert all(len(panel.genes) == 3 for panel in found.panels)
    with pytest.raises(SettingsError, match="listed twice"):
        sm.compare(adata, {}, methods=[SelectKBest(), SelectKBest()], n_genes=3, label_key="cell_type")


@pytest.mark.parametrize(
    ("estimator", "is_random"), [(SelectKBest(k=2), False), (ExtraTreesClassifier(n_estimators=5), True)]
)
def test_the_stability_of_an_estimator_is_measured(adata, estimator, is_random):
    found = sm.stability(adata, label_key="cell_type", method=estimator, n_genes=3, n_repeats=2)
    assert found.method == f"{type(estimator).__module__}.{type(estimator).__qualname__}"
    assert [any("seeds were not varied" in note for note in found.notes)] == [not is_random]
    alone = sm.select(adata, label_key="cell_type", n_genes=3, method=estimator)
    assert set(found.reference) == set(alone.genes)


class OneType(SelectKBest):
    """Scores genes by their place: those that mark the second of four types are best, whatever the cells show."""

    def fit(self, X, y=None):
        self.scores_ = (np.arange(X.shape[1]) % 4 == 1).astype(float)
        return self


@pytest.mark.parametrize("swapped", [False, True])
def test_auto_takes_estimators_as_contenders_and_the_better_one_chooses(adata, swapped, tmp_path):
    good, bad = SelectKBest(f_classif), OneType()
    contenders = [bad, good][:: -1 if swapped else 1]
    panel = sm.select(adata, label_key="cell_type", n_genes=3, method="auto", options={"contenders": contenders})
    taken = panel.provenance.taken
    assert taken.method == find_method(good).name
    assert taken.options["estimator"] == {
        "class": taken.method,
        "parameters": {"k": 10, "score_func": "sklearn.feature_selection._univariate_selection.f_classif"},
    }
    assert set(panel.genes) == set(sm.select(adata, label_key="cell_type", n_genes=3, method=good).genes)
    panel.write(tmp_path / "out")
    assert sm.read_panel(tmp_path / "out" / "panel.json").provenance.settings == panel.provenance.settings
    found = sm.evaluate(adata, panel, label_key="cell_type", n_splits=2, unsupervised=False)
    assert (found.protocol, f"{taken.method!r} cannot be run again" in found.notes[0]) == ("optimistic", True)


def test_two_estimators_of_one_class_contend_under_two_names(adata):
    options = {"contenders": {ExtraTreesClassifier(5): {}, "markers": {}, ExtraTreesClassifier(20): {}}}
    panel = sm.select(adata, label_key="cell_type", n_genes=3, method="auto", options=options)
    tried = [trial["method"] for trial in panel.provenance.settings["selector"]["choice"]["trials"]]
    name = find_method(ExtraTreesClassifier()).name
    assert tried == [name, "markers", f"{name} (2)"]


@pytest.mark.parametrize("contender", [3, SelectKBest, None])
def test_a_contender_that_is_no_estimator_is_refused(adata, contender):
    options = {"contenders": ["discriminant", contender]}
    with pytest.raises(SettingsError, match="expected a name, or an unfitted estimator"):
        sm.select(adata, label_key="cell_type", n_genes=3, method="auto", options=options)


@pytest.fixture
def registered(monkeypatch):
    """Register entry points as another package would."""

    def register(**places):
        points = [EntryPoint(name, place, registry.ENTRY_POINTS) for name, place in places.items()]
        monkeypatch.setattr(registry, "entry_points", lambda group: points)
        registry.registered_elsewhere.cache_clear()
        registry.load_entry_point.cache_clear()

    yield register
    monkeypatch.undo()
    registry.registered_elsewhere.cache_clear()


def test_a_registered_name_works_and_is_repeatable(adata, registered, tmp_path):
    registered(kbest="sklearn.feature_selection:SelectKBest")
    assert "kbest" in method_names()
    panel = sm.select(adata, label_key="cell_type", n_genes=3, method="kbest")
    assert panel.provenance.method == "kbest"
    assert settings_of(panel, [tmp_path / "cells.h5ad"], lazy=False).method == "kbest"


def test_a_registered_name_never_takes_the_place_of_ours(registered):
    registered(discriminant="sklearn.feature_selection:SelectKBest")
    assert find_method("discriminant").kind is sm.DiscriminantSelector
    assert method_names().count("discriminant") == 1


def test_a_broken_entry_point_is_one_warning_and_only_when_asked_for(registered, caplog, package_log):
    package_log.propagate = True
    registered(broken="no.such.module:Thing")
    assert "broken" in method_names()
    assert find_method("svm").name == "svm"
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            with pytest.raises(SettingsError, match="no method 'broken'"):
                find_method("broken")
    assert [record.message[:38] for record in caplog.records] == ["the method 'broken' of another package"]
