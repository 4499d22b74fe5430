import gzip
import warnings
from dataclasses import replace

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from selectormlp.data import value_kind
from selectormlp.data.anndata_files import read_adata
from selectormlp.data.anndata_io import CellsSource, cells_from_adata
from selectormlp.data.anndata_lazy import open_adata, open_cells, stored_unlabelled_cells
from selectormlp.data.panel_io import unlabelled_cells
from selectormlp.data.split_index import SplitIndex, hash_names, read_split_index, write_split_index
from selectormlp.errors import DataError, SettingsError

SOURCE = CellsSource("cell_type", donor_key="donor")


def write(adata, place):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of zarr, on its own defaults; of names that repeat
        adata.write_zarr(place) if place.suffix == ".zarr" else adata.write_h5ad(place)
    return place


@pytest.fixture
def file(adata, tmp_path):
    return write(adata, tmp_path / "cells.h5ad")


def assert_same(stored, cells):
    loaded = stored.load().dense()
    np.testing.assert_array_equal(loaded.X, cells.dense().X)
    for name in ("genes", "names", "labels"):
        assert list(getattr(loaded, name)) == list(getattr(cells, name))
    assert (loaded.classes, loaded.is_normalized) == (cells.classes, cells.is_normalized)
    if cells.donors is None:
        assert loaded.donors is None
    else:
        assert list(loaded.donors) == list(cells.donors)


def relabel(adata, labels):
    adata.obs = adata.obs.assign(cell_type=labels)


# --- one file: the same cells as in memory


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
@pytest.mark.parametrize("kind", [sp.csr_matrix, lambda X: X.toarray()], ids=["csr", "dense"])
@pytest.mark.parametrize("logs", [False, True])
def test_cells_are_those_of_memory(adata, tmp_path, suffix, kind, logs):
    adata.X = kind(np.log1p(adata.X) if logs else adata.X)
    stored = open_cells(write(adata, tmp_path / f"cells{suffix}"), SOURCE)
    assert stored.is_normalized is not logs
    assert_same(stored, cells_from_adata(adata, SOURCE))


@pytest.mark.parametrize(
    ("change", "source"),
    [
        (lambda a: None, replace(SOURCE, label_key="cluster")),
        (lambda a: None, replace(SOURCE, exclude_labels=("type B",), donor_key=None)),
        (lambda a: relabel(a, a.obs["cell_type"].where(np.arange(200) % 7 > 0)), SOURCE),
        (lambda a: relabel(a, a.obs["cell_type"].astype(str)), SOURCE),
        (lambda a: a.layers.__setitem__("logs", np.log1p(a.X)), replace(SOURCE, layer="logs")),
        (lambda a: setattr(a, "X", a.X - 3 * (a.X > 0)), replace(SOURCE, normalize="none")),
        (lambda a: setattr(a, "X", a.X * 30.5), replace(SOURCE, normalize="counts")),
        (lambda a: setattr(a, "X", a.X > 1), SOURCE),
        (
            lambda a: a.uns.__setitem__(
                "selectormlp", {"label_key": "cell_type", "classes": np.array(["type D", "type A", "new"], object)}
            ),
            SOURCE,
        ),
    ],
    ids=["numbers", "excluded", "missing", "strings", "layer", "none", "corrected", "binary", "carried"],
)
def test_rules_are_those_of_memory(adata, tmp_path, change, source):
    change(adata)
    if adata.X.dtype == bool:
        adata.X = adata.X.astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stored = open_cells(write(adata, tmp_path / "cells.h5ad"), source)
    assert_same(stored, cells_from_adata(adata, source))


def test_genes_and_classes_are_chosen_as_in_memory(adata, file):
    chosen = {"genes": ["gene7", "gene2", "gene20"], "classes": ["type B", "type A"]}
    assert_same(open_cells(file, SOURCE, **chosen), cells_from_adata(adata, SOURCE, **chosen))


def test_cells_without_labels_are_those_of_memory(adata, file):
    stored = stored_unlabelled_cells(open_adata(file, donor_key="donor"), donor_key="donor")
    assert_same(stored, unlabelled_cells(adata, donor_key="donor"))


def test_only_the_columns_that_are_named_are_read(file):
    assert list(open_adata(file, label_key="cluster").table.obs.columns) == ["cluster"]


def test_late_counts_are_found_behind_zeros_and_ones(adata, tmp_path, monkeypatch):
    monkeypatch.setattr(value_kind, "SAMPLE_CELLS", 1)
    X = (adata.X > 0).astype(np.float32).toarray()
    X[100, 3] = 2  # between the places that are looked at
    adata.X = X
    assert open_cells(write(adata, tmp_path / "cells.h5ad"), SOURCE).is_normalized


def test_late_fractions_are_an_error_when_they_are_read(adata, tmp_path, monkeypatch):
    monkeypatch.setattr(value_kind, "SAMPLE_CELLS", 1)
    adata.X = adata.X.toarray()
    adata.X[100, 3] = 0.5
    stored = open_cells(write(adata, tmp_path / "cells.h5ad"), SOURCE)
    with pytest.raises(DataError, match=r"cells 0 to 199 of X of .* hold fractions"):
        stored.load()


# --- what is refused


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (CellsSource("cel_type"), DataError, "no label column 'cel_type' in obs"),
        (
            CellsSource("cell_type", donor_key="doner"),
            DataError,
            "did you mean 'donor'",
        ),
        (CellsSource("cell_type", layer="raw"), DataError, r"no layer 'raw' in '.*cells\.h5ad'; there are none"),
        (CellsSource("cell_type", normalize="log"), SettingsError, "normalize is 'log'; expected one of"),
        (CellsSource("cell_type", exclude_labels=("type Z",)), DataError, "no cell has the label 'type Z'"),
    ],
)
def test_wrong_names_are_refused(file, source, error, message):
    with pytest.raises(error, match=message):
        open_cells(file, source)


def test_negative_values_are_refused_with_what_to_do_about_raw(adata, tmp_path):
    adata.raw = adata.copy()
    adata.X = adata.X.toarray() - 1
    file = write(adata, tmp_path / "cells.h5ad")
    with pytest.raises(
        DataError, match=r"holds negative values .* its \.raw cannot be read in parts; write it as a file"
    ):
        open_cells(file, SOURCE)
    del adata.raw
    with pytest.raises(DataError, match="nor logs; give a layer with counts or logs"):
        open_cells(write(adata, tmp_path / "cells.h5ad"), SOURCE)


def test_logs_are_refused_where_counts_are_promised(adata, tmp_path):
    adata.X = np.log1p(adata.X)
    with pytest.raises(DataError, match="look log-transformed"):
        open_cells(write(adata, tmp_path / "cells.h5ad"), replace(SOURCE, normalize="counts"))


def test_a_gzipped_file_is_refused(file):
    packed = file.with_suffix(".h5ad.gz")
    packed.write_bytes(gzip.compress(file.read_bytes()))
    with pytest.raises(DataError, match=r"compressed as a whole, so it cannot be read in parts; unpack it first"):
        open_cells(packed, SOURCE)


def test_files_that_are_not_there_or_hold_something_else_are_refused(tmp_path, file):
    with pytest.raises(DataError, match=r"no file '.*cels.h5ad'; in '.*', did you mean 'cells.h5ad'"):
        open_cells(tmp_path / "cels.h5ad", SOURCE)
    with h5py.File(tmp_path / "other.h5ad", "w") as other:
        other["X"] = np.eye(2)
    with pytest.raises(DataError, match="not an AnnData file"):
        open_cells(tmp_path / "other.h5ad", SOURCE)
    with pytest.raises(DataError, match="no file is named"):
        open_cells([], SOURCE)
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"cannot open '.*cells.h5ad'"):
        open_cells(file, SOURCE)


def test_a_file_without_x_is_refused(adata, tmp_path):
    adata.layers["logs"] = adata.X
    adata.X = None
    with pytest.raises(DataError, match=r"has no X; name a layer instead \(there are: 'logs'\)"):
        open_cells(write(adata, tmp_path / "cells.h5ad"), SOURCE)


def test_names_that_repeat_are_refused(adata, tmp_path):
    adata.obs_names = ["cell"] * 200
    with pytest.raises(DataError, match=r"1 cell name occurs more than once"):
        open_cells(write(adata, tmp_path / "cells.h5ad"), SOURCE)
    adata.var_names = ["gene"] * 30
    with pytest.raises(DataError, match=r"1 gene name occurs more than once"):
        open_cells(write(adata, tmp_path / "cells.h5ad"), SOURCE)


# --- several files


def parts_of(adata, folder):
    first, second = adata[:120].copy(), adata[120:, ::-1].copy()
    return first, second, [write(first, folder / "first.h5ad"), write(second, folder / "second.zarr")]


def test_files_follow_each_other(adata, tmp_path):
    _, _, files = parts_of(adata, tmp_path)
    assert_same(open_cells(files, SOURCE), cells_from_adata(adata, SOURCE))


def test_genes_in_common_are_taken_and_the_others_said(adata, tmp_path, said):
    first, second, files = parts_of(adata, tmp_path)
    second = second[:, 4:].copy()
    second.var_names = [*second.var_names[:-1], "extra"]
    write(second, tmp_path / "second2.zarr")
    stored = open_cells([files[0], tmp_path / "second2.zarr"], SOURCE)
    joined = anndata.concat([first, second], join="inner")
    expected = cells_from_adata(joined, SOURCE)
    assert_same(stored, cells_from_adata(joined[:, list(stored.genes)].copy(), SOURCE))
    assert set(stored.genes) == set(expected.genes)
    assert "5 genes of" in said()
    assert "1 gene of" in said()


def test_files_without_a_gene_in_common_are_refused(adata, tmp_path):
    _, second, files = parts_of(adata, tmp_path)
    second.var_names = [f"other{i}" for i in range(30)]
    with pytest.raises(DataError, match="no gene is in all 2 files"):
        open_cells([files[0], write(second, tmp_path / "second2.h5ad")], SOURCE)


def test_cell_names_of_several_files_are_numbered_where_they_repeat(adata, tmp_path, said):
    file = write(adata, tmp_path / "a.h5ad")
    stored = open_cells([file, file], SOURCE)
    assert stored.n_cells == 400
    assert [stored.names[0], stored.names[-1]] == ["cell0-0", "cell199-1"]
    assert "each is followed by the number of its file" in said()


def test_labels_of_several_files_are_joined(adata, tmp_path):
    _, second, files = parts_of(adata, tmp_path)
    second.obs["cell_type"] = pd.Categorical(["new type"] * 80)
    stored = open_cells([files[0], write(second, tmp_path / "second2.h5ad")], SOURCE)
    assert stored.classes == ("type A", "type B", "type C", "type D", "new type")
    assert stored.class_counts().tolist() == [30, 30, 30, 30, 80]
    second.obs["cell_type"] = np.arange(80) % 2
    stored = open_cells([files[0], write(second, tmp_path / "second3.h5ad")], SOURCE)
    assert stored.classes == ("0", "1", "type A", "type B", "type C", "type D")
    assert stored.class_counts().tolist() == [40, 40, 30, 30, 30, 30]


def test_counts_and_logs_together_are_refused(adata, tmp_path):
    _, second, files = parts_of(adata, tmp_path)
    second.X = np.log1p(second.X)
    both = [files[0], write(second, tmp_path / "second2.h5ad")]
    with pytest.raises(DataError, match=r"X of '.*first.h5ad' holds whole numbers.*X of '.*second2.h5ad' does not"):
        open_cells(both, SOURCE)
    assert not open_cells(both, replace(SOURCE, normalize="none")).is_normalized


# --- one side of a split


@pytest.fixture
def index(adata, tmp_path):
    _, _, files = parts_of(adata, tmp_path)
    rows = np.array([3, 4, 77, 150, 199])
    names = hash_names(adata.obs_names[rows])
    shapes = ((120, 30), (80, 30))
    return SplitIndex(tuple(files), rows, shapes, "cell_type", ("type D", "type A", "type C", "type B"), names)


def test_a_side_of_a_split_is_opened_as_its_cells(adata, tmp_path, index):
    file = tmp_path / "adata_train.index.npz"
    write_split_index(index, file)
    expected = cells_from_adata(adata[index.rows].copy(), SOURCE, classes=index.classes)
    assert_same(open_cells(file, SOURCE), expected)
    assert read_split_index(file).paths == index.paths


def test_an_index_of_other_files_is_refused(adata, tmp_path, index):
    file = tmp_path / "adata_train.index.npz"
    write_split_index(index, file)
    write(adata[120:][::-1].copy(), index.paths[1])
    with pytest.raises(DataError, match=r"are not those that were split \(their names, or their order, differ\)"):
        open_cells(file, SOURCE)
    write(adata[130:].copy(), index.paths[1])
    with pytest.raises(DataError, match="has 70 cells × 30 genes and had 80 × 30 when it was split"):
        open_cells(file, SOURCE)


def test_an_index_whose_column_of_labels_is_not_there_is_refused(tmp_path, index):
    file = tmp_path / "adata_train.index.npz"
    write_split_index(replace(index, label_key="kind of cell"), file)
    for read in (read_adata, lambda place: open_cells(place, SOURCE)):
        with pytest.raises(DataError, match=r"labels from the column 'kind of cell', which .* lacks; split again"):
            read(file)


def test_a_truncated_index_is_refused(tmp_path, index):
    file = tmp_path / "adata_train.index.npz"
    with pytest.raises(DataError, match="run the split step first"):
        open_cells(file, SOURCE)
    write_split_index(index, file)
    with pytest.raises(DataError, match="is one side of a split, to be read alone; 2 files are named"):
        open_cells([file, index.paths[0]], SOURCE)
    file.write_bytes(file.read_bytes()[:-50])
    with pytest.raises(DataError, match="is not a complete zip file"):
        open_cells(file, SOURCE)
