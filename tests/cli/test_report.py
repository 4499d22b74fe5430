"""`selectormlp report`, and the report of `select` and `run`."""

import json
import os
from pathlib import Path

import pytest

FOLDER = os.environ.get("SELECTORMLP_DATA")
QUICK = {
    "split": {"train_cluster_size": 30, "val_cluster_size": 10, "test_cluster_size": 10, "min_cluster_size": 20},
    "model": {"L1_size": 8, "L2_size": 8, "L3_size": 8},
    "training": {"max_epochs": 2, "device": "cpu"},
}


@pytest.fixture
def data(adata, tmp_path):
    adata.write_h5ad(tmp_path / "cells.h5ad")
    (tmp_path / "mine.csv").write_text("gene\ngene0\ngene1\nGene3\n")
    return tmp_path / "cells.h5ad"


def test_a_report_of_a_list_names_what_it_lacks(cli, data, tmp_path):
    flags = ["--label-key", "cell_type", "--donor-key", "donor", "--splits", 2, "--no-robustness"]
    outcome = cli("report", data, *flags, "--panel", "mine.csv", "--out", "pages/mine.html", "--title", "A & B")
    assert outcome.code == 0, outcome.err
    text = (tmp_path / "pages" / "mine.html").read_text()
    assert "<h1>A &amp; B</h1>" in text
    assert "Gene3 (near: gene3" in text
    assert "--donor-key donor" in text  # the command
    assert outcome.out.endswith("Written:\n  pages/mine.html\n")
    assert outcome.err.count("cannot be used") == 1


def test_a_panel_chosen_from_disk_is_reported_on_and_extended(cli, data, tmp_path):
    flags = ["--label-key", "cell_type", "--method", "discriminant", "--lazy"]
    outcome = cli("select", data, *flags, "--size", 4, "--out", "panel", "--report")
    assert outcome.code == 0, outcome.err
    assert "chose 4 genes again" in (tmp_path / "panel" / "report.html").read_text()
    outcome = cli("extend", data, *flags, "--panel", "panel/panel.json", "--add", 2, "--out", "larger")
    assert outcome.code == 0, outcome.err
    assert len((tmp_path / "larger" / "genes.txt").read_text().split()) == 6
    assert "expression stays on disk" in outcome.err


def test_select_writes_the_report_of_its_panel(cli, data, tmp_path):
    outcome = cli("select", data, "--label-key", "cell_type", "--size", 4, "--out", "panel", "--report", "--seed", 3)
    assert outcome.code == 0, outcome.err
    assert {file.name for file in (tmp_path / "panel").iterdir()} == {
        "panel.csv", "panel.json", "genes.txt", "report.html", "settings.json", ".panel.manifest.json"}  # fmt: skip
    text = (tmp_path / "panel" / "report.html").read_text()
    assert "it chose again from the training cells" in text
    assert "<dt>seed of the report</dt><dd>3</dd>" in text
    assert "report.html" in outcome.out


def test_a_report_without_labels_is_refused_before_the_work(cli, data, tmp_path):
    outcome = cli("select", data, "--method", "variance", "--size", 4, "--out", "panel", "--report")
    assert outcome.code == 2
    assert "name their column with --label-key" in outcome.err
    assert not (tmp_path / "panel").exists()


def test_run_writes_a_report_beside_its_models(cli, data, tmp_path, settings_file):
    config = settings_file(json.dumps(QUICK))
    flags = ["--label-key", "cell_type", "--config", config, "--report", "--report-size", 5, "--quiet"]
    outcome = cli("run", data, *flags, "--out", "results")
    assert outcome.code == 0, outcome.err
    text = (tmp_path / "results" / "report.html").read_text()
    assert 'id="figure-masked"' in text
    assert len((tmp_path / "results" / "panel" / "genes.txt").read_text().split()) == 5
    outcome = cli("run", data, "--label-key", "cell_type", "--config", config, "--out", "without", "--quiet")
    assert outcome.code == 0
    assert not (tmp_path / "without" / "report.html").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--panel", "none.csv", "--out", "x"], "no file 'none.csv'"),
        (["--panel", "mine.csv", "--out", "cells.h5ad"], "cannot write the report"),
        (["--panel", "mine.csv", "--out", "x", "--stability", 1], "n_stability is 1"),
        (["--panel", "mine.csv", "--out", "x", "--coarse-key", "celltype"], "no label column 'celltype'"),
    ],
)
def test_errors_are_one_line_and_nothing_is_left(cli, data, tmp_path, flags, message):
    outcome = cli("report", data, "--label-key", "cell_type", *flags)
    assert outcome.code == 2
    (line,) = [line for line in outcome.err.splitlines() if line.startswith("selectormlp: error:")]
    assert message in line
    assert not (tmp_path / "x").exists()


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.skipif(FOLDER is None, reason="SELECTORMLP_DATA is not set")
def test_a_users_list_with_mistakes_on_the_pancreas(cli, tmp_path):
    (tmp_path / "mine.csv").write_text("gene\nINS\nGCG\nSST\nPPY\nKRT19\nPRSS1\nins-igf2\nKrt18\nNOTAGENE123\n")
    data = Path(FOLDER) / "baron_human.h5ad"
    outcome = cli(
        "report", data, "--label-key", "cell_type", "--donor-key", "batch", "--panel", "mine.csv", "--out", "."
    )
    assert outcome.code == 0, outcome.err
    text = (tmp_path / "report.html").read_text()
    assert "4 donors kept apart" in text
    assert "Krt18 (near: KRT18" in text
    assert len(text) < 5_000_000
