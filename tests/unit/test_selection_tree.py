"""Panels chosen along a tree of labels, in memory and from disk, and chosen again."""

import json

import anndata
import numpy as np
import pandas as pd
import pytest

import selectormlp as sm
from selectormlp.data.label_tree import LabelTree, Mistakes
from selectormlp.errors import DataError, SettingsError
from selectormlp.moments.discriminant import DiscriminantObjective
from selectormlp.moments.stream import moments_of
from selectormlp.selection.recipe import recipe_of
from selectormlp.selection.repeat import settings_of
from selectormlp.selectors.discriminant import DiscriminantSelector
from selectormlp.selectors.mixture import MixtureSelector

GAPS = np.array([[0.0, 0.0, 0, 0, 0], [0.0, 2.4, 3, 0, 0], [2.2, 0.0, 0, 0, 0], [2.2, 2.4, 3, 0, 0]])
"""Means of a1, a2, b1, b2: gene 0 sets a apart from b, gene 1 (and 2, more) sets the types of each apart."""

TREE = LabelTree({"a1": ("a",), "a2": ("a",), "b1": ("b",), "b2": ("b",)}, ("level1",))


@pytest.fixture
def cells():
    """200 cells of four types in two nodes, five genes."""
    types = np.repeat(np.arange(4), 50)
    X = np.random.default_rng(0).normal(size=(200, 5)) + GAPS[types]
    X[:, 2] = X[:, 3]  # gene 2 tells nothing here
    obs = pd.DataFrame(
        {"level1": np.array(["a", "a", "b", "b"])[types], "kind": np.array(list(TREE.paths))[types]},
        index=[f"c{i}" for i in range(200)],
    )
    return anndata.AnnData(X.astype(np.float32), obs=obs, var=pd.DataFrame(index=[f"g{i}" for i in range(5)]))


QUICK = {"method": "discriminant", "normalize": "none", "progress": False}


@pytest.mark.parametrize("kind", [DiscriminantSelector, MixtureSelector], ids=["discriminant", "mixture"])
def test_coarse_mistakes_come_first_where_they_cost_more(cells, kind):
    options = {"weight": 0.0} if kind is MixtureSelector else {}
    X, y = cells.X, cells.obs["kind"].to_numpy()
    flat = kind(1, **options).fit(X, y)
    along = kind(1, mistakes=Mistakes(TREE, 4.0), **options).fit(X, y)
    assert flat.get_support(indices=True).tolist() == [1]
    assert along.get_support(indices=True).tolist() == [0]


def test_equal_costs_are_no_costs(cells):
    X, y = cells.X, cells.obs["kind"].to_numpy()
    flat = DiscriminantSelector(2).fit(X, y)
    even = DiscriminantSelector(2, mistakes=Mistakes(TREE, 1.0)).fit(X, y)
    np.testing.assert_allclose(even.scores_, flat.scores_, rtol=1e-12)


def test_costs_weigh_pairs_by_the_mean_of_both_mistakes():
    rng = np.random.default_rng(0)
    moments = moments_of(rng.normal(size=(60, 4)), np.arange(60) % 3)
    costs = np.array([[0.0, 1.0, 5.0], [3.0, 0.0, 0.0], [1.0, 2.0, 0.0]])
    found = DiscriminantObjective(moments, costs=costs).pair_weights
    np.testing.assert_allclose(found, np.array([2.0, 3.0, 1.0]) / 6)
    with pytest.raises(SettingsError, match="costs 0"):
        DiscriminantObjective(moments, costs=np.zeros((3, 3)))


def test_a_node_of_many_types_counts_no_more_than_one_of_few():
    moments = moments_of(np.random.default_rng(0).normal(size=(60, 4)), np.arange(60) % 3)
    tree = LabelTree({"A": ("x",), "B": ("x",), "C": ("y",)}, ("level1",))
    importance = Mistakes(tree, balance_over="nodes").importance(["A", "B", "C"])
    weighted = moments_of(
        np.random.default_rng(0).normal(size=(60, 4)), np.arange(60) % 3, cell_weights=importance / moments.counts
    )
    pairs = DiscriminantObjective(weighted).pair_weights  # A and B, A and C, B and C
    np.testing.assert_allclose(pairs, np.array([1, 2, 2]) / 5)


def test_select_takes_columns_a_table_or_a_matrix(cells, tmp_path):
    levels = sm.select(cells, label_key=["level1", "kind"], n_genes=1, **QUICK)
    assert levels.genes == ("g0",)
    assert sm.select(cells, label_key="kind", n_genes=1, **QUICK).genes == ("g1",)
    table = tmp_path / "tree.csv"
    table.write_text("type,parent\n" + "".join(f"{name},{path[0]}\n" for name, path in TREE.paths.items()))
    assert sm.select(cells, label_key="kind", label_tree=table, n_genes=1, **QUICK).genes == ("g0",)
    costs = tmp_path / "costs.csv"
    names = list(TREE.paths)
    frame = pd.DataFrame(Mistakes(TREE, 4.0).pair_costs(names), index=names, columns=names)
    frame.to_csv(costs)
    assert sm.select(cells, label_key="kind", mistake_costs=costs, n_genes=1, **QUICK).genes == ("g0",)
    even = {**QUICK, "cost_per_level": 1.0}
    assert sm.select(cells, label_key=["level1", "kind"], n_genes=1, **even).genes == ("g1",)


def test_from_disk_the_same_panel_is_chosen(cells, tmp_path):
    file = tmp_path / "cells.h5ad"
    cells.write_h5ad(file)
    stored = sm.select(file, label_key=["level1", "kind"], n_genes=2, **QUICK)
    assert stored.genes == sm.select(cells, label_key=["level1", "kind"], n_genes=2, **QUICK).genes
    with pytest.raises(DataError, match="no label column 'level'"):
        sm.select(file, label_key=["level", "kind"], n_genes=2, **QUICK)


def test_auto_judges_by_what_mistakes_cost(cells):
    panel = sm.select(cells, label_key=["level1", "kind"], n_genes=1, normalize="none", progress=False)
    assert panel.genes == ("g0",)
    assert "less what mistakes cost" in panel.provenance.taken.reason
    with pytest.raises(SettingsError, match="min_recall weighs all mistakes equally"):
        sm.select(cells, label_key=["level1", "kind"], n_genes=1, normalize="none", min_recall=0.5, progress=False)


def test_a_minimum_per_node_is_kept_by_any_method(cells, said):
    cells.X[:100, 4] += 2.2  # marks a, as gene 0 marks b
    both = {"label_key": ["level1", "kind"], "n_genes": 2, "min_markers_per_node": 1}
    for method in ("markers", "random", "discriminant"):
        panel = sm.select(cells, **both, **{**QUICK, "method": method})
        assert set(panel.genes) == {"g0", "g4"}
        assert "(minimum per node)" in panel.reasons[1]
    assert "the method 'markers' weighs all mistakes between types equally" in said()
    assert "the method 'discriminant' weighs" not in said()
    with pytest.raises(SettingsError, match="'b' has 0"):
        sm.select(cells[:, ["g1", "g2", "g4"]].copy(), **both, **QUICK)


def test_without_a_tree_nothing_is_said_of_mistakes(cells, said):
    sm.select(cells, label_key="kind", n_genes=2, **{**QUICK, "method": "markers"})
    assert "mistakes" not in said()


def test_imaging_and_a_budget_go_with_a_tree(cells):
    cells.X = np.random.default_rng(0).poisson(np.exp(cells.X)).astype(np.float32)
    options = {"method": "discriminant", "progress": False, "assay": "imaging", "budget": 3.0, "costs": {"g0": 3.0}}
    panel = sm.select(cells, label_key=["level1", "kind"], n_genes=2, **options)
    assert "g0" not in panel.genes
    assert panel.provenance.settings["mistakes"]["levels"] == ["level1"]


def test_a_panel_can_be_chosen_again_with_its_tree(cells, tmp_path):
    panel = sm.select(cells, label_key=["level1", "kind"], n_genes=1, balance_over="nodes", **QUICK)
    recipe = recipe_of(panel, "kind")
    assert recipe.mistakes == Mistakes(TREE, balance_over="nodes")
    kept = settings_of(panel, [tmp_path / "cells.h5ad"], lazy=False)
    assert (kept.label_key, kept.label_levels, kept.balance_over) == ("kind", ("level1",), "nodes")
    found = sm.evaluate(cells, panel, label_key="kind", normalize="none", unsupervised=False, progress=False)
    assert found.protocol == "reselected"
    damaged = json.loads(json.dumps(panel.provenance.settings))
    damaged["mistakes"]["paths"] = 3
    object.__setattr__(panel.provenance, "settings", damaged)
    assert "tree of labels cannot be read" in recipe_of(panel, "kind")


def test_explain_weighs_pairs_as_the_choice_did(cells):
    panel = sm.select(cells, label_key=["level1", "kind"], n_genes=2, **QUICK)
    flat = sm.select(cells, label_key="kind", n_genes=2, **QUICK)
    options = {"label_key": "kind", "normalize": "none", "progress": False}
    losses = {
        chosen: {gene.gene: gene.loss for gene in sm.explain(cells, found, **options).genes}
        for chosen, found in {"along": panel, "flat": flat}.items()
    }
    assert set(panel.genes) == set(flat.genes) == {"g0", "g1"}
    assert losses["along"]["g0"] > losses["flat"]["g0"]
    assert losses["along"]["g1"] < losses["flat"]["g1"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label_key": ["kind", "level1"]}, "'a' is under 2 labels of 'kind'"),
        ({"label_key": ["level1", "level1"]}, "names a column twice"),
        ({"label_key": []}, "expected the name of a column"),
        ({"label_key": ["level1", 3]}, "expected the name of a column"),
        ({"label_key": "kind", "min_markers_per_node": 1}, "min_markers_per_node needs a tree"),
        ({"label_key": "kind", "balance_over": "nodes"}, "balance_over 'nodes' needs a tree"),
        ({"label_key": "kind", "cost_per_level": 9.0}, "cost_per_level needs a tree"),
        ({"label_key": ["level1", "kind"], "cost_per_level": 0.5}, "cost_per_level is 0.5"),
        ({"label_key": ["level1", "kind"], "label_tree": "tree.csv"}, "there are two trees of labels"),
        ({"label_key": "kind", "label_tree": "absent.csv"}, "cannot be read"),
        ({"label_key": "kind", "mistake_costs": "absent.csv"}, "cannot be read"),
    ],
)
def test_what_makes_no_tree_is_one_line(cells, options, message):
    with pytest.raises((SettingsError, DataError), match=message) as caught:
        sm.select(cells, n_genes=1, **QUICK, **options)
    assert "\n" not in str(caught.value)


def test_methods_without_labels_refuse_a_tree(cells, tmp_path):
    with pytest.raises(SettingsError, match="needs labels"):
        sm.select(cells, label_key=None, label_tree=tmp_path / "t.csv", n_genes=1, method="variance", normalize="none")
