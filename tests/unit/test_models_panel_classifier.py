"""A panel's classifier: what it says, and that its file cannot do harm."""

import json

import anndata
import numpy as np
import pandas as pd
import pytest
import safetensors.numpy

import selectormlp as sm
from selectormlp.assessment.predict import calibration_error, fit_temperature
from selectormlp.errors import DataError, ModelFileError, SettingsError
from selectormlp.models.panel_classifier import CARD_KEY, CHECKSUM_KEY, checksum_of

GENES = ["gene3", "gene0", "gene1", "gene2"]


@pytest.fixture
def classifier(adata):
    return sm.fit_classifier(adata, GENES, label_key="cell_type", n_splits=3)


def test_new_cells_are_labelled_from_the_panels_genes_alone(make_adata, classifier):
    new = make_adata(seed=5)
    found = sm.predict(new, classifier)
    assert (found.best == new.obs["cell_type"].to_numpy()).mean() > 0.85
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1)
    few = new[:, ["gene2", "gene3", "gene1", "gene0"]].copy()  # as an assay of these genes would measure
    np.testing.assert_allclose(sm.predict(few, classifier).probabilities, found.probabilities, atol=1e-6)


def test_cells_below_the_confidence_are_unsure(make_adata, classifier):
    new = make_adata(seed=5)
    found = sm.predict(new, classifier, min_confidence=0.9)
    unsure = found.labels == "unsure"
    assert 0 < unsure.sum() < 200
    assert (found.confidence[unsure] < 0.9).all()
    assert (found.confidence[~unsure] >= 0.9).all()
    assert (sm.predict(new, classifier, min_confidence=0).labels != "unsure").all()
    frame = found.to_frame()
    assert frame.columns[:4].tolist() == ["label", "best", "confidence", "probability of type A"]
    with pytest.raises(SettingsError, match="min_confidence is 2"):
        sm.predict(new, classifier, min_confidence=2)


def test_probabilities_are_calibrated(make_adata):
    classifier = sm.fit_classifier(make_adata(n_cells=600), ["gene0", "gene1"], label_key="cell_type")
    new = make_adata(n_cells=2000, seed=9)
    found = sm.predict(new, classifier)
    true = pd.Index(found.classes).get_indexer(new.obs["cell_type"])
    assert calibration_error(found.probabilities, true) < 0.07
    assert found.confidence.mean() == pytest.approx((found.best == new.obs["cell_type"]).mean(), abs=0.04)
    assert classifier.card.calibration_error < 0.08


def test_temperature_finds_the_scale_that_was_hidden():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(20000, 3)) * 2
    chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    true = (chances.cumsum(axis=1) < rng.random(20000)[:, None]).sum(axis=1)
    assert fit_temperature(scores * 5, true) == pytest.approx(5, rel=0.05)


def test_saved_and_loaded_it_says_the_same_to_the_bit(adata, classifier, tmp_path):
    path = classifier.save(tmp_path / "clf")
    assert path.name == "clf.safetensors"
    assert classifier.save(tmp_path / "v1.2.safetensors").name == "v1.2.safetensors"
    again = sm.load_classifier(path)
    assert again.card == classifier.card
    np.testing.assert_array_equal(sm.predict(adata, path).probabilities, sm.predict(adata, classifier).probabilities)


def test_two_types_work_and_agree_with_scikit_learn(make_adata):
    adata = make_adata(n_classes=2)
    classifier = sm.fit_classifier(adata, ["gene0", "gene1"], label_key="cell_type", normalize="none")
    from selectormlp.evaluation.refit import make_classifier

    X, y = adata[:, ["gene0", "gene1"]].X.toarray(), adata.obs["cell_type"].astype(str)
    model = make_classifier("logistic").fit(X, y)
    np.testing.assert_allclose(
        np.diff(classifier.scores(X), axis=1).ravel(), model.decision_function(X), rtol=1e-4, atol=1e-4
    )


def test_values_of_another_kind_are_refused_or_warned_of(adata, classifier, said):
    logs = adata.copy()
    logs.X = np.log1p(adata.X.toarray() * 3.3)
    with pytest.raises(DataError, match="not counts"):
        sm.predict(logs, classifier)
    from_logs = sm.fit_classifier(logs, GENES, label_key="cell_type", n_splits=2)
    assert not from_logs.card.is_counts
    sm.predict(adata, from_logs)
    assert "and these are counts" in said()


def test_missing_genes_and_empty_data_are_refused(adata, classifier):
    with pytest.raises(DataError, match="gene1"):
        sm.predict(adata[:, [g for g in adata.var_names if g != "gene1"]].copy(), classifier)
    with pytest.raises(DataError, match="0 cells"):
        sm.predict(anndata.AnnData(np.zeros((0, 30), dtype=np.float32), var=adata.var), classifier)
    with pytest.raises(SettingsError, match="min_confidence"):
        sm.fit_classifier(adata, GENES, label_key="cell_type", min_confidence=-1)


def spoiled(path, change_card=None, change_arrays=None, key=CARD_KEY, summed=True):
    with safetensors.safe_open(path, framework="numpy") as stored:
        card = json.loads(stored.metadata()[CARD_KEY])
        arrays = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    (change_card or (lambda _: None))(card)
    (change_arrays or (lambda _: None))(arrays)
    text = json.dumps(card)
    metadata = {key: text, CHECKSUM_KEY: checksum_of(text, arrays) if summed else "0"}
    safetensors.numpy.save_file(arrays, path, metadata=metadata)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"change_card": lambda c: c.update(temperature=-1)}, "temperature"),
        ({"change_card": lambda c: c.update(genes=["a", "a", "b", "c"])}, "repeat"),
        ({"change_card": lambda c: c.update(code="import os")}, "code"),
        ({"change_card": lambda c: c["genes"].pop()}, "shape"),
        ({"change_arrays": lambda a: a.update(mean=a["mean"] * np.nan)}, "not finite"),
        ({"change_arrays": lambda a: a.update(scale=a["scale"] * 0)}, "above 0"),
        ({"change_arrays": lambda a: a.update(more=a["scale"])}, "other numbers"),
        ({"change_arrays": lambda a: a.pop("mean")}, "other numbers"),
        ({"change_arrays": lambda a: a.update(mean=a["mean"].astype(np.float32))}, "float32"),
        ({"change_card": lambda c: c.update(classes=["unsure", "b", "c", "d"])}, r"\(card: a class is named 'unsure'"),
        ({"change_card": lambda c: c["genes"].reverse(), "summed": False}, "checksum"),
        ({"change_arrays": lambda a: a.update(weights=-a["weights"]), "summed": False}, "checksum"),
        ({"key": "else"}, "not a panel's classifier"),
    ],
)
def test_spoiled_files_are_refused(classifier, tmp_path, how, message):
    path = classifier.save(tmp_path / "clf")
    spoiled(path, **how)
    with pytest.raises(ModelFileError, match=message):
        sm.load_classifier(path)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x80\x04K\x01."])
def test_strangers_files_are_refused(tmp_path, content):
    path = tmp_path / "clf.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"not a readable model.*evaluate --model' wrote"):
        sm.load_classifier(path)
    with pytest.raises(ModelFileError, match="no classifier"):
        sm.load_classifier(tmp_path / "other.safetensors")
    with pytest.raises(ModelFileError, match=r"no classifier .*clf'; did you mean .*clf.safetensors'"):
        sm.load_classifier(tmp_path / "clf")


def test_cells_without_counts_in_the_panel_are_unsure_and_counted(adata, classifier, said):
    X = adata.X.tolil()
    X[7, :4] = 0
    adata.X = X.tocsr()
    found = sm.predict(adata, classifier, min_confidence=0)
    assert np.flatnonzero(found.labels == "unsure").tolist() == [7]
    assert "1 cell has no counts in any of the 4 genes" in said()
    adata.X = X.tocsr() * 0
    with pytest.raises(DataError, match="no counts at all: all values of its 200 cells are 0"):
        sm.predict(adata, classifier)


def test_weights_that_give_no_probabilities_are_refused(adata, classifier, tmp_path):
    path = classifier.save(tmp_path / "clf")
    spoiled(path, change_arrays=lambda a: a.update(weights=a["weights"] * 0 + 1.7e308))
    with pytest.raises(DataError, match=r"of 200 cells probabilities that are not finite"):
        sm.predict(adata, path)


def test_a_class_named_unsure_is_refused(adata):
    adata.obs["kind"] = adata.obs["cell_type"].astype(str).replace("type A", "unsure")
    with pytest.raises(SettingsError, match="a class is named 'unsure'"):
        sm.fit_classifier(adata, GENES, label_key="kind")
    sm.fit_classifier(adata, GENES, label_key="kind", exclude_labels=["unsure"], n_splits=2)


def test_a_layer_that_new_data_lack_gives_way_to_x_and_is_named(make_adata, said):
    adata, new = make_adata(), make_adata(seed=5)
    adata.layers["counts"] = adata.X.copy()
    classifier = sm.fit_classifier(adata, GENES, label_key="cell_type", layer="counts", n_splits=2)
    found = sm.predict(new, classifier)
    assert "learned from the layer 'counts', which these data lack: X is read instead" in said()
    new.layers["raw"] = new.X.copy()
    new.X = np.log1p(new.X.toarray() * 3.3)
    with pytest.raises(DataError, match=r"learned from counts in layer 'counts'.*of X are not counts.*--layer"):
        sm.predict(new, classifier)
    np.testing.assert_array_equal(sm.predict(new, classifier, layer="raw").probabilities, found.probabilities)
