"""Where genes are named by identifiers, symbols are found, used and shown, and identifiers stay in the panel."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import selectormlp as sm
from selectormlp.data.symbols import shown_names

SYMBOLS = [f"{name}{i}" for i, name in enumerate(["MT-CO", "RPL", "CD", "HLA-D", "KRT"] * 6)]
IDS = [f"ENSG{i:011d}" for i in range(30)]
GIVEN = {"label_key": "cell_type", "method": "discriminant", "n_genes": 6}


@pytest.fixture
def by_id(adata):
    adata.var_names = IDS
    adata.var["feature_type"] = "Gene Expression"
    adata.var["feature_length"] = np.arange(30) + 100
    adata.var["chromosome"] = [f"chr{i % 5}" for i in range(30)]
    return adata


COLUMNS = [
    "feature_name",
    "gene_symbols",
    "gene_symbol",
    "gene_name",
    "gene_short_name",
    "symbol",
    "Gene Symbol",
    "mine",
]


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("kind", ["category", object, "string"])
def test_symbols_are_found_used_and_said(by_id, column, kind, caplog):
    by_id.var[column] = pd.Series(SYMBOLS, index=IDS, dtype=kind)
    caplog.set_level("INFO")
    panel = sm.select(by_id, forbidden=["MT-*"], must_have=["KRT4", IDS[2]], **GIVEN)
    assert panel.genes[:2] == ("KRT4", "CD2")
    assert not any(gene.startswith("MT-") for gene in panel.genes)
    assert panel.gene_ids == tuple(IDS[SYMBOLS.index(gene)] for gene in panel.genes)
    assert f"symbols are taken from the column {column!r} of var" in caplog.text
    assert by_id.var_names[by_id.var["selectormlp_selected"]].tolist() == sorted(panel.gene_ids)
    assert by_id.var.loc[IDS[4], "selectormlp_rank"] == 1


def test_content_decides_not_only_the_name(by_id):
    by_id.var["gene_name"] = IDS  # identifiers again
    by_id.var["symbol"] = "unknown"
    by_id.var["gene_symbols"] = np.arange(30)
    assert shown_names(by_id) is None
    by_id.var["feature_name"] = SYMBOLS
    assert shown_names(by_id).column == "feature_name"


def test_a_column_that_is_named_wins(by_id):
    by_id.var["feature_name"] = SYMBOLS
    by_id.var["other"] = [f"x{i}" for i in range(30)]
    panel = sm.select(by_id, must_have=["x7"], gene_name_key="other", **GIVEN)
    assert panel.genes[0] == "x7"
    assert panel.gene_ids[0] == IDS[7]


def test_data_with_symbols_stay_as_they_are(adata):
    adata.var["feature_name"] = [f"other{i}" for i in range(30)]
    panel = sm.select(adata, **GIVEN)
    assert panel.gene_ids is None
    assert all(gene.startswith("gene") for gene in panel.genes)


def test_symbols_that_are_shared_or_missing_leave_identifiers(by_id):
    symbols = [*SYMBOLS[:27], None, "twin", "twin"]
    by_id.var["feature_name"] = symbols
    found = shown_names(by_id)
    assert found.shown.tolist() == [*SYMBOLS[:27], *IDS[27:]]
    with pytest.raises(sm.errors.SettingsError, match="'twin' names 2 genes"):
        sm.select(by_id, must_have=["twin"], **GIVEN)


def test_panels_are_tested_by_either_name_on_either_data(by_id, make_adata):
    by_id.var["feature_name"] = SYMBOLS
    panel = sm.select(by_id.copy(), **GIVEN)
    found = sm.evaluate(by_id, panel, label_key="cell_type", unsupervised=False)
    assert found.genes == panel.genes
    assert found.protocol == "reselected"
    assert sm.evaluate(by_id, list(panel.gene_ids), label_key="cell_type", unsupervised=False).genes == panel.genes
    by_symbol = make_adata(seed=3)
    by_symbol.var_names = SYMBOLS
    assert sm.evaluate(by_symbol, panel, label_key="cell_type", unsupervised=False).genes == panel.genes
    assert sm.expression(by_id, panel, label_key="cell_type").genes == panel.genes
    explained = sm.explain(by_id, panel, label_key="cell_type")
    assert [gene.gene for gene in explained.genes] == list(panel.genes)


def test_files_and_extended_panels(by_id, tmp_path):
    by_id.var["feature_name"] = SYMBOLS
    in_memory = sm.select(by_id.copy(), forbidden=["RPL*"], **GIVEN)
    by_id.write_h5ad(tmp_path / "cells.h5ad")
    on_disk = sm.select(str(tmp_path / "cells.h5ad"), forbidden=["RPL*"], **GIVEN)
    assert (on_disk.genes, on_disk.gene_ids) == (in_memory.genes, in_memory.gene_ids)
    more = sm.extend(by_id, on_disk, label_key="cell_type", n_new=2, method="discriminant")
    assert more.gene_ids == tuple(IDS[SYMBOLS.index(gene)] for gene in more.genes)
    assert int(by_id.var["selectormlp_selected"].sum()) == 8
    assert isinstance(by_id, ad.AnnData)


def test_classifiers_know_genes_by_the_names_of_the_data(by_id):
    by_id.var["feature_name"] = SYMBOLS
    panel = sm.select(by_id.copy(), **GIVEN)
    model = sm.fit_classifier(by_id, panel, label_key="cell_type")
    assert set(sm.predict(by_id, model).classes) == set(by_id.obs["cell_type"])
