"""Labels and donors become text in one way, in memory and on disk, whatever a column holds."""

import datetime as dt

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import zarr

from selectormlp.data.anndata_files import read_adata
from selectormlp.data.anndata_io import CellsSource, cells_from_adata
from selectormlp.data.anndata_lazy import open_cells
from selectormlp.data.anndata_parts import categorical_columns
from selectormlp.data.anndata_sample import read_sample
from selectormlp.errors import DataError, SettingsError

N = 80
TRUTH = np.arange(N) % 4
TEXT = h5py.string_dtype()


def cells(labels, prefix="c", donors=None):
    obs = pd.DataFrame(index=[f"{prefix}{i}" for i in range(N)])
    obs["cluster"] = labels
    obs["donor"] = labels if donors is None else donors
    X = np.random.default_rng(0).poisson(2.0, (N, 6)).astype(np.float32)
    return ad.AnnData(X, obs=obs)


def old_table(group, frame, names, codes):
    """Write a table as anndata 0.7 did: codes in the column, categories elsewhere."""
    group.attrs.update({"encoding-type": "dataframe", "encoding-version": "0.1.0", "_index": "_index"})
    is_hdf5 = isinstance(group, h5py.Group)
    make = (
        (lambda g, key, data: g.create_dataset(key, data=data, dtype=TEXT if data.dtype == object else None))
        if (is_hdf5)
        else (lambda g, key, data: g.create_array(key, data=data.astype(str) if data.dtype == object else data))
    )
    make(group, "_index", np.array(frame, dtype=object))
    group.attrs["column-order"] = ["cluster"] if codes is not None else (np.array([], dtype=TEXT) if is_hdf5 else [])
    if codes is not None:
        held = make(group.create_group("__categories"), "cluster", np.array(names, dtype=object))
        column = make(group, "cluster", codes)
        column.attrs["categories"] = held.ref if is_hdf5 else "__categories/cluster"


def old_file(place, names, seed=0):
    codes = TRUTH.astype(np.int8)
    codes[::10] = -1
    store = h5py.File(place, "w") if place.suffix == ".h5ad" else zarr.open_group(place, mode="w", zarr_format=2)
    X = np.random.default_rng(seed).poisson(1.0, (N, 12)).astype(np.float32)
    (store.create_dataset if place.suffix == ".h5ad" else store.create_array)("X", data=X)
    old_table(store.create_group("obs"), [f"c{seed}_{i}" for i in range(N)], names, codes)
    old_table(store.create_group("var"), [f"G{i}" for i in range(12)], (), None)
    if place.suffix == ".h5ad":
        store.close()
    return place


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_tables_of_anndata_07_are_read_in_parts_as_whole(tmp_path, suffix):
    one = old_file(tmp_path / f"one{suffix}", ["B", "CD4", "CD8", "NK"])
    lazy = open_cells(one, CellsSource("cluster"))
    assert dict(zip(lazy.classes, lazy.class_counts().tolist(), strict=True)) == {
        "B": 16,
        "CD4": 20,
        "CD8": 16,
        "NK": 20,
    }
    if suffix == ".h5ad":
        whole = cells_from_adata(read_adata(one), CellsSource("cluster"))
        assert [lazy.classes[code] for code in lazy.labels] == [whole.classes[code] for code in whole.labels]
    assert categorical_columns(one) == {"cluster": 4}
    assert set(read_sample(one, label_key="cluster").obs["cluster"]) == {"B", "CD4", "CD8", "NK"}


def test_files_of_anndata_07_are_joined_by_name_not_by_code(tmp_path):
    files = [
        old_file(tmp_path / "1.h5ad", ["B", "CD4", "CD8", "NK"], 1),
        old_file(tmp_path / "2.h5ad", [*"wxy", "B"], 2),
    ]
    both = open_cells(files, CellsSource("cluster"))
    counts = dict(zip(both.classes, both.class_counts().tolist(), strict=True))
    assert counts == {"B": 36, "CD4": 20, "CD8": 16, "NK": 20, "w": 16, "x": 20, "y": 16}


WAYS = {
    "integers": TRUTH,
    "floats": TRUTH * 1.0,
    "text": TRUTH.astype(str),
    "numpy scalars": pd.Series(list(TRUTH.astype(np.int16)), dtype=object).to_numpy(),
    "integers and floats": np.array([int(t) if i < 40 else float(t) for i, t in enumerate(TRUTH)], dtype=object),
    "bytes": np.array([str(t).encode() for t in TRUTH], dtype=object),
    "blanks": [f" {t}\t" for t in TRUTH],
    "nullable": pd.array(TRUTH, dtype="Int64"),
    "categories": pd.Categorical(TRUTH * 1.0),
}


@pytest.mark.parametrize("way", WAYS)
def test_one_number_is_one_label_however_it_is_held(way):
    found = cells_from_adata(cells(WAYS[way]), CellsSource("cluster", "donor"))
    assert [found.classes[code] for code in found.labels] == TRUTH.astype(str).tolist()
    assert found.donors.tolist() == TRUTH.astype(str).tolist()


def test_whole_numbers_and_floats_of_two_files_are_one_type(tmp_path):
    cells(TRUTH, "a").write_h5ad(tmp_path / "a.h5ad")
    cells(np.where(np.arange(N) % 10 == 0, np.nan, TRUTH), "b", TRUTH * 1.0).write_h5ad(tmp_path / "b.h5ad")
    found = open_cells([tmp_path / "a.h5ad", tmp_path / "b.h5ad"], CellsSource("cluster", "donor"))
    expected = [str(TRUTH[int(name[1:])]) for name in found.names]
    assert [found.classes[code] for code in found.labels] == expected
    assert found.donors.tolist() == expected


def test_a_sample_of_numbers_and_text_holds_text(tmp_path):
    cells(TRUTH, "a").write_h5ad(tmp_path / "a.h5ad")
    cells(TRUTH.astype(str), "b").write_h5ad(tmp_path / "b.h5ad")
    found = read_sample([tmp_path / "a.h5ad", tmp_path / "b.h5ad"], label_key="cluster")
    assert found.obs["cluster"].value_counts().to_dict() == {"0": 40, "1": 40, "2": 40, "3": 40}


def test_true_and_one_are_never_one_cell_type_without_a_word(caplog):
    mixed = pd.Series([bool(t % 2) if i < 40 else int(t % 2) for i, t in enumerate(TRUTH)], dtype=object)
    found = cells_from_adata(cells(mixed.to_numpy()), CellsSource("cluster"))
    assert [found.classes[code] for code in found.labels] == [str(value) for value in mixed]
    assert "written in two ways" in caplog.text


@pytest.mark.parametrize("text", ["nan", "NA", "None", "", "  ", "NaN", "<NA>", "null", " n/a "])
@pytest.mark.parametrize("as_category", [True, False])
def test_text_for_a_missing_label_is_one(text, as_category, caplog):
    labels = np.array(["A", "B", text, "C"], dtype=object)[TRUTH]
    found = cells_from_adata(cells(pd.Categorical(labels) if as_category else labels), CellsSource("cluster"))
    assert found.classes == ("A", "B", "C")
    assert found.n_cells == 60
    assert repr(text) in caplog.text
    assert "20 of 80 cells have no label" in caplog.text
    with pytest.raises(DataError, match=r"20 cell.* have no donor"):
        cells_from_adata(cells(TRUTH, donors=labels), CellsSource("cluster", "donor"))


def test_blanks_around_labels_make_no_types_of_their_own(caplog):
    labels = np.array(["A", " A", "B", "B\n"])[TRUTH]
    assert cells_from_adata(cells(labels), CellsSource("cluster")).class_counts().tolist() == [40, 40]
    assert "blanks around ' A', 'B\\n'" in caplog.text


@pytest.mark.parametrize("value", [["A"], {"A": 1}, ("A", 1), np.array([1, 2]), 1j])
def test_what_is_no_label_is_refused_in_one_line(value):
    column = pd.Series([value] * N, dtype=object).to_numpy()
    with pytest.raises(DataError, match=r"the column 'cluster' holds values of the type .*; expected text or numbers"):
        cells_from_adata(cells(column), CellsSource("cluster"))


@pytest.mark.parametrize(
    "day", [dt.date, dt.datetime, lambda *date: pd.Timestamp(*date), lambda *date: np.datetime64(dt.date(*date))]
)
def test_dates_are_labels(day):
    labels = pd.Series([day(2024, 1, 1 + t) for t in TRUTH], dtype=object).to_numpy()
    for given in (labels, pd.Categorical(labels), pd.to_datetime(labels)):
        assert cells_from_adata(cells(given), CellsSource("cluster")).classes[1] == "2024-01-02"


def test_a_column_that_is_there_twice_is_refused():
    adata = cells(TRUTH)
    adata.obs.columns = ["cluster", "cluster"]
    with pytest.raises(DataError, match="obs has 2 columns 'cluster'; rename or drop all but one"):
        cells_from_adata(adata, CellsSource("cluster"))


@pytest.mark.parametrize("key", [0, ["cluster"], None, b"cluster", 1.5])
def test_a_key_that_is_no_text_is_refused(key, tmp_path):
    cells(TRUTH).write_h5ad(tmp_path / "c.h5ad")
    with pytest.raises(SettingsError, match=r"the label column is .*; expected the name of one, as text"):
        cells_from_adata(cells(TRUTH), CellsSource(key))
    if key is not None:
        with pytest.raises(SettingsError, match="expected the name of one, as text"):
            open_cells(tmp_path / "c.h5ad", CellsSource(key))
        with pytest.raises(SettingsError, match=r"the layer is .*; expected the name of one, as text"):
            cells_from_adata(cells(TRUTH), CellsSource("cluster", layer=key))


def test_labels_left_out_are_found_by_number_too():
    found = cells_from_adata(cells(TRUTH * 1.0), CellsSource("cluster", exclude_labels=(3, "2.0")))
    assert found.classes == ("0", "1")


def test_classes_of_an_older_release_are_found():
    found = cells_from_adata(cells(TRUTH), CellsSource("cluster"), classes=["3.0", "1.0", "0.0", " 2"])
    assert found.labels.tolist() == [[2, 1, 3, 0][t] for t in TRUTH]


def test_types_renamed_after_a_split_are_those_of_obs(caplog):
    adata = cells(np.array(["merged", "merged", "c", "d"])[TRUTH])
    adata.uns["selectormlp"] = {"label_key": "cluster", "classes": np.array([*"abcd"], dtype=object)}
    found = cells_from_adata(adata, CellsSource("cluster"))
    assert dict(zip(found.classes, found.class_counts().tolist(), strict=True)) == {"c": 20, "d": 20, "merged": 40}
    assert "lacks 'merged' of 'cluster', so types were renamed since" in caplog.text
