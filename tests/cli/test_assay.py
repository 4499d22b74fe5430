"""`--assay`, `--harsh` and `--measured` on the command line."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import selectormlp as sm

IMAGING = os.environ.get("SELECTORMLP_IMAGING")
GENE_ASSAY = {"name": "mine", "efficiency": 0.5, "gene_efficiencies": {"gene0": 0.01, "gene4": 2.0}, "specificity": 0.8}


@pytest.fixture
def data(adata, tmp_path):
    adata.write_h5ad(tmp_path / "cells.h5ad")
    (tmp_path / "mine.csv").write_text("gene\ngene0\ngene1\ngene2\ngene3\n")
    (tmp_path / "assay.json").write_text(json.dumps(GENE_ASSAY))
    return tmp_path / "cells.h5ad"


@pytest.fixture
def measured(make_adata, tmp_path):
    cells = make_adata(seed=5)
    cells.X = sp.csr_matrix(np.rint(cells.X.toarray() * 2).astype(np.float32))
    cells.obs["kind"] = cells.obs.pop("cell_type").astype(str).str.replace("type", "img")
    cells.write_h5ad(tmp_path / "imaging.h5ad")
    lines = [f"scrna,type {letter},{letter}\nimaging,img {letter},{letter}\n" for letter in "ABCD"]
    (tmp_path / "map.csv").write_text("side,cell_type,common\n" + "".join(lines))
    return tmp_path / "imaging.h5ad"


@pytest.mark.parametrize("assay", ["imaging", "assay.json"])
def test_select_for_an_assay_in_memory_and_on_disk(cli, adata, data, tmp_path, assay):
    panels = {}
    for name, flags in {"memory": [], "disk": ["--lazy"]}.items():
        outcome = cli(
            "select", data, "--label-key", "cell_type", "--size", 4, "--method", "discriminant", "--assay", assay,
            "--out", name, *flags,
        )  # fmt: skip
        assert outcome.code == 0, outcome.err
        assert "the panel assumes measurement by another technology" in " ".join(outcome.err.split())
        panels[name] = sm.read_panel(tmp_path / name / "panel.json")
        recorded = panels[name].provenance.settings["selector"]["assay"]
        assert recorded == "imaging" or recorded["gene_efficiencies"] == GENE_ASSAY["gene_efficiencies"]
    assert panels["memory"].genes == panels["disk"].genes
    if assay == "assay.json":
        assert "gene0" not in panels["memory"].genes  # hardly seen by the assay
    outcome = cli("rerun", "disk", "--out", "again")
    assert outcome.code == 0, outcome.err


def test_explain_takes_the_assay_of_the_panel_or_the_one_named(cli, data, tmp_path):
    common = [data, "--label-key", "cell_type"]
    made = cli("select", *common, "--size", 4, "--method", "auto", "--assay", "assay.json", "--out", "panel")
    assert made.code == 0, made.err
    assert made.err.count("use assay 'sequencing'") == 1  # said once
    tables = {}
    for name, flags in {"own": [], "same": ["--assay", "assay.json"], "other": ["--assay", "sequencing"]}.items():
        outcome = cli("explain", *common, "--panel", "panel/panel.json", "--out", name, *flags)
        assert outcome.code == 0, outcome.err
        assert ("for the assay 'mine'" in " ".join(outcome.out.split())) == (name != "other")
        tables[name] = pd.read_csv(tmp_path / name / "explanation.csv")
    pd.testing.assert_frame_equal(tables["own"], tables["same"])
    assert tables["own"]["loss"].tolist() != tables["other"]["loss"].tolist()
    assert tables["own"]["separates"].str.contains("all others").any()
    outcome = cli("explain", *common, "--panel", "panel/panel.json", "--out", "none", "--assay", "imagin")
    assert outcome.code == 2
    assert "did you mean 'imaging'" in outcome.err
    assert not (tmp_path / "none").exists()


def test_the_price_of_a_limit_is_measured_for_the_assay_in_memory_and_on_disk(cli, data, tmp_path):
    criteria = {}
    ways = {"memory": ["--assay", "assay.json"], "disk": ["--assay", "assay.json", "--lazy"], "as is": []}
    for name, flags in ways.items():
        outcome = cli(
            "select", data, "--label-key", "cell_type", "--method", "discriminant", "--size", 4, "--forbid", "gene2",
            "--price", "--out", name, *flags,
        )  # fmt: skip
        assert outcome.code == 0, outcome.err
        assert "hold no counts" not in outcome.err
        price = sm.read_panel(tmp_path / name / "panel.json").provenance.settings["limit_price"]
        assert [one["without"] for one in price] == ["", "forbidden"]
        criteria[name] = price[0]["criterion"]
    assert criteria["memory"] == pytest.approx(criteria["disk"], rel=1e-4)
    assert criteria["memory"] != pytest.approx(criteria["as is"], rel=1e-2)


def test_evaluate_on_measured_cells_writes_tables_and_can_be_repeated(cli, data, measured, tmp_path):
    flags = ["--measured", measured.name, "--measured-label-key", "kind", "--label-map", "map.csv"]
    outcome = cli(
        "evaluate", data, "--label-key", "cell_type", "--panel", "mine.csv", "--splits", 2, "--no-unsupervised",
        "--out", "ev", *flags,
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    table = pd.read_csv(tmp_path / "ev" / "measured.csv")
    assert table["way"].unique().tolist() == ["refitted", "transferred", "transferred, standardised"]
    assert (table.query("metric == 'balanced_accuracy'")["value"] > 0.5).all()
    assert pd.read_csv(tmp_path / "ev" / "measured_classes.csv")["class"].unique().tolist() == list("ABCD")
    assert "200 cells of another technology, 4 types, 4 genes" in " ".join(outcome.out.split())
    settings = json.loads((tmp_path / "ev" / "settings.json").read_text())
    assert [Path(settings[name]).is_absolute() for name in ("measured", "label_map")] == [True, True]
    (tmp_path / "elsewhere").mkdir()
    outcome = cli("rerun", "ev", "--out", "elsewhere/again")
    assert outcome.code == 0, outcome.err
    assert "measured.csv" in outcome.out
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "elsewhere" / "again" / "measured.csv"), table)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--measured", "none.h5ad"], "none.h5ad"),
        (["--measured", "imaging.h5ad"], "name their label column as measured_label_key"),
        (["--measured", "imaging.h5ad", "--measured-label-key", "kind"], "0 types have 10 cells or more on both sides"),
        (["--measured", "imaging.h5ad", "--measured-label-key", "kind", "--label-map", "mine.csv"], "mine.csv"),
        (["--measured", "imaging.h5ad", "--measured-label-key", "kind", "--label-map", "no.csv"], "no.csv"),
        (["--measured", "mine.csv", "--measured-label-key", "kind"], "mine.csv"),
        (["--label-map", "map.csv"], "given without measured cells"),
        (["--assay", "imagin"], "did you mean 'imaging'"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(cli, data, measured, tmp_path, flags, message):
    outcome = cli("evaluate", data, "--label-key", "cell_type", "--panel", "mine.csv", "--out", "ev", *flags)
    assert outcome.code == 2
    assert message in outcome.err
    assert "Traceback" not in outcome.err
    assert not (tmp_path / "ev").exists() or not list((tmp_path / "ev").glob("*.csv"))


def test_harsh_and_assay_reach_evaluate_and_the_report(cli, data, tmp_path):
    flags = ["--label-key", "cell_type", "--panel", "mine.csv", "--splits", 2, "--harsh", "--assay", "imaging"]
    outcome = cli("evaluate", data, "--out", "ev", "--no-unsupervised", *flags)
    assert outcome.code == 0, outcome.err
    probes = pd.read_csv(tmp_path / "ev" / "probes.csv")
    assert sorted(probes["gene"]) == ["gene0", "gene1", "gene2", "gene3"]
    assert probes["masked"].is_monotonic_increasing
    assert f"Worst probe to lose: {probes['gene'][0]}" in outcome.out
    ways = pd.read_csv(tmp_path / "ev" / "as_measured.csv").set_index("way")
    assert ways.index.tolist() == ["as sequenced", "as measured, refitted", "as measured, transferred"]
    assert f"as sequenced, balanced accuracy is {ways['balanced_accuracy'].iloc[0]:.3f}" in " ".join(
        outcome.out.split()
    ).replace("As", "as")
    outcome = cli("report", data, "--out", "page.html", "--stability", 0, *flags)
    assert outcome.code == 0, outcome.err
    page = (tmp_path / "page.html").read_text()
    assert "As sequenced and as measured" in page
    assert "the worst to lose" in page
    assert "measurement by the technology of the data" in page


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--method", "markers", "--assay", "imaging"], "expected one of the methods"),
        (["--method", "discriminant-binary", "--assay", "imaging"], "expected one of the methods"),
    ],
)
def test_what_does_not_work_together_is_refused_in_one_line(cli, data, tmp_path, flags, message):
    outcome = cli("select", data, "--label-key", "cell_type", "--size", 4, "--out", "panel", *flags)
    assert outcome.code == 2
    assert message in outcome.err
    assert "Traceback" not in outcome.err


@pytest.mark.data
@pytest.mark.skipif(IMAGING is None, reason="SELECTORMLP_IMAGING is not set")
def test_real_pairs_are_read_as_they_come(cli, tmp_path):
    folder = Path(IMAGING)
    shutil.copy(folder / "pairs" / "poa_sc__merfish_3slices.coarse.csv", tmp_path / "map.csv")
    genes = pd.read_csv(folder / "pairs" / "poa_sc__merfish_3slices.coarse.genes.csv")["gene"][:15]
    (tmp_path / "panel.csv").write_text("gene\n" + "\n".join(genes) + "\n")
    outcome = cli(
        "evaluate", folder / "merfish_poa_sc.h5ad", "--label-key", "cell_type", "--panel", "panel.csv",
        "--measured", folder / "merfish_poa_img.h5ad", "--label-map", "map.csv", "--splits", 2, "--no-unsupervised",
        "--sizes", 15, "--out", "ev",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    table = pd.read_csv(tmp_path / "ev" / "measured.csv").query("metric == 'balanced_accuracy'").set_index("way")
    assert table.loc["refitted", "value"] > table.loc["transferred", "value"] > 0.1
