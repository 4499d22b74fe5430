"""What anndata reads and cannot write is mended or left out with a word, and the split is written."""

import datetime as dt

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest

from selectormlp.data.anndata_files import read_adata
from selectormlp.data.anndata_io import CellsSource, cells_from_adata
from selectormlp.pipeline.settings import SplitSettings
from selectormlp.pipeline.split import split_file


@pytest.fixture
def split(tmp_path, monkeypatch):
    def run(adata):
        monkeypatch.setattr("selectormlp.pipeline.split.read_adata", lambda _: adata)
        sizes = {"train_cluster_size": 20, "val_cluster_size": 5, "test_cluster_size": 5}
        settings = SplitSettings(
            adata_path=tmp_path / "x.h5ad", y_column="cell_type", save_dir=tmp_path, min_cluster_size=5, **sizes
        )
        return [read_adata(path) for path in split_file(settings).files]

    return run


def rename_index(place, group):
    with h5py.File(place, "a") as file:
        table = file[group]
        names = table.attrs["_index"]
        table.move(names, "features")
        table.attrs["_index"] = "features"
        features = np.asarray(ad.io.read_elem(table["features"]), dtype=object)  # a group where pandas 3 wrote them
        table.create_dataset("_index", data=features, dtype=h5py.string_dtype())
        order = [*map(str, table.attrs["column-order"]), "_index"]
        table.attrs["column-order"] = np.array(order, dtype=h5py.string_dtype())


@pytest.mark.parametrize("group", ["obs", "var", "raw/var"])
def test_a_column_named_as_anndata_names_its_own(adata, tmp_path, split, group, caplog):
    adata.raw = adata.copy()
    adata.write_h5ad(tmp_path / "cells.h5ad")
    rename_index(tmp_path / "cells.h5ad", group)
    train, *_ = split(read_adata(tmp_path / "cells.h5ad"))
    assert train.n_obs == 80
    assert train.var_names.tolist() == adata.var_names.tolist()
    assert f"{group.replace('/', '.')} cannot be written as it is: '_index' is left out" in caplog.text


@pytest.mark.parametrize(
    "values",
    [
        [1, "a"],
        [1.5, None],
        [["a"], ["b"]],
        [dt.date(2024, 1, 1), "a"],
        [("a", 1), ("b", 2)],
        [True, "a"],
        [b"a", "b"],
        [{"a": 1}, {}],
    ],
)
def test_columns_of_mixed_values(adata, split, values):
    column = np.empty(200, dtype=object)
    column[:] = [values[i % 2] for i in range(200)]
    adata.obs["mixed"] = column
    train, *_ = split(adata)
    assert train.n_obs == 80
    assert "mixed" in train.obs


@pytest.mark.parametrize(
    ("where", "key", "value"),
    [
        ("uns", "tuple of all", (1, "a", None)),
        ("uns", "object", object()),
        ("uns", "nested", {"deep": {"object": object()}}),
        ("uns", "dates", [dt.date(2024, 1, 1)]),
        ("uns", "a/b", 1),
        ("obsm", "frame", pd.DataFrame({"a": [object()] * 200}, index=[f"cell{i}" for i in range(200)])),
    ],
)
def test_other_parts_that_cannot_be_written(adata, split, where, key, value, caplog):
    getattr(adata, where)[key] = value
    adata.uns["kept"] = {"a": np.arange(3)}
    train, *_ = split(adata)
    assert train.uns["kept"]["a"].tolist() == [0, 1, 2]
    assert key not in getattr(train, where) or train.n_obs == 80


def test_what_can_be_written_stays_as_it_is(adata, split, caplog):
    adata.obs["number"] = np.arange(200)
    adata.obs["text"] = [f"t{i}" for i in range(200)]
    adata.obs["when"] = pd.array(np.arange(200) % 2 > 0, dtype="boolean")
    adata.layers["counts"] = adata.X.copy()
    adata.obsm["X_pca"] = np.ones((200, 2))
    train, *_ = split(adata)
    assert "cannot be written" not in caplog.text
    assert train.obs["number"].tolist() == [int(name.removeprefix("cell")) for name in train.obs_names]
    assert cells_from_adata(train, CellsSource("cell_type", layer="counts")).n_cells == 80


def test_an_object_that_is_read_is_not_altered(adata, split):
    adata.uns["object"] = made = object()
    split(adata)
    assert adata.uns["object"] is made
    assert isinstance(adata, ad.AnnData)
