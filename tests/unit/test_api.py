"""The façade: what it writes, what it leaves alone, what it takes, and what it refuses."""

import json
import re

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import selectormlp as sm
from selectormlp.errors import DataError, PanelError, SettingsError
from selectormlp.selectors.registry import METHODS
from unit.unchanged import assert_unchanged

WRITTEN = ["selectormlp_selected", "selectormlp_rank", "selectormlp_score"]
FAST = {
    "forest": {"n_estimators": 5},
    "selector_mlp": {"max_epochs": 2, "hidden_sizes": (8,)},
    "mlp": {"max_epochs": 2, "hidden_sizes": (8,)},
    "persist": {"elimination_steps": 20, "selection_steps": 30, "hidden_sizes": (8,)},
    "persist-unsupervised": {"elimination_steps": 20, "selection_steps": 30, "hidden_sizes": (8,)},
}


def make_adata(n_cells=120, n_genes=30, *, seed=0):
    """Counts of three types, three genes up in each (genes 0–2 in the first, 3–5 in the second, …); four donors."""
    rng = np.random.default_rng(seed)
    types = np.arange(n_cells) % 3
    rate = np.full((n_cells, n_genes), 1.0)
    for kind in range(3):
        rate[np.ix_(types == kind, range(3 * kind, 3 * kind + 3))] = 12.0
    counts = rng.poisson(rate).astype(np.float32)
    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical(np.array(["T", "B", "NK"])[types]),
            "donor": [f"d{i % 4}" for i in range(n_cells)],
        },
        index=[f"cell{i}" for i in range(n_cells)],
    )
    var = pd.DataFrame(
        {"symbol": [f"SYM{i}" for i in range(n_genes)], "ensembl": [f"ENSG{i:05d}" for i in range(n_genes)]},
        index=[f"{i}-gene" for i in range(n_genes)],  # names that begin with digits
    )
    return ad.AnnData(sp.csr_matrix(counts), obs=obs, var=var)


def test_select_writes_its_results_and_nothing_else():
    adata = make_adata()
    adata.layers["counts"] = adata.X.copy()
    adata.obsm["X_pca"] = np.ones((adata.n_obs, 2))
    adata.uns["other"] = {"a": np.arange(3)}
    adata.uns["selectormlp"] = {"label_key": "cell_type", "classes": np.array(["B", "NK", "T"], dtype=object)}
    before = adata.copy()
    panel = sm.select(adata, label_key="cell_type", n_genes=4, method="discriminant")

    assert adata.var.columns.tolist() == [*before.var.columns, *WRITTEN]
    uns = adata.uns.pop("selectormlp")
    expected = before.uns.pop("selectormlp")
    assert uns["label_key"] == expected["label_key"]
    np.testing.assert_array_equal(uns["classes"], expected["classes"])
    assert set(uns) == {"label_key", "classes", "panel"}
    assert json.loads(uns["panel"])["panel"]["genes"] == list(panel.genes)
    adata.var = adata.var.drop(columns=WRITTEN)
    assert_unchanged(adata, before)


def test_columns_agree_with_the_panel():
    adata = make_adata()
    panel = sm.select(
        adata, label_key="cell_type", n_genes=4, must_have=["29-gene"], forbidden=["0-gene"], method="discriminant"
    )
    in_order = adata.var[adata.var["selectormlp_selected"]].sort_values("selectormlp_rank")
    assert tuple(in_order.index) == panel.genes
    assert in_order["selectormlp_rank"].tolist() == [1, 2, 3, 4]
    np.testing.assert_array_equal(in_order["selectormlp_score"], panel.scores)
    outside = adata.var[~adata.var["selectormlp_selected"]]
    assert outside["selectormlp_rank"].isna().all()
    assert np.isnan(adata.var.loc["0-gene", "selectormlp_score"])
    assert adata.var["selectormlp_score"].notna().sum() == 29
    assert adata.var["selectormlp_selected"].dtype == bool


def test_object_can_be_written_and_read_after_each_function(tmp_path):
    adata = make_adata()
    panel = sm.select(adata, label_key="cell_type", n_genes=3, method="discriminant")
    sm.extend(adata, panel, label_key="cell_type", n_new=1, method="discriminant")
    adata.write_h5ad(tmp_path / "cells.h5ad")
    back = ad.read_h5ad(tmp_path / "cells.h5ad")
    assert back.var["selectormlp_selected"].sum() == 4
    assert len(json.loads(back.uns["selectormlp"]["panel"])["panel"]["genes"]) == 4


@pytest.mark.parametrize("method", METHODS)
def test_every_method_by_name_gives_the_same_panel_twice(method):
    first, second = (
        sm.select(make_adata(), label_key="cell_type", n_genes=3, method=method, options=FAST.get(method), seed=3)
        for _ in range(2)
    )
    assert first == second
    assert len(set(first.genes)) == 3
    assert first.provenance.method == method
    assert first.provenance.seed == 3


@pytest.mark.parametrize("method", ["discriminant", "mixture", "markers", "markers-wilcoxon", "markers-logreg"])
def test_supervised_methods_find_a_marker_of_each_type(method):
    panel = sm.select(make_adata(), label_key="cell_type", n_genes=3, method=method)
    assert {int(gene.split("-")[0]) // 3 for gene in panel.genes} == {0, 1, 2}


def test_provenance_says_how_and_from_what():
    adata = make_adata()
    panel = sm.select(
        adata,
        label_key="cell_type",
        n_genes=2,
        donor_key="donor",
        exclude_labels=["NK"],
        budget=9.0,
        seed=1,
        method="discriminant",
    )
    found = panel.provenance
    assert found.label_key == "cell_type"
    assert set(found.cells) == set(adata.obs_names[adata.obs["cell_type"] != "NK"])
    assert found.settings["donor_key"] == "donor"
    assert found.settings["constraints"]["budget"] == 9.0
    assert found.settings["selector"]["ridge"] == 0.3
    assert found.data_hash.startswith("sha256:")
    assert found.versions["selectormlp"]


@pytest.mark.parametrize("method", ["reconstruction", "variance", "random"])
def test_without_labels_every_cell_counts(method):
    adata = make_adata()
    adata.obs.loc[adata.obs_names[:60], "cell_type"] = None
    unlabelled = sm.select(adata, label_key=None, n_genes=3, method=method)
    labelled = sm.select(adata, label_key="cell_type", n_genes=3, method=method)
    assert len(unlabelled.provenance.cells) == 120
    assert len(labelled.provenance.cells) == 60


@pytest.mark.parametrize(
    "labels",
    [
        np.arange(120) % 3,
        (np.arange(120) % 3) + 0.5,
        np.arange(120) % 2 == 0,
        pd.array(np.arange(120) % 3, dtype="Int64"),
        pd.Categorical(np.arange(120) % 3),
        np.array([1, "two", None] * 40, dtype=object),
    ],
    ids=["int", "float", "bool", "nullable", "categorical of numbers", "mixed"],
)
def test_label_columns_of_any_dtype(labels):
    adata = make_adata()
    adata.obs["leiden"] = labels
    assert len(sm.select(adata, label_key="leiden", n_genes=3, method="discriminant")) == 3


def test_objects_converted_from_seurat():
    adata = make_adata()
    adata.layers["counts"] = adata.X.toarray()
    adata.X = np.zeros(adata.shape)  # scale.data that was not converted
    adata.obs["_index"] = adata.obs_names
    adata.var["_index"] = adata.var_names
    adata.obs["seurat_clusters"] = pd.Categorical(np.arange(120) % 3)
    panel = sm.select(adata, label_key="seurat_clusters", layer="counts", n_genes=3, method="discriminant")
    assert {int(gene.split("-")[0]) // 3 for gene in panel.genes} == {0, 1, 2}


def test_scaled_x_gives_way_to_raw_and_columns_still_refer_to_var_names():
    adata = make_adata()
    plain = sm.select(adata.copy(), label_key="cell_type", n_genes=3, method="discriminant")
    adata.raw = adata.copy()
    scaled = adata[:, ::-1].copy()
    scaled.X = scaled.X.toarray() - scaled.X.toarray().mean(axis=0)
    panel = sm.select(scaled, label_key="cell_type", n_genes=3, method="discriminant")
    assert set(panel.genes) == set(plain.genes)
    assert set(scaled.var_names[scaled.var["selectormlp_selected"]]) == set(panel.genes)


def test_a_view_becomes_an_object_of_its_own():
    adata = make_adata()
    view = adata[:90]
    sm.select(view, label_key="cell_type", n_genes=3, method="discriminant")
    assert view.var["selectormlp_selected"].sum() == 3
    assert "selectormlp_selected" not in adata.var


def test_genes_by_second_name_and_identifiers():
    adata = make_adata()
    keys = {"label_key": "cell_type", "gene_name_key": "symbol", "gene_id_key": "ensembl"}
    panel = sm.select(adata, n_genes=3, must_have=["SYM20"], forbidden=["SYM[0-3]"], **keys)
    assert panel.genes[0] == "20-gene"
    assert panel.gene_ids == tuple(f"ENSG{int(gene.split('-')[0]):05d}" for gene in panel.genes)
    extended = sm.extend(adata, ["SYM20", "SYM5"], n_new=1, **keys)
    assert extended.genes[:2] == ("SYM20", "SYM5")
    assert extended.gene_ids[:2] == ("ENSG00020", "ENSG00005")
    assert adata.var.loc[["20-gene", "5-gene"], "selectormlp_rank"].tolist() == [1, 2]


def test_constraints_together():
    adata = make_adata()
    panel = sm.select(
        adata,
        label_key="cell_type",
        n_genes=6,
        candidates=[f"{i}-gene" for i in range(12)],
        costs={"0-gene": 50.0},
        budget=10.0,
        min_mean=0.1,
        max_mean=100.0,
        min_markers_per_type=2,
        method="discriminant",
    )
    numbers = [int(gene.split("-")[0]) for gene in panel.genes]
    assert 0 not in numbers
    assert max(numbers) < 12
    assert all(sum(number // 3 == kind for number in numbers) >= 2 for kind in range(3))
    assert not panel.nested


def test_swaps_are_not_nested_and_forward_selection_is():
    refined, plain = (
        sm.select(make_adata(), label_key="cell_type", n_genes=4, options={"refine": refine}, method="discriminant")
        for refine in (True, False)
    )
    assert not refined.nested
    assert plain.head(2) == sm.select(make_adata(), label_key="cell_type", n_genes=4, method="discriminant").head(2)
    assert plain.head(2).genes == sm.select(make_adata(), label_key="cell_type", n_genes=2, method="discriminant").genes


def test_networks_are_validated_on_donors_of_their_own(monkeypatch):
    from selectormlp.selectors.mlp import MLP

    seen = {}
    fit = MLP.fit

    def spy(self, X, y, *, validation=None, **rest):
        seen.update(train=X, validation=validation[0])
        return fit(self, X, y, validation=validation, **rest)

    monkeypatch.setattr(MLP, "fit", spy)
    adata = make_adata()
    adata.X = sp.csr_matrix(np.hstack([np.arange(120)[:, None] % 4 + 1.5, adata.X.toarray()[:, 1:]]))  # the donor
    sm.select(adata, label_key="cell_type", n_genes=2, method="mlp", donor_key="donor", options=FAST["mlp"])
    train, validation = (set(seen[side][:, [0]].toarray().ravel().tolist()) for side in ("train", "validation"))
    assert train
    assert validation
    assert not train & validation


def test_extend_keeps_the_panel_and_gives_gains(tmp_path):
    adata = make_adata()
    first = sm.select(adata, label_key="cell_type", n_genes=2, method="discriminant")
    extended = sm.extend(adata, first, label_key="cell_type", n_new=3, forbidden=["1-gene"], method="discriminant")
    whole = sm.select(
        adata, label_key="cell_type", n_genes=5, forbidden=["1-gene"], must_have=first.genes, method="discriminant"
    )
    assert extended.genes == whole.genes
    np.testing.assert_allclose(extended.scores[2:], whole.scores[2:])
    assert extended.scores[2] >= extended.scores[3] >= extended.scores[4] > 0
    assert extended.reasons[2:] == ("added to a panel of 2",) * 3
    from_file = sm.extend(
        adata, first.write(tmp_path) / "panel.csv", label_key="cell_type", n_new=3, method="discriminant"
    )
    assert from_file.genes[:2] == first.genes


def test_extend_refuses_genes_that_the_data_lack():
    with pytest.raises(PanelError, match="1 of the 2 genes of the panel are not in the data: 'absent'"):
        sm.extend(make_adata(), ["absent", "0-gene"], label_key="cell_type", n_new=1, method="discriminant")


def test_extend_keeps_genes_that_the_data_lack_on_request():
    extended = sm.extend(
        make_adata(), ["absent", "0-gene"], label_key="cell_type", n_new=1, ignore_unknown=True, method="discriminant"
    )
    assert extended.genes[:2] == ("absent", "0-gene")
    assert len(extended) == 3


def test_explain_says_which_type_each_gene_marks():
    adata = make_adata()
    before = adata.copy()
    explanation = sm.explain(adata, ["0-gene", "SYM4", "8-gene"], label_key="cell_type", gene_name_key="symbol")
    assert_unchanged(adata, before)
    assert [gene.gene for gene in explanation.genes] == ["0-gene", "4-gene", "8-gene"]
    assert [gene.marks[0].name for gene in explanation.genes] == ["T", "B", "NK"]
    assert [int(gene.substitute.split("-")[0]) // 3 for gene in explanation.genes] == [0, 1, 2]
    limited = sm.explain(adata, ["0-gene", "4-gene"], label_key="cell_type", forbidden=["1-gene", "2-gene"])
    assert limited.genes[0].substitute not in ("1-gene", "2-gene")


def test_explain_looks_among_the_most_variable_genes_only(monkeypatch):
    monkeypatch.setattr("selectormlp.selection.explain.SUBSTITUTE_GENES", 9)
    explanation = sm.explain(make_adata(), ["0-gene", "29-gene"], label_key="cell_type")
    assert [gene.gene for gene in explanation.genes] == ["0-gene", "29-gene"]
    substitutes = [gene.substitute for gene in explanation.genes if gene.substitute is not None]
    assert substitutes, "0-gene tells types apart, and others could do so in its place"
    assert all(int(name.split("-")[0]) < 9 for name in substitutes)


REFUSED = {
    "unknown method": ({"method": "discriminent"}, SettingsError, "did you mean 'discriminant'"),
    "unknown option": (
        {"method": "discriminant", "options": {"rigde": 1}},
        SettingsError,
        "has no option .* did you mean 'ridge'",
    ),
    "option that another argument sets": ({"options": {"must_have": [1]}}, SettingsError, "has no option 'must_have'"),
    "no labels": ({"label_key": None}, SettingsError, "'auto' needs labels"),
    "no labels for markers": (
        {"label_key": None, "method": "random", "min_markers_per_type": 1},
        SettingsError,
        "minimum of markers per type needs labels",
    ),
    "labels to leave out without labels": (
        {"label_key": None, "method": "random", "exclude_labels": ["T"]},
        SettingsError,
        "leaving labels out needs labels",
    ),
    "one class": ({"exclude_labels": ["T", "B"]}, DataError, "'auto' tells classes apart, and all 40"),
    "no gene": ({"n_genes": 0}, SettingsError, "n_genes is 0; expected a whole number from 1 up"),
    "half a gene": ({"n_genes": 2.5}, SettingsError, r"n_genes is 2\.5"),
    "too many genes": ({"n_genes": 31}, SettingsError, "30 allowed genes for a panel of 31"),
    "negative seed": ({"seed": -1}, SettingsError, "seed is -1; expected a whole number from 0 to 4294967295"),
    "unknown gene": ({"must_have": ["0-gen"]}, SettingsError, "did you mean '0-gene'"),
    "one name for a list": ({"must_have": "0-gene"}, SettingsError, "expected a list"),
    "clash": ({"must_have": ["0-gene"], "forbidden": ["0-*"]}, SettingsError, "must-have but forbidden"),
    "endless bound": ({"max_mean": np.inf}, SettingsError, "max_mean is inf; expected a finite number"),
    "label column": ({"label_key": "celltype"}, DataError, "did you mean 'cell_type'"),
    "donor column": ({"donor_key": "donors"}, DataError, "did you mean 'donor'"),
    "gene name column": ({"gene_name_key": "symbols"}, DataError, "no gene column 'symbols' in var; did you mean"),
    "gene id column": ({"gene_id_key": "x"}, DataError, "no gene column 'x'"),
    "normalisation": ({"normalize": "log"}, SettingsError, "normalize is 'log'"),
    "aim of another method": ({"method": "forest", "min_recall": 0.5}, SettingsError, "no option 'min_recall'"),
    "aim out of range": ({"min_recall": 50}, SettingsError, "min_recall is 50; expected a number from 0 to 1"),
    "value that scikit-learn refuses": (
        {"method": "forest", "options": {"n_estimators": -1}},
        DataError,
        "'forest' cannot use these cells or options: .*n_estimators",
    ),
}


@pytest.mark.parametrize(("given", "error", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_select_refuses_leaves_the_object_as_it_was(given, error, message):
    adata = make_adata()
    before = adata.copy()
    with pytest.raises(error, match=message):
        sm.select(adata, **{"label_key": "cell_type", "n_genes": 3, **given})
    assert_unchanged(adata, before)


def test_extend_and_explain_refuse_panels_of_other_genes():
    adata = make_adata()
    with pytest.raises(PanelError, match=r"none of the 1 genes of the panel \('x'\) is in the data"):
        sm.extend(adata, ["x"], label_key="cell_type", n_new=1, ignore_unknown=True, method="discriminant")
    with pytest.raises(SettingsError, match="n_new is 0"):
        sm.extend(adata, ["0-gene"], label_key="cell_type", n_new=0, method="discriminant")
    with pytest.raises(SettingsError, match=r"30 allowed genes for a panel of 31"):
        sm.extend(adata, ["0-gene"], label_key="cell_type", n_new=30, method="discriminant")
    with pytest.raises(PanelError, match=r"1 of the 2 genes of the panel are not in the data: 'x'"):
        sm.explain(adata, ["0-gene", "x"], label_key="cell_type")
    explanation = sm.explain(adata, ["0-gene", "x"], label_key="cell_type", ignore_unknown=True)
    assert [gene.gene for gene in explanation.genes] == ["0-gene"]


def test_data_without_variation_are_refused():
    adata = make_adata()
    adata.X = np.zeros(adata.shape, dtype=np.float32)
    with pytest.raises(DataError, match="found nothing to choose by: every gene scores 0"):
        sm.select(adata, label_key="cell_type", n_genes=3, method="discriminant")


PERSIST = {"elimination_steps": 20, "selection_steps": 60, "hidden_sizes": (8,)}


def test_persist_keeps_its_thresholds_with_the_panel(tmp_path):
    adata = make_adata()
    options = {**PERSIST, "threshold": "quantile", "quantile": 0.6}
    panel = sm.select(adata, label_key="cell_type", n_genes=3, method="persist", options=options)
    logs = sm.PersistSelector(3, threshold="quantile", quantile=0.6, random_state=0, **PERSIST)
    from selectormlp.data.normalize import log1p_cp10k

    logs.fit(log1p_cp10k(sp.csr_array(adata.X)), adata.obs["cell_type"].to_numpy())
    assert set(panel.genes) == set(adata.var_names[logs.get_support()])
    expected = logs.thresholds_[adata.var_names.get_indexer(list(panel.genes))]
    np.testing.assert_allclose(panel.thresholds, expected)
    assert panel.provenance.settings["threshold_unit"] == "log1p of counts per 10,000"
    assert sm.read_panel(panel.write(tmp_path) / "panel.json") == panel
    plain = sm.select(
        make_adata(), label_key="cell_type", n_genes=3, method="persist", normalize="none", options=PERSIST
    )
    assert plain.thresholds == (0.0, 0.0, 0.0)
    assert plain.provenance.settings["threshold_unit"] == "as in the matrix that was read"


def test_a_panel_of_persist_is_of_one_size():
    panel = sm.select(make_adata(), label_key="cell_type", n_genes=3, method="persist", options=PERSIST)
    assert not panel.nested
    with pytest.raises(PanelError, match="trained for one size; select 2 genes again"):
        panel.head(2)


def test_extending_with_persist_fills_in_thresholds():
    given = ["1-gene", "4-gene"]
    options = {**PERSIST, "threshold": 1.5}
    extended = sm.extend(
        make_adata(), given, label_key="cell_type", n_new=2, method="persist", normalize="none", options=options
    )
    assert extended.genes[:2] == ("1-gene", "4-gene")
    assert extended.thresholds == (1.5,) * 4
    own = sm.Panel(("1-gene", "4-gene"), thresholds=(0.5, None))
    extended = sm.extend(
        make_adata(), own, label_key="cell_type", n_new=1, method="persist", normalize="none", options=options
    )
    assert extended.thresholds == (0.5, 1.5, 1.5)
    later = sm.extend(make_adata(), extended, label_key="cell_type", n_new=1, method="discriminant")
    assert later.thresholds == (0.5, 1.5, 1.5, None)


def test_unsupervised_persist_predicts_all_genes_or_a_layer():
    adata = make_adata()
    target = np.zeros(adata.shape, dtype=np.float32)
    target[:, :10] = 4.0 * (adata.X[:, [20]].toarray() > 0)
    adata.layers["target"] = target
    options = {**PERSIST, "selection_steps": 200, "loss": "mse"}
    kept = {"label_key": None, "method": "persist-unsupervised", "normalize": "none", "options": options}
    panel = sm.select(adata, n_genes=1, target_layer="target", **kept)
    assert panel.genes == ("20-gene",)
    assert panel.provenance.settings["target_layer"] == "target"
    others = [f"{i}-gene" for i in range(20)]
    assert sm.select(adata, n_genes=1, candidates=others, **kept).genes[0] in others  # the target is of all genes
    with pytest.raises(DataError, match="no layer 'targt' in the data; did you mean 'target'"):
        sm.select(adata, n_genes=1, target_layer="targt", **kept)
    with pytest.raises(
        SettingsError, match="for the method 'persist', which predicts no profile; leave it out, or use"
    ):
        sm.select(adata, label_key="cell_type", n_genes=1, method="persist", target_layer="target")
    with pytest.raises(SettingsError, match="has no option 'candidates'"):
        sm.select(adata, label_key="cell_type", n_genes=1, method="persist", options={"candidates": [1]})


KEY = {"label_key": "cell_type"}
CALLS = {
    "select": lambda given: sm.select(given, n_genes=3, **KEY),
    "select without labels": lambda given: sm.select(given, n_genes=3, label_key=None, method="variance"),
    "extend": lambda given: sm.extend(given, ["g0"], n_new=3, **KEY),
    "explain": lambda given: sm.explain(given, ["g0"], **KEY),
    "evaluate": lambda given: sm.evaluate(given, ["g0"], **KEY),
    "compare": lambda given: sm.compare(given, {"mine": ["g0"], "theirs": ["g1"]}, **KEY),
    "stability": lambda given: sm.stability(given, method="discriminant", n_genes=3, **KEY),
    "robustness": lambda given: sm.robustness(given, ["g0"], **KEY),
    "fit_classifier": lambda given: sm.fit_classifier(given, ["g0"], **KEY),
    "predict": lambda given: sm.predict(given, "absent.safetensors"),
    "report": lambda given: sm.report(given, ["g0"], "absent.html", **KEY),
    "expression": lambda given: sm.expression(given, ["g0"], **KEY),
}


@pytest.mark.parametrize("name", CALLS)
def test_what_is_no_anndata_object_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call = CALLS[name]
    in_memory = r"^expected an AnnData object, found str; read it with anndata.read_h5ad\('c.h5"
    with pytest.raises(DataError, match="^no file 'c.h5ad'" if name.startswith(("select", "extend")) else in_memory):
        call("c.h5ad")
    with pytest.raises(DataError, match="expected an AnnData object, found DataFrame; make one with"):
        call(pd.DataFrame())
    assert list(tmp_path.iterdir()) == []


def test_what_the_functions_return_shows_itself_in_a_line():
    adata, genes = make_adata(), ["0-gene", "4-gene"]
    given = {"label_key": "cell_type", "seed": 0}
    score = r"[01]\.\d{3}"
    shown = {
        rf"Evaluation\(2 genes by 'cell_type', logistic: balanced accuracy {score} "
        rf"\({score} by its own counts, random genes {score}, all genes {score}\)\)": sm.evaluate(
            adata, genes, **given
        ),
        rf"Comparison\(by 'cell_type', logistic: balanced accuracy mine {score}, theirs {score}\)": sm.compare(
            adata, {"mine": genes, "theirs": ["20-gene"]}, **given
        ),
        r"Stability\(3 genes by discriminant, \d+ panels: Jaccard index .*[01]\.\d\d\)": sm.stability(
            adata, method="discriminant", n_genes=3, **given
        ),
        r"Explanation\(2 genes, criterion [\d.]+\)": sm.explain(adata, genes, label_key="cell_type"),
        r"Expression\(2 genes in 3 types, 120 cells\)": sm.expression(adata, genes, label_key="cell_type"),
    }
    for pattern, found in shown.items():
        assert re.fullmatch(pattern, repr(found)), repr(found)
