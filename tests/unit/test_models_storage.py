import json
import logging
import os
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import skops.io
import torch
from safetensors import safe_open
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer

import selectormlp as sm
from selectormlp.data.anndata_io import CellsSource, cells_from_adata
from selectormlp.errors import DataError, ModelFileError, OutputError, SettingsError
from selectormlp.models.model import MODEL_TYPES, Model, model_type_of
from selectormlp.models.storage import find_model_file, load_model, save_model
from selectormlp.networks.module import CARD_KEY
from selectormlp.pipeline.log import TextLog
from selectormlp.pipeline.settings import TrainSettings
from selectormlp.pipeline.train import train_model

SOURCE = CellsSource("cell_type")
TINY = {"hidden_sizes": (8, 5), "max_epochs": 2, "batch_size": 32, "lr": 0.01, "device": "cpu", "random_state": 0}


@pytest.fixture(scope="module")
def cells(make_adata):
    """Cells with a class list of five, of which the fourth has no cells here."""
    classes = ["type A", "type B", "type C", "none here", "type D"]
    logging.getLogger("selectormlp").setLevel(logging.NOTSET)
    return cells_from_adata(make_adata(), SOURCE, classes=classes)


@pytest.fixture(scope="module")
def fit(cells):
    """Fit a model of a kind on the cells, or on some of them."""

    def fitted(model_type, part=cells, **parameters):
        selector = MODEL_TYPES[model_type](**({"random_state": 0} if model_type == "svm" else TINY) | parameters)
        selector.fit(part.X, np.array(part.classes)[part.labels], classes=part.classes)
        return Model(selector, tuple(part.genes), SOURCE)

    return fitted


@pytest.fixture(scope="module")
def models(fit):
    """A model of each kind, fitted once."""
    return {model_type: fit(model_type) for model_type in MODEL_TYPES}


def assert_alike(left, right, X):
    weights, offset = right.selector.first_layer()
    hidden = X @ weights + offset  # what masking goes by; first, since predicting may set the network's mode
    np.testing.assert_array_equal(
        left.selector.scores_from_first_layer(hidden), right.selector.scores_from_first_layer(hidden)
    )
    np.testing.assert_array_equal(left.selector.class_scores(X), right.selector.class_scores(X))
    np.testing.assert_array_equal(left.selector.predict(X), right.selector.predict(X))
    np.testing.assert_array_equal(left.selector.scores_, right.selector.scores_)
    np.testing.assert_array_equal(left.selector.trained_classes_, right.selector.trained_classes_)
    assert left.ranked_genes().equals(right.ranked_genes())
    assert (left.model_type, left.genes, left.classes, left.source) == (
        right.model_type,
        right.genes,
        right.classes,
        right.source,
    )
    parameters = left.selector.get_params()
    sizes = {name: tuple(parameters[name]) for name in ("hidden_sizes",) if name in parameters}
    assert parameters | sizes == right.selector.get_params() | sizes


@pytest.mark.parametrize(
    ("model_type", "parameters"),
    [
        ("selector_mlp", {}),
        ("selector_mlp", {"selector_type": "clamped", "batch_norm": True, "penalty": "L2"}),
        ("selector_mlp", {"selector_type": "none", "penalty": None, "hidden_sizes": (7,)}),
        ("mlp", {"class_weight": "balanced", "n_features_to_select": 3}),
        ("svm", {}),
        ("svm", {"penalty": "l2", "C": 0.1}),
    ],
)
def test_saved_and_loaded_models_predict_the_same_to_the_bit(fit, cells, tmp_path, model_type, parameters):
    model = fit(model_type, **parameters)
    place = save_model(model, tmp_path / "new" / "v1.2")
    assert place.name == ("v1.2.skops" if model_type == "svm" else "v1.2.safetensors")
    assert [each.name for each in place.parent.iterdir()] == [place.name]
    for loaded in (load_model(place), load_model(place, model_type=model_type), load_model(tmp_path / "new" / "v1.2")):
        assert_alike(loaded, model, cells.X)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_models_of_two_classes_come_back_too(fit, cells, tmp_path, model_type):
    part = cells.take(cells.labels < 2)
    for classes in (part.classes, part.classes[:2]):
        model = fit(model_type, replace(part, classes=classes))
        assert_alike(load_model(save_model(model, tmp_path / "model")), model, part.X)


def test_the_source_comes_back(models, tmp_path):
    source = CellsSource("cell_type", layer="counts", normalize="none")
    place = save_model(replace(models["mlp"], source=source), tmp_path / "model")
    assert load_model(place).source == source


def test_a_loaded_model_finds_its_genes_by_name(models, make_adata, cells, tmp_path):
    model = load_model(save_model(models["svm"], tmp_path / "model"))
    shuffled = make_adata()[:, np.random.default_rng(0).permutation(30)].copy()
    found = model.read_cells(shuffled)
    np.testing.assert_array_equal(found.dense().X, cells.dense().X)
    np.testing.assert_array_equal(found.labels, cells.labels)
    with pytest.raises(DataError, match="3 of the 30 genes needed are missing: 'gene0', 'gene1', 'gene2'"):
        model.read_cells(make_adata()[:, 3:].copy())


def test_a_model_that_cannot_be_written_is_said(models, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError, match="is a file; name a folder"):
        save_model(models["svm"], tmp_path / "taken" / "model")


# --- paths


def test_a_path_of_the_published_program_is_the_stem(models, tmp_path, said):
    place = save_model(models["svm"], tmp_path / "SVM_best_model")
    assert find_model_file(tmp_path / "SVM_best_model.pkl") == place
    assert f"SVM_best_model.pkl is taken as the saved model {place} (no pickles are written or read)" in said()
    assert load_model(tmp_path / "SVM_best_model.pkl").model_type == "svm"


class Trap:
    """An object that writes a file when it is unpickled."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return Path.touch, (Path(self.place),)


def test_the_trap_works(tmp_path):
    pickle.loads(pickle.dumps(Trap(tmp_path / "sprung")))
    assert (tmp_path / "sprung").exists()


@pytest.mark.parametrize("name", ["model.pkl", "model.pickle", "model.joblib", "MODEL.PKL"])
def test_real_pickles_are_refused_unread(tmp_path, name):
    (tmp_path / name).write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    with pytest.raises(ModelFileError, match=r"is a pickle, which can run any code .* train it again with"):
        load_model(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("name", ["a.safetensors", "a.skops", "a.ckpt"])
def test_pickles_under_our_names_run_no_code(tmp_path, name):
    (tmp_path / name).write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    with pytest.raises(ModelFileError, match=r"is not a readable|is not a complete zip file"):
        load_model(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def test_absent_models_are_refused_with_the_nearest(models, tmp_path):
    save_model(models["svm"], tmp_path / "SVM_best_model")
    with pytest.raises(ModelFileError, match=r"no model '.*'; in '.*', did you mean 'SVM_best_model\.skops'\?; 'selec"):
        load_model(tmp_path / "SVM_bst_model.skops")
    with pytest.raises(ModelFileError, match="there are none"):
        load_model(tmp_path / "no" / "model.pkl")
    with pytest.raises(ModelFileError, match="is a folder; expected a model file"):
        load_model(tmp_path)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "model.pt").write_text("")
    with pytest.raises(ModelFileError, match=r"does not end in \.safetensors, \.skops, \.ckpt; give a model"):
        load_model(tmp_path / "model.pt")


def test_a_model_of_another_kind_is_refused(models, tmp_path):
    place = save_model(models["mlp"], tmp_path / "model")
    with pytest.raises(ModelFileError, match="of type 'mlp', not 'svm'; give the other file, or --model_type mlp"):
        load_model(place, model_type="svm")


@pytest.mark.parametrize("model_type", ["mlp", "svm"])
@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.99])
def test_truncated_models_are_refused_in_one_line(models, tmp_path, model_type, share):
    place = save_model(models[model_type], tmp_path / "model")
    place.write_bytes(place.read_bytes()[: int(place.stat().st_size * share)])
    with pytest.raises(
        ModelFileError, match=r"is not a readable \.safetensors model|is not a complete zip file"
    ) as caught:
        load_model(place)
    assert "\n" not in str(caught.value)


# --- networks from strangers


def tampered(place, change_card=None, change_weights=None):
    """Write a network's file again with another card or other weights."""
    weights = safetensors.torch.load_file(place)
    with safe_open(place, framework="pt") as stored:
        card = json.loads(stored.metadata()[CARD_KEY])
    if change_card is not None:
        card = change_card(card) or card
    if change_weights is not None:
        change_weights(weights)
    text = card if isinstance(card, str) else json.dumps(card)
    safetensors.torch.save_file(weights, place, metadata={CARD_KEY: text})


def put(*path, value):
    def change(card):
        inner = card
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda card: "{", r"unusable model card \(card: Invalid JSON"),
        (lambda card: "[]", r"unusable model card \(card: Input should be an object"),
        (put("format_version", value=3), "unusable model card .format_version: Input should be 1 or 2"),
        (put("surprise", value=2), "unusable model card .surprise: Extra inputs are not permitted"),
        (lambda card: card.pop("genes") and None, "unusable model card .genes: Field required"),
        (put("genes", value="AB"), "unusable model card .genes: Input should be a valid"),
        (put("genes", value=[]), "unusable model card .genes: List should have at least 1 item"),
        (put("genes", value=["a", "a"]), "genes or classes repeat"),
        (put("classes", value=["a", "b"]), "trained_classes and classes differ in length"),
        (put("classes", value=["a"]), "unusable model card .classes: List should have at least 2 items"),
        (put("model_type", value="forest"), "unusable model card .model_type: Input should be 'selector_mlp'"),
        (put("model_type", value="svm"), "names unknown settings .*hidden_sizes"),
        (put("normalize", value="log"), "unusable model card .normalize: Input should be 'auto'"),
        (put("parameters", value=[]), "unusable model card .parameters: Input should be an object"),
        (put("parameters", "evil", value=1), r"names unknown settings \(evil\)"),
        (put("parameters", "hidden_sizes", value="big"), "is not a readable"),
        (put("parameters", "hidden_sizes", value=[]), "is not a readable"),
        (put("parameters", "hidden_sizes", value=[-3, 5]), "is not a readable"),
        (put("parameters", "hidden_sizes", value=[8, 6]), "is not a readable .*size mismatch"),
        (put("parameters", "hidden_sizes", value=[10**8, 10**8]), "is not a readable .*size mismatch"),
        (put("parameters", "selector_type", value="none"), "is not a readable .*[Uu]nexpected key"),
        (put("parameters", "selector_type", value="odd"), "selector_type='odd'; expected one of"),
        (put("parameters", "leak_angle", value="steep"), "is not a readable"),
        (put("parameters", "leak_angle", value=-1), "leak_angle=-1; expected 0 or more"),
        (put("parameters", "dropout", value=None), "is not a readable"),
        (put("parameters", "batch_norm", value=True), "is not a readable .*[Mm]issing key"),
        (put("parameters", "n_features_to_select", value="all"), "n_features_to_select='all'; expected"),
        (lambda card: put("genes", value=card["genes"][1:])(card), "is not a readable .*size mismatch"),
    ],
)
def test_cards_of_networks_are_checked(models, tmp_path, change, message):
    place = save_model(models["selector_mlp"], tmp_path / "model")
    tampered(place, change)
    with pytest.raises(ModelFileError, match=message) as caught:
        load_model(place)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda weights: weights.pop("first.bias"), "[Mm]issing key"),
        (lambda weights: weights.update(more=torch.zeros(1)), "[Uu]nexpected key"),
        (lambda weights: weights.update({"first.bias": torch.zeros(3)}), "size mismatch"),
        (lambda weights: weights["first.bias"].fill_(float("nan")), "holds NaN or infinite weights"),
        (lambda weights: weights["gates.weight"].fill_(float("inf")), "holds NaN or infinite weights"),
        (
            lambda weights: weights.update({"first.bias": weights["first.bias"].double()}),
            "of type float64, not float32",
        ),
        (lambda weights: weights.update({"first.bias": weights["first.bias"].int()}), "of type int32, not float32"),
    ],
)
def test_weights_of_networks_are_checked(models, tmp_path, change, message):
    place = save_model(models["selector_mlp"], tmp_path / "model")
    tampered(place, change_weights=change)
    with pytest.raises(ModelFileError, match=message):
        load_model(place)


@pytest.mark.parametrize("metadata", [None, {"other": "x"}])
def test_safetensors_of_others_are_refused(tmp_path, metadata):
    safetensors.torch.save_file({"a": torch.zeros(2)}, tmp_path / "a.safetensors", metadata=metadata)
    with pytest.raises(ModelFileError, match=r"was not saved by this program \(it holds no model card\)"):
        load_model(tmp_path / "a.safetensors")


# --- SVMs from strangers


def test_untrusted_objects_are_refused_without_running_them(models, tmp_path):
    place = save_model(models["svm"], tmp_path / "model")
    stored = skops.io.load(place)
    sprung = tmp_path / "sprung"
    trap = FunctionTransformer(func=os.system, kw_args={"command": f"touch {sprung}"})
    skops.io.dump(stored | {"more": trap}, place)
    with pytest.raises(ModelFileError, match=r"objects of types that are not trusted \(.*system"):
        load_model(place)
    assert not sprung.exists()


def test_a_type_with_an_endless_name_is_named_in_short(models, tmp_path):
    place = save_model(models["svm"], tmp_path / "model")
    with zipfile.ZipFile(place) as stored:
        schema = json.loads(stored.read("schema.json"))
        others = {name: stored.read(name) for name in stored.namelist() if name != "schema.json"}
    schema["__class__"] = 9000 * "x"
    with zipfile.ZipFile(place, "w") as changed:
        changed.writestr("schema.json", json.dumps(schema))
        for name, content in others.items():
            changed.writestr(name, content)
    with pytest.raises(ModelFileError) as caught:
        load_model(place)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda stored: [1, 2], "holds no model card"),
        (lambda stored: {"svm": stored["svm"]}, "holds no model card"),
        (lambda stored: {CARD_KEY: stored[CARD_KEY]}, r"is not a readable \.skops model \('svm'\)"),
        (lambda stored: stored | {"svm": LogisticRegression()}, "holds no linear SVM"),
        (lambda stored: stored | {"svm": type(stored["svm"])()}, "is not a readable"),
        (lambda stored: stored | {CARD_KEY: "{}"}, "unusable model card .model_type: Field required"),
        (lambda stored: stored | {CARD_KEY: stored[CARD_KEY].replace('"C":', '"CC":')}, r"unknown settings \(CC\)"),
        (lambda stored: vars(stored["svm"]).update(coef_=np.zeros((4, 29))) or stored, "coefficients of shape"),
        (lambda stored: vars(stored["svm"]).update(intercept_=np.zeros(3)) or stored, "intercepts of shape"),
        (lambda stored: vars(stored["svm"]).update(classes_=np.arange(4)) or stored, "other classes than its card"),
        (lambda stored: stored["svm"].coef_.fill(np.nan) or stored, "holds NaN or infinite"),
    ],
)
def test_svm_files_are_checked(models, tmp_path, change, message):
    place = save_model(models["svm"], tmp_path / "model")
    skops.io.dump(change(skops.io.load(place)), place)
    with pytest.raises(ModelFileError, match=message):
        load_model(place)


def test_a_network_that_is_called_an_svm_is_refused(models, tmp_path):
    svm = skops.io.load(save_model(models["svm"], tmp_path / "svm"))[CARD_KEY]
    place = save_model(models["mlp"], tmp_path / "model")
    tampered(place, lambda card: svm)
    with pytest.raises(ModelFileError, match="holds weights of a network but says that it is an SVM"):
        load_model(place)


# --- checkpoints


@pytest.fixture(scope="module")
def trained(cells, tmp_path_factory):
    """A SelectorMLP trained into a folder, and its last checkpoint."""
    folder = tmp_path_factory.mktemp("run")
    settings = {
        "log_dir": folder / "logs",
        "trained_models_dir": folder,
        "dataloader": {"batch_size": 32},
        "model": {"L1_size": 8, "L2_size": 6, "L3_size": 4},
        "training": {"max_epochs": 1, "device": "cpu"},
        "checkpoint": {"dir": folder / "checkpoints"},
    }
    with TextLog() as log:
        report = train_model(cells, cells, SOURCE, TrainSettings.model_validate(settings), "selector_mlp", log=log)
    return report.model, next((folder / "checkpoints").rglob("last.ckpt"))


def test_a_checkpoint_is_a_model_too(trained, cells):
    model, place = trained
    assert_alike(load_model(place, model_type="selector_mlp"), model, cells.X)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda stored: stored.pop(CARD_KEY), "holds no model card"),
        (lambda stored: stored.update({CARD_KEY: 3}), "holds no model card"),
        (lambda stored: stored.update({CARD_KEY: "3"}), "unusable model card"),
        (lambda stored: stored.pop("state_dict"), "is not a checkpoint of this program .it lacks 'state_dict'"),
        (lambda stored: stored.update(state_dict=[1]), "is not a checkpoint of this program .state_dict holds no"),
        (lambda stored: stored["state_dict"].update({"network.first.bias": "text"}), "bias is no plain tensor"),
        (lambda stored: stored["state_dict"].pop("network.first.bias"), "[Mm]issing key"),
    ],
)
def test_checkpoints_are_checked(trained, tmp_path, change, message):
    stored = torch.load(trained[1], weights_only=True)
    change(stored)
    torch.save(stored, tmp_path / "a.ckpt")
    with pytest.raises(ModelFileError, match=message):
        load_model(tmp_path / "a.ckpt")


def test_a_checkpoint_that_would_run_code_is_refused_without_running_it(trained, tmp_path):
    stored = torch.load(trained[1], weights_only=True)
    torch.save(stored | {"more": Trap(tmp_path / "sprung")}, tmp_path / "a.ckpt")
    with pytest.raises(ModelFileError, match=r"is not a checkpoint of this program .*objects that could run code"):
        load_model(tmp_path / "a.ckpt")
    assert not (tmp_path / "sprung").exists()


def test_a_checkpoint_that_is_no_checkpoint_is_refused(tmp_path):
    torch.save([1, 2], tmp_path / "a.ckpt")
    with pytest.raises(ModelFileError, match="holds no model card"):
        load_model(tmp_path / "a.ckpt")


def test_every_model_has_the_name_of_its_kind(models):
    assert {name: model_type_of(model.selector) for name, model in models.items()} == {
        name: name for name in MODEL_TYPES
    }


def test_a_fitted_selector_is_saved_with_the_names_of_its_genes(tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)).astype(np.float32), np.repeat(["B", "T"], 20)
    selector = sm.SelectorMLP(max_epochs=1, random_state=0)
    with pytest.raises(SettingsError, match="this SelectorMLP is not fitted"):
        sm.save_model(selector, tmp_path / "m")
    selector.fit(X, y)
    with pytest.raises(SettingsError, match="does not know the names of its 3 genes"):
        sm.save_model(selector, tmp_path / "m")
    with pytest.raises(SettingsError, match="2 gene names for the 3 columns"):
        sm.save_model(selector, tmp_path / "m", genes=["a", "b"])
    file = sm.save_model(selector, tmp_path / "m", genes=["a", "b", "c"], label_key="kind")
    found = sm.load_model(file)
    assert (found.genes, found.classes, found.source.label_key) == (("a", "b", "c"), ("B", "T"), "kind")
    with pytest.raises(SettingsError, match="a int cannot be saved"):
        sm.save_model(3, tmp_path / "n")
