"""`selectormlp select`, `extend` and `explain`; methods in `feature_selection` and `run`."""

import json
import logging
import os
import sys
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from selectormlp.cli.app import main
from selectormlp.cli.terminal import print_panel, set_up_log
from selectormlp.panel.panel import Panel
from selectormlp.panel.storage import read_panel

FOLDER = os.environ.get("SELECTORMLP_DATA")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A file of 90 cells × 20 genes in three types; genes 0 and 1 mark the first, 2 and 3 the second, …."""
    rng = np.random.default_rng(0)
    types = np.arange(90) % 3
    rate = np.ones((90, 20))
    for kind in range(3):
        rate[np.ix_(types == kind, [2 * kind, 2 * kind + 1])] = 12.0
    names = [f"c{i}" for i in range(90)]
    obs = pd.DataFrame({"kind": np.array(["T", "B", "NK"])[types], "barcode": names}, index=names)
    var = pd.DataFrame({"symbol": [f"S{i}" for i in range(20)]}, index=[f"g{i}" for i in range(20)])
    path = tmp_path_factory.mktemp("data") / "cells.h5ad"
    ad.AnnData(sp.csr_matrix(rng.poisson(rate).astype(np.float32)), obs=obs, var=var).write_h5ad(path)
    return path


@pytest.fixture
def call(monkeypatch, capsys):
    """Run a command in this process; give exit code, standard output and standard error."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["selectormlp", *map(str, words)])
        monkeypatch.setenv("COLUMNS", "120")
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = ended.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_select_writes_three_files(call, data, tmp_path):
    code, out, _ = call("select", data, "--label-key", "kind", "--size", 3, "--out", tmp_path / "panel")
    assert code == 0
    table = pd.read_csv(tmp_path / "panel" / "panel.csv")
    assert table.columns.tolist() == ["position", "gene", "score", "reason"]
    assert table["position"].tolist() == [1, 2, 3]
    assert {int(gene[1:]) // 2 for gene in table["gene"]} == {0, 1, 2}
    panel = read_panel(tmp_path / "panel" / "panel.json")
    assert list(panel.genes) == table["gene"].tolist()
    assert (tmp_path / "panel" / "genes.txt").read_text().split() == list(panel.genes)
    assert panel.provenance.label_key == "kind"
    assert all(str(tmp_path / "panel" / name) in out for name in ("panel.csv", "panel.json", "genes.txt"))
    assert panel.genes[0] in out


def test_long_panels_are_printed_in_part(capsys):
    print_panel(Panel(tuple(f"g{i}" for i in range(30))), n_known=2)
    out = capsys.readouterr().out
    assert "g2 " in out
    assert "g26" in out
    assert "g27" not in out
    assert "3 more" in out


def test_flags_and_files_of_constraints(call, data, tmp_path):
    (tmp_path / "must.txt").write_text("g19\n")
    (tmp_path / "forbid.csv").write_text("gene\ng0\nS1*\n")
    (tmp_path / "candidates.txt").write_text("".join(f"g{i}\n" for i in range(20)))
    (tmp_path / "costs.csv").write_text("gene,cost\ng2,100\n")
    code, _, err = call(
        *("select", data, "--label-key", "kind", "--size", 5, "--method", "markers", "--seed", 7, "--quiet"),
        *("--must-have", "S9", "--must-have-file", tmp_path / "must.txt", "--forbid", "g4"),
        *("--forbid-file", tmp_path / "forbid.csv", "--candidates", tmp_path / "candidates.txt"),
        *("--costs", tmp_path / "costs.csv", "--budget", 10, "--min-mean", 0, "--max-mean", 50),
        *("--gene-name-key", "symbol", "--gene-id-key", "symbol", "--min-markers-per-type", 1, "--out", tmp_path),
    )
    assert code == 2
    assert "must-have but forbidden: 'g19'" in err  # S1* is g1 and g10 to g19
    (tmp_path / "forbid.csv").write_text("gene\ng0\nS1\n")
    code, _, err = call(
        *("select", data, "--label-key", "kind", "--size", 5, "--method", "markers", "--seed", 7, "--quiet"),
        *("--must-have", "S9", "--must-have-file", tmp_path / "must.txt", "--forbid", "g4"),
        *("--forbid-file", tmp_path / "forbid.csv", "--candidates", tmp_path / "candidates.txt"),
        *("--costs", tmp_path / "costs.csv", "--budget", 10, "--min-mean", 0, "--max-mean", 50),
        *("--gene-name-key", "symbol", "--gene-id-key", "symbol", "--out", tmp_path),
    )
    assert (code, err) == (0, "")
    panel = read_panel(tmp_path / "panel.json")
    assert panel.genes[:2] == ("g9", "g19")
    assert not set(panel.genes) & {"g0", "g1", "g2", "g4"}
    assert len(panel) == 5
    assert panel.gene_ids[0] == "S9"
    assert panel.provenance.method == "markers"
    assert panel.provenance.seed == 7


def test_a_type_of_few_cells_is_warned_of_once(call, data, tmp_path):
    adata = ad.read_h5ad(data)
    adata.obs["kind"] = ["rare", *adata.obs["kind"][1:]]
    adata.write_h5ad(tmp_path / "rare.h5ad")
    given = ("--label-key", "kind", "--size", 3, "--method", "discriminant", "--quiet", "--out")
    for more in ((), ("--lazy",)):
        code, _, err = call("select", tmp_path / "rare.h5ad", *given, tmp_path / "panel", *more)
        assert code == 0
        assert err.startswith("1 type has fewer than 5 cells ('rare': 1)")
        assert err.count("\n") == 1
    code, _, err = call("select", data, *given, tmp_path / "panel")
    assert (code, err) == (0, "")


def test_what_is_said_twice_is_printed_once(capsys):
    set_up_log(quiet=False)
    for line in ("reading", "reading", "choosing", "reading"):
        logging.getLogger("selectormlp").info(line)
    assert capsys.readouterr().err.split() == ["reading", "choosing"]


def test_select_without_labels(call, data, tmp_path):
    code, _, _ = call("select", data, "--size", 2, "--method", "reconstruction", "--out", tmp_path)
    assert code == 0
    assert len(read_panel(tmp_path / "panel.json").provenance.cells) == 90


def test_select_by_persist_writes_thresholds(call, data, tmp_path):
    given = ("select", data, "--size", 3, "--quiet")
    code, _, _ = call(*given, "--label-key", "kind", "--method", "persist", "--out", tmp_path / "persist")
    assert code == 0
    table = pd.read_csv(tmp_path / "persist" / "panel.csv")
    assert table.columns.tolist() == ["position", "gene", "score", "threshold", "reason"]
    assert table["threshold"].tolist() == [0, 0, 0]
    panel = read_panel(tmp_path / "persist" / "panel.json")
    assert panel.thresholds == (0, 0, 0)
    assert panel.provenance.settings["threshold_unit"] == "log1p of counts per 10,000"
    code, _, err = call(*given, "--method", "persist", "--out", tmp_path / "out")
    assert code == 2
    assert "the method 'persist' needs labels" in err


def test_select_by_unsupervised_persist_needs_no_labels(call, data, tmp_path):
    given = ("select", data, "--size", 3, "--quiet", "--method", "persist-unsupervised")
    code, _, _ = call(*given, "--out", tmp_path / "persist")
    assert code == 0
    assert len(pd.read_csv(tmp_path / "persist" / "panel.csv")) == 3
    code, _, err = call(*given, "--target-layer", "counts", "--out", tmp_path / "out")
    assert code == 2
    assert "no layer 'counts'" in err


def test_extend_and_explain(call, data, tmp_path):
    (tmp_path / "mine.csv").write_text("gene\ng0\ng19\n")
    common = ("--panel", tmp_path / "mine.csv", "--label-key", "kind")
    code, out, _ = call("extend", data, *common, "--add", 2, "--forbid", "g2", "--out", tmp_path / "larger")
    assert code == 0
    larger = read_panel(tmp_path / "larger" / "panel.csv")
    assert larger.genes[2] in out
    assert "g19" not in out  # what is new is printed
    assert larger.genes[:2] == ("g0", "g19")
    assert len(larger) == 4
    assert larger.scores[2] > larger.scores[3] > 0

    (tmp_path / "mine.csv").write_text("gene\ng0\ng2\ng4\n")
    code, out, _ = call("explain", data, *common, "--out", tmp_path / "why")
    assert code == 0
    table = pd.read_csv(tmp_path / "why" / "explanation.csv")
    assert table["gene"].tolist() == ["g0", "g2", "g4"]
    assert table.loc[0, "marks"].startswith("T (AUC")
    assert table.loc[0, "substitute"] == "g1"
    assert [path.name for path in (tmp_path / "why").iterdir()] == ["explanation.csv"]
    assert "T (" in out


WRONG = {
    "target": (("--target-layer", "x"), "target_layer='x' for the method 'auto', which predicts no profile"),
    "method": (("--method", "discriminat"), "no method 'discriminat'; did you mean 'discriminant'"),
    "gene": (("--must-have", "g99"), "1 gene name is not in the data (must_have 'g99')"),
    "genes with a comma": (("--must-have", "g1,g99"), "1 gene name is not in the data (must_have 'g99')"),
    "gene by its other name": (("--must-have", "S3"), "var has a column 'symbol' with such names: give it as"),
    "label of every cell": (("--label-key", "barcode"), "90 different values in 'barcode' ('c0', 'c1', 'c10' and 87"),
    "label": (("--label-key", "knd"), "did you mean 'kind'"),
    "clash": (("--must-have", "g1", "--forbid", "g*"), "these constraints cannot all be kept"),
    "no file": (("--candidates", "absent.txt"), "no file 'absent.txt'"),
    "costs": (("--costs", "{costs}", "--budget", "3"), "the cost of 'g1' is no finite number"),
    "costs without header": (("--costs", "{plain}", "--budget", "3"), "no column is headed 'cost'"),
    "size": (("--size", "21"), "20 allowed genes for a panel of 21"),
    "out": (("--out", "{plain}"), "is a file; name a folder"),
}


@pytest.mark.parametrize(("flags", "message"), WRONG.values(), ids=WRONG.keys())
def test_errors_are_one_line_and_leave_nothing(call, data, tmp_path, flags, message):
    files = {"costs": tmp_path / "costs.csv", "plain": tmp_path / "plain.txt"}
    files["costs"].write_text("gene,cost\ng1,much\n")
    files["plain"].write_text("g1\n")
    given = ["--label-key", "kind", "--size", "3", "--out", str(tmp_path / "out")]
    code, out, err = call("select", data, *given, "--quiet", *(flag.format(**files) for flag in flags))
    assert code == 2
    assert err.startswith("selectormlp: error: ")
    assert err.count("\n") == 1
    assert message in err
    assert out == ""
    assert not (tmp_path / "out").exists()


def test_extend_leaves_the_folder_of_another_panel_alone(call, data, tmp_path):
    given = ("--label-key", "kind", "--method", "discriminant", "--out", tmp_path / "panel")
    assert call("select", data, *given, "--size", 3)[0] == 0
    before = (tmp_path / "panel" / "panel.json").read_bytes()
    code, _, err = call("extend", data, *given, "--panel", tmp_path / "panel" / "panel.json", "--add", 1)
    assert code == 2
    assert "holds 'settings.json', which repeats the panel that is there; name another folder" in err
    assert (tmp_path / "panel" / "panel.json").read_bytes() == before


def test_extend_and_explain_refuse_in_one_line(call, data, tmp_path):
    for command in (("extend", data, "--add", 1), ("explain", data)):
        given = ("--panel", tmp_path / "absent.csv", "--label-key", "kind", "--out", tmp_path / "out")
        code, _, err = call(*command, *given)
        assert code == 2
        assert "no file" in err
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["select", "extend", "explain"])
def test_help_has_an_example_and_every_flag(call, command):
    code, out, _ = call(command, "--help")
    assert code == 0
    assert f"Example: selectormlp {command} cells.h5ad" in " ".join(out.split())
    flags = ["--label-key", "--layer", "--normalize", "--forbid", "--candidates", "--ignore-unknown", "--out"]
    flags += {
        "select": ["--size", "--method", "--target-layer"],
        "extend": ["--panel", "--add"],
        "explain": ["--panel"],
    }[command]
    assert [flag for flag in flags if flag not in out] == []


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """A split and a trained SVM, with the settings of `feature_selection`."""
    folder = tmp_path_factory.mktemp("trained")
    adata = ad.read_h5ad(data)
    for side, rows in (("train", slice(0, 60)), ("test", slice(60, 90))):
        adata[rows].copy().write_h5ad(folder / f"adata_{side}.h5ad")
    import selectormlp as sm
    from selectormlp.data.anndata_io import CellsSource, cells_from_adata

    source = CellsSource("kind")
    cells = cells_from_adata(ad.read_h5ad(folder / "adata_train.h5ad"), source)
    svm = sm.LinearSVM(random_state=0).fit(cells.X, np.array(cells.classes)[cells.labels], classes=cells.classes)
    settings = {
        "model_path": str(sm.save_model(sm.Model(svm, tuple(cells.genes), source), folder / "svm")),
        "adata_input": str(folder / "adata_test.h5ad"),
        "train_input": str(folder / "adata_train.h5ad"),
        "y_column": "kind",
        "group_size": 5,
        "random_reps": 1,
    }
    return folder, settings


def test_feature_selection_by_a_method(call, trained, tmp_path):
    folder, settings = trained
    config = tmp_path / "settings.json"
    config.write_text(json.dumps({**settings, "results_dir": str(tmp_path / "results")}))
    code, _, _ = call("feature_selection", "--config", config, "--method", "discriminant")
    assert code == 0
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == [
        ".svm_discriminant.manifest.json",
        "svm_discriminant_feature_selection_results.csv",
        "svm_discriminant_feature_selection_results.png",
        "svm_discriminant_ranked_genes.csv",
        "svm_discriminant_ranked_genes.png",
    ]
    genes = pd.read_csv(tmp_path / "results" / "svm_discriminant_ranked_genes.csv")
    assert genes.columns.tolist() == ["gene", "score", "idx"]
    code, _, _ = call(
        *("select", folder / "adata_train.h5ad", "--label-key", "kind", "--size", 20, "--out", tmp_path / "panel")
    )
    assert code == 0
    assert tuple(genes["gene"]) == read_panel(tmp_path / "panel" / "panel.json").genes  # learned from the training file

    config.write_text(json.dumps({**settings, "results_dir": str(tmp_path / "results"), "method": "variance"}))
    code, _, _ = call("feature_selection", "--config", config)
    assert code == 0
    assert (tmp_path / "results" / "svm_variance_ranked_genes.csv").exists()


def test_feature_selection_refuses_an_unknown_method(call, trained, tmp_path):
    config = tmp_path / "settings.json"
    config.write_text(json.dumps({**trained[1], "results_dir": str(tmp_path / "results")}))
    code, _, err = call("feature_selection", "--config", config, "--method", "discriminat")
    assert code == 2
    assert "did you mean 'discriminant'" in err
    assert not (tmp_path / "results").exists()


def test_run_masks_the_mlp_in_the_order_of_each_method(call, data, tmp_path):
    config = tmp_path / "settings.json"
    sections = {
        "training": {"max_epochs": 2},
        "model": {"L1_size": 8, "L2_size": 8, "L3_size": 8},
        "masking": {"random_reps": 1},
    }
    config.write_text(json.dumps(sections))
    out = tmp_path / "out"
    code, _, _ = call(
        *("run", data, "--label-key", "kind", "--config", config, "--out", out, "--quiet"),
        *("--method", "discriminant", "--method", "markers", "--method", "discriminant"),
    )
    assert code == 0
    table = pd.read_csv(out / "comparison.csv")
    names = ["SelectorMLP", "MLP", "SVM", "MLP by discriminant", "MLP by markers"]
    assert table["model"].unique().tolist() == names
    whole = table[(table["order"] == "selected") & (table["n_genes"] == 20)].set_index("model")["accuracy"]
    assert whole["MLP by discriminant"] == whole["MLP"]  # the same model with all genes
    assert (out / "feature_selection_results" / "mlp_markers_ranked_genes.png").exists()


def test_run_refuses_an_unknown_method_before_it_begins(call, data, tmp_path):
    code, _, err = call("run", data, "--label-key", "kind", "--method", "x", "--out", tmp_path / "out")
    assert code == 2
    assert "no method 'x'" in err
    assert not (tmp_path / "out").exists()


@pytest.mark.data
@pytest.mark.skipif(FOLDER is None, reason="SELECTORMLP_DATA names no folder")
def test_select_20_genes_of_pbmc3k(call, tmp_path):
    file = Path(FOLDER) / "pbmc3k.h5ad"
    given = ("--label-key", "cell_type", "--size", 20, "--forbid", "MT-*", "--forbid", "RP[SL]*")
    code, _, _ = call("select", file, *given, "--out", tmp_path)
    assert code == 0
    genes = set(read_panel(tmp_path / "genes.txt").genes)
    assert len(genes) == 20
    assert not any(gene.startswith(("MT-", "RPS", "RPL")) for gene in genes)
    for either in ("MS4A1 CD79A", "NKG7 GNLY", "PPBP PF4", "FCER1A CST3", "LYZ S100A8"):
        assert genes & set(either.split()), f"none of {either}"
