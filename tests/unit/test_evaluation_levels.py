"""Scores of panels at the levels of a tree of labels."""

import numpy as np
import pytest

import selectormlp as sm
from selectormlp.errors import DataError, SettingsError
from selectormlp.evaluation.levels import measure_type_mistakes

COARSE = {"type A": "x", "type B": "x", "type C": "y", "type D": "y"}
QUICK = {"unsupervised": False, "progress": False}


@pytest.fixture
def tree(adata):
    """Four types, two nodes above them, one above these."""
    adata.obs["level1"] = "all"
    adata.obs["level2"] = adata.obs["cell_type"].map(COARSE)
    return adata


def test_types_count_the_same_whatever_their_cells():
    counts = np.array([[[90, 0, 10], [0, 5, 5], [0, 0, 0]]])
    np.testing.assert_allclose(measure_type_mistakes(counts, np.array([0, 0, 1])), (0.1 + 0.5) / 2)


def test_each_level_is_scored_as_its_own_labels_would_be(tree):
    found = sm.evaluate(tree, ["gene0", "gene1", "gene5"], label_key=["level2", "cell_type"], sizes=[1], **QUICK)
    (scores,) = found.levels
    curve, parents = found.curve, scores.level.parents
    assert (scores.level.key, scores.level.nodes) == ("level2", ("x", "y"))
    assert found.label_key == "cell_type"
    belongs = np.eye(2, dtype=int)[parents]
    np.testing.assert_array_equal(scores.curve.confusions, belongs.T @ curve.confusions @ belongs)
    assert (scores.curve.accuracy.value >= curve.accuracy.value).all()
    assert (scores.curve.accuracy.low <= scores.curve.accuracy.value).all()
    assert found.hierarchy.coarse_key == "level2"
    np.testing.assert_allclose(found.hierarchy.across, 1 - scores.curve.accuracy.value)


def test_a_level_of_one_node_has_no_mistakes(tree):
    found = sm.evaluate(tree, ["gene0"], label_key=["level1", "level2", "cell_type"], **QUICK)
    assert [scores.level.key for scores in found.levels] == ["level1", "level2"]
    assert found.levels[0].curve.accuracy.value[-1] == 1
    assert found.levels[0].type_mistakes[-1] == 0
    assert found.levels[1].type_mistakes[-1] > 0


def test_panels_are_compared_at_each_level_in_pairs(tree):
    panels = {"few": ["gene0"], "more": ["gene0", "gene1", "gene2", "gene3"]}
    found = sm.compare(tree, panels, label_key=["level2", "cell_type"], progress=False)
    flat = sm.compare(tree, panels, label_key="cell_type", progress=False)
    frame = found.difference_frame().set_index("metric")
    one = frame.loc["accuracy of level2"]
    scores = found.level_frame().set_index("panel")["accuracy"]
    assert one["value"] == pytest.approx(scores["few"] - scores["more"])
    assert one["low"] <= one["value"] <= one["high"] < 0
    assert flat.level_frame().empty
    assert frame.loc[flat.difference_frame()["metric"]].equals(flat.difference_frame().set_index("metric"))


def test_a_table_makes_the_levels(tree, tmp_path):
    place = tmp_path / "tree.csv"
    place.write_text("type,parent\n" + "".join(f"{name},{node}\n" for name, node in COARSE.items()))
    found = sm.evaluate(tree, ["gene0"], label_key="cell_type", label_tree=place, **QUICK)
    of_columns = sm.evaluate(tree, ["gene0"], label_key=["level2", "cell_type"], **QUICK)
    assert found.levels[0].level.key == "depth 1"
    np.testing.assert_array_equal(found.levels[0].curve.confusions, of_columns.levels[0].curve.confusions)


def test_two_trees_are_refused(tree):
    with pytest.raises(SettingsError, match="coarse_key is 'level1' beside a tree of labels"):
        sm.evaluate(tree, ["gene0"], label_key=["level2", "cell_type"], coarse_key="level1", **QUICK)
    with pytest.raises(DataError, match="is under 2 labels of 'cell_type'"):
        sm.compare(tree, {"one": ["gene0"]}, label_key=["cell_type", "level2"], progress=False)


def test_columns_above_the_types_are_no_donors(tree):
    tree.obs["batch"] = tree.obs["level2"]
    found = sm.evaluate(tree, ["gene0"], label_key=["batch", "cell_type"], **QUICK)
    assert not any("'batch'" in note for note in found.notes)
