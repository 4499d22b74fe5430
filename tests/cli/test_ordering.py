"""Limits of an assay, gene tables, sets and order lists on the command line, on invented data."""

import json
import zipfile

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from selectormlp.panel.storage import read_panel

KINDS = ("T", "B", "NK")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A file of 90 cells × 20 genes in three types; genes 2t and 2t + 1 mark type t; the rest have about one count."""
    rng = np.random.default_rng(0)
    types = np.arange(90) % 3
    rate = np.ones((90, 20))
    for kind in range(3):
        rate[np.ix_(types == kind, [2 * kind, 2 * kind + 1])] = 12.0
    obs = pd.DataFrame({"kind": np.array(KINDS)[types]}, index=[f"c{i}" for i in range(90)])
    names = [*(f"S{i}" for i in range(17)), "RPS3", "MT-CO1", "XIST"]
    var = pd.DataFrame({"ensembl": [f"ENSG{i:011d}" for i in range(20)]}, index=names)
    path = tmp_path_factory.mktemp("data") / "cells.h5ad"
    ad.AnnData(sp.csr_matrix(rng.poisson(rate).astype(np.float32)), obs=obs, var=var).write_h5ad(path)
    return path


@pytest.fixture
def table(tmp_path):
    """A gene table: S0 is short, S2 has few probes, S4 costs 4 codewords, S1, S3 and S5 are homologs."""
    rows = [
        {
            "gene": f"S{i}",
            "length_nt": 500 if i == 0 else 2000,
            "n_probes": 2 if i == 2 else 8,
            "codewords": 4 if i == 4 else 1,
            "homolog_group": "family" if i in (1, 3, 5) else f"own {i}",
            "priority": 1,
        }
        for i in range(17)
    ]
    path = tmp_path / "genes.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


@pytest.fixture
def choose(cli, data, tmp_path):
    """Choose six genes by discriminant; return the outcome, and the panel where there is one."""

    def run(*words, command="select", name="out"):
        size = ("--n-genes", 6) if command == "select" else ()
        fixed = ("--label-key", "kind", "--method", "discriminant", "--out", tmp_path / name)
        outcome = cli(command, data, *fixed, *size, *words)
        file = tmp_path / name / "panel.json"
        return outcome, read_panel(file) if file.exists() else None

    return run


def mean_counts(data, genes):
    """Return counts per cell summed over genes, by type."""
    adata = ad.read_h5ad(data)
    sums = np.asarray(adata[:, list(genes)].X.sum(axis=1)).ravel()
    return pd.Series(sums).groupby(adata.obs["kind"].to_numpy()).mean()


def refused(outcome, folder, *words):
    """Assert that a command ended in one line that holds the words, with nothing written."""
    assert outcome.code == 2, outcome
    lines = [line for line in outcome.err.splitlines() if line.startswith("ERROR") or "Error" in line]
    assert len(lines) <= 1
    assert "Traceback" not in outcome.err
    for word in words:
        assert word in outcome.err
    assert not (folder / "out" / "panel.json").exists()


def test_short_genes_and_those_with_few_probes_are_kept_out(choose, table):
    _, free = choose(name="free")
    assert {"S0", "S2"} <= set(free.genes)
    outcome, panel = choose("--gene-table", table, "--min-length-nt", 600, "--min-probes", 5)
    assert outcome.code == 0, outcome.err
    assert len(set(panel.genes)) == 6
    assert not {"S0", "S2"} & set(panel.genes)
    assert not {"RPS3", "MT-CO1", "XIST"} & set(panel.genes)  # the table does not know them


def test_codewords_of_the_whole_panel_stay_within_the_budget(choose, table):
    outcome, panel = choose("--gene-table", table, "--max-codewords", 8, "--forbid", "RPS3,MT-CO1,XIST")
    assert outcome.code == 0, outcome.err
    assert sum(4 if gene == "S4" else 1 for gene in panel.genes) <= 8
    outcome, panel = choose("--gene-table", table, "--max-codewords", 9, "--must-have", "S4", name="more")
    assert outcome.code == 0, outcome.err
    assert panel.genes[0] == "S4"


def test_one_gene_of_a_homolog_group(choose, table):
    outcome, panel = choose("--gene-table", table, "--max-per-homolog-group", 1)
    assert outcome.code == 0, outcome.err
    assert len({"S1", "S3", "S5"} & set(panel.genes)) == 1


def test_crowding_is_kept_in_every_type_and_over_all_cells(choose, data):
    _, free = choose(name="free")
    bound = 0.6 * mean_counts(data, free.genes).max()
    outcome, panel = choose("--max-counts-per-type", bound)
    assert outcome.code == 0, outcome.err
    assert mean_counts(data, panel.genes).max() <= bound * (1 + 1e-6)
    whole = mean_counts(data, free.genes).mean() * 0.7
    outcome, panel = choose("--max-counts", whole, name="whole")
    assert outcome.code == 0, outcome.err
    assert mean_counts(data, panel.genes).mean() <= whole * (1 + 1e-6)


def test_a_quantile_judges_the_densest_cells(choose, data):
    bound = 26.0
    outcome, panel = choose("--max-counts-per-type", bound, "--crowding-quantile", 0.8)
    assert outcome.code == 0, outcome.err
    adata = ad.read_h5ad(data)
    totals = np.asarray(adata.X.sum(axis=1)).ravel()
    used = np.asarray(adata[:, list(panel.genes)].X.sum(axis=1)).ravel()
    for kind in KINDS:
        rows = (adata.obs["kind"] == kind).to_numpy()
        dense = rows & (totals >= np.quantile(totals[rows], 0.8))
        assert used[dense].mean() <= bound * (1 + 1e-6)


def test_bounds_on_each_gene(choose, data):
    outcome, panel = choose("--max-gene-counts", 5)
    assert outcome.code == 0, outcome.err
    assert not {f"S{i}" for i in range(6)} & set(panel.genes)
    outcome, panel = choose("--min-gene-counts", 5, name="strong")
    assert outcome.code == 0, outcome.err
    assert set(panel.genes) == {f"S{i}" for i in range(6)}


def test_families_are_kept_out(choose):
    every = ("--n-genes", 17)
    outcome, panel = choose("--forbid-preset", "ribosomal,mitochondrial,sex", *every)
    assert outcome.code == 0, outcome.err
    assert set(panel.genes) == {f"S{i}" for i in range(17)}


@pytest.mark.parametrize("form", ["csv", "json"])
def test_sets_have_a_minimum_and_a_maximum(choose, tmp_path, form):
    file = tmp_path / f"sets.{form}"
    if form == "csv":
        file.write_text("set,gene,min,max\nweak,S10,2,\nweak,S11,,\nweak,S12,,\nfirst,S0,,1\nfirst,S1,,\n")
    else:
        sets = {"weak": {"genes": ["S10", "S11", "S12"], "min": 2}, "first": {"genes": ["S0", "S1"], "max": 1}}
        file.write_text(json.dumps(sets))
    outcome, panel = choose("--gene-sets", file)
    assert outcome.code == 0, outcome.err
    assert len({"S10", "S11", "S12"} & set(panel.genes)) >= 2
    assert len({"S0", "S1"} & set(panel.genes)) <= 1
    assert any("weak" in reason for reason in panel.reasons)


def test_a_receptor_comes_with_its_ligand_or_not_at_all(choose, tmp_path):
    file = tmp_path / "sets.json"
    file.write_text(json.dumps({"pair": {"genes": ["S0", "S15"], "together": True}}))
    outcome, panel = choose("--gene-sets", file)
    assert outcome.code == 0, outcome.err
    assert len({"S0", "S15"} & set(panel.genes)) in (0, 2)


def test_owned_genes_cost_nothing(choose):
    outcome, panel = choose("--budget", 3, "--owned", "S7,S8,S9")
    assert outcome.code == 0, outcome.err
    assert {"S7", "S8", "S9"} <= set(panel.genes)


IMPOSSIBLE = {
    "min_length_nt": ("--min-length-nt", 9000),
    "min_probes": ("--min-probes", 99),
    "max_codewords": ("--max-codewords", 3),
    "max_counts_per_type": ("--max-counts-per-type", 0.5),
    "max_counts": ("--max-counts", 0.5),
    "max_gene_counts": ("--max-gene-counts", 0.01),
    "min_gene_counts": ("--min-gene-counts", 900),
    "budget": ("--budget", 2),
}


@pytest.mark.parametrize("limit", IMPOSSIBLE)
def test_a_limit_that_no_panel_keeps_is_one_line(choose, table, tmp_path, limit):
    outcome, _ = choose("--gene-table", table, *IMPOSSIBLE[limit])
    refused(outcome, tmp_path, "6")


def test_homologs_and_sets_that_no_panel_keeps_are_one_line(choose, table, tmp_path):
    outcome, _ = choose("--gene-table", table, "--max-per-homolog-group", 1, "--must-have", "S1,S3")
    refused(outcome, tmp_path, "family", "at most 1")
    sets = tmp_path / "sets.csv"
    sets.write_text("set,gene,min\npath,S10,2\npath,absent,2\n")
    outcome, _ = choose("--gene-sets", sets)
    refused(outcome, tmp_path, "'path'", "1 of its 2")
    outcome, _ = choose("--forbid-preset", "ribosome")
    refused(outcome, tmp_path, "ribosomal")


def test_a_limit_without_its_column_is_one_line(choose, tmp_path):
    outcome, _ = choose("--min-probes", 5)
    refused(outcome, tmp_path, "n_probes", "gene-table")
    plain = tmp_path / "genes.csv"
    plain.write_text("gene,length_nt\nS0,1000\n")
    outcome, _ = choose("--min-probes", 5, "--gene-table", plain)
    refused(outcome, tmp_path, "n_probes")


def test_a_number_that_is_none_is_one_line(choose, tmp_path):
    table = tmp_path / "genes.csv"
    table.write_text("gene,n_probes\nS0,many\nS1,-4\nS2,5\n")
    outcome, _ = choose("--min-probes", 5, "--gene-table", table)
    refused(outcome, tmp_path, "'many'", "'-4'")


def test_names_of_another_species_are_one_line(choose, tmp_path):
    mouse = [f"ENSMUSG{i:011d}" for i in range(30)]
    table, sets, panel = (tmp_path / name for name in ("genes.csv", "sets.csv", "panel.csv"))
    table.write_text("gene,n_probes\n" + "".join(f"{gene},9\n" for gene in mouse))
    sets.write_text("set,gene,max\n" + "".join(f"path,{gene},3\n" for gene in mouse))
    panel.write_text("Gene,Ensembl ID\n" + "".join(f"Gene{i},{gene}\n" for i, gene in enumerate(mouse)))
    for words in (
        ("--gene-table", table, "--min-probes", 5),
        ("--gene-sets", sets),
        ("--owned", ",".join(mouse)),
        ("--must-have-file", panel),
    ):
        outcome, _ = choose(*words)
        refused(outcome, tmp_path, "in the data")
    outcome, _ = choose("--start-from", panel, "--add", 2, command="extend")
    refused(outcome, tmp_path, "in the data")


def profile(tmp_path, **more):
    file = tmp_path / "assay.json"
    file.write_text(json.dumps({"name": "ours", "limits": {"max_counts_per_type": 24, "min_probes": 5}, **more}))
    return file


def test_limits_of_a_profile_need_a_source(choose, tmp_path, table):
    outcome, _ = choose("--assay", profile(tmp_path), "--gene-table", table)
    refused(outcome, tmp_path, "source")


def test_limits_of_a_profile_apply_and_flags_win(choose, data, tmp_path, table):
    file = profile(tmp_path, source="an invented document", date="2026-11-26")
    outcome, panel = choose("--assay", file, "--gene-table", table)
    assert outcome.code == 0, outcome.err
    assert mean_counts(data, panel.genes).max() <= 24 * (1 + 1e-6)
    assert "S2" not in panel.genes
    outcome, wider = choose("--assay", file, "--gene-table", table, "--max-counts-per-type", 100, name="wider")
    assert outcome.code == 0, outcome.err
    assert mean_counts(data, wider.genes).max() > 24


def test_rerun_repeats_a_panel_with_table_and_sets(choose, cli, tmp_path, table):
    sets = tmp_path / "sets.json"
    sets.write_text(json.dumps({"weak": ["S10", "S11"]}))
    words = ("--gene-table", table, "--gene-sets", sets, "--min-probes", 5, "--max-counts-per-type", 30)
    outcome, panel = choose(*words)
    assert outcome.code == 0, outcome.err
    sets.unlink()  # the settings hold the sets
    again = cli("rerun", tmp_path / "out", "--out", tmp_path / "again")
    assert again.code == 0, again.err
    assert read_panel(tmp_path / "again" / "panel.json").genes == panel.genes


@pytest.mark.parametrize(
    "words",
    [
        ("--min-probes", 5, "--max-per-homolog-group", 1),
        ("--max-counts-per-type", 26, "--crowding-quantile", 0.5),
        ("--max-gene-counts", 14, "--max-counts", 20),
    ],
)
def test_cells_on_disk_give_the_same_panel(choose, table, words):
    _, memory = choose("--gene-table", table, *words)
    outcome, disk = choose("--gene-table", table, *words, "--lazy", name="disk")
    assert outcome.code == 0, outcome.err
    assert disk.genes == memory.genes


def test_order_lists_stand_beside_the_panel(choose, tmp_path, table):
    start = tmp_path / "vendor.csv"
    start.write_text(f"Gene,Ensembl ID,Num_Probesets\nS0,ENSG{0:011d},8\nS2,ENSG{2:011d},7\n")
    words = ("--start-from", start, "--add", 3, "--owned", "S4", "--gene-id-key", "ensembl")
    outcome, panel = choose(*words, "--order", "xenium,merscope,table", command="extend")
    assert outcome.code == 0, outcome.err
    folder = tmp_path / "out"
    targets = pd.read_csv(folder / "xenium_targets.csv", dtype=str, keep_default_na=False)
    assert targets.columns.tolist() == ["Gene", "Ensembl ID", "Probe sets", "Force"]
    assert tuple(targets["Gene"]) == panel.genes
    assert targets["Ensembl ID"].str.startswith("ENSG").all()
    assert targets["Probe sets"][:2].tolist() == ["8", "7"]
    order = pd.read_csv(folder / "order.csv").set_index("gene")
    assert order["status"][["S0", "S2"]].tolist() == ["existing", "existing"]
    assert order.loc["S4", "status"] == "owned"
    assert pd.read_csv(folder / "merscope_genes.csv")["gene"].tolist() == list(panel.genes)
    with zipfile.ZipFile(folder / "xenium_reference.zip") as bundle:
        assert set(bundle.namelist()) >= {"matrix.mtx.gz", "features.tsv.gz", "barcodes.tsv.gz", "celltypes.csv"}
    outcome, _ = choose(*words, "--order", "table", "--order-new-only", command="extend", name="new")
    assert outcome.code == 0, outcome.err
    assert set(pd.read_csv(tmp_path / "new" / "order.csv")["status"]) == {"new"}


@pytest.mark.parametrize("lazy", [(), ("--lazy",)], ids=["memory", "disk"])
def test_an_order_table_says_what_each_gene_marks_and_what_the_gene_table_knows(choose, tmp_path, lazy):
    start, table = tmp_path / "vendor.csv", tmp_path / "genes.csv"
    start.write_text("Gene,Ensembl ID,Num_Probesets\nS1,ENSG1,8\nS9,,\n")
    table.write_text(
        "gene,ensembl_id,n_probes,codewords\n" + "".join(f"S{i},ENSG{i:011d},{i + 1},1\n" for i in range(17))
    )
    words = ("--start-from", start, "--add", 5, "--gene-table", table, "--min-probes", 1, "--order", "table,xenium")
    outcome, _ = choose(*words, *lazy, command="extend")
    assert outcome.code == 0, outcome.err
    order = pd.read_csv(tmp_path / "out" / "order.csv", dtype=str, keep_default_na=False).set_index("gene")
    marked = {"S0": "T", "S1": "T", "S2": "B", "S3": "B", "S4": "NK", "S5": "NK"}
    assert set(marked) <= set(order.index)
    assert order["types"][list(marked)].tolist() == list(marked.values())
    assert order.loc["S9", "types"] == ""
    assert order.loc["S1", ["ensembl_id", "n_probes", "codewords"]].tolist() == ["ENSG1", "8", "1"]  # the vendor's own
    assert order.loc["S4", ["ensembl_id", "n_probes"]].tolist() == [f"ENSG{4:011d}", "5"]
    targets = pd.read_csv(tmp_path / "out" / "xenium_targets.csv", dtype=str).set_index("Gene")
    assert targets.loc["S9", ["Ensembl ID", "Probe sets"]].tolist() == [f"ENSG{9:011d}", "10"]


def test_the_price_of_each_constraint_is_printed_and_kept(choose, data, table):
    words = ("--must-have", "S10", "--max-counts-per-type", 26, "--gene-table", table, "--min-probes", 5)
    outcome, panel = choose(*words, "--price")
    assert outcome.code == 0, outcome.err
    found = {one["without"]: one for one in panel.provenance.settings["limit_price"]}
    assert set(found) == {"", "must_have", "max_counts_per_type", "min_probes"}
    assert found[""]["price"] == 0
    assert found[""]["n_changed"] == 0
    for name in ("max_counts_per_type", "must_have"):
        assert f"without {name}" in outcome.out
    _, wider = choose("--must-have", "S10", "--gene-table", table, "--min-probes", 5, name="wider")
    assert found["max_counts_per_type"]["n_changed"] == len(set(panel.genes) - set(wider.genes)) > 0
    assert found["max_counts_per_type"]["price"] > 0
    _, plain = choose(*words, name="plain")
    assert plain.genes == panel.genes


def test_the_price_in_accuracy_and_of_priorities(choose, tmp_path):
    table = tmp_path / "preferred.csv"
    table.write_text("gene,priority\n" + "".join(f"S{i},{0.001 if i < 6 else 1}\n" for i in range(17)))
    outcome, panel = choose("--gene-table", table, "--max-gene-counts", 50, "--price-accuracy")
    assert outcome.code == 0, outcome.err
    found = {one["without"]: one for one in panel.provenance.settings["limit_price"]}
    assert set(found) == {"", "max_gene_counts", "priority"}
    assert found["priority"]["n_changed"] > 0
    assert found["priority"]["accuracy"] > found[""]["accuracy"]  # the genes that mark the types were held back
    assert found["max_gene_counts"]["accuracy"] == found[""]["accuracy"]
    assert "accuracy" in outcome.out


def test_the_price_needs_types(cli, data, tmp_path):
    outcome = cli("select", data, "--n-genes", 3, "--method", "reconstruction", "--price", "--out", tmp_path / "out")
    refused(outcome, tmp_path, "--label-key")


def test_prices_of_an_extended_panel_and_of_named_sets(choose, tmp_path):
    start, sets = tmp_path / "start.csv", tmp_path / "sets.json"
    start.write_text("gene\nS0\nS2\n")
    sets.write_text(json.dumps({"weak": ["S10"], "other": ["S11"]}))
    words = ("--start-from", start, "--add", 4, "--gene-sets", sets, "--price", "--method", "auto")
    outcome, panel = choose(*words, command="extend")
    assert outcome.code == 0, outcome.err
    prices = {one["without"]: one["n_changed"] for one in panel.provenance.settings["limit_price"]}
    assert prices == {"": 0, "gene_sets: weak": 1, "gene_sets: other": 1}


def test_a_limit_that_the_panel_to_extend_exceeds_holds_for_new_genes(choose, tmp_path, table):
    start = tmp_path / "start.csv"
    start.write_text("gene\nS1\nS3\n")
    words = ("--start-from", start, "--add", 5, "--gene-table", table, "--max-per-homolog-group", 1)
    outcome, panel = choose(*words, command="extend")
    assert outcome.code == 0, outcome.err
    assert "already exceeds 1 limit: no new gene may add to it (genes of homolog group 'family' at most 1)" in (
        " ".join(outcome.err.split())
    )
    assert panel.genes[:2] == ("S1", "S3")
    assert "S5" not in panel.genes  # of the same group, and it tells types apart
    (used,) = panel.provenance.settings["limit_use"]
    assert (used["use"], used["high"]) == (2, 2)
    again = choose("--strict-limits", *words, command="extend", name="strict")[0]
    assert again.code == 2
    assert "'S1', 'S3'" in again.err
    outcome, _ = choose(*words, "--must-have", "S5", command="extend", name="more")
    assert outcome.code == 2
    assert "'S1', 'S3', 'S5'" in outcome.err


def test_genes_that_the_data_name_by_identifiers_are_found_by_these(choose, cli, data, tmp_path):
    adata = ad.read_h5ad(data)
    adata.var_names = [f"{gene_id}.3" for gene_id in adata.var["ensembl"]]
    del adata.var["ensembl"]
    adata.write_h5ad(tmp_path / "ids.h5ad")
    start, table = tmp_path / "start.csv", tmp_path / "genes.csv"
    start.write_text(f"Gene,Ensembl ID\nOld name,ENSG{0:011d}\nS2,ENSG{2:011d}.9\n")
    table.write_text("gene,ensembl_id,n_probes\n" + "".join(f"S{i},ENSG{i:011d},{i}\n" for i in range(17)))
    fixed = ("--label-key", "kind", "--method", "discriminant", "--start-from", start, "--add", 3)
    words = ("--gene-table", table, "--min-probes", 3)
    outcome = cli("extend", tmp_path / "ids.h5ad", *fixed, *words, "--out", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    panel = read_panel(tmp_path / "out" / "panel.json")
    assert panel.genes[:2] == ("Old name", "S2")
    new = [int(gene[4:15]) for gene in panel.genes[2:]]
    assert len(new) == 3
    assert all(3 <= gene < 17 for gene in new)
    outcome, panel = choose(*fixed[4:], "--gene-id-key", "ensembl", command="extend", name="symbols")
    assert outcome.code == 0, outcome.err
    assert panel.genes[:2] == ("Old name", "S2")


def test_what_crowds_is_named_with_its_type(choose, data, tmp_path):
    outcome, _ = choose("--must-have", "S0,S1", "--max-counts-per-type", 20)
    refused(outcome, tmp_path, "'T' at most 20", "'S0'", "'S1'")


def test_markers_of_each_type_are_held_and_groups_of_the_gene_table_bounded(choose, tmp_path):
    table, sets, lists = tmp_path / "genes.csv", tmp_path / "sets.json", tmp_path / "markers.csv"
    table.write_text("gene,group\nS0,first; strong\nS1,first\nS2,\n")
    sets.write_text(json.dumps({"first": {"max": 1}}))
    outcome, panel = choose("--gene-table", table, "--gene-sets", sets)
    assert outcome.code == 0, outcome.err
    assert len({"S0", "S1"} & set(panel.genes)) == 1
    lists.write_text("cell type,markers\nT,S10\nT,S11\nB,S12\nB,S13\n")
    outcome, panel = choose("--gene-sets", lists, "--min-per-set", 2, name="own")
    assert outcome.code == 0, outcome.err
    assert {"S10", "S11", "S12", "S13"} <= set(panel.genes)
