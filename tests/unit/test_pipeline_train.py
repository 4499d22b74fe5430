"""The train step on small files: what it reads, writes, says, and how it restarts."""

import json
import logging

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

from selectormlp.errors import DataError, ModelFileError, SettingsError
from selectormlp.models.storage import load_model
from selectormlp.networks.module import ClassifierModule
from selectormlp.pipeline.settings import TrainSettings
from selectormlp.pipeline.train import build_selector, train_from_files

CLASSES = ("B", "NK", "T")


def write_side(folder, side, *, n_cells=60, n_genes=12, classes=CLASSES, seed=0, genes=None, listed=None):
    rng = np.random.default_rng([seed, len(side)])
    codes = np.arange(n_cells) % len(classes)
    X = np.abs(rng.normal(size=(n_cells, n_genes))).astype(np.float32)
    X[np.arange(n_cells), codes] += 2
    labels = pd.Categorical(np.array(classes)[codes], categories=list(listed or classes))
    adata = ad.AnnData(
        X,
        obs=pd.DataFrame({"kind": labels}, index=[f"{side}{i}" for i in range(n_cells)]),
        var=pd.DataFrame(index=genes or [f"g{i}" for i in range(n_genes)]),
    )
    adata.uns["selectormlp"] = {"label_key": "kind", "classes": np.array(listed or classes, dtype=object)}
    folder.mkdir(parents=True, exist_ok=True)
    adata.write_h5ad(folder / f"adata_{side}.h5ad")


@pytest.fixture(autouse=True)
def _figures_are_not_painted(monkeypatch):
    """Painting takes longer than training here; tests/end_to_end looks at the real files."""

    def write_figure(path, draw):
        draw()
        path.touch()

    monkeypatch.setattr("selectormlp.pipeline.train.write_figure", write_figure)


@pytest.fixture
def settings(tmp_path):
    """Makes settings in the published format on two small files; keywords change sections."""
    for side, n_cells in (("train", 60), ("val", 30)):
        write_side(tmp_path / "split", side, n_cells=n_cells)

    def make(**changes):
        sections = {
            "log_dir": str(tmp_path / "logs"),
            "trained_models_dir": str(tmp_path / "models"),
            "data": {"input_dir": str(tmp_path / "split"), "y_column": "kind"},
            "dataloader": {"batch_size": 16, "num_workers": 0},
            "model": {"L1_size": 8, "L2_size": 6, "L3_size": 4},
            "training": {"max_epochs": 3, "lr": 0.05, "batch_norm": True, "device": "cpu"},
            "checkpoint": {"dir": str(tmp_path / "checkpoints")},
        }
        for name, value in changes.items():
            sections[name] = sections.get(name, {}) | value if isinstance(value, dict) else value
        return TrainSettings.model_validate_json(json.dumps(sections))

    return make


def weights(report):
    return {name: value.clone() for name, value in report.model.selector.network_.state_dict().items()}


def assert_same(found, expected):
    assert all(torch.equal(weights(found)[name], value) for name, value in weights(expected).items())
    first, second = found.model.selector, expected.model.selector
    pd.testing.assert_frame_equal(first.history_, second.history_, check_exact=True)
    assert first.best_epoch_ == second.best_epoch_
    np.testing.assert_array_equal(first.scores_, second.scores_)


@pytest.mark.parametrize("model_type", ["selector_mlp", "mlp"])
def test_a_network_leaves_the_promised_files(settings, tmp_path, model_type):
    report = train_from_files(settings(), model_type)
    name = {"selector_mlp": "SelectorMLP", "mlp": "MLP"}[model_type]
    assert report.model_file == tmp_path / "models" / f"{name}_best_model.safetensors"
    assert report.log_folder.parent == tmp_path / "logs"
    assert report.log_folder.name.startswith(f"{model_type}-")
    written = {p.name for p in report.log_folder.iterdir() if not p.name.startswith("events.out.tfevents")}
    assert written - {"hparams.yaml"} == {  # TensorBoard's logger leaves that
        "accuracy_plot.png",
        "loss_plot.png",
        "training_log.txt",
        "ranked_genes.csv",
        "metrics.csv",
        "settings.json",
    }
    checkpoints = [p.name for p in (tmp_path / "checkpoints" / report.log_folder.name).iterdir()]
    assert "last.ckpt" in checkpoints
    assert len(checkpoints) == 4
    loaded = load_model(report.model_file, model_type=model_type)
    np.testing.assert_array_equal(loaded.selector.scores_, report.model.selector.scores_)
    assert loaded.genes == tuple(f"g{i}" for i in range(12))
    assert report.scores == pytest.approx(
        {
            what: report.model.selector.history_[f"val_{what}"].iloc[report.model.selector.best_epoch_ - 1]
            for what in ("accuracy", "mean_per_class_accuracy")
        }
    )


def test_an_svm_leaves_its_model_and_log(settings, tmp_path):
    report = train_from_files(settings(), "svm")
    assert report.model_file == tmp_path / "models" / "SVM_best_model.skops"
    assert {p.name for p in report.log_folder.iterdir()} == {"training_log.txt", "settings.json", "ranked_genes.csv"}
    assert not (tmp_path / "checkpoints").exists()
    assert load_model(report.model_file).model_type == "svm"


def test_no_pickle_is_written(settings, tmp_path):
    for model_type in ("selector_mlp", "svm"):
        train_from_files(settings(), model_type)
    assert not [p for p in tmp_path.rglob("*") if p.suffix in (".pkl", ".pickle", ".joblib", ".pt")]


def test_the_models_name_is_the_settings(settings, tmp_path):
    report = train_from_files(settings(model={"name": "Mine"}), "selector_mlp")
    assert report.model_file == tmp_path / "models" / "Mine_best_model.safetensors"


def test_a_checkpoint_is_a_model_too(settings, tmp_path):
    report = train_from_files(settings(), "selector_mlp")
    (best,) = (tmp_path / "checkpoints" / report.log_folder.name).glob(
        f"epoch={report.model.selector.best_epoch_ - 1:03d}-*"
    )
    model = load_model(best)
    assert model.genes == report.model.genes
    assert all(torch.equal(model.selector.network_.state_dict()[k], v) for k, v in weights(report).items())


def test_the_text_log_tells_times_data_metrics_and_model(settings):
    report = train_from_files(settings(), "selector_mlp")
    text = (report.log_folder / "training_log.txt").read_text(encoding="utf-8")
    for part in (
        "60 cells × 12 genes",
        "training cells: 60 × 12 genes; B 20, NK 20, T 20",
        "validation cells: 30 × 12 genes; B 10, NK 10, T 10",
        "epoch 3 of 3: mean per-class accuracy",
        "trained in",
        "BatchNorm1d(8",
        f"accuracy {report.scores['accuracy']:.4f}",
    ):
        assert part in text, part


def test_the_settings_used_are_kept(settings):
    given = settings(training={"alpha": 0.123})
    report = train_from_files(given, "selector_mlp")
    kept = TrainSettings.model_validate_json((report.log_folder / "settings.json").read_text(encoding="utf-8"))
    assert kept == given


def test_every_setting_reaches_the_selector(settings):
    given = settings(
        dataloader={"batch_size": 17, "shuffle_train": False},
        model={"selector_type": "clamped", "leak_angle": 0.1, "penalty": "L2", "batch_norm": False},
        training={
            "lr": 0.002,
            "weight_decay": 0.05,
            "dropout": 0.4,
            "noise_std": 0.7,
            "max_epochs": 9,
            "alpha": 0.3,
            "class_weight": "balanced",
            "patience": 4,
            "memory_gb": 2.5,
            "seed": 11,
        },
        svm={"loss": "hinge", "penalty": "L2", "dual": True, "C": 0.5, "class_weight": "balanced", "max_iter": 77},
    )
    network = {
        "hidden_sizes": (8, 6, 4),
        "leak_angle": 0.1,
        "dropout": 0.4,
        "noise_std": 0.7,
        "batch_norm": True,
        "lr": 0.002,
        "weight_decay": 0.05,
        "max_epochs": 9,
        "batch_size": 17,
        "shuffle": False,
        "class_weight": "balanced",
        "patience": 4,
        "device": "cpu",
        "precision": None,
        "memory_gb": 2.5,
        "random_state": 11,
        "progress": False,
        "n_features_to_select": None,
    }
    of_the_selector = {"selector_type": "clamped", "penalty": "L2", "alpha": 0.3}
    svm = {"loss": "hinge", "penalty": "l2", "dual": True, "C": 0.5, "class_weight": "balanced", "max_iter": 77}
    assert build_selector(given, "selector_mlp").get_params() == network | of_the_selector
    assert build_selector(given, "mlp").get_params() == network
    assert build_selector(given, "svm").get_params() == svm | {"random_state": 11, "n_features_to_select": None}
    with pytest.raises(SettingsError, match="model type 'forest'; expected one of 'selector_mlp', 'mlp', 'svm'"):
        build_selector(given, "forest")


@pytest.mark.parametrize(
    ("model", "training", "expected"), [(True, False, False), (False, True, True), (True, None, True)]
)
def test_batch_norm_in_training_wins(settings, model, training, expected):
    report = train_from_files(settings(model={"batch_norm": model}, training={"batch_norm": training}), "selector_mlp")
    layers = report.model.selector.network_.modules()
    assert any(isinstance(layer, torch.nn.BatchNorm1d) for layer in layers) == expected
    text = (report.log_folder / "training_log.txt").read_text(encoding="utf-8")
    assert ("the latter wins" in text) == (training is not None)


@pytest.mark.parametrize("sparsity", ["dense", "csr"])
def test_sparse_and_dense_training_matrices_give_the_same(settings, sparsity, tmp_path):
    expected = train_from_files(settings(), "selector_mlp")
    adata = ad.read_h5ad(tmp_path / "split" / "adata_train.h5ad")
    adata.X = sp.csr_matrix(adata.X)
    adata.write_h5ad(tmp_path / "split" / "adata_train.h5ad")
    assert_same(train_from_files(settings(data={"torch_sparsity_type": sparsity}), "selector_mlp"), expected)


def test_classes_are_capped_again_on_reading(settings):
    report = train_from_files(settings(data={"train_cluster_size": 5, "val_cluster_size": 4}), "selector_mlp")
    text = (report.log_folder / "training_log.txt").read_text(encoding="utf-8")
    assert "classes are capped at 5 cells again: 15 of 60 cells are kept" in text
    assert "classes are capped at 4 cells again: 12 of 30 cells are kept" in text
    assert "training cells: 15 × 12 genes; B 5, NK 5, T 5" in text


def test_caps_that_equal_the_splits_change_nothing(settings):
    capped = settings(data={"train_cluster_size": 20, "val_cluster_size": 10, "test_cluster_size": 10})
    assert_same(train_from_files(capped, "selector_mlp"), train_from_files(settings(), "selector_mlp"))


def test_workers_that_are_not_needed_are_said(settings):
    report = train_from_files(settings(dataloader={"num_workers": 4}), "svm")
    assert "num_workers=4 is not used" in (report.log_folder / "training_log.txt").read_text(encoding="utf-8")


def test_labels_in_one_file_only_stay_classes(settings, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("selectormlp"), "propagate", True)
    write_side(tmp_path / "split", "train", classes=("B", "T", "only here"))
    write_side(tmp_path / "split", "val", n_cells=40, classes=("T", "only there", "B", "NK"))
    report = train_from_files(settings(), "selector_mlp")
    assert report.model.classes == ("B", "T", "only here", "only there", "NK")
    assert report.model.selector.trained_classes_.tolist() == [True, True, True, False, False]
    assert "20 of 40 cells are of classes that were never trained on" in caplog.text
    assert load_model(report.model_file).selector.trained_classes_.tolist() == [True, True, True, False, False]


def test_reordered_genes_of_the_validation_file_are_found_by_name(settings, tmp_path):
    expected = train_from_files(settings(), "selector_mlp")
    adata = ad.read_h5ad(tmp_path / "split" / "adata_val.h5ad")
    adata[:, ::-1].copy().write_h5ad(tmp_path / "split" / "adata_val.h5ad")
    assert_same(train_from_files(settings(), "selector_mlp"), expected)


def test_genes_that_the_validation_file_lacks_are_counted_and_named(settings, tmp_path):
    write_side(tmp_path / "split", "val", n_genes=10)
    with pytest.raises(DataError, match="2 of the 12 genes needed are missing: 'g10', 'g11'"):
        train_from_files(settings(), "selector_mlp")
    assert {p.name for p in tmp_path.iterdir()} == {"split"}


def test_one_class_is_refused_and_leaves_nothing(settings, tmp_path):
    write_side(tmp_path / "split", "train", classes=("B",), listed=CLASSES)
    with pytest.raises(DataError, match=r"the training cells are of 1 class; at least 2 are needed"):
        train_from_files(settings(), "selector_mlp")
    assert {p.name for p in tmp_path.iterdir()} == {"split"}


def test_the_same_seed_gives_the_same_model_file(settings):
    first = train_from_files(settings(), "selector_mlp").model_file.read_bytes()
    assert train_from_files(settings(), "selector_mlp").model_file.read_bytes() == first
    assert train_from_files(settings(training={"seed": 1}), "selector_mlp").model_file.read_bytes() != first


# ------------------------------------------------------------------------------------------- restarting

TWO = {"training": {"max_epochs": 2}}


@pytest.fixture
def unbroken(settings):
    return train_from_files(settings(checkpoint={"dir": str(settings().checkpoint.dir) + "_unbroken"}), "selector_mlp")


def test_a_restarted_run_ends_as_an_unbroken_one(settings, unbroken):
    first = train_from_files(settings(**TWO), "selector_mlp")
    resumed = train_from_files(settings(restart=True), "selector_mlp")
    assert resumed.log_folder == first.log_folder
    assert_same(resumed, unbroken)
    pd.testing.assert_frame_equal(pd.read_csv(first.log_folder / "metrics.csv"), unbroken.model.selector.history_)
    text = (first.log_folder / "training_log.txt").read_text(encoding="utf-8")
    assert text.count("trained in") == 2
    assert "goes on from" in text


def test_a_restart_with_fewer_epochs_than_are_done_is_refused(settings):
    train_from_files(settings(training={"max_epochs": 4}), "mlp")
    with pytest.raises(SettingsError, match=r"has done 4 epochs and max_epochs is 2; set training.max_epochs to 4"):
        train_from_files(settings(training={"max_epochs": 2}, restart=True), "mlp")


@pytest.mark.parametrize("step", [2, 9])  # four steps an epoch: before the first checkpoint, and in the third epoch
def test_a_run_that_died_in_the_middle_of_an_epoch_is_restarted(settings, unbroken, monkeypatch, step):
    original = ClassifierModule.training_step

    def training_step(self, batch, batch_idx):
        if self.global_step == step:
            raise RuntimeError("power cut")
        return original(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(ClassifierModule, "training_step", training_step)
        with pytest.raises(RuntimeError, match="power cut"):
            train_from_files(settings(), "selector_mlp")
    assert_same(train_from_files(settings(restart=True), "selector_mlp"), unbroken)


def test_the_last_run_of_its_type_is_restarted_or_one_by_name(settings, unbroken):
    first = train_from_files(settings(**TWO), "selector_mlp")
    second = train_from_files(settings(training={"max_epochs": 2, "seed": 9}), "selector_mlp")
    train_from_files(settings(**TWO), "mlp")
    assert first.log_folder != second.log_folder
    by_name = train_from_files(
        settings(restart=True, checkpoint={"restart_run": first.log_folder.name}), "selector_mlp"
    )
    assert by_name.log_folder == first.log_folder
    assert_same(by_name, unbroken)
    last = train_from_files(settings(restart=True, training={"seed": 9}), "selector_mlp")
    assert last.log_folder == second.log_folder


def test_without_a_run_there_is_nothing_to_restart(settings, tmp_path):
    with pytest.raises(SettingsError, match=r"no run 'last' of selector_mlp to restart in .*there are none"):
        train_from_files(settings(restart=True), "selector_mlp")
    assert {p.name for p in tmp_path.iterdir()} == {"split"}


def test_the_nearest_run_is_offered(settings):
    name = train_from_files(settings(**TWO), "selector_mlp").log_folder.name
    wrong = {"restart_run": name[:-1] + "x"}
    with pytest.raises(SettingsError, match=f"no run '.*x' of selector_mlp .* did you mean '{name}'"):
        train_from_files(settings(restart=True, checkpoint=wrong), "selector_mlp")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"training": {"alpha": 0.7}}, r"alpha \(0.05 then, 0.7 now\)"),
        ({"training": {"seed": 7}}, r"random_state \(42 then, 7 now\)"),
        ({"model": {"L2_size": 7}}, r"hidden_sizes \(\[8, 6, 4\] then, \[8, 7, 4\] now\)"),
        ({"dataloader": {"batch_size": 8}}, r"batch_size \(16 then, 8 now\)"),
        ({"data": {"normalize": "none"}}, "normalize"),
    ],
)
def test_a_restart_with_other_settings_is_refused(settings, change, named):
    train_from_files(settings(**TWO), "selector_mlp")
    with pytest.raises(SettingsError, match=f"was trained with other data or settings: {named}; put them back"):
        train_from_files(settings(restart=True, **change), "selector_mlp")


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"genes": [f"x{i}" for i in range(12)]}, "genes, cells"),
        ({"classes": ("B", "NK", "other")}, "classes, cells"),
        ({"seed": 99}, "cells"),
    ],
)
def test_a_restart_with_other_data_is_refused(settings, tmp_path, other, named):
    train_from_files(settings(**TWO), "selector_mlp")
    for side in ("train", "val"):
        write_side(tmp_path / "split", side, **other)
    with pytest.raises(SettingsError, match=f"was trained with other data or settings: {named}; put them back"):
        train_from_files(settings(restart=True), "selector_mlp")


def test_a_run_of_another_type_is_refused(settings):
    name = train_from_files(settings(**TWO), "mlp").log_folder.name
    with pytest.raises(SettingsError, match="was trained with other data or settings: model_type"):
        train_from_files(settings(restart=True, checkpoint={"restart_run": name}), "selector_mlp")


def test_a_damaged_checkpoint_is_refused(settings, tmp_path):
    run = train_from_files(settings(**TWO), "selector_mlp").log_folder.name
    (tmp_path / "checkpoints" / run / "last.ckpt").write_bytes(b"nothing")
    with pytest.raises(ModelFileError, match=r"last\.ckpt' is not a complete zip file .*; copy it again$"):
        train_from_files(settings(restart=True), "selector_mlp")


def test_an_svm_is_trained_anew(settings, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("selectormlp"), "propagate", True)
    caplog.set_level("INFO", logger="selectormlp")
    train_from_files(settings(restart=True), "svm")
    assert "an SVM has no epochs to continue from: it is trained again" in caplog.text


def test_more_epochs_may_be_asked_for_on_restarting(settings):
    train_from_files(settings(), "selector_mlp")
    resumed = train_from_files(settings(restart=True, training={"max_epochs": 5}), "selector_mlp")
    assert_same(resumed, train_from_files(settings(training={"max_epochs": 5}), "selector_mlp"))
