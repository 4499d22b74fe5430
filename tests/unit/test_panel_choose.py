import numpy as np
import pandas as pd
import pytest

from selectormlp.errors import SettingsError
from selectormlp.panel.choose import choose
from selectormlp.panel.constraints import Constraints
from selectormlp.panel.markers import Markers

GENES = pd.Index([f"g{i}" for i in range(6)])
ORDER = np.arange(6)


def markers(auc, classes=("T", "B")):
    auc = np.array(auc, dtype=float)
    return Markers(classes, auc - 0.5, auc)


def test_the_ranking_is_followed_after_the_must_have_genes():
    rules = Constraints(must_have=("g4",), forbidden=("g0",)).resolve(GENES)
    choice = choose(np.array([3, 0, 4, 1, 2, 5]), rules, 3)
    assert choice.positions.tolist() == [4, 3, 1]
    assert choice.reasons == ("must-have", "selected", "selected")
    assert choice.n_required == 1
    assert choice.nested


def test_genes_that_are_not_ranked_are_not_chosen():
    with pytest.raises(SettingsError, match=r"3 allowed genes for a panel of 4"):
        choose(np.array([1, 2]), Constraints(must_have=("g0",)).resolve(GENES), 4)


@pytest.mark.parametrize("order", [[0, 0, 1], [0, 6], [-1, 2]])
def test_an_order_that_is_none_is_refused(order):
    with pytest.raises(SettingsError, match="the order is not one of 6 genes"):
        choose(np.array(order), Constraints().resolve(GENES), 1)


def test_a_gene_is_taken_only_if_the_rest_can_still_be_paid():
    costs = {"g0": 8, "g1": 5, "g2": 1, "g3": 1, "g4": 4, "g5": 2}
    rules = Constraints(costs=costs, budget=9).resolve(GENES)
    choice = choose(ORDER, rules, 3)  # g0 and two of the cheapest cost 10; g1 leaves 4 for two
    assert choice.positions.tolist() == [1, 2, 3]
    assert not choice.nested


def test_a_budget_of_tenths_is_met_exactly():
    rules = Constraints(costs=dict.fromkeys(GENES, 0.1), budget=0.3).resolve(GENES)
    assert choose(ORDER, rules, 3).positions.tolist() == [0, 1, 2]


def test_a_budget_of_nothing_takes_what_is_free():
    rules = Constraints(costs={"g1": 0, "g5": 0}, budget=0).resolve(GENES)
    marks = markers([[0.5, 0.5, 0.9, 0.5, 0.5, 0.9], [0.5, 0.9, 0.5, 0.5, 0.5, 0.5]])
    assert choose(ORDER, rules, 2, marks).positions.tolist() == [1, 5]
    both = Constraints(costs={"g1": 0, "g5": 0, "g0": 0}, budget=0, min_markers_per_type=1).resolve(GENES)
    assert sorted(choose(ORDER, both, 2, marks).positions) == [1, 5]


def test_the_worst_ranked_gene_leaves_for_the_best_ranked_marker_of_the_type_that_lacks():
    auc = [[0.9, 0.9, 0.9, 0.5, 0.5, 0.5], [0.5, 0.5, 0.5, 0.5, 0.8, 0.95]]
    rules = Constraints(min_markers_per_type=1).resolve(GENES)
    choice = choose(ORDER, rules, 3, markers(auc))
    assert choice.positions.tolist() == [0, 1, 4]
    assert choice.reasons == ("selected", "selected", "marker of B (minimum per type)")
    assert not choice.nested


def test_must_have_genes_are_not_exchanged():
    auc = [[0.9, 0.9, 0.5, 0.5, 0.5, 0.5], [0.5, 0.5, 0.5, 0.5, 0.8, 0.95]]
    rules = Constraints(must_have=("g3", "g0"), min_markers_per_type=1).resolve(GENES)
    assert choose(ORDER, rules, 3, markers(auc)).positions.tolist() == [3, 0, 4]


def test_must_have_genes_stay_even_where_only_their_leaving_would_make_room():
    auc = [[0.9, 0.5, 0.5, 0.5, 0.5, 0.5], [0.5, 0.5, 0.5, 0.5, 0.5, 0.9]]
    rules = Constraints(must_have=("g3",), min_markers_per_type=1).resolve(GENES)
    with pytest.raises(SettingsError, match="no panel of 2 genes"):
        choose(ORDER, rules, 2, markers(auc))


def test_nothing_is_exchanged_where_no_type_lacks():
    auc = [[0.9, 0.5, 0.9, 0.5, 0.5, 0.5], [0.5, 0.7, 0.5, 0.5, 0.8, 0.95]]
    rules = Constraints(min_markers_per_type=1).resolve(GENES)
    assert choose(ORDER, rules, 2, markers(auc)).positions.tolist() == [0, 1]


def test_a_marker_must_be_higher_in_its_type():
    auc = np.full((2, 6), 0.9)
    effect = np.where(np.arange(6) == 5, 1.0, -1.0) * np.ones((2, 1))
    rules = Constraints(min_markers_per_type=1).resolve(GENES)
    assert choose(ORDER, rules, 1, Markers(("T", "B"), effect, auc)).positions.tolist() == [5]


def test_types_without_cells_need_no_markers():
    auc = [[0.9, 0.5, 0.9, 0.5, 0.5, 0.5], [np.nan] * 6]
    rules = Constraints(min_markers_per_type=2).resolve(GENES)
    assert choose(ORDER, rules, 2, markers(auc)).positions.tolist() == [0, 2]


def test_too_few_markers_of_a_type_are_said():
    auc = [[0.9] * 6, [0.5, 0.5, 0.5, 0.5, 0.8, 0.69]]
    rules = Constraints(min_markers_per_type=2).resolve(GENES)
    with pytest.raises(SettingsError, match=r"each type needs 2 markers.*'B' has 1 .*AUC of 0.7"):
        choose(ORDER, rules, 4, markers(auc))


def test_too_small_a_panel_for_all_types_is_said():
    auc = np.eye(6) * 0.4 + 0.5
    rules = Constraints(min_markers_per_type=1).resolve(GENES)
    with pytest.raises(SettingsError, match=r"no panel of 5 genes keeps: markers of 'a' at least 1; .*'f' at least 1"):
        choose(ORDER, rules, 5, markers(auc, tuple("abcdef")))


def test_markers_beyond_the_budget_are_said():
    auc = [[0.9, 0.5, 0.5, 0.5, 0.5, 0.5], [0.5, 0.9, 0.5, 0.5, 0.5, 0.5]]
    rules = Constraints(min_markers_per_type=1, costs={"g0": 3, "g1": 3}, budget=5).resolve(GENES)
    with pytest.raises(
        SettingsError,
        match="no panel of 2 genes keeps: cost at most 5; markers of 'T' at least 1; markers of 'B' at least 1",
    ):
        choose(ORDER, rules, 2, markers(auc))


def test_a_minimum_per_type_needs_markers_of_all_genes():
    rules = Constraints(min_markers_per_type=1).resolve(GENES)
    for given in (None, markers([[0.9], [0.9]])):
        with pytest.raises(SettingsError, match="needs the markers of all genes"):
            choose(ORDER, rules, 2, given)
