"""Everything in one go on a small object: what is written, and that the parts agree."""

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from selectormlp.data.anndata_io import CellsSource
from selectormlp.errors import DataError, SettingsError
from selectormlp.models.storage import load_model
from selectormlp.pipeline.run import run_all
from selectormlp.pipeline.run_settings import RunSettings

SETTINGS = {
    "split": {"train_cluster_size": 30, "val_cluster_size": 10, "test_cluster_size": 10, "min_cluster_size": 20},
    "dataloader": {"batch_size": 32, "num_workers": 0},
    "model": {"L1_size": 16, "L2_size": 8, "L3_size": 8},
    "training": {"max_epochs": 8, "lr": 0.02, "alpha": 0.005, "device": "cpu"},
    "masking": {"group_size": 8, "random_reps": 2},
}
SIDE_SIZES = {"train": 30, "validation": 10, "test": 10}


def cells(n_cells=200, n_genes=30):
    rng = np.random.default_rng(0)
    codes = np.minimum(np.arange(n_cells) % 4, np.where(np.arange(n_cells) < 40, 3, 2))  # the fourth class is small
    X = np.abs(rng.normal(size=(n_cells, n_genes))).astype(np.float32)
    X[np.arange(n_cells), codes * 5] += 3
    obs = pd.DataFrame({"kind": np.array(["B", "NK", "T", "rare"])[codes]}, index=[f"c{i}" for i in range(n_cells)])
    return ad.AnnData(X, obs=obs, var=pd.DataFrame(index=[f"g{i}" for i in range(n_genes)]))


def settings(**changes):
    return RunSettings.model_validate_json(json.dumps(SETTINGS | changes))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One run: its report, its folder, and the object before and after."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("train", "masking", "run"):  # painting takes longer than all the rest
            patch.setattr(f"selectormlp.pipeline.{module}.write_figure", _unpainted)
        out, adata = tmp_path_factory.mktemp("run"), cells()
        return run_all(adata, CellsSource("kind"), out, settings()), out, adata


def _unpainted(path, draw):
    draw()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_the_files_named_are_there(run):
    report, out, _ = run
    names = [path.relative_to(out).as_posix() for path in report.files]
    results = [
        f"feature_selection_results/{model}_{name}{suffix}"
        for model in ("selector_mlp", "mlp", "svm")
        for suffix in (".csv", ".png")
        for name in ("feature_selection_results", "ranked_genes")
    ]
    models = ["SelectorMLP_best_model.safetensors", "MLP_best_model.safetensors", "SVM_best_model.skops"]
    others = ["split.csv", "settings.json", "comparison.csv", "comparison.png"]
    assert sorted(names) == sorted(results + [f"trained_models/{name}" for name in models] + others)
    assert all(path.is_file() for path in report.files)
    assert (out / "run_log.txt").read_text(encoding="utf-8").count("training ") >= 3
    assert len(list((out / "logs").iterdir())) == 3


def test_the_object_is_not_altered(run):
    _, _, adata = run
    assert not adata.uns
    np.testing.assert_array_equal(adata.X, cells().X)
    pd.testing.assert_frame_equal(adata.obs, cells().obs)


def test_every_cell_of_a_large_class_may_be_on_one_side_only(run):
    _, out, adata = run
    split = pd.read_csv(out / "split.csv")
    assert split["cell"].is_unique
    expected = {(label, side): n for label in ["B", "NK", "T"] for side, n in SIDE_SIZES.items()}
    assert split.groupby(["label", "side"]).size().to_dict() == expected
    assert (adata.obs.loc[split["cell"], "kind"].to_numpy() == split["label"].to_numpy()).all()


def test_small_classes_are_no_classes(run):
    _, out, _ = run
    assert load_model(out / "trained_models" / "SVM_best_model").classes == ("B", "NK", "T")
    assert "1 class is left out, for too few cells: rare" in (out / "run_log.txt").read_text(encoding="utf-8")


def test_the_table_agrees_with_the_curves(run):
    report, out, _ = run
    table = report.table
    assert table.columns.tolist() == ["model", "order", "n_genes", "accuracy", "mean_per_class_accuracy", "seconds"]
    pd.testing.assert_frame_equal(pd.read_csv(out / "comparison.csv"), table)
    for model_type, name in {"selector_mlp": "SelectorMLP", "mlp": "MLP", "svm": "SVM"}.items():
        curve = pd.read_csv(
            out / "feature_selection_results" / f"{model_type}_feature_selection_results.csv", index_col=0
        )
        assert curve.index.tolist() == [0, 8, 10, 16, 24, 25, 30]
        for order in ("selected", "random"):
            part = table[(table["model"] == name) & (table["order"] == order)].set_index("n_genes")
            assert part.index.tolist() == [10, 25, 30]
            np.testing.assert_allclose(part["accuracy"], curve.loc[part.index, f"Accuracy ({order} features)"])
            np.testing.assert_allclose(
                part["mean_per_class_accuracy"], curve.loc[part.index, f"Mean per-class acc. ({order})"]
            )
    assert (table["seconds"] > 0).all()


def test_the_settings_kept_say_everything(run):
    _, out, _ = run
    kept = RunSettings.model_validate_json((out / "settings.json").read_text(encoding="utf-8"))
    assert kept.training.max_epochs == 8
    assert kept.masking.group_size == 8
    assert kept.cells.label_key == "kind"
    assert kept.model_copy(update={"cells": settings().cells}) == settings()


def test_too_small_a_split_is_refused(tmp_path):
    nothing = settings(split={"train_cluster_size": 30, "val_cluster_size": 0, "min_cluster_size": 20})
    with pytest.raises(SettingsError, match="no validation or test cells are left"):
        run_all(cells(), CellsSource("kind"), tmp_path / "out", nothing)
    with pytest.raises(DataError, match=r"0 of 4 classes have at least 100 cells"):
        run_all(cells(), CellsSource("kind"), tmp_path / "out", settings(split={"min_cluster_size": 100}))
    assert not (tmp_path / "out").exists()
