import logging
import pickle

import numpy as np
import pandas as pd
import pytest

from selectormlp.errors import DataError, SettingsError
from selectormlp.panel.constraints import Constraints
from selectormlp.panel.names import GeneNames

GENES = pd.Index(["CD3E", "MT-CO1", "RPL3", "RPS6", "MS4A1", "7SK", "[odd]", "NKG7"])


def names(rules):
    return GENES[rules.allowed].tolist()


def test_without_constraints_all_genes_are_allowed():
    rules = Constraints().resolve(GENES, n_genes=8)
    assert rules.allowed.all()
    assert len(rules.must_have) == 0
    assert rules.nested


def test_forbidden_takes_names_and_patterns_case_and_all():
    rules = Constraints(forbidden=("MT-*", "RP[SL]*", "7SK", "cd3e*")).resolve(GENES)
    assert names(rules) == ["CD3E", "MS4A1", "[odd]", "NKG7"]
    assert rules.ignored == ("cd3e*",)


def test_a_gene_named_like_a_pattern_is_found_by_its_name():
    assert names(Constraints(forbidden=("[odd]",)).resolve(GENES)) == [g for g in GENES if g != "[odd]"]


def test_a_pattern_that_fits_nothing_is_logged(caplog):
    with caplog.at_level(logging.WARNING):
        Constraints(forbidden=("mt-*",)).resolve(GENES)
    assert caplog.messages == ["forbidden patterns that match no gene (case matters): 'mt-*'"]


def test_must_have_keeps_the_order_given_and_each_gene_once():
    assert Constraints(must_have=("NKG7", "CD3E", "NKG7")).resolve(GENES).must_have.tolist() == [7, 0]


def test_candidates_are_the_only_genes_allowed():
    assert names(Constraints(candidates=("NKG7", "CD3E")).resolve(GENES)) == ["CD3E", "NKG7"]


def test_bounds_on_mean_expression_include_their_ends():
    means = np.arange(8.0)
    rules = Constraints(min_mean=2, max_mean=4).resolve(GENES, mean_expression=means)
    assert names(rules) == ["RPL3", "RPS6", "MS4A1"]


@pytest.mark.parametrize(("means", "found"), [(None, "none"), (np.ones(3), "3 means")])
def test_bounds_need_means(means, found):
    with pytest.raises(SettingsError, match=f"need the mean of each of the 8 genes; given: {found}$"):
        Constraints(min_mean=1).resolve(GENES, mean_expression=means)


def test_genes_without_a_cost_cost_one():
    rules = Constraints(costs={"NKG7": 2.5}, budget=9).resolve(GENES)
    assert rules.costs.tolist() == [1, 1, 1, 1, 1, 1, 1, 2.5]
    assert not rules.nested


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(
        SettingsError,
        match=r"2 gene names are not in the data \(must_have 'CD3F', forbidden 'MSA41'\); "
        r"'CD3F': did you mean 'CD3E'.*; 'MSA41': did you mean 'MS4A1'.*; correct them, "
        r"or have unknown names ignored \(ignore_unknown, --ignore-unknown\)$",
    ):
        Constraints(must_have=("CD3F",), forbidden=("MSA41",)).resolve(GENES)
    with pytest.raises(SettingsError, match=r"\(candidates 'X', costs 'Y'\)"):
        Constraints(candidates=("X", "CD3E"), costs={"Y": 2}, budget=9).resolve(GENES)


def test_unknown_names_are_ignored_on_request_and_listed(caplog):
    with caplog.at_level(logging.WARNING):
        rules = Constraints(must_have=("CD3F", "CD3E"), candidates=("CD3E", "X"), ignore_unknown=True).resolve(GENES)
    assert rules.ignored == ("CD3F", "X")
    assert rules.must_have.tolist() == [0]
    assert caplog.messages == [
        "must_have: ignoring 1 name not in the data: 'CD3F'",
        "candidates: ignoring 1 name not in the data: 'X'",
    ]


def test_aliases_find_genes_after_their_own_names():
    genes = pd.Index(["ENSG1", "ENSG2", "CD3E"])
    aliases = pd.Index(["CD3E", "MS4A1", None])
    rules = Constraints(must_have=("MS4A1", "CD3E")).resolve(genes, aliases=aliases)
    assert rules.must_have.tolist() == [1, 2]


def test_an_alias_of_several_genes_forbids_all_and_is_refused_as_must_have():
    genes, aliases = pd.Index(["E1", "E2", "E3"]), pd.Index(["HLA", "HLA", "B2M"])
    assert Constraints(forbidden=("HLA",)).resolve(genes, aliases=aliases).allowed.tolist() == [False, False, True]
    with pytest.raises(SettingsError, match="'HLA' names 2 genes \\('E1', 'E2'\\)"):
        Constraints(must_have=("HLA",)).resolve(genes, aliases=aliases)


def test_aliases_must_be_one_a_gene_and_names_unique():
    with pytest.raises(SettingsError, match="1 second gene names for 2 genes"):
        GeneNames(pd.Index(["a", "b"]), pd.Index(["x"]))
    with pytest.raises(DataError, match="occurs more than once"):
        GeneNames(pd.Index(["a", "a"]))


@pytest.mark.parametrize(
    ("constraints", "n_genes", "clash"),
    [
        ({"must_have": ("MT-CO1",), "forbidden": ("MT-*",)}, None, "must-have but forbidden: 'MT-CO1'"),
        ({"must_have": ("NKG7",), "candidates": ("CD3E",)}, None, "must-have but not a candidate: 'NKG7'"),
        ({"must_have": ("CD3E",), "min_mean": 0.5}, None, "must-have but below the mean expression of 0.5: 'CD3E'"),
        ({"must_have": ("NKG7",), "max_mean": 3}, None, "must-have but above the mean expression of 3: 'NKG7'"),
        ({"must_have": ("NKG7", "CD3E")}, 1, "2 must-have genes for a panel of 1"),
        ({"candidates": ("CD3E",)}, 2, r"1 allowed gene for a panel of 2"),
        ({}, 9, r"8 allowed genes for a panel of 9"),
        ({}, 0, "a panel of 0 genes was asked for"),
        ({"budget": 2}, 3, "the cheapest panel of 3 costs 3, above the budget of 2"),
        (
            {"must_have": ("NKG7",), "costs": {"NKG7": 5}, "budget": 5.5},
            2,
            r"the cheapest panel of 2, its 1 must-have gene included, costs 6, above the budget of 5.5",
        ),
    ],
)
def test_what_cannot_be_kept_says_which_clash(constraints, n_genes, clash):
    with pytest.raises(SettingsError, match=f"cannot all be kept: {clash}"):
        Constraints(**constraints).resolve(GENES, n_genes=n_genes, mean_expression=np.arange(8.0))


def test_all_clashes_are_said_at_once():
    with pytest.raises(SettingsError, match="forbidden: 'RPL3'; must-have but not a candidate: 'RPL3'; 2 allowed"):
        Constraints(must_have=("RPL3",), forbidden=("RP*",), candidates=("CD3E",)).resolve(GENES, n_genes=5)


@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        ({"must_have": "CD3E"}, r"must_have is the text 'CD3E'; expected a list"),
        ({"costs": {"CD3E": -1}, "budget": 1}, r"costs\.CD3E is -1; expected a number from 0 up"),
        ({"costs": {"CD3E": float("nan")}, "budget": 1}, r"costs\.CD3E is nan; expected a number from 0 up"),
        ({"costs": {"CD3E": 1}}, "1 costs but no budget"),
        ({"budget": -1}, "budget is -1"),
        ({"min_mean": 2, "max_mean": 1}, "min_mean 2 is above max_mean 1"),
        ({"min_mean": float("nan")}, "min_mean is nan"),
        ({"min_markers_per_type": -1}, "min_markers_per_type is -1"),
        ({"min_marker_auc": 0.4}, "min_marker_auc is 0.4"),
        ({"min_marker_auc": 1.1}, "min_marker_auc is 1.1"),
    ],
)
def test_values_out_of_range_are_refused(constraints, message):
    with pytest.raises(SettingsError, match=message):
        Constraints(**constraints)


@pytest.mark.parametrize(
    "constraints",
    [
        {"costs": {"CD3E": 0}, "budget": 0},
        {"min_mean": 2, "max_mean": 2},
        {"min_marker_auc": 0.5},
        {"min_marker_auc": 1},
    ],
    ids=str,
)
def test_ends_of_the_ranges_are_taken(constraints):
    kept = Constraints(**constraints)
    assert {name: getattr(kept, name) for name in constraints} == constraints


def test_markers_wanted_of_each_type_are_handed_on():
    rules = Constraints(min_markers_per_type=2, min_marker_auc=0.8).resolve(GENES)
    assert (rules.min_markers_per_type, rules.min_marker_auc) == (2, 0.8)


def test_what_was_given_may_change_afterwards():
    genes, costs = ["CD3E"], {"CD3E": 2.0}
    constraints = Constraints(must_have=genes, costs=costs, budget=9)
    genes.append("NKG7")
    costs["NKG7"] = 3.0
    assert constraints.must_have == ("CD3E",)
    assert constraints.costs == {"CD3E": 2.0}


def test_restricted_rules_refer_to_the_allowed_genes():
    aliases = pd.Index([g.lower() for g in GENES])
    rules = Constraints(must_have=("NKG7",), forbidden=("MT-*", "RP*"), costs={"7SK": 3}, budget=20).resolve(
        GENES, aliases=aliases
    )
    few = rules.restricted()
    assert few.genes.tolist() == ["CD3E", "MS4A1", "7SK", "[odd]", "NKG7"]
    assert few.genes[few.must_have].tolist() == ["NKG7"]
    assert few.costs.tolist() == [1, 1, 3, 1, 1]
    assert few.names.find(["ms4a1"]) == {"ms4a1": [1]}
    assert few.allowed.all()


def test_existing_genes_come_first_whatever_forbids_them_and_are_paid_for(caplog):
    rules = Constraints(must_have=("NKG7", "CD3E"), forbidden=("MT-*",), budget=3).resolve(GENES)
    extended = rules.with_existing(["MT-CO1", "CD3E", "ABSENT"])
    assert GENES[extended.must_have].tolist() == ["MT-CO1", "CD3E", "NKG7"]
    assert extended.n_existing == 2
    assert extended.allowed[1]
    assert extended.costs[[0, 1, 7]].tolist() == [0, 0, 1]
    assert extended.ignored == ("ABSENT",)
    assert "genes of the existing panel that are not in the data (1): 'ABSENT'" in caplog.text
    assert not rules.allowed[1]


def test_rules_travel_between_processes():
    rules = pickle.loads(pickle.dumps(Constraints(must_have=("CD3E",)).resolve(GENES)))
    assert rules.names.find(["NKG7"]) == {"NKG7": [7]}


def test_rounding_of_costs_does_not_exceed_a_budget():
    cheap = dict.fromkeys(GENES, 0.1)
    assert sum([0.1] * 3) > 0.3  # by a rounding error
    rules = Constraints(costs=cheap, budget=0.3).resolve(GENES, n_genes=3)
    assert rules.clashes(3) == []
    assert rules.clashes(4)
