"""Labels along a tree: each cell stops at the deepest node that its classifier is sure of."""

import json

import numpy as np
import pytest
from pydantic import ValidationError

import selectormlp as sm
from selectormlp.data.label_tree import LabelTree
from selectormlp.errors import SettingsError
from selectormlp.models.stopping import TreeCard, calibrate_levels, label_levels

TREE = LabelTree(
    {"a1": ("a", "a one"), "a2": ("a", "a two"), "a3": ("a", "a two"), "b": ("b", "b")}, ("level1", "level2")
)
TYPES = list(TREE.paths)
COARSE = {"type A": "x", "type B": "x", "type C": "y", "type D": "y"}


def test_confidence_of_a_node_is_the_sum_over_its_types():
    found = label_levels(np.array([[0.2, 0.3, 0.25, 0.25]]), TYPES, TREE, np.full(3, 0.5), "type")
    np.testing.assert_allclose(found.confidences, [[0.75, 0.55, 0.3]])
    assert found.nodes.tolist() == [["a", "a two", "a2"]]
    assert found.labels.tolist() == ["a two"]
    assert found.levels == ("level1", "level2", "type")


def test_cells_stop_as_deep_as_they_are_sure():
    likely = np.array([[0.97, 0.01, 0.01, 0.01], [0.3, 0.3, 0.3, 0.1], [0.3, 0.1, 0.1, 0.5]])
    found = label_levels(likely, TYPES, TREE, np.array([0.85, 0.9, 0.9]), "type")
    assert found.stops.tolist() == [2, 0, -1]
    assert found.labels[:2].tolist() == ["a1", "a"]


def test_a_level_that_labels_none_is_passed_over():
    card = TreeCard(
        levels=["level1", "level2"],
        paths={name: list(path) for name, path in TREE.paths.items()},
        precision=0.9,
        thresholds=[0.5, None, None],
        shares=[1.0, 0.0, 0.0],
    )
    found = label_levels(np.array([[1.0, 0.0, 0.0, 0.0]]), TYPES, TREE, card.cuts, "type")
    assert found.labels.tolist() == ["a"]
    assert TreeCard.model_validate_json(card.model_dump_json()) == card


@pytest.mark.parametrize("precision", [0.7, 0.9, 0.97])
def test_labels_of_each_level_are_right_as_often_as_wanted(precision):
    rng = np.random.default_rng(0)
    likely = rng.dirichlet([0.4, 0.3, 0.3, 0.5], size=6000)
    true = np.array([rng.choice(4, p=row) for row in likely])
    card = calibrate_levels(likely[:3000], true[:3000], TYPES, TREE, precision)
    found = label_levels(likely[3000:], TYPES, TREE, card.cuts, "type")
    names = np.array([[*TREE.paths[name], name] for name in TYPES], dtype=object)[true[3000:]]
    for level, share in enumerate(card.shares):
        at = found.stops == level
        assert at.mean() == pytest.approx(share, abs=0.05)
        if at.sum() > 200:
            right = found.nodes[at, level] == names[at, level]
            least = np.argsort(found.confidences[at, level])[:200]
            assert right.mean() > precision - 0.04
            assert right[least].mean() == pytest.approx(precision, abs=0.08)


def test_few_cells_make_no_level_sure():
    likely = np.tile([0.9, 0.05, 0.03, 0.02], (5, 1))
    card = calibrate_levels(likely, np.zeros(5, dtype=np.int64), TYPES, TREE, 0.9)
    assert card.thresholds == [None, None, None]
    assert card.shares == [0, 0, 0]
    assert (label_levels(likely, TYPES, TREE, card.cuts, "type").stops == -1).all()


@pytest.fixture(scope="module")
def tree(make_adata):
    """Types of which C and D differ in nothing, and so are sure as y only."""
    adata = make_adata(n_cells=800)
    swapped = adata.obs["cell_type"].isin(["type C", "type D"]).to_numpy()
    names = np.random.default_rng(0).permutation(adata.obs["cell_type"].astype(str)[swapped])
    adata.obs["cell_type"] = adata.obs["cell_type"].astype(str)
    adata.obs.loc[swapped, "cell_type"] = names
    adata.obs["level1"] = adata.obs["cell_type"].map(COARSE)
    return adata


@pytest.fixture(scope="module")
def classifier(tree):
    """On eight genes that mark the types."""
    genes = [f"gene{i}" for i in range(8)]
    return sm.fit_classifier(tree, genes, label_key=["level1", "cell_type"], progress=False)


def test_types_that_are_alike_are_labelled_by_their_node(tree, classifier, tmp_path):
    found = sm.predict(tree, classifier)
    frame = found.to_frame()
    alike = tree.obs["level1"].to_numpy() == "y"
    assert (frame.loc[alike, "label"] == "y").mean() > 0.75
    assert not frame.loc[alike, "label"].isin(["type A", "type B"]).any()
    assert frame.loc[~alike, "label"].isin(["type A", "type B"]).mean() > 0.75
    assert frame.columns[:6].tolist() == [
        "label",
        "level",
        "best",
        "confidence",
        "best level1",
        "confidence of level1",
    ]
    assert set(frame["level"]) <= {"level1", "cell_type", ""}
    assert ((frame["level"] == "") == (frame["label"] == "unsure")).all()
    np.testing.assert_allclose(
        frame["confidence of level1"],
        frame[["probability of type A", "probability of type B"]]
        .sum(axis=1)
        .where(frame["best level1"] == "x", frame[["probability of type C", "probability of type D"]].sum(axis=1)),
    )
    again = sm.predict(tree, sm.load_classifier(classifier.save(tmp_path / "tree")))
    assert again.to_frame().equals(frame)


def test_a_confidence_that_is_asked_for_holds_at_every_level(tree, classifier):
    every = sm.predict(tree, classifier, min_confidence=0.0)
    assert set(every.stopped_at) == {"cell_type"}
    strict = sm.predict(tree, classifier, min_confidence=0.999)
    at = np.flatnonzero(strict.stopped_at == "level1")
    assert (strict.levels.confidences[at, 0] >= 0.999).all()
    assert (strict.levels.confidences[at, 1] < 0.999).all()


def test_without_a_tree_nothing_changes(tree):
    plain = sm.fit_classifier(tree, ["gene0", "gene1"], label_key="cell_type", progress=False)
    found = sm.predict(tree, plain)
    assert found.levels is None
    assert "level" not in found.to_frame()
    assert plain.card.format_version == 2


def test_a_table_makes_the_tree(tree, classifier, tmp_path):
    place = tmp_path / "tree.csv"
    place.write_text("type,parent\n" + "".join(f"{name},{node}\n" for name, node in COARSE.items()))
    genes = [f"gene{i}" for i in range(8)]
    found = sm.fit_classifier(tree, genes, label_key="cell_type", label_tree=place, progress=False)
    assert found.card.tree.thresholds == classifier.card.tree.thresholds
    assert found.card.tree.levels == ["depth 1"]


def test_precision_and_names_are_checked(tree):
    with pytest.raises(SettingsError, match="precision is 1"):
        sm.fit_classifier(tree, ["gene0"], label_key=["level1", "cell_type"], precision=1.0, progress=False)
    tree = tree.copy()
    tree.obs["level1"] = tree.obs["level1"].replace({"x": "unsure"})
    with pytest.raises(SettingsError, match="'unsure'"):
        sm.fit_classifier(tree, ["gene0"], label_key=["level1", "cell_type"], progress=False)


@pytest.mark.parametrize(
    "change",
    [
        {"paths": {"a": ["x"]}},
        {"thresholds": [0.5]},
        {"thresholds": [0.5, 2.0]},
        {"precision": 0},
        {"levels": []},
        {"paths": 3},
    ],
)
def test_damaged_trees_of_files_are_refused(classifier, change):
    card = json.loads(classifier.card.model_dump_json())
    card["tree"] |= change
    with pytest.raises(ValidationError):
        type(classifier.card).model_validate_json(json.dumps(card))
