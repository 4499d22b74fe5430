"""Which values are read, and what they are scaled by."""

import zipfile

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp

import selectormlp as sm
from selectormlp.data.anndata_files import read_adata
from selectormlp.data.anndata_io import CellsSource, cells_from_adata
from selectormlp.data.anndata_lazy import open_cells
from selectormlp.data.cells import as_matrix
from selectormlp.data.panel_io import unlabelled_cells
from selectormlp.errors import DataError

Y = np.arange(100) % 4


def counts():
    rng = np.random.default_rng(0)
    obs = pd.DataFrame({"ct": [f"t{k}" for k in Y]}, index=[f"c{i}" for i in range(100)])
    var = pd.DataFrame(index=[f"G{i}" for i in range(80)])
    return ad.AnnData(rng.poisson(rng.gamma(0.5, 2.0, (4, 80))[Y]).astype(np.float32), obs=obs, var=var)


def logged(adata):
    logs = adata.copy()
    sc.pp.normalize_total(logs, target_sum=1e4)
    sc.pp.log1p(logs)
    return logs


def scaled(adata, raw, kind):
    part = logged(adata)
    part.raw = raw.copy()
    part.raw._X = kind(raw.X)  # a matrix of any format
    part = part[:, 20:60].copy()
    sc.pp.scale(part, max_value=10)
    return part


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix, sp.csc_matrix])
def test_counts_under_scaled_values_are_normalised_over_all_their_genes(kind):
    adata = counts()
    wanted = logged(adata)[:, 20:60].X
    for raw in (adata, logged(adata)):
        given = scaled(adata, raw, kind)
        for found in (cells_from_adata(given, CellsSource("ct")), unlabelled_cells(given)):
            np.testing.assert_allclose(found.dense().X, wanted, atol=2e-6)
    given.obs.loc[given.obs_names[:7], "ct"] = None
    np.testing.assert_allclose(cells_from_adata(given, CellsSource("ct")).dense().X, wanted[7:], atol=2e-6)


def test_raw_that_shares_few_genes_is_warned_of(caplog):
    adata = counts()
    part = scaled(adata, adata, np.asarray)
    part.var_names = [*part.var_names[:5], *(f"ENSG{i}" for i in range(35))]
    assert cells_from_adata(part, CellsSource("ct")).n_genes == 5
    said = [record.levelname for record in caplog.records if "for 5 of the 40 genes of X" in record.message]
    assert said == ["WARNING"]


def test_masked_values_are_not_read_as_if_they_were_there():
    adata = counts()
    masked = np.ma.masked_greater(adata.X, 5)
    with pytest.raises(DataError, match=r"masked array, with \d+ values? masked.*fill them"):
        as_matrix(masked)
    np.testing.assert_array_equal(as_matrix(np.ma.masked_array(adata.X)), adata.X)


@pytest.mark.parametrize("name", ["cells.zarr.zip", "cells.h5ad", "book.xlsx", "cells.npz"])
def test_a_zip_file_is_called_one(tmp_path, name):
    place = tmp_path / name
    if name.endswith("npz"):
        np.savez(place, X=np.ones(3))
    else:
        with zipfile.ZipFile(place, "w") as archive:
            archive.writestr("zarr.json", "{}")
    for read in (read_adata, lambda path: open_cells(path, CellsSource("ct"))):
        with pytest.raises(DataError, match="is a zip file, which is not read; unpack it"):
            read(place)


def test_cells_with_counts_of_0_and_1_are_predicted():
    rng = np.random.default_rng(0)
    mean = np.array([[2.0, 0.2, 0.2, 1], [0.2, 2.0, 0.2, 1]])
    y = np.arange(200) % 2
    obs = pd.DataFrame({"ct": [f"t{k}" for k in y]}, index=[f"c{i}" for i in range(200)])
    adata = ad.AnnData(rng.poisson(mean[y]).astype(np.float32), obs=obs, var=pd.DataFrame(index=list("ABCD")))
    model = sm.fit_classifier(adata, list("ABCD"), label_key="ct")
    shallow = adata[adata.X.max(axis=1) == 1].copy()
    found, expected = sm.predict(shallow, model), sm.predict(shallow, model, normalize="counts")
    assert found.labels.tolist() == expected.labels.tolist()
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)
