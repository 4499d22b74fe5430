"""The published program's five commands, its settings files with every key, and the demo."""

import gzip
import json
import os
import shutil
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

SEQUENCE = [
    ["split_data", "--config", "configs/split_data.json"],
    ["train", "--config", "configs/train.json", "--model_type", "selector_mlp"],
    ["train", "--config", "configs/train.json", "--model_type", "svm"],
    ["feature_selection", "--model_path", "trained_models/SelectorMLP_best_model.pkl"],
    ["feature_selection", "--model_path", "trained_models/SVM_best_model.pkl"],
]
SELECTED, RANDOM, SELECTED_MEAN, RANDOM_MEAN = (
    "Accuracy (selected features)",
    "Accuracy (random features)",
    "Mean per-class acc. (selected)",
    "Mean per-class acc. (random)",
)


def write_configs(folder, *, y_column, sizes, min_cluster_size, hidden_sizes, batch_size, lr, max_epochs, group_size):
    """Write the three settings files with all of the published keys."""
    caps = dict(zip(("train_cluster_size", "val_cluster_size", "test_cluster_size"), sizes, strict=True))
    configs = {
        "split_data": {
            "adata_path": "raw_data/adata.h5ad.gz",
            "y_column": y_column,
            **caps,
            "min_cluster_size": min_cluster_size,
            "save_dir": "intermediate_files/split_data",
            "shuffle": True,
            "shuffle_seed": 42,
        },
        "train": {
            "restart": False,
            "log_dir": "logs",
            "trained_models_dir": "trained_models",
            "data": {
                "input_dir": "intermediate_files/split_data",
                "y_column": y_column,
                "torch_sparsity_type": "dense",
                **caps,
            },
            "dataloader": {"batch_size": batch_size, "num_workers": 4, "shuffle_train": True, "shuffle_val": False},
            "model": {
                "name": "SelectorMLP",
                "selector_type": "std",
                **dict(zip(("L1_size", "L2_size", "L3_size"), hidden_sizes, strict=True)),
                "leak_angle": 0.2,
                "penalty": "L1",
                "batch_norm": True,
            },
            "training": {
                "lr": lr,
                "weight_decay": 0.3,
                "dropout": 0.3,
                "batch_norm": False,
                "noise_std": 0.2,
                "max_epochs": max_epochs,
                "alpha": 0.05,
            },
            "svm": {"loss": "squared_hinge", "penalty": "L1", "dual": False, "C": 1.0},
            "checkpoint": {
                "dir": "trained_models/checkpoints",
                "restart_run": "last",
                "save_top_k": 3,
                "save_last": True,
            },
        },
        "feature_selection": {
            "model_path": "trained_models/SelectorMLP_best_model.pkl",
            "adata_input": "intermediate_files/split_data/adata_test.h5ad",
            "y_column": y_column,
            "group_size": group_size,
            "random_reps": 5,
            "results_dir": "feature_selection_results",
        },
    }
    (folder / "configs").mkdir()
    for name, settings in configs.items():
        (folder / "configs" / f"{name}.json").write_text(json.dumps(settings), encoding="utf-8")


def write_gzipped(adata, folder):
    (folder / "raw_data").mkdir()
    plain = folder / "raw_data" / "adata.h5ad"
    adata.write_h5ad(plain)
    with plain.open("rb") as source, gzip.open(f"{plain}.gz", "wb", compresslevel=1) as target:
        shutil.copyfileobj(source, target)
    plain.unlink()


def curves(folder):
    results = folder / "feature_selection_results"
    return {
        model_type: pd.read_csv(results / f"{model_type}_feature_selection_results.csv", index_col=0)
        for model_type in ("selector_mlp", "svm")
    }


def files(folder):
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def synthetic(n_genes=60, n_classes=5, n_cells=400):
    """Raw counts; three marker genes a class; a sixth class is too small."""
    rng = np.random.default_rng(0)
    labels = np.arange(n_cells) % n_classes
    labels[:8] = n_classes
    mean = np.full((n_classes + 1, n_genes), 0.5)
    for code in range(n_classes):
        mean[code, 3 * code : 3 * code + 3] = 5
    X = sp.csr_matrix(rng.poisson(mean[labels]).astype(np.float32))
    names = np.array([f"type {letter}" for letter in "ABCDEF"])
    obs = pd.DataFrame({"Main_cluster_name": names[labels]}, index=[f"cell{i}" for i in range(n_cells)])
    return ad.AnnData(X, obs=obs, var=pd.DataFrame(index=[f"g{i}" for i in range(n_genes)]))


@pytest.mark.learned
def test_the_published_sequence_runs_unchanged_on_synthetic_cells(command, tmp_path):
    write_gzipped(synthetic(), tmp_path)
    write_configs(
        tmp_path,
        y_column="Main_cluster_name",
        sizes=(50, 10, 15),
        min_cluster_size=20,
        hidden_sizes=(32, 16, 8),
        batch_size=32,
        lr=0.005,
        max_epochs=60,
        group_size=10,
    )
    printed = [command(*arguments) for arguments in SEQUENCE]

    assert "type E" in printed[0].out
    assert "type F" not in printed[0].out
    assert "raw counts: turned to log1p of counts per 10,000" in printed[1].err
    assert "batch_norm is True in 'model' and False in 'training': the latter wins" in printed[1].err
    assert "num_workers=4 is not used" in printed[1].err
    assert "SelectorMLP_best_model.pkl is taken as the saved model" in printed[3].err
    assert "SVM_best_model.pkl is taken as the saved model" in printed[4].err

    written = files(tmp_path)
    split = {f"intermediate_files/split_data/adata_{side}.h5ad" for side in ("train", "val", "test")}
    models = {"trained_models/SelectorMLP_best_model.safetensors", "trained_models/SVM_best_model.skops"}
    results = {
        f"feature_selection_results/{model_type}_{name}{suffix}"
        for model_type in ("selector_mlp", "svm")
        for name in ("feature_selection_results", "ranked_genes")
        for suffix in (".csv", ".png")
    }
    assert split | models | results <= written
    assert not [name for name in written if name.endswith((".pkl", ".pickle", ".joblib"))]
    (run,) = (tmp_path / "logs").glob("selector_mlp-*")
    for name in ("accuracy_plot.png", "loss_plot.png"):
        assert (run / name).read_bytes().startswith(b"\x89PNG")
    assert (run / "training_log.txt").stat().st_size > 0
    assert (tmp_path / "trained_models" / "checkpoints" / run.name / "last.ckpt").is_file()
    for name in results | models:
        assert name in "".join(out for out, _ in printed)

    for model_type, curve in curves(tmp_path).items():
        assert curve.columns.tolist() == [SELECTED, RANDOM, SELECTED_MEAN, RANDOM_MEAN]
        assert curve.index.tolist() == [0, 10, 20, 30, 40, 50, 60]
        assert curve.loc[60, SELECTED] == pytest.approx(curve.loc[60, RANDOM])
        assert curve.loc[60, SELECTED] > 0.6, model_type  # one seed, 75 cells, five types: chance is 0.2
        assert curve.loc[[10, 20, 30], SELECTED].mean() > curve.loc[[10, 20, 30], RANDOM].mean(), model_type
        genes = pd.read_csv(tmp_path / "feature_selection_results" / f"{model_type}_ranked_genes.csv")
        assert genes.columns.tolist() == ["gene", "weight_abs", "idx"]
        assert sum(int(gene[1:]) < 15 for gene in genes["gene"][:15]) >= 8, model_type  # by chance 3.75 of 60


def test_the_sequence_run_twice_gives_the_same_results(command, tmp_path):
    write_gzipped(synthetic(n_genes=20, n_cells=200), tmp_path)
    write_configs(
        tmp_path,
        y_column="Main_cluster_name",
        sizes=(20, 5, 5),
        min_cluster_size=20,
        hidden_sizes=(8, 8, 8),
        batch_size=16,
        lr=0.01,
        max_epochs=2,
        group_size=5,
    )
    seen = []
    for _ in range(2):
        for arguments in SEQUENCE:
            command(*arguments, "--quiet")
        names = [name for name in files(tmp_path) if name.startswith("feature_selection") and name.endswith(".csv")]
        seen.append({name: (tmp_path / name).read_text() for name in names})
    assert len(seen[0]) == 4
    assert seen[0] == seen[1]


@pytest.mark.learned
@pytest.mark.data
def test_the_published_sequence_runs_on_mouse_motor_cortex(command, tmp_path):
    folder = os.environ.get("SELECTORMLP_DATA")
    path = Path(folder or "") / "mop_dot_500g.h5ad"
    if not folder or not path.is_file():
        pytest.skip("SELECTORMLP_DATA names no folder with mop_dot_500g.h5ad")
    whole = ad.read_h5ad(path)
    counts = whole.obs["cell_type"].value_counts()
    write_gzipped(whole[whole.obs["cell_type"].isin(counts.index[counts >= 180])].copy(), tmp_path)
    write_configs(
        tmp_path,
        y_column="cell_type",
        sizes=(120, 30, 30),
        min_cluster_size=180,
        hidden_sizes=(128, 64, 32),
        batch_size=32,
        lr=0.001,
        max_epochs=40,
        group_size=50,
    )
    for arguments in SEQUENCE:
        command(*arguments)
    found = curves(tmp_path)
    for model_type, curve in found.items():
        assert curve.index.tolist() == list(range(0, 501, 50))
        few = curve.loc[50:250]  # below 60 % of the genes
        assert few[SELECTED].mean() > few[RANDOM].mean(), model_type
        assert few[SELECTED_MEAN].mean() > few[RANDOM_MEAN].mean(), model_type
    means = {model_type: curve.loc[50:200, SELECTED].mean() for model_type, curve in found.items()}
    assert means["selector_mlp"] > means["svm"]


@pytest.mark.slow
def test_the_demo_leaves_what_it_names(command, tmp_path):
    printed = command("demo", "--out", "results", "--quiet")
    table = pd.read_csv(tmp_path / "results" / "comparison.csv")
    assert set(table["model"]) == {"SelectorMLP", "MLP", "SVM"}
    assert set(table["n_genes"]) == {10, 25, 50, 100, 200, 765}
    selected = table[(table["order"] == "selected") & (table["n_genes"] == 765)]
    assert selected["accuracy"].min() > 0.6
    named = [line.strip() for line in printed.out.split("Written:\n")[1].splitlines()]
    assert len(named) > 10
    assert all((tmp_path / name).is_file() for name in named)
    assert named[-1] == "results/report.html"
    for model in ("SelectorMLP", "MLP", "SVM", "random order"):
        assert model in printed.out
