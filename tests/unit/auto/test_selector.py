"""The selector that lets the best contender choose."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from selectormlp.auto.contenders import CONTENDERS
from selectormlp.auto.selector import AutoSelector
from selectormlp.auto.trials import Trial, Trials
from selectormlp.errors import DataError, SettingsError
from selectormlp.panel.assay import Assay
from selectormlp.panel.limits import Limit
from selectormlp.selectors.discriminant import DiscriminantSelector
from selectormlp.selectors.registry import METHODS

QUICK = ("discriminant", "markers")


def cells(seed=0, *, n_cells=150, n_genes=20):
    rng = np.random.default_rng(seed)
    y = np.repeat(["B", "NK", "T"], n_cells // 3)
    X = rng.normal(size=(n_cells, n_genes))
    X[y == "B", 2] += 4
    X[y == "T", 4] += 4
    return X, y


def with_accuracies(monkeypatch, accuracies, *, error=0.01, refitted=None):
    """Let trials have given accuracies and least recalls, screened or refitted, and differences a given error."""

    def run(self, method, options):
        key = method if not options.get("class_weights") else f"raised{len(self.done)}"
        mean, least = accuracies[key]
        self.done.append(Trial(method, options, 0.0, np.zeros(1), np.array([least, 2 * mean - least])))

    monkeypatch.setattr(Trials, "run", run)

    def confirm(self, trial):
        if refitted is None:
            return trial
        mean, least = refitted[trial.method]
        found = replace(trial, recalls=np.array([least, 2 * mean - least]), refitted=True)
        CONFIRMED.append(found)
        return found

    CONFIRMED.clear()
    monkeypatch.setattr(Trials, "confirm", confirm)
    found = property(lambda self: [next((c for c in CONFIRMED if c.method == t.method), t) for t in self.done])
    monkeypatch.setattr(Trials, "found", found)

    def difference(self, a, b, among=slice(None)):
        return (a.recalls - b.recalls)[among].mean(), error if a != b else 0.0

    monkeypatch.setattr(Trials, "difference", difference)
    monkeypatch.setattr(Trials, "recalls_elsewhere", lambda self, trial: trial.recalls)


CONFIRMED = []


@pytest.mark.parametrize(
    ("second", "again", "margin", "chosen", "n_refitted"),
    [
        (0.82, 0.82, 1.0, "markers", 2),
        (0.82, 0.805, 1.0, "discriminant", 2),
        (0.82, 0.82, 3.0, "discriminant", 2),
        (0.805, 0.9, 1.5, "discriminant", 0),
        (0.7, 0.9, 0.0, "discriminant", 0),
    ],
)
def test_the_first_is_kept_unless_another_is_better_by_more_than_chance(
    monkeypatch, second, again, margin, chosen, n_refitted
):
    """Half the margin in closed form calls for classifiers to be refitted; they decide, by the whole margin."""
    screened = {"discriminant": (0.8, 0.5), "markers": (second, 0.5)}
    refitted = {"discriminant": (0.8, 0.5), "markers": (again, 0.5)}
    with_accuracies(monkeypatch, screened, refitted=refitted)
    auto = AutoSelector(2, contenders=QUICK, margin=margin, random_state=0).fit(*cells())
    assert auto.choice_ == chosen
    assert f"discriminant 0.800, markers {second:.3f}" in auto.reason_
    assert (f"logistic and knn refitted: discriminant 0.800, markers {again:.3f}" in auto.reason_) == bool(n_refitted)
    assert len({trial.method for trial in CONFIRMED}) == n_refitted


def test_the_choice_is_made_from_all_cells():
    X, y = cells()
    auto = AutoSelector(2, contenders=QUICK, max_cells=60, random_state=0).fit(X, y)
    assert auto.choice_ == "discriminant"
    np.testing.assert_array_equal(auto.ranking_, DiscriminantSelector(2).fit(X, y).ranking_)
    assert len(auto.trials_[0].shares) == 60
    assert auto.is_nested_


@pytest.mark.parametrize(("method", "n_fitted"), [("discriminant", 150), ("markers", 90)])
def test_of_very_many_cells_slow_methods_take_a_part(monkeypatch, method, n_fitted):
    monkeypatch.setattr("selectormlp.auto.selector.MAX_FITTED", 90)
    X, y = cells()
    auto = AutoSelector(2, contenders=[method], random_state=0)
    kind = type(METHODS[method].make())
    seen = []
    original = kind.fit
    monkeypatch.setattr(kind, "fit", lambda self, X, y: (seen.append(len(X)), original(self, X, y))[1])
    auto.fit(X, y)
    assert seen == [n_fitted]


def test_smaller_panels_are_known_where_the_method_that_chose_knows_them(monkeypatch):
    with_accuracies(monkeypatch, {"discriminant": (0.7, 0.5), "persist": (0.8, 0.5)})
    fast = {"discriminant": {}, "persist": {"elimination_steps": 5, "selection_steps": 5, "hidden_sizes": (4,)}}
    assert not AutoSelector(2, contenders=fast, random_state=0).fit(*cells()).is_nested_


def test_a_second_run_with_the_record_repeats_the_first():
    X, y = cells()
    first = AutoSelector(3, contenders=QUICK, max_minutes=0, random_state=0).fit(X, y)
    assert [trial.method for trial in first.trials_] == ["discriminant"]  # no time for a second
    record = json.loads(json.dumps(first.record_))
    choice = record.pop("choice")
    again = AutoSelector(3, random_state=0, **record).fit(X, y)
    np.testing.assert_array_equal(again.ranking_, first.ranking_)
    assert again.record_["choice"]["method"] == choice["method"]


def test_the_default_contenders_run_on_real_shapes():
    X, y = cells(n_cells=90)
    auto = AutoSelector(3, contenders=CONTENDERS, random_state=0).fit(X, y)
    assert [trial.method for trial in auto.trials_] == list(CONTENDERS)
    assert auto.choice_ in CONTENDERS


def test_donors_are_kept_apart(monkeypatch):
    """With the donors of one class only, nothing can be tried, and the first contender chooses."""
    X, y = cells()
    seen = []
    original = Trials.run
    monkeypatch.setattr(Trials, "run", lambda self, *given: (seen.append(self.folds.scheme), original(self, *given)))
    AutoSelector(2, contenders=QUICK, random_state=0).fit(X, y, donors=np.arange(150) % 3)
    assert set(seen) == {"leave one donor out"}
    alone = AutoSelector(2, contenders=QUICK, random_state=0).fit(X, y, donors=y)
    assert alone.choice_ == "discriminant"
    assert "nothing could be tried: each of the 3 classes comes from one donor only" in alone.reason_


def test_an_aim_raises_the_worst_class_and_says_at_what_cost(monkeypatch):
    found = {"discriminant": (0.8, 0.3), "markers": (0.7, 0.35), "raised2": (0.79, 0.45), "raised3": (0.78, 0.55)}
    with_accuracies(monkeypatch, found)
    X, y = cells()
    y = np.where(y == "NK", "T", y)  # two classes, as the made-up recalls have
    auto = AutoSelector(2, contenders=QUICK, min_recall=0.5, random_state=0).fit(X, y)
    assert "of the worst class 0.5 was to be found: 0.300 became 0.550" in auto.reason_
    assert "the mean went from 0.800 to 0.780" in auto.reason_
    assert auto.selector_.class_weights == {"B": 9.0, "T": 1.0}
    assert auto.record_["max_attempts"] == 2
    plain = AutoSelector(2, contenders=QUICK, min_recall=0.2, random_state=0).fit(X, y)
    assert plain.record_["max_attempts"] == 0
    assert plain.selector_.class_weights is None


def test_an_aim_that_nothing_raises_leaves_the_best(monkeypatch):
    found = {"discriminant": (0.8, 0.3), "markers": (0.7, 0.2), "raised2": (0.7, 0.25), "raised3": (0.6, 0.1)}
    with_accuracies(monkeypatch, found)
    X, y = cells()
    y = np.where(y == "NK", "T", y)
    auto = AutoSelector(2, contenders=QUICK, min_recall=0.9, max_attempts=2, random_state=0).fit(X, y)
    assert auto.selector_.class_weights is None
    assert "0.300 became 0.300" in auto.reason_


@pytest.mark.parametrize(("error", "weights"), [(0.2, {"B": 9.0, "T": 1.0}), (0.3, None)])
def test_the_worst_class_is_raised_if_by_more_than_chance(monkeypatch, error, weights):
    found = {"discriminant": (0.8, 0.3), "markers": (0.7, 0.2), "raised2": (0.79, 0.45), "raised3": (0.78, 0.55)}
    with_accuracies(monkeypatch, found, error=error)
    X, y = cells()
    y = np.where(y == "NK", "T", y)
    auto = AutoSelector(2, contenders=QUICK, min_recall=0.5, random_state=0).fit(X, y)
    assert auto.selector_.class_weights == weights
    assert f"0.300 became {'0.300' if weights is None else '0.550'}" in auto.reason_


def test_panels_are_tried_and_chosen_within_limits():
    """Genes 2 and 4 do it alone, and one of them is all that the money buys."""
    X, y = cells()
    costs = np.ones(20)
    costs[[2, 4]] = 5
    limit = Limit("cost", costs, high=7)
    for contenders in (["discriminant", "markers"], ["markers", "discriminant"]):
        auto = AutoSelector(3, contenders=contenders, limits=[limit], random_state=0).fit(X, y)
        assert limit.is_kept(auto.get_support(indices=True))
        assert all(limit.is_kept(panel) for trial in auto.trials_ for panel in trial.panels)
        assert len(set(auto.get_support(indices=True)) & {2, 4}) == 1
        assert not auto.is_nested_


def test_an_assay_of_limits_alone_leaves_the_contenders():
    X, y = cells()
    limits = Assay(limits={"min_probes": 3}, source="a page", date="2026-11-26")
    plain, limited = (
        AutoSelector(2, random_state=0, assay=assay).fit(np.abs(X), y) for assay in ("sequencing", limits)
    )
    assert [trial.method for trial in limited.trials_] == [trial.method for trial in plain.trials_]
    np.testing.assert_array_equal(plain.ranking_, limited.ranking_)


@pytest.mark.parametrize("min_recall", [None, 0.99])
def test_efficiencies_of_genes_reach_the_method_that_chooses(min_recall):
    X, y = cells()
    frame = pd.DataFrame(np.abs(X), columns=[f"g{column}" for column in range(X.shape[1])])
    lost = Assay(efficiency=1.0, gene_efficiencies={"g2": 1e-5})
    auto = AutoSelector(2, assay=lost, random_state=0, min_recall=min_recall).fit(frame, y)
    assert 2 not in auto.get_support(indices=True)
    assert auto.record_["choice"]["options"]["assay"]["gene_efficiencies"] == {"g2": 1e-5}
    named = AutoSelector(2, assay=lost, random_state=0, min_recall=min_recall)
    np.testing.assert_array_equal(named.fit(np.abs(X), y, genes=list(frame.columns)).ranking_, auto.ranking_)
    with pytest.raises(SettingsError, match="no names"):
        AutoSelector(2, assay=lost).fit(np.abs(X), y)


def test_for_an_assay_panels_are_tried_on_simulated_instruments():
    X, y = cells()
    auto = AutoSelector(2, assay="imaging", random_state=0).fit(np.abs(X), y)
    assert list(auto.record_["contenders"]) == list(CONTENDERS)
    assert auto.choice_ == "discriminant"
    assert auto.record_["choice"]["options"] == {"assay": "imaging"}
    np.testing.assert_array_equal(auto.ranking_, DiscriminantSelector(2, assay="imaging").fit(np.abs(X), y).ranking_)
    plain = AutoSelector(2, random_state=0).fit(np.abs(X), y)
    assert auto.trials_[2].balanced_accuracy < plain.trials_[2].balanced_accuracy  # the same markers, measured worse
    with pytest.raises(SettingsError, match="none of the contenders takes an assay; add 'discriminant'"):
        AutoSelector(2, contenders=["markers"], assay="imaging").fit(np.abs(X), y)


def test_a_method_that_takes_no_assay_must_be_clearly_ahead(monkeypatch):
    X, y = cells()
    for ahead, choice in ((0.02, "discriminant"), (0.2, "markers")):
        with_accuracies(monkeypatch, {"discriminant": (0.6, 0.5), "markers": (0.6 + ahead, 0.5)}, error=0.01)
        auto = AutoSelector(2, contenders=["markers", "discriminant"], assay="imaging", random_state=0)
        assert auto.fit(np.abs(X), y).choice_ == choice
        assert auto.record_["choice"]["options"] == ({"assay": "imaging"} if choice == "discriminant" else {})


def test_must_have_genes_come_first():
    X, y = cells()
    auto = AutoSelector(3, contenders=QUICK, must_have=[7], random_state=0).fit(X, y)
    assert auto.ranking_[7] == 1
    assert {2, 4} < set(auto.get_support(indices=True))


REFUSED = {
    "unknown contender": ({"contenders": ["discriminent"]}, "did you mean 'discriminant'"),
    "contender without labels": ({"contenders": ["variance"]}, "'variance', which cannot be tried"),
    "itself": ({"contenders": ["auto"]}, "'auto', which cannot be tried"),
    "a name for a list": ({"contenders": "markers"}, "expected one or more methods"),
    "none": ({"contenders": []}, "expected one or more methods"),
    "classifier": ({"classifiers": ["knm"]}, "did you mean 'knn'"),
    "no classifier": ({"classifiers": []}, "expected one or more"),
    "folds": ({"n_folds": 1}, "n_folds=1; expected 2 or more"),
    "margin": ({"margin": -1}, "margin=-1; expected 0 or more"),
    "recall": ({"min_recall": 50}, "min_recall=50; expected 0 to 1"),
    "minutes": ({"max_minutes": -1}, "max_minutes=-1; expected 0 or more"),
    "cells": ({"max_cells": 0}, "max_cells=0; expected 1 or more"),
    "attempts": ({"max_attempts": -1}, "max_attempts=-1; expected 0 or more"),
    "too many must-have genes": ({"must_have": [1, 2, 3]}, "must_have holds 3 genes and 2"),
}


@pytest.mark.parametrize(("given", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_refused(given, message):
    with pytest.raises(SettingsError, match=message):
        AutoSelector(2, **given).fit(*cells())


def test_one_class_is_refused():
    X, _ = cells()
    with pytest.raises(DataError, match="all cells are of one class"):
        AutoSelector(2).fit(X, np.repeat("T", len(X)))
