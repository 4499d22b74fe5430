"""`selectormlp evaluate`, `compare` and `predict`."""

import os
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import selectormlp as sm

FOLDER = os.environ.get("SELECTORMLP_DATA")


@pytest.fixture
def data(adata, tmp_path):
    adata.write_h5ad(tmp_path / "cells.h5ad")
    (tmp_path / "mine.csv").write_text("gene\ngene0\ngene1\ngene2\nGene3\nabsent\n")
    (tmp_path / "theirs.txt").write_text("gene0\ngene4\n")
    return tmp_path / "cells.h5ad"


def run(cli, command, data, *more):
    return cli(command, data, "--label-key", "cell_type", "--donor-key", "donor", "--splits", 2, *more)


def test_evaluate_scores_a_typed_panel_and_names_what_it_could_not_use(cli, data, tmp_path):
    outcome = run(cli, "evaluate", data, "--panel", "mine.csv", "--out", "ev", "--at", 2, "--no-unsupervised")
    assert outcome.code == 0
    scores = pd.read_csv(tmp_path / "ev" / "scores.csv")
    assert scores.columns.tolist() == [
        "genes", "n_genes", "metric", "value", "low", "high", "split_low", "split_high", "split_sd"]  # fmt: skip
    assert scores.query("genes == 'panel'")["n_genes"].unique().tolist() == [2, 3]
    unusable = pd.read_csv(tmp_path / "ev" / "unusable.csv", index_col="gene")
    assert "gene3" in unusable.loc["Gene3", "suggestions"]
    assert pd.isna(unusable.loc["absent", "suggestions"])
    assert "2 of the 5 genes" in outcome.err
    assert "2 genes of the panel could not be used: Gene3 (near: gene3" in outcome.out
    summary = pd.read_csv(tmp_path / "ev" / "summary.csv", index_col="what")["value"]
    assert summary["protocol"] == "external"
    assert summary["splits"] == "grouped"
    assert str(Path("ev") / "confusion.csv") in outcome.out
    flat = " ".join(outcome.out.split())
    assert "intervals over splits" in flat
    whole = scores.query("genes == 'panel' and n_genes == 3 and metric == 'accuracy'").iloc[0]
    assert f"{whole['value']:.3f} ({whole['split_low']:.3f}–{whole['split_high']:.3f})" in outcome.out
    outcome = cli(
        "evaluate", data, "--label-key", "cell_type", "--panel", "theirs.txt", "--out", "e2", "--no-unsupervised"
    )
    assert "intervals over test cells" in " ".join(outcome.out.split())
    assert not list((tmp_path / "ev").glob("*.part*"))


@pytest.mark.parametrize("command", ["evaluate", "compare", "explain"])
def test_some_cells_of_each_type_are_read_from_several_files(cli, adata, data, tmp_path, command):
    adata[::2].copy().write_h5ad(tmp_path / "a.h5ad")
    adata[1::2].copy().write_h5ad(tmp_path / "b.h5ad")
    flags = ["--label-key", "cell_type", "--panel", "theirs.txt", "--out", "few"]
    outcome = cli(command, "a.h5ad", "b.h5ad", *flags, "--cells-per-type", 20)
    assert outcome.code == 0, outcome.err
    n_types = adata.obs["cell_type"].nunique()
    assert f"read {20 * n_types} of {adata.n_obs} cells: at most 20 of a type" in outcome.err
    assert any((tmp_path / "few").iterdir())


@pytest.mark.parametrize("command", ["evaluate", "compare", "explain"])
def test_several_files_are_joined_and_each_is_a_batch(cli, adata, tmp_path, command):
    adata[:100].copy().write_h5ad(tmp_path / "a.h5ad")
    adata[100:].copy().write_h5ad(tmp_path / "b.h5ad")
    (tmp_path / "genes.txt").write_text("gene0\ngene1\ngene2\n")
    files = ["a.h5ad", "b.h5ad"]
    leave_out = [] if command == "explain" else ["--leave-out", "data_set"]
    for sample in ([], ["--cells-per-type", 30]):
        flags = ["--label-key", "cell_type", "--panel", "genes.txt", "--out", "found", *leave_out, *sample]
        outcome = cli(command, *files, *flags)
        assert outcome.code == 0, outcome.err
        assert "2 data sets" in outcome.err
        assert not leave_out or "in 2 splits" in outcome.err
    outcome = cli(command, *files, "--label-key", "kind", "--panel", "genes.txt", "--out", "other")
    assert outcome.code == 2
    assert "Traceback" not in outcome.err
    assert not (tmp_path / "other").exists()


def test_evaluate_writes_all_that_is_asked_for_and_predict_uses_the_model(cli, data, tmp_path, adata, make_adata):
    sm.select(adata, label_key="cell_type", n_genes=4, method="discriminant").write(tmp_path / "panel")
    adata.obs["=coarse"] = np.where(adata.obs["cell_type"].isin(["type A", "type B"]), "x", "y")
    adata.write_h5ad(data)
    flags = ["--coarse-key", "=coarse", "--robustness", "--stability", 2, "--model", "deep/clf"]
    outcome = run(cli, "evaluate", data, "--panel", "panel/panel.json", "--out", "ev", *flags)
    assert outcome.code == 0, outcome.err
    names = {file.stem for file in (tmp_path / "ev").iterdir()} - {".evaluation.manifest"}
    assert names == {
        "summary", "scores", "classes", "confusion", "confused", "unsupervised", "redundancy", "hierarchy",
        "coarse_classes", "levels", "robustness", "stability", "overlaps", "settings"}  # fmt: skip
    assert "reselected" in (tmp_path / "ev" / "summary.csv").read_text()
    make_adata(seed=3).write_h5ad(tmp_path / "new.h5ad")
    outcome = cli("predict", "new.h5ad", "--model", "deep/clf.safetensors", "--out", "pr", "--min-confidence", 0.95)
    assert outcome.code == 0, outcome.err
    table = pd.read_csv(tmp_path / "pr" / "predictions.csv", index_col="cell")
    assert len(table) == 200
    assert (table["label"] == "unsure").any()
    assert (table["best"] == make_adata(seed=3).obs["cell_type"]).mean() > 0.75
    assert "unsure" in outcome.out


def test_compare_prints_a_line_a_panel(cli, data, tmp_path):
    flags = ["--panel", "mine.csv", "--panel", "theirs.txt", "--method", "discriminant", "--size", 4]
    outcome = run(cli, "compare", data, *flags, "--out", "cmp")
    assert outcome.code == 0, outcome.err
    table = pd.read_csv(tmp_path / "cmp" / "panels.csv")
    assert table["panel"].tolist() == ["mine", "theirs", "discriminant"]
    assert table["n_genes"].tolist() == [3, 2, 4]
    assert {file.stem for file in (tmp_path / "cmp").iterdir()} - {".comparison.manifest"} == {
        "panels",
        "curves",
        "differences",
        "overlap",
        "genes",
        "settings",
    }
    assert "less the first" in outcome.out
    assert "by the panels' own counts" in outcome.out
    (tmp_path / "same.txt").write_text("gene0\ngene4\n")
    outcome = run(cli, "compare", data, "--panel", "theirs.txt", "--panel", "same.txt", "--out", "cmp2")
    assert "-0.000" not in outcome.out
    assert "0.000 (0.000 to 0.000)" in outcome.out


@pytest.mark.parametrize(
    ("command", "flags", "message"),
    [
        ("evaluate", ["--panel", "none.csv", "--out", "x"], "no file 'none.csv'"),
        ("evaluate", ["--panel", "mine.csv", "--out", "x", "--classifier", "svm"], "no classifier 'svm'"),
        (
            "evaluate",
            ["--panel", "mine.csv", "--out", "x", "--classifier", "knn", "--model", "m"],
            "--model writes logistic",
        ),
        ("evaluate", ["--panel", "mine.csv", "--out", "x", "--stability", 3], "cannot be chosen again"),
        ("evaluate", ["--panel", "mine.csv", "--out", "x", "--coarse-key", "celltype"], "no label column 'celltype'"),
        ("evaluate", ["--panel", "mine.csv", "--out", "cells.h5ad", "--no-unsupervised"], "is a file; name a folder"),
        ("compare", ["--out", "x"], "nothing to compare"),
        ("compare", ["--panel", "mine.csv", "--method", "discriminate", "--out", "x"], "did you mean 'discriminant'"),
    ],
)
def test_errors_are_one_line_and_nothing_is_left(cli, data, tmp_path, command, flags, message):
    outcome = run(cli, command, data, *flags)
    assert outcome.code == 2
    (line,) = [line for line in outcome.err.splitlines() if line.startswith("selectormlp: error:")]
    assert message in line
    assert not (tmp_path / "x").exists()


def test_a_class_named_unsure_is_refused_before_anything_is_measured(cli, data, adata, tmp_path):
    adata.obs["cell_type"] = adata.obs["cell_type"].astype(str).replace("type A", "unsure")
    adata.write_h5ad(data)
    outcome = run(cli, "evaluate", data, "--panel", "theirs.txt", "--out", "x", "--model", "m")
    assert outcome.code == 2
    assert "a class is named 'unsure'" in outcome.err
    assert "refitting" not in outcome.err
    assert not (tmp_path / "x").exists()


def test_predict_refuses_what_is_no_model(cli, data, tmp_path):
    (tmp_path / "m.safetensors").write_bytes(b"cos\nsystem\n(S'echo'\ntR.")
    outcome = cli("predict", data, "--model", "m.safetensors", "--out", "x")
    assert outcome.code == 2
    assert "not a readable model" in outcome.err
    assert not (tmp_path / "x").exists()


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.skipif(FOLDER is None, reason="SELECTORMLP_DATA is not set")
def test_a_users_list_on_the_pancreas(cli, tmp_path):
    (tmp_path / "mine.csv").write_text("gene\nINS\nGCG\nSST\nPPY\nKRT19\nPRSS1\nins-igf2\nKrt18\nNOTAGENE123\n")
    data = Path(FOLDER) / "baron_human.h5ad"
    flags = ["--label-key", "cell_type", "--donor-key", "batch", "--panel", "mine.csv", "--no-unsupervised"]
    outcome = cli("evaluate", data, *flags, "--out", "ev")
    assert outcome.code == 0
    scores = pd.read_csv(tmp_path / "ev" / "scores.csv").query("metric == 'accuracy'").groupby("genes")["value"].last()
    assert scores["panel"] > 0.7 > scores["random"]
    unusable = pd.read_csv(tmp_path / "ev" / "unusable.csv")
    assert unusable["gene"].tolist() == ["ins-igf2", "Krt18", "NOTAGENE123"]
    assert "KRT18" in unusable["suggestions"][1]
    assert ad.read_h5ad(data, backed="r").shape == (3607, 20125)
