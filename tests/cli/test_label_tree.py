"""A tree of labels on the command line."""

import json

import pandas as pd
import pytest

from selectormlp.panel.storage import read_panel


@pytest.fixture
def cells(adata, tmp_path):
    """A file whose types A and B lie under x, C and D under y."""
    adata.obs["level1"] = adata.obs["cell_type"].map({"type A": "x", "type B": "x", "type C": "y", "type D": "y"})
    file = tmp_path / "cells.h5ad"
    adata.write_h5ad(file)
    return file


QUICK = ["--n-genes", 4, "--method", "discriminant", "--out", "p"]


@pytest.mark.parametrize(
    "words",
    [
        ["cells.h5ad", "--label-key", "level1", "cell_type"],
        ["--label-key", "level1", "cell_type", "cells.h5ad"],
        ["cells.h5ad", "--label-key", "level1,cell_type"],
        ["cells.h5ad", "--label-key", "level1", "--label-key", "cell_type"],
        ["cells.h5ad", "--label-key=level1", "cell_type"],
    ],
    ids=["words", "before the data", "commas", "repeated", "joined"],
)
def test_levels_are_named_in_any_way(cli, cells, words, tmp_path):
    outcome = cli("select", *words, *QUICK)
    assert (outcome.code, outcome.err.count("rror")) == (0, 0)
    kept = json.loads((tmp_path / "p" / "settings.json").read_text())
    assert (kept["label_key"], kept["label_levels"]) == ("cell_type", ["level1"])
    assert cli("rerun", "p", "--out", "again").code == 0


def test_one_level_before_the_data_stays_one(cli, cells):
    assert cli("select", "--label-key", "cell_type", "cells.h5ad", *QUICK).code == 0


def test_flags_replace_the_levels_of_a_settings_file(cli, cells, settings_file):
    place = settings_file({"label_key": ["level1", "cell_type"], "n_genes": 4})
    both = json.loads(cli("select", "cells.h5ad", "--config", place, "--out", "p", "--print-config").out)
    assert (both["label_key"], both["label_levels"]) == ("cell_type", ["level1"])
    words = ["--label-key", "cell_type", "--out", "p", "--print-config"]
    one = json.loads(cli("select", "cells.h5ad", "--config", place, *words).out)
    assert (one["label_key"], one["label_levels"]) == ("cell_type", [])


def test_a_table_and_a_minimum_per_node(cli, cells, tmp_path):
    table = tmp_path / "tree.csv"
    pd.DataFrame({"type": [f"type {c}" for c in "ABCD"], "parent": list("xxyy")}).to_csv(table, index=False)
    words = ["--label-key", "cell_type", "--label-tree", table, "--min-markers-per-node", 1, "--min-marker-auc", 0.6]
    assert cli("select", "cells.h5ad", *words, *QUICK).code == 0
    origin = read_panel(tmp_path / "p" / "panel.json").provenance
    assert origin.settings["mistakes"]["paths"]["type A"] == ["x"]


def test_bad_trees_are_one_line(cli, cells, tmp_path):
    table = tmp_path / "tree.csv"
    table.write_text("type,parent\ntype A,x\ntype B,x\ntype C,y\ny,x\nx,y\ntype D,y\n")
    for words, message in [
        (["--label-key", "cell_type", "level1"], "is under 2 labels"),
        (["--label-key", "level1", "celltype"], "no label column 'celltype'"),
        (["--label-key", "cell_type", "--label-tree", table], "parents form a cycle"),
        (["--label-key", "cell_type", "--min-markers-per-node", 1], "needs a tree of labels"),
    ]:
        outcome = cli("select", "cells.h5ad", *words, *QUICK)
        assert outcome.code == 2
        assert message in outcome.err
        assert len(outcome.err.strip().splitlines()[-1:]) == 1
        assert not (tmp_path / "p").exists()


def test_levels_are_in_the_tables_of_evaluate_compare_and_report(cli, cells, tmp_path):
    (tmp_path / "a.txt").write_text("gene0\ngene1\ngene2\n")
    (tmp_path / "b.txt").write_text("gene0\n")
    words = ["cells.h5ad", "--label-key", "level1", "cell_type"]
    outcome = cli("evaluate", *words, "--panel", "a.txt", "--no-unsupervised", "--out", "e")
    assert outcome.code == 0
    assert "At 'level1': accuracy" in outcome.out
    levels = pd.read_csv(tmp_path / "e" / "levels.csv")
    assert levels["level"].unique().tolist() == ["level1"]
    outcome = cli("compare", *words, "--panel", "a.txt", "--panel", "b.txt", "--out", "c")
    assert outcome.code == 0
    assert pd.read_csv(tmp_path / "c" / "levels.csv")["panel"].tolist() == ["a", "b"]
    quick = ["--no-robustness", "--stability", 0, "--out", "r.html"]
    assert cli("report", *words, "--panel", "a.txt", *quick).code == 0
    assert "Levels of labels above the types" in (tmp_path / "r.html").read_text()


def test_a_report_beside_a_panel_has_the_levels_too(cli, cells, tmp_path):
    assert cli("select", "cells.h5ad", "--label-key", "level1", "cell_type", *QUICK, "--report").code == 0
    assert "Levels of labels above the types" in (tmp_path / "p" / "report.html").read_text()


def test_predict_stops_at_the_level_that_is_sure(cli, cells, tmp_path):
    (tmp_path / "a.txt").write_text("\n".join(f"gene{i}" for i in range(8)))
    words = ["cells.h5ad", "--label-key", "level1", "cell_type", "--panel", "a.txt", "--no-unsupervised", "--out", "e"]
    assert cli("evaluate", *words, "--model", "tree").code == 0
    outcome = cli("predict", "cells.h5ad", "--model", "tree", "--out", "p")
    assert outcome.code == 0
    assert "deepest level that is sure" in outcome.out
    found = pd.read_csv(tmp_path / "p" / "predictions.csv", keep_default_na=False)
    assert found.columns[:4].tolist() == ["cell", "label", "level", "best"]
    assert set(found["level"]) <= {"level1", "cell_type", ""}
    assert set(found.loc[found["level"] == "level1", "label"]) <= {"x", "y"}
