"""Trees of labels and costs of mistakes: from paths, from tables and from columns of obs."""

import logging

import anndata
import numpy as np
import pandas as pd
import pytest

from selectormlp.data.anndata_io import CellsSource, cells_from_adata
from selectormlp.data.label_levels import find_tree
from selectormlp.data.label_tables import read_label_tree, read_mistake_costs
from selectormlp.data.label_tree import LabelTree, Mistakes
from selectormlp.errors import DataError, SettingsError

PATHS = {
    "exc 1": ("neuron", "excitatory"),
    "exc 2": ("neuron", "excitatory"),
    "inh": ("neuron", "inhibitory"),
    "astro": ("glia", "astrocytes"),
}
TREE = LabelTree(PATHS, ("lineage", "class"))
TYPES = list(PATHS)


@pytest.fixture
def table(tmp_path):
    """Write a table and give its path."""

    def write(text):
        place = tmp_path / "table.csv"
        place.write_text(text, encoding="utf-8")
        return place

    return write


def test_steps_count_levels_up_to_the_common_node():
    np.testing.assert_array_equal(TREE.steps(TYPES), [[0, 1, 2, 3], [1, 0, 2, 3], [2, 2, 0, 3], [3, 3, 3, 0]])


def test_a_mistake_costs_more_for_each_level_up():
    costs = Mistakes(TREE, cost_per_level=3.0).pair_costs(["exc 1", "exc 2", "inh", "astro"])
    np.testing.assert_array_equal(costs[0], [0, 1, 3, 9])
    np.testing.assert_array_equal(Mistakes(TREE, cost_per_level=1.0).pair_costs(TYPES), 1 - np.eye(4))


def test_credit_is_none_for_the_dearest_mistake():
    credit = Mistakes(TREE, cost_per_level=3.0).credit(TYPES)
    np.testing.assert_allclose(credit[0], [1, 1 - 1 / 9, 1 - 3 / 9, 0])


def test_nodes_below_each_node_share_what_it_counts():
    shares = TREE.shares(TYPES)
    np.testing.assert_allclose(shares / shares.sum(), [1 / 8, 1 / 8, 1 / 4, 1 / 2])
    assert shares.mean() == pytest.approx(1)


def test_only_types_that_are_asked_for_share():
    np.testing.assert_allclose(TREE.shares(["exc 1", "astro"]), [1, 1])


def test_groups_are_nodes_of_some_types_each_once():
    found = TREE.groups(TYPES)
    assert {name: np.flatnonzero(mask).tolist() for name, mask in found.items()} == {
        "neuron": [0, 1, 2],
        "glia": [3],
        "excitatory": [0, 1],
        "inhibitory": [2],
    }


@pytest.mark.parametrize(
    ("paths", "levels", "message"),
    [
        ({"a": ("x",)}, ("one", "two"), "has 1 nodes above it"),
        ({"a": ("x", "m"), "b": ("y", "m")}, ("one", "two"), "is under two nodes of 'one'"),
    ],
)
def test_what_is_no_tree_is_refused(paths, levels, message):
    with pytest.raises(DataError, match=message):
        LabelTree(paths, levels)


def test_mistakes_survive_a_record():
    costs = {"a": {"a": 0.0, "b": 2.0}, "b": {"a": 1.0, "b": 0.0}}
    for kept in (Mistakes(TREE, 2.0, None, "nodes"), Mistakes(None, 1.0, costs)):
        assert Mistakes.from_record(kept.as_record()) == kept


@pytest.mark.parametrize("record", [5, {}, {"levels": 1, "paths": 2, "costs": None}, None])
def test_a_damaged_record_is_refused(record):
    with pytest.raises(SettingsError, match="cannot be read"):
        Mistakes.from_record(record)


def test_types_of_the_data_that_a_tree_lacks_are_named():
    with pytest.raises(DataError, match="did you mean 'astro'"):
        TREE.steps(["astrocyte"])


def test_a_table_may_be_ragged_and_name_more_types(table, said):
    place = table("type,parent\nneuron,\nexc,neuron\ninh,neuron\nexc 1,exc\nmicroglia,\nunused,inh\n")
    tree = read_label_tree(place, ["exc 1", "inh", "microglia"])
    assert tree.levels == ("depth 1", "depth 2")
    assert tree.paths == {
        "exc 1": ("neuron", "exc"),
        "inh": ("neuron", "inh"),
        "microglia": ("microglia", "microglia"),
    }
    assert "names 1 type that no cell has ('unused')" in said()


def test_a_node_above_all_types_is_no_level(table):
    place = table("type\tparent\nroot\t\nneuron\troot\nglia\troot\na\tneuron\nb\tneuron\nc\tglia\n")
    assert read_label_tree(place, ["a", "b", "c"]).paths == {"a": ("neuron",), "b": ("neuron",), "c": ("glia",)}


def test_a_type_may_be_a_node_above_others(table):
    tree = read_label_tree(table("type,parent\nneuron,\nexc,neuron\nglia,\n"), ["neuron", "exc", "glia"])
    np.testing.assert_array_equal(tree.steps(["neuron", "exc", "glia"]), [[0, 1, 2], [1, 0, 2], [2, 2, 0]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected the columns type and parent"),
        ("kind,above\na,x\n", "the header is 'kind,above'"),
        ("type,parent\na,x\na,y\nb,x\n", "'a' has two parents \\('x', 'y'\\)"),
        ("type,parent\na,x\nx,y\ny,x\nb,x\n", "parents form a cycle \\(x → y → x\\)"),
        ("type,parent\na,a\nb,a\n", "parents form a cycle \\(a → a\\)"),
        ("type,parent\na,x\n", "no line for 1 type of the data \\('b'\\)"),
        ("type,parent\na,x\nB,x\n", "did you mean 'B'"),
        ("type,parent\na,x\nNA,x\nb,x\n", "names no type"),
        ("type,parent\na,\nb,\n", "no type of the data has a parent"),
        ("type,parent\na,x,3\nb,x\n", "has 3 cells below a header of 2"),
        ('type,parent\n"a,x\n', "not a readable table"),
    ],
)
def test_tables_that_are_no_tree_are_refused_in_one_line(table, text, message):
    with pytest.raises(SettingsError, match=message) as caught:
        read_label_tree(table(text), ["a", "b"])
    assert "\n" not in str(caught.value)


def test_costs_may_stand_in_any_order_and_name_more_types(table, said):
    found = read_mistake_costs(table(";T;B;X\nB;2;0;1\nT;0;1;1\nX;1;1;0\n"), ["B", "T"])
    assert found == {"B": {"B": 0.0, "T": 2.0}, "T": {"B": 1.0, "T": 0.0}}
    assert "name 1 type that no cell has ('X')" in said()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not square: 0 lines and 0 columns"),
        (",a,b\na,0,1\n", "not square: 1 line and 2 columns, not both for 'b'"),
        (",a,c\na,0,1\nb,1,0\n", "not both for 'b', 'c'"),
        (",a,b,a\na,0,1,2\nb,1,0,2\n", "are listed twice among the columns"),
        (",a,b\na,0,-1\nb,1,0\n", "taking 'a' for 'b' costs '-1'"),
        (",a,b\na,0,nan\nb,1,0\n", "costs 'nan'"),
        (",a,b\na,0,\nb,1,0\n", "costs ''"),
        (",a,b\na,2,1\nb,1,0\n", "taking 'a' for 'a' costs '2'; expected 0"),
        (",a,b\na,0,0\nb,0,0\n", "every mistake between types of the data costs 0"),
        (",a,B\na,0,1\nB,1,0\n", "no costs for 1 type of the data \\('b'\\): did you mean 'B'"),
        (",a,b\na,0\nb,1,0\n", "has 1 costs for 2 columns"),
    ],
)
def test_costs_that_are_none_are_refused_in_one_line(table, text, message):
    with pytest.raises(SettingsError, match=message) as caught:
        read_mistake_costs(table(text), ["a", "b"])
    assert "\n" not in str(caught.value)


@pytest.fixture
def labelled():
    """Eight cells of four types, with a lineage and a class."""
    types = np.repeat(TYPES, 2)
    obs = pd.DataFrame(
        {"cell_type": types, **{key: [PATHS[name][at] for name in types] for at, key in enumerate(TREE.levels)}},
        index=[f"c{i}" for i in range(8)],
    )
    return anndata.AnnData(np.ones((8, 2), dtype=np.float32), obs=obs)


def tree_of(adata, levels=TREE.levels, **options):
    cells = cells_from_adata(adata, CellsSource("cell_type", **options))
    return find_tree(adata, cells, levels, None)


def test_columns_make_the_tree(labelled):
    assert tree_of(labelled) == TREE
    assert tree_of(labelled, ()) is None
    assert set(tree_of(labelled, exclude_labels=("inh",)).paths) == {"exc 1", "exc 2", "astro"}


def test_a_missing_node_is_that_of_the_type(labelled, said, caplog):
    labelled.obs.loc["c0", "lineage"] = None
    with caplog.at_level(logging.WARNING):
        assert tree_of(labelled) == TREE
    assert "1 cell has no label in 'lineage'" in said()


@pytest.mark.parametrize(
    ("cells", "column", "value", "message"),
    [
        (["c0"], "class", "inhibitory", "'exc 1' is under 2 labels of 'class'"),
        (["c0", "c1"], "lineage", None, "no cell of 'exc 1' has a label in 'lineage'"),
        (["c0", "c1"], "lineage", "glia", "'excitatory' of 'class' is under two nodes of 'lineage'"),
    ],
)
def test_columns_that_make_no_tree_are_refused(labelled, cells, column, value, message):
    labelled.obs.loc[cells, column] = value
    with pytest.raises(DataError, match=message):
        tree_of(labelled)


def test_columns_from_fine_to_coarse_are_refused(labelled):
    with pytest.raises(DataError, match="coarse to fine"):
        tree_of(labelled, ("class", "lineage"))
    with pytest.raises(DataError, match="did you mean 'lineage'"):
        tree_of(labelled, ("linage", "class"))
