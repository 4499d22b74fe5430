import warnings

import numpy as np
import pytest

import selectormlp as sm
from selectormlp.data.anndata_sample import read_sample
from selectormlp.errors import DataError, SettingsError


@pytest.fixture
def adata(make_adata):
    return make_adata(n_cells=600, n_genes=30)


@pytest.fixture
def file(adata, tmp_path):
    adata.write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "cells.h5ad"


def test_types_are_capped_and_cells_are_those_of_the_file(adata, file):
    few = read_sample(file, label_key="cell_type", cells_per_type=40)
    assert few.obs["cell_type"].value_counts().tolist() == [40] * adata.obs["cell_type"].nunique()
    same = adata[few.obs_names]
    np.testing.assert_array_equal(few.X.toarray(), same.X.toarray())
    assert few.obs.equals(same.obs)
    assert few.var.equals(adata.var)


def test_a_seed_draws_the_same_cells_and_another_others(file):
    names = [read_sample(file, label_key="cell_type", cells_per_type=40, seed=seed).obs_names for seed in (1, 1, 2)]
    assert names[0].equals(names[1])
    assert not names[0].equals(names[2])


def test_few_cells_are_all_read_but_those_without_a_type(adata, file, tmp_path):
    assert read_sample(file, label_key="cell_type").obs_names.equals(adata.obs_names)
    adata.obs["cell_type"] = adata.obs["cell_type"].astype(object).where(np.arange(600) >= 5)
    adata.write_h5ad(tmp_path / "gaps.h5ad")
    kept = read_sample(tmp_path / "gaps.h5ad", label_key="cell_type", exclude_labels=["type B"])
    expected = adata.obs_names[adata.obs["cell_type"].isin(["type A", "type C", "type D"])]
    assert kept.obs_names.equals(expected)


def test_several_files_are_one_and_a_layer_takes_the_place_of_x(adata, tmp_path):
    adata.layers["logs"] = np.log1p(adata.X)
    adata[:250].copy().write_h5ad(tmp_path / "a.h5ad")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adata[250:, ::-1].copy().write_zarr(tmp_path / "b.zarr")
    few = read_sample([tmp_path / "a.h5ad", tmp_path / "b.zarr"], label_key="cell_type", layer="logs")
    for found in (few.X, few.layers["logs"]):
        np.testing.assert_allclose(found.toarray(), adata.layers["logs"].toarray(), rtol=1e-6)
    scores = sm.evaluate(few, ["gene0", "gene1"], label_key="cell_type", layer="logs", n_splits=2, unsupervised=False)
    assert scores.splits.n_cells == 600


def test_a_panel_of_all_cells_is_known_to_have_seen_the_sample(file):
    panel = sm.select(file, label_key="cell_type", n_genes=4, method="discriminant")
    few = read_sample(file, label_key="cell_type", cells_per_type=60)
    assert sm.evaluate(few, panel, label_key="cell_type", n_splits=2, unsupervised=False).protocol == "reselected"


@pytest.mark.parametrize("number", [0, -1, 2.5, True, "40"])
def test_a_number_that_is_none_is_refused(file, number):
    with pytest.raises(SettingsError, match="expected a whole number from 1 up"):
        read_sample(file, label_key="cell_type", cells_per_type=number)


def test_a_label_column_that_is_not_there_is_refused(file):
    with pytest.raises(DataError, match="did you mean 'cell_type'"):
        read_sample(file, label_key="cell_typ")
