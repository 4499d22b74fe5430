import warnings

import numpy as np
import pytest

from selectormlp.errors import DataError
from selectormlp.selection import inspect as inspection
from selectormlp.selection.inspect import inspect_files


@pytest.fixture
def file(adata, tmp_path):
    adata.write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "cells.h5ad"


def test_what_a_file_holds(adata, file):
    adata.obs["cell_type"] = adata.obs["cell_type"].where(np.arange(200) < 150)
    adata.write_h5ad(file)
    found = inspect_files(file, label_key="cell_type", donor_key="donor")
    assert (found.n_cells, found.n_genes, found.is_counts, found.n_donors) == (150, 30, True, 4)
    assert list(found.classes.items()) == [("type A", 38), ("type B", 38), ("type C", 37), ("type D", 37)]
    assert found.density == pytest.approx((adata[:150].X != 0).mean())
    assert (found.parts[0].n_cells, found.parts[0].layout.is_sparse, found.parts[0].layout.dtype) == (
        200,
        True,
        "float32",
    )
    assert found.parts[0].layout.n_stored == adata.X.nnz
    assert found.label_columns == {}
    assert any("fit in memory" in line for line in found.advice)


def test_columns_that_may_hold_labels_are_named(file):
    found = inspect_files(file)
    assert found.classes is None
    assert found.n_donors is None
    assert found.label_columns == {"cell_type": 4, "donor": 4}
    assert any("--label-key" in line for line in found.advice)


def test_several_files_and_chunks(adata, file, tmp_path):
    adata.X = np.log1p(adata.X.toarray())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adata.write_zarr(tmp_path / "dense.zarr", chunks=(50, 30))
    found = inspect_files(tmp_path / "dense.zarr", label_key="cell_type")
    assert found.parts[0].layout.chunk == (50, 30)
    assert not found.is_counts
    assert any("has chunks of 6,000 bytes, which are slow" in line for line in found.advice)
    assert len(inspect_files([file, file], label_key="cell_type").parts) == 2


def test_estimates_grow_with_the_cells(adata, file, tmp_path, make_adata, monkeypatch):
    make_adata(n_cells=2000).write_h5ad(tmp_path / "more.h5ad")
    monkeypatch.setattr(inspection, "probe", lambda cells: (0.5, 1e-4, 1e-2))
    few, more = inspect_files(file, label_key="cell_type"), inspect_files(tmp_path / "more.h5ad", label_key="cell_type")
    assert more.select_min == pytest.approx(10 * few.select_min)
    assert more.train_min == pytest.approx(10 * few.train_min)
    assert more.memory_gb > few.memory_gb


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("SAMPLE_PER_CLASS", 30, "take a sample of 120 cells, at most 30 a type"),
        ("SMALL_CLASS", 51, r"4 types have fewer than 51 cells"),
        ("IMPORTS_GB", 1e6, "use --lazy"),
        ("LARGE_CHUNK", 10, "each read whole: rewrite it with smaller"),
    ],
)
def test_advice_follows_from_what_is_found(adata, file, monkeypatch, name, value, line):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adata.write_h5ad(file, compression="gzip")
    monkeypatch.setattr(inspection, name, value)
    assert any(line in said for said in inspect_files(file, label_key="cell_type").advice)


def test_a_system_that_does_not_say_its_memory(file, monkeypatch):
    monkeypatch.setattr(inspection, "allowed_bytes", lambda: None)
    assert any("use --lazy if that is too much" in line for line in inspect_files(file).advice)


def test_genes_beyond_those_considered_are_said(make_adata, tmp_path):
    make_adata(n_genes=5001).write_h5ad(tmp_path / "wide.h5ad")
    found = inspect_files(tmp_path / "wide.h5ad", label_key="cell_type")
    assert any("the 5,000 most variable of 5,001 genes are considered" in line for line in found.advice)


def test_the_command_prints_it(file, cli):
    done = cli("inspect", file, "--label-key", "cell_type", "--donor-key", "donor")
    assert done.code == 0, done.err
    for line in ("200 cells × 30 genes", "raw counts", "4 types: from 'type A' (50)", "4 donors", "Advice:"):
        assert line in done.out
    assert "categorical columns and their categories: cell_type (4), donor (4)" in cli("inspect", file).out
    done = cli("inspect", file, "--label-key", "celltype")
    assert done.code == 2
    assert "did you mean 'cell_type'" in done.err


def test_files_that_are_not_there_are_refused(tmp_path):
    with pytest.raises(DataError, match="no file"):
        inspect_files(tmp_path / "cells.h5ad")


def test_the_number_of_genes_considered_is_said_where_it_matters(file, monkeypatch):
    assert not any("max_genes" in line for line in inspect_files(file).advice)
    monkeypatch.setattr(inspection, "_considered", lambda n_genes: (20, 2))
    assert any(
        line.startswith("the 20 most variable of 30 genes are considered") for line in inspect_files(file).advice
    )
