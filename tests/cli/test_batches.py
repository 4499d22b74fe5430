"""`--batch-key`, `--combine` and `--leave-out` on the command line."""

import json

import pytest

import selectormlp as sm


@pytest.fixture
def data(adata, tmp_path):
    adata.write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "cells.h5ad"


def test_select_records_batches_and_rerun_repeats_them(cli, data, tmp_path):
    common = [data, "--label-key", "cell_type", "--size", 4, "--method", "discriminant", "--batch-key", "donor"]
    outcome = cli("select", *common, "--combine", "worst", "--out", "panel")
    assert outcome.code == 0, outcome.err
    panel = sm.read_panel(tmp_path / "panel" / "panel.json")
    assert panel.provenance.settings["batch_key"] == "donor"
    assert panel.provenance.settings["selector"]["combine"] == "worst"
    assert json.loads((tmp_path / "panel" / "settings.json").read_text())["batch_key"] == "donor"
    outcome = cli("rerun", "panel", "--out", "again")
    assert outcome.code == 0, outcome.err
    assert sm.read_panel(tmp_path / "again" / "panel.json").genes == panel.genes


def test_each_of_several_files_is_a_batch_and_rerun_repeats_that(cli, adata, tmp_path):
    for donor, part in (("one", adata[:90]), ("two", adata[90:])):
        part.copy().write_h5ad(tmp_path / f"{donor}.h5ad")
    common = ["one.h5ad", "two.h5ad", "--label-key", "cell_type", "--size", 4, "--method", "discriminant"]
    for out, flags, key in (("told", [], "data_set"), ("pooled", ["--pool-files"], None)):
        outcome = cli("select", *common, *flags, "--out", out)
        assert outcome.code == 0, outcome.err
        kept = json.loads((tmp_path / out / "settings.json").read_text())
        assert (kept.get("batch_key"), kept.get("pool_files", False)) == (key, bool(flags))
        outcome = cli("rerun", out, "--out", f"{out} again")
        assert outcome.code == 0, outcome.err
        first, again = (sm.read_panel(tmp_path / one / "panel.json") for one in (out, f"{out} again"))
        assert again.genes == first.genes
        assert again.provenance.settings["batch_key"] == key


def test_settings_may_stand_in_a_file(cli, data, tmp_path):
    (tmp_path / "settings.json").write_text(
        json.dumps({"label_key": "cell_type", "n_genes": 4, "method": "discriminant", "batch_key": "donor"})
    )
    outcome = cli("select", data, "--config", "settings.json", "--out", "panel")
    assert outcome.code == 0, outcome.err
    assert sm.read_panel(tmp_path / "panel" / "panel.json").provenance.settings["batch_key"] == "donor"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--batch-key", "batch"], "no batch column 'batch' in obs"),
        (["--batch-key", "cell_type"], "type and batch cannot be told apart"),
        (["--combine", "worst"], "without batches; name their column"),
    ],
)
def test_what_cannot_work_is_one_line(cli, data, tmp_path, flags, message):
    outcome = cli(
        "select", data, "--label-key", "cell_type", "--size", 4, "--method", "discriminant", "--out", "panel", *flags
    )
    assert outcome.code == 2
    assert message in " ".join(outcome.err.split())
    assert "Traceback" not in outcome.err
    assert not (tmp_path / "panel").exists()


@pytest.mark.parametrize("flag", ["--batch-key", "--leave-out"])
def test_evaluate_leaves_each_batch_out(cli, data, tmp_path, flag):
    (tmp_path / "genes.txt").write_text("gene0\ngene1\ngene2\n")
    outcome = cli(
        "evaluate", data, "--panel", "genes.txt", "--label-key", "cell_type", flag, "donor", "--splits", 2,
        "--no-unsupervised", "--out", "found",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert "leave one batch out" in " ".join((outcome.out + outcome.err).split())


def test_the_report_of_select_leaves_batches_out_and_names_lone_types_once(cli, adata, tmp_path):
    adata.obs["kind"] = adata.obs["cell_type"].astype(str)
    adata.obs.loc[adata.obs_names[adata.obs["donor"] == "donor 1"][:5], "kind"] = "lone"
    adata.write_h5ad(tmp_path / "lone.h5ad")
    flags = ["--label-key", "kind", "--batch-key", "donor", "--size", 4, "--method", "discriminant"]
    outcome = cli("select", "lone.h5ad", *flags, "--out", "panel", "--report")
    assert outcome.code == 0, outcome.err
    assert outcome.err.count("Types of one batch only") == 1
    page = (tmp_path / "panel" / "report.html").read_text()
    assert "leave one batch out" in page
    assert "Types of one batch only" in page
