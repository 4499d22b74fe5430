"""The train step on cells that stay on disk: copies of sides, or indices of them."""

import json
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

from selectormlp.data.anndata_files import read_adata
from selectormlp.data.split_index import SplitIndex, hash_names, write_split_index
from selectormlp.errors import DataError, OutputError, SettingsError
from selectormlp.models.storage import load_model
from selectormlp.pipeline.settings import TrainSettings
from selectormlp.pipeline.train import train_from_files

CLASSES = ("B", "NK", "T")


@pytest.fixture(autouse=True)
def _figures_are_not_painted(monkeypatch):
    monkeypatch.setattr("selectormlp.pipeline.train.write_figure", lambda path, draw: path.touch())


def write_cells(path, n_cells, seed=0, signal=3):
    rng = np.random.default_rng(seed)
    codes = np.sort(np.arange(n_cells) % 3)
    counts = rng.poisson(0.7, size=(n_cells, 12)).astype(np.float32)
    counts[np.arange(n_cells), codes] += signal
    obs = pd.DataFrame({"kind": pd.Categorical(np.array(CLASSES)[codes])}, index=[f"c{i}" for i in range(n_cells)])
    adata = anndata.AnnData(sp.csr_matrix(counts), obs=obs, var=pd.DataFrame(index=[f"g{i}" for i in range(12)]))
    adata.uns["selectormlp"] = {"label_key": "kind", "classes": np.array(CLASSES, dtype=object)}
    adata.write_h5ad(path)
    return adata


@pytest.fixture
def make(tmp_path):
    """Makes settings; the split holds copies of 90 and 30 cells."""
    (tmp_path / "split").mkdir()
    write_cells(tmp_path / "split" / "adata_train.h5ad", 90)
    write_cells(tmp_path / "split" / "adata_val.h5ad", 30, seed=1)

    def settings(*, data=None, dataloader=None, training=None, **rest):
        sections = {
            "log_dir": str(tmp_path / "logs"),
            "trained_models_dir": str(tmp_path / "models"),
            "data": {"input_dir": str(tmp_path / "split"), "y_column": "kind", **(data or {})},
            "dataloader": {"batch_size": 16, "num_workers": 0, "block_size": 4, **(dataloader or {})},
            "model": {"L1_size": 8, "L2_size": 6, "L3_size": 4},
            "training": {"max_epochs": 4, "lr": 0.05, "device": "cpu", **(training or {})},
            "checkpoint": {"dir": str(tmp_path / "checkpoints")},
        }
        return TrainSettings.model_validate_json(json.dumps(sections | rest))

    return settings


@pytest.fixture
def index_split(tmp_path):
    """The sides as indices of one file of 120 cells."""
    adata = write_cells(tmp_path / "whole.h5ad", 120)
    folder = tmp_path / "indices"
    folder.mkdir()
    rows = {"train": np.flatnonzero(np.arange(120) % 4 > 0), "val": np.flatnonzero(np.arange(120) % 4 == 0)}
    for side, taken in rows.items():
        names = hash_names(adata.obs_names[taken])
        index = SplitIndex((tmp_path / "whole.h5ad",), taken, ((120, 12),), "kind", CLASSES, names)
        write_split_index(index, folder / f"adata_{side}.index.npz")
        adata[taken].copy().write_h5ad(tmp_path / f"adata_{side}.h5ad")
    return folder


def weights(report):
    return report.model.selector.network_.state_dict()


def same(found, expected):
    return all(torch.equal(weights(found)[name], value) for name, value in weights(expected).items())


def test_it_leaves_what_training_in_memory_leaves(make, tmp_path, said):
    learning = {"max_epochs": 20, "lr": 0.02, "dropout": 0.0, "alpha": 0.001, "batch_norm": True}
    report = train_from_files(make(data={"lazy": True}, training=learning), "selector_mlp")
    assert len(report.model.selector.history_) == 20
    assert f"opened {tmp_path / 'split' / 'adata_train.h5ad'}: 90 cells × 12 genes" in said()
    loaded = load_model(report.model_file)
    cells = loaded.read_cells(read_adata(tmp_path / "split" / "adata_val.h5ad"))
    assert report.scores["accuracy"] == (loaded.selector.class_scores(cells.X).argmax(axis=1) == cells.labels).mean()


@pytest.mark.slow
@pytest.mark.learned
def test_it_learns_on_nine_of_ten_seeds(make, tmp_path):
    write_cells(tmp_path / "split" / "adata_train.h5ad", 90, signal=20)
    write_cells(tmp_path / "split" / "adata_val.h5ad", 30, seed=1, signal=20)
    learning = {"max_epochs": 20, "lr": 0.02, "dropout": 0.0, "alpha": 0.001}
    found = []
    for seed in range(10):
        settings = make(data={"lazy": True}, training={**learning, "seed": seed})
        found.append(train_from_files(settings, "selector_mlp").scores["accuracy"])
    assert np.sum(np.array(found) > 0.6) >= 9, found  # chance: 0.33


def test_training_scores_are_of_cells_spread_over_all(make, monkeypatch):
    monkeypatch.setattr("selectormlp.networks.loading.MAX_SCORED", 20)
    few = train_from_files(make(data={"lazy": True}), "selector_mlp").model.selector.history_["train_accuracy"]
    np.testing.assert_allclose(few * 20, np.rint(few * 20), atol=1e-4)


def test_the_same_settings_give_the_same_weights(make):
    lazy = make(data={"lazy": True})
    assert same(train_from_files(lazy, "mlp"), train_from_files(lazy, "mlp"))


def test_cells_that_fill_one_batch_give_the_weights_of_training_in_memory(make):
    """One batch an epoch, unshuffled and without dropout: how it was read does not matter."""
    settings = {"dataloader": {"batch_size": 90, "shuffle_train": False}, "training": {"dropout": 0.0}}
    lazy, loaded = (train_from_files(make(data={"lazy": choice}, **settings), "mlp") for choice in (True, False))
    assert same(lazy, loaded)
    pd.testing.assert_frame_equal(lazy.model.selector.history_, loaded.model.selector.history_)


def test_an_index_stays_on_disk_unless_told_otherwise(make, index_split, tmp_path, said):
    by_index = {"input_dir": str(index_split)}
    train_from_files(make(data=by_index), "mlp")
    assert "opened" in said()
    loaded = train_from_files(make(data={**by_index, "lazy": False}), "mlp")
    copies = train_from_files(make(data={"input_dir": str(tmp_path)}), "mlp")
    assert same(loaded, copies)
    assert loaded.model.data_hashes == copies.model.data_hashes


def test_a_copy_and_an_index_are_one_too_many(make, index_split):
    write_cells(index_split / "adata_train.h5ad", 30)
    with pytest.raises(DataError, match=r"holds both 'adata_train\.h5ad' and 'adata_train\.index\.npz'.*remove"):
        train_from_files(make(data={"input_dir": str(index_split)}), "mlp")


def test_classes_are_capped(make, said):
    train_from_files(make(data={"lazy": True, "train_cluster_size": 5}), "mlp")
    assert "classes are capped at 5 cells again: 15 of 90 cells are kept" in said()
    assert "training MLP on 15 cells × 12 genes" in said()


def test_an_svm_needs_memory(make, tmp_path):
    with pytest.raises(SettingsError, match=r"an SVM needs cells in memory.*set data\.lazy to false"):
        train_from_files(make(data={"lazy": True}), "svm")
    assert not (tmp_path / "logs").exists()


def test_class_balanced_sampling_is_for_cells_on_disk(make):
    with pytest.raises(SettingsError, match=r"class_balanced draws cells from disk.*set data\.lazy to true"):
        train_from_files(make(dataloader={"class_balanced": True}), "mlp")


def test_class_balanced_sampling_is_part_of_the_model(make):
    balanced = {"data": {"lazy": True}, "dataloader": {"class_balanced": True}}
    report = train_from_files(make(**balanced), "mlp")
    assert load_model(report.model_file).class_balanced
    with pytest.raises(SettingsError, match="trained with other data or settings: class_balanced"):
        train_from_files(make(data={"lazy": True}, restart=True), "mlp")
    train_from_files(make(**balanced, restart=True), "mlp")


def test_a_truncated_file_ends_training_and_names_the_file(make, tmp_path):
    """The chunks that are damaged are met in the first epoch."""
    import h5py

    with h5py.File(tmp_path / "split" / "adata_train.h5ad", "r+") as file:
        file["X/indices"][-5:] = 99
    with pytest.raises(DataError, match=r"adata_train\.h5ad.*name genes beyond the 12.*the file is damaged"):
        train_from_files(make(data={"lazy": True}), "mlp")
    assert not list((tmp_path / "models").glob("*"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("suffix", [".ckpt", ".csv", ".safetensors"])
def test_a_full_disk_is_said_and_leaves_no_half_file(make, tmp_path, monkeypatch, suffix):
    """What is written goes to /dev/full, where every write fails as on a full disk."""
    original = Path.open

    def open_(self, mode="r", *arguments, **settings):
        full = "w" in mode and self.suffix == suffix
        return original(Path("/dev/full") if full else self, mode, *arguments, **settings)

    def to_csv(self, path, **settings):
        with Path(path).open("w") as stream:
            stream.write("epoch")

    monkeypatch.setattr(Path, "open", open_)
    monkeypatch.setattr(pd.DataFrame, "to_csv", to_csv)
    with pytest.raises(OutputError, match=rf"cannot write .*{suffix}.*No space left on device"):
        train_from_files(make(data={"lazy": True}), "mlp")
    assert not list(tmp_path.rglob("*.part*"))
    assert not [path for path in tmp_path.rglob(f"*{suffix}") if path.parent != tmp_path / "split"]
