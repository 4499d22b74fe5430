"""Genes without a single count never fill a panel while others remain, and not without a word."""

import numpy as np
import pytest
import scipy.sparse as sp

import selectormlp as sm

METHODS = ["discriminant", "reconstruction", "mixture", "markers", "variance", "random", "forest", "svm"]


@pytest.fixture
def silent(adata):
    """30 genes, of which the first, the last and 18 between have no count."""
    X = adata.X.toarray()
    X[:, np.r_[0, 2:20, 29]] = 0
    adata.X = X
    return adata


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix])
def test_others_come_first(silent, method, kind, caplog):
    silent.X = kind(silent.X)
    panel = sm.select(silent, label_key="cell_type", n_genes=10, method=method)
    assert set(panel.genes) == {"gene1", *(f"gene{i}" for i in range(20, 29))}
    assert "no count in any cell" not in caplog.text


@pytest.mark.parametrize("method", METHODS)
def test_where_no_others_are_left_that_is_said(silent, method, caplog):
    panel = sm.select(silent, label_key="cell_type", n_genes=12, method=method)
    assert len(panel) == 12
    assert "2 genes of the panel have no count in any cell" in caplog.text


def test_that_is_said_of_must_have_genes_of_files_and_of_extended_panels(silent, tmp_path, caplog):
    given = {"label_key": "cell_type", "method": "discriminant"}
    sm.select(silent.copy(), n_genes=3, must_have=["gene5"], **given)
    assert "1 gene of the panel has no count in any cell ('gene5')" in caplog.text
    caplog.clear()
    silent.write_h5ad(tmp_path / "cells.h5ad")
    assert len(sm.select(str(tmp_path / "cells.h5ad"), n_genes=12, **given)) == 12
    assert "2 genes of the panel add nothing" in caplog.text
    caplog.clear()
    sm.extend(silent.copy(), ["gene1", "gene20"], n_new=10, **given)
    assert "2 genes of the panel have no count in any cell" in caplog.text
