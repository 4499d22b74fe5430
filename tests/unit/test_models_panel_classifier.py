"""A panel's classifier: what it says, and that its file cannot do harm."""

import json

import anndata
import numpy as np
import pandas as pd
import pytest
import safetensors.numpy

import selectormlp as sm
from selectormlp.errors import DataError, ModelFileError, SettingsError
from selectormlp.evaluation.calibration import (
    calibration_error,
    fit_temperature,
    honest_calibration,
    robust_temperature,
)
from selectormlp.models.novelty import cut_offs
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
    assert ((found.confidence < 0.9) | found.novel)[unsure].all()
    assert (found.confidence[~unsure] >= 0.9).all()
    assert (sm.predict(new, classifier, min_confidence=0).labels != "unsure").all()
    frame = found.to_frame()
    assert frame.columns[:4].tolist() == ["label", "best", "confidence", "probability of type A"]
    with pytest.raises(SettingsError, match="min_confidence is 2"):
        sm.predict(new, classifier, min_confidence=2)


def test_probabilities_are_calibrated(make_adata):
    classifier = sm.fit_classifier(make_adata(n_cells=600), GENES, label_key="cell_type")
    new = make_adata(n_cells=2000, seed=9)
    found = sm.predict(new, classifier)
    true = pd.Index(found.classes).get_indexer(new.obs["cell_type"])
    assert calibration_error(found.probabilities, true) < 0.07
    assert found.confidence.mean() == pytest.approx((found.best == new.obs["cell_type"]).mean(), abs=0.04)
    assert classifier.card.calibration_error < 0.08


def test_counts_are_scaled_to_the_median_total_of_the_panel(make_adata):
    adata, new = make_adata(), make_adata(seed=5)
    classifier = sm.fit_classifier(adata, GENES, label_key="cell_type", n_splits=2)
    totals = adata[:, GENES].X.toarray().sum(axis=1)
    assert classifier.card.scheme == "median total of the panel"
    assert classifier.card.target_sum == np.median(totals[totals > 0])
    counts = new[:, GENES].X.toarray()
    by_hand = np.log1p(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1) * classifier.card.target_sum)
    scores = classifier.scores(by_hand.astype(np.float32)) / classifier.card.temperature
    chances = np.exp(scores - scores.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(sm.predict(new, classifier).probabilities, chances, atol=1e-5)


def test_files_of_the_format_before_predict_as_before(make_adata, classifier, tmp_path):
    new = make_adata(seed=5)
    path = classifier.save(tmp_path / "old")
    added = ("novelty_centers", "novelty_shares", "novelty_within", "novelty_cuts", "parts")

    def older(card):
        card["format_version"] = 1
        del card["scheme"], card["target_sum"]

    spoiled(path, older, lambda arrays: [arrays.pop(name) for name in added])
    old = sm.load_classifier(path)
    counts = new[:, GENES].X.toarray()
    scores = classifier.scores(np.log1p(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1) * 1e4))
    found = sm.predict(new, old)
    np.testing.assert_array_equal(found.probabilities.argmax(axis=1), scores.argmax(axis=1))
    assert found.novelty is None
    assert not found.novel.any()
    assert "novel" not in found.to_frame()
    with pytest.raises(ModelFileError, match="written by an older version"):
        sm.predict(new[:, [name for name in new.var_names if name != "gene3"]].copy(), old, partial=True)


def foreign(make_adata, seed=5):
    """Cells of the known types, and 60 that have the marks of two types at once."""
    new = make_adata(seed=seed, n_cells=400)
    X = new.X.toarray()
    X[:60] = np.random.default_rng(3).poisson(0.4, size=(60, 30))
    X[:60, [0, 4, 1, 5, 8, 9]] += 5
    new.X = X.astype(np.float32)
    return new


def test_cells_of_a_type_never_learned_are_flagged_and_known_ones_seldom(make_adata, said):
    panel = [f"gene{place}" for place in range(16)]
    classifier = sm.fit_classifier(make_adata(n_cells=800), panel, label_key="cell_type")
    found = sm.predict(foreign(make_adata), classifier)
    assert found.novel[:60].mean() > 0.9
    assert found.novel[60:].mean() < 0.12
    assert (found.labels[:60] == "unsure").mean() > 0.9
    assert found.to_frame()["novel"].tolist() == found.novel.tolist()
    assert "like no type that the classifier learned" in said()
    assert (sm.predict(foreign(make_adata), classifier, min_confidence=0).labels != "unsure").all()


def test_cut_offs_let_so_many_known_cells_through():
    rng = np.random.default_rng(0)
    predicted = rng.choice(4, 4000, p=[0.7, 0.2, 0.09, 0.01])
    scores = rng.normal(size=4000) * (1 + predicted) + predicted
    cuts = cut_offs(scores, predicted, 4)
    assert (scores > cuts[predicted]).mean() == pytest.approx(0.05, abs=0.002)
    for code in range(3):
        assert (scores > cuts[predicted])[predicted == code].mean() == pytest.approx(0.05, abs=0.03)


def test_genes_that_were_not_measured_are_filled_in_and_their_cost_said(make_adata, said):
    panel = [f"gene{place}" for place in range(12)]
    classifier = sm.fit_classifier(make_adata(n_cells=600), panel, label_key="cell_type", n_splits=2)
    new = make_adata(seed=5)
    truth = new.obs["cell_type"].to_numpy()
    whole = sm.predict(new, classifier)
    assert whole.missing is None
    one = sm.predict(new[:, new.var_names != "gene1"].copy(), classifier, partial=True)
    assert one.missing.genes == ("gene1",)
    assert (one.best == truth).mean() > (whole.best == truth).mean() - 0.05
    assert "1 gene of the 12 of the panel not measured ('gene1')" in said()
    lost = [f"gene{place}" for place in (0, 1, 4, 5, 8, 9)]  # what tells A and B apart, and from the others
    found = sm.predict(new[:, ~new.var_names.isin(lost)].copy(), classifier, partial=True).missing
    assert found.worst in ("type A", "type B")
    assert found.whole - found.partial > 0.15 > 0.05 > one.missing.whole - one.missing.partial
    assert found.worst_partial < found.worst_whole - 0.3
    with pytest.raises(DataError, match=r"1 of the 12 genes needed is missing: 'gene1'.*--partial"):
        sm.predict(new[:, new.var_names != "gene1"].copy(), classifier)


def test_genes_are_found_by_a_second_name_and_a_word_is_said_of_spelling(make_adata, classifier):
    new = make_adata(seed=5)
    whole = sm.predict(new, classifier).probabilities
    new.var["symbol"] = new.var_names
    new.var_names = [f"ENSG{place}" for place in range(new.n_vars)]
    np.testing.assert_array_equal(sm.predict(new, classifier, gene_name_key="symbol").probabilities, whole)
    with pytest.raises(DataError, match=r"4 of the 4 genes needed are missing.*--gene-name-key"):
        sm.predict(new, classifier)
    new.var_names = [name.capitalize() for name in new.var["symbol"]]
    with pytest.raises(DataError, match=r"all 4 are in the data with different case \(Gene3 for gene3\)"):
        sm.predict(new, classifier)


def test_counts_of_nought_and_one_are_counts(adata, classifier):
    shallow = adata.copy()
    shallow.X = (adata.X.toarray() > 0).astype(np.float32)
    assert len(sm.predict(shallow, classifier).labels) == 200


def test_the_card_says_what_to_expect_of_a_new_donor():
    rng = np.random.default_rng(0)
    true = rng.integers(0, 2, 3000)
    donor = np.repeat([0, 1, 2], 1000)
    sure = np.array([6.0, 1.0, 1.0])[donor]  # one donor whose scores mean less than they say
    scores = np.zeros((3000, 2))
    right = rng.random(3000) < np.where(donor == 0, 0.7, 1 / (1 + np.exp(-1.0)))
    scores[np.arange(3000), np.where(right, true, 1 - true)] = sure
    pooled = fit_temperature(scores, true)
    together = np.exp(scores / pooled) / np.exp(scores / pooled).sum(axis=1, keepdims=True)
    assert honest_calibration(scores, true, donor) > calibration_error(together, true)
    assert robust_temperature(scores, true, donor) == pytest.approx(1, abs=0.15)


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
    assert sm.load_classifier(tmp_path / "clf").card == classifier.card  # as it was named when it was written
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
        ({"change_arrays": lambda a: a.update(more=a["scale"])}, "does not hold the numbers"),
        ({"change_arrays": lambda a: a.pop("mean")}, "does not hold the numbers"),
        ({"change_arrays": lambda a: a.pop("novelty_cuts")}, "does not hold the numbers"),
        ({"change_arrays": lambda a: a.update(parts=-a["parts"])}, "not shares"),
        ({"change_arrays": lambda a: a.update(novelty_shares=a["novelty_shares"] * 2)}, "not shares"),
        ({"change_arrays": lambda a: a.update(novelty_within=-a["novelty_within"])}, "no covariance"),
        ({"change_card": lambda c: c.update(target_sum=0)}, "target_sum"),
        ({"change_card": lambda c: c.update(scheme="else")}, "scheme"),
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
    with pytest.raises(ModelFileError, match="not a readable model"):
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
