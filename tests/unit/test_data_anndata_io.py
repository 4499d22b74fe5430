import gzip
import warnings
from dataclasses import replace

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import zarr

from selectormlp.data.anndata_files import read_adata, write_adata
from selectormlp.data.anndata_io import CellsSource, cells_from_adata, drop_unlisted, subset_with_classes
from selectormlp.data.normalize import log1p_cp10k
from selectormlp.errors import DataError, SettingsError

SOURCE = CellsSource("cell_type")

LETTERS = ("type A", "type B", "type C", "type D")


def values_of(cells):
    return cells.dense().X


def snapshot(adata):
    """Everything that an AnnData object holds, as plain values."""

    def plain(matrix):
        if matrix is None:
            return None
        if sp.issparse(matrix):
            return (type(matrix), *(getattr(matrix, part).copy() for part in ("data", "indices", "indptr")))
        return (type(matrix), np.array(matrix))

    parts = [plain(adata.X), *(plain(adata.layers[key]) for key in adata.layers)]
    parts += [] if adata.raw is None else [plain(adata.raw.X), adata.raw.var.copy()]
    return [*parts, adata.obs.copy(), adata.var.copy(), dict(adata.uns)]


def assert_same(before, after):
    assert len(before) == len(after)
    for then, now in zip(before, after, strict=True):
        if isinstance(then, pd.DataFrame):
            pd.testing.assert_frame_equal(now, then)
        elif isinstance(then, tuple):
            assert now[0] is then[0]
            for left, right in zip(then[1:], now[1:], strict=True):
                assert left.dtype == right.dtype
                np.testing.assert_array_equal(left, right)
        else:
            assert now == then


# --- files


def write_gzipped(adata, place):
    adata.write_h5ad(place)
    place.write_bytes(gzip.compress(place.read_bytes()))


def write_zarr(adata, place):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of zarr, on its own defaults
        adata.write_zarr(place)


def write_h5ad(adata, place):
    adata.write_h5ad(place)


@pytest.mark.parametrize("write", [write_h5ad, write_gzipped, write_zarr])
@pytest.mark.parametrize("kind", [sp.csr_matrix, sp.csc_matrix, lambda X: X.toarray()])
def test_every_format_is_read_whatever_its_name(adata, tmp_path, write, kind):
    expected = adata.X.toarray()
    adata.X = kind(adata.X)
    write(adata, tmp_path / "cells.dat")
    found = read_adata(tmp_path / "cells.dat")
    assert found.obs_names.tolist() == adata.obs_names.tolist()
    cells = cells_from_adata(found, replace(SOURCE, normalize="none"))
    np.testing.assert_array_equal(values_of(cells), expected)
    assert sp.issparse(cells.X) == sp.issparse(adata.X)
    assert cells.classes == LETTERS


def test_reading_leaves_nothing_behind(adata, tmp_path, monkeypatch):
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    write_gzipped(adata, tmp_path / "a.h5ad.gz")
    read_adata(tmp_path / "a.h5ad.gz")
    (tmp_path / "a.h5ad.gz").write_bytes((tmp_path / "a.h5ad.gz").read_bytes()[:-100])
    with pytest.raises(DataError, match=r"'.*a\.h5ad\.gz' is truncated"):
        read_adata(tmp_path / "a.h5ad.gz")
    assert list((tmp_path / "scratch").iterdir()) == []


def empty_folder(place):
    place.mkdir()


def damaged_zarr(place):
    place.mkdir()
    (place / "zarr.json").write_text("{")


def other_zarr(place):
    zarr.open_group(place, mode="w").create_group("images")


def other_hdf5(place):
    with h5py.File(place, "w") as file:
        file["matrix"] = np.arange(3)


def empty_hdf5(place):
    h5py.File(place, "w").close()


def content(data):
    return lambda place: place.write_bytes(data)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (content(b""), r"is empty \(0 bytes\); copy or download it again"),
        (content(b"\x89HDF\r\n\x1a\n"), "is not a readable AnnData file .*it may be truncated: copy it again"),
        (content(b"\x1f\x8b"), "is truncated"),
        (content(b"\x1f\x8b" + bytes(range(200))), "is not a readable AnnData file"),
        (content(gzip.compress(b"gene,cell\n")), "is gzipped, but what it holds is no h5ad file"),
        (
            content(np.random.default_rng(1).bytes(999)),
            "is not an AnnData file .*expected h5ad, gzipped h5ad or a zarr",
        ),
        (empty_folder, "is a folder but not a zarr store"),
        (damaged_zarr, "is not a complete zarr store"),
        (other_zarr, r"is not an AnnData file \(expected obs and var among its parts; found: 'images'\)"),
        (other_hdf5, "found: 'matrix'.*read it with scanpy"),
        (empty_hdf5, "found: none"),
    ],
)
def test_what_is_no_anndata_is_refused_in_one_line(tmp_path, write, message):
    write(tmp_path / "a.h5ad")
    with pytest.raises(DataError, match=message) as caught:
        read_adata(tmp_path / "a.h5ad")
    assert str(caught.value).startswith(f"'{tmp_path / 'a.h5ad'}' is ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("write", [write_h5ad, write_gzipped])
def test_truncated_files_are_refused(adata, tmp_path, write, share):
    place = tmp_path / "a.h5ad"
    write(adata, place)
    place.write_bytes(place.read_bytes()[: int(place.stat().st_size * share)])
    with pytest.raises(DataError, match="truncated"):
        read_adata(place)


def test_damage_inside_a_gzipped_file_is_found(adata, tmp_path):
    write_gzipped(adata, tmp_path / "a.h5ad")
    damaged = bytearray((tmp_path / "a.h5ad").read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    (tmp_path / "a.h5ad").write_bytes(damaged)
    with pytest.raises(DataError, match=r"a\.h5ad' is not a readable AnnData file"):
        read_adata(tmp_path / "a.h5ad")


def test_absent_files_are_refused_with_the_nearest(adata, tmp_path):
    adata.write_h5ad(tmp_path / "cells.h5ad")
    with pytest.raises(DataError, match=r"no file '.*cels\.h5ad'; in '.*', did you mean 'cells\.h5ad'\?"):
        read_adata(tmp_path / "cels.h5ad")
    with pytest.raises(DataError, match="the folder does not exist or is empty"):
        read_adata(tmp_path / "no" / "cells.h5ad")


# --- the matrix


@pytest.mark.filterwarnings("ignore:the matrix subclass", "ignore:X should not be a np.matrix")
@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.float32, np.float64, np.uint16])
@pytest.mark.parametrize("kind", [sp.csr_matrix, sp.csc_matrix, sp.csr_array, np.asarray, np.asmatrix])
def test_every_kind_of_matrix_gives_the_same_cells(adata, kind, dtype):
    expected = log1p_cp10k(adata.X.toarray())
    adata.X = kind(adata.X.toarray().astype(dtype))
    cells = cells_from_adata(adata, SOURCE)
    np.testing.assert_allclose(values_of(cells), expected, rtol=1e-6)
    assert isinstance(cells.X, sp.csr_array) == sp.issparse(adata.X)
    assert cells.X.dtype == np.float32


@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("kind", [sp.csr_matrix, sp.csc_matrix, np.asarray])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_object_is_not_altered(adata, kind, dtype, negative):
    counts = adata.X.toarray().astype(dtype)
    adata.X = kind(counts)
    adata.raw = adata.copy()
    if negative:
        adata.X = kind(counts - 1)
    adata.layers["more"] = kind(counts * 0.5)
    adata.obs.loc["cell3", "cell_type"] = np.nan
    before = snapshot(adata)
    for source in (
        SOURCE,
        replace(SOURCE, normalize="none"),
        replace(SOURCE, layer="more", exclude_labels=("type B",)),
    ):
        cells_from_adata(adata, source, genes=adata.var_names[::-1])
    subset_with_classes(adata, adata.obs_names, np.arange(9), label_key="donor", classes=["donor 0", "donor 1"])
    assert_same(before, snapshot(adata))


def test_counts_are_recognised_normalised_and_said(adata, said):
    cells = cells_from_adata(adata, SOURCE)
    np.testing.assert_allclose(np.expm1(values_of(cells)).sum(axis=1), 1e4, rtol=1e-4)
    assert "X holds raw counts: turned to log1p of counts per 10,000" in said()


def test_what_is_logged_already_stays(adata, said):
    adata.X = adata.X.log1p()
    np.testing.assert_array_equal(values_of(cells_from_adata(adata, SOURCE)), adata.X.toarray())
    assert "X is taken as it is (values up to 2.64, not raw counts)" in said()


def test_what_is_neither_counts_nor_logs_is_warned_of(adata, said):
    adata.X = adata.X * 1000.5
    np.testing.assert_array_equal(values_of(cells_from_adata(adata, SOURCE)), adata.X.toarray())
    assert "do not look log-transformed" in said()
    counted = cells_from_adata(adata, replace(SOURCE, normalize="counts"))
    np.testing.assert_allclose(np.expm1(values_of(counted)).sum(axis=1), 1e4, rtol=1e-4)


@pytest.mark.parametrize("change", [lambda X: X.log1p(), lambda X: X * 0.3])
def test_small_fractions_are_no_counts(adata, change):
    adata.X = change(adata.X)
    words = (
        r"X holds values up to [\d.]+ that are not whole .* look log-.*set it to \"auto\" or \"none\", or name a layer"
    )
    with pytest.raises(DataError, match=words):
        cells_from_adata(adata, replace(SOURCE, normalize="counts"))


def test_corrected_counts_are_taken_as_asked_with_a_warning(adata, said):
    adata.X = adata.X * 9.7
    found = cells_from_adata(adata, replace(SOURCE, normalize="counts"))
    np.testing.assert_allclose(values_of(found), log1p_cp10k(adata.X.toarray()), rtol=1e-5)
    assert found.is_normalized
    assert "that are not whole numbers: taken as corrected counts, as requested" in said()
    assert "raw counts" not in said()


def test_ones_and_zeros_may_be_called_counts(adata, said):
    adata.X = (adata.X > 0).astype(np.float32)
    assert cells_from_adata(adata, replace(SOURCE, normalize="counts")).is_normalized
    assert "X holds raw counts" in said()


def test_a_layer_is_taken_instead_of_x(adata, said):
    adata.layers["counts"] = adata.X.copy()
    adata.X = None
    np.testing.assert_allclose(
        values_of(cells_from_adata(adata, replace(SOURCE, layer="counts"))),
        log1p_cp10k(adata.layers["counts"].toarray()),
    )
    assert "layer 'counts' holds raw counts" in said()
    with pytest.raises(DataError, match=r"the data have no X; name a layer instead \(there are: 'counts'\)"):
        cells_from_adata(adata, SOURCE)
    with pytest.raises(DataError, match=r"no layer 'count' in the data; did you mean 'counts'\?"):
        cells_from_adata(adata, replace(SOURCE, layer="count"))


def scaled(adata):
    """The same cells scaled, with the counts in ``.raw``, whose genes are in another order and more."""
    whole = adata.copy()
    part = adata[:, ::-2].copy()
    part.raw = whole
    part.X = whole[:, part.var_names].to_df().to_numpy() - 1
    return part


@pytest.mark.parametrize("kind", [sp.csr_matrix, sp.csc_matrix, np.asarray])
def test_scaled_values_give_way_to_raw(adata, said, kind):
    expected = log1p_cp10k(adata.X.toarray())[:, ::-2]  # of all counts of a cell
    adata.X = kind(adata.X.toarray())
    part = scaled(adata)
    cells = cells_from_adata(part, SOURCE)
    assert cells.genes.tolist() == part.var_names.tolist()
    np.testing.assert_allclose(values_of(cells), expected, rtol=1e-6)
    assert "X holds negative values (scaled); reading .raw instead, for 15 of the 15 genes of X" in said()
    assert ".raw holds raw counts" in said()


def test_genes_of_x_that_raw_lacks_are_left_out_and_counted(adata, said):
    part = scaled(adata)
    part.var_names = ["of X only", *part.var_names[1:]]
    assert cells_from_adata(part, SOURCE).genes.tolist() == part.var_names[1:].tolist()
    assert "for 14 of the 15 genes of X" in said()
    part.var_names = [f"x{i}" for i in range(15)]
    with pytest.raises(DataError, match=r"none of its genes is in \.raw; give a layer"):
        cells_from_adata(part, SOURCE)


def test_none_takes_x_as_it_is(adata, said):
    part = scaled(adata)
    np.testing.assert_array_equal(values_of(cells_from_adata(part, replace(SOURCE, normalize="none"))), part.X)
    assert ".raw" not in said()


def test_negative_values_without_raw_are_refused(adata):
    adata.X.data[:3] = -1
    for source in (SOURCE, replace(SOURCE, normalize="counts")):
        with pytest.raises(DataError, match=r'X holds 3 negative values.*set normalize to "none"'):
            cells_from_adata(adata, source)
    adata.raw = adata.copy()
    with pytest.raises(DataError, match=r"\.raw holds 3 negative"):
        cells_from_adata(adata, SOURCE)
    adata.layers["scaled"] = adata.X
    with pytest.raises(DataError, match="layer 'scaled' holds 3 negative"):
        cells_from_adata(adata, replace(SOURCE, layer="scaled"))


@pytest.mark.parametrize("normalize", ["auto", "none"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(adata, normalize, value):
    adata.X.data[7] = value
    with pytest.raises(DataError, match=r"holds 1 NaN or infinite value"):
        cells_from_adata(adata, replace(SOURCE, normalize=normalize))


def test_an_unknown_normalisation_is_refused(adata):
    with pytest.raises(SettingsError, match="normalize is 'log'; expected one of 'auto', 'counts', 'none'"):
        cells_from_adata(adata, replace(SOURCE, normalize="log"))


def test_empty_data_are_refused(adata):
    with pytest.raises(DataError, match=r"the data are empty \(0 cells × 30 genes\)"):
        cells_from_adata(adata[:0].copy(), SOURCE)
    with pytest.raises(DataError, match=r"empty \(200 cells × 0 genes\)"):
        cells_from_adata(adata[:, :0].copy(), SOURCE)


@pytest.mark.filterwarnings("ignore:(Observation|Variable) names are not unique")
def test_repeated_names_are_refused(adata):
    genes, cells = adata.copy(), adata.copy()
    genes.var_names = ["a", "a", *adata.var_names[2:]]
    with pytest.raises(DataError, match=r"1 gene name occurs more than once \('a'\)"):
        cells_from_adata(genes, SOURCE)
    cells.obs_names = ["a", "a", *adata.obs_names[2:]]
    with pytest.raises(DataError, match=r"1 cell name occurs more than once \('a'\)"):
        cells_from_adata(cells, SOURCE)


def test_a_view_is_read_like_a_copy(adata):
    view = adata[::3, 5:20]
    np.testing.assert_array_equal(
        values_of(cells_from_adata(view, SOURCE)), values_of(cells_from_adata(view.copy(), SOURCE))
    )
    assert view.is_view


# --- genes


def test_genes_are_found_by_name(adata):
    wanted = ["gene7", "gene0", "gene29"]
    cells = cells_from_adata(adata, replace(SOURCE, normalize="none"), genes=wanted)
    assert cells.genes.tolist() == wanted
    np.testing.assert_array_equal(values_of(cells), adata.X.toarray()[:, [7, 0, 29]])


def test_reordered_genes_give_the_same_cells_to_the_bit(adata):
    shuffled = adata[:, np.random.default_rng(0).permutation(30)].copy()
    left, right = (cells_from_adata(each, SOURCE, genes=adata.var_names) for each in (adata, shuffled))
    np.testing.assert_array_equal(values_of(left), values_of(right))


def test_counts_per_10000_refer_to_the_genes_wanted(adata):
    more = anndata.concat(
        [adata, anndata.AnnData(adata.X * 9, obs=adata.obs[[]], var=adata.var.rename("x{}".format))], axis=1
    )
    more.obs = adata.obs
    left, right = (cells_from_adata(each, SOURCE, genes=adata.var_names) for each in (adata, more))
    np.testing.assert_allclose(values_of(left), values_of(right), rtol=1e-6)


def test_missing_genes_are_counted_and_named(adata):
    with pytest.raises(DataError, match="2 of the 32 genes needed are missing: 'x', 'y'; the data have 30 genes"):
        cells_from_adata(adata, SOURCE, genes=[*adata.var_names, "x", "y"])


# --- labels

CODES = np.arange(200) % 4


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (pd.Categorical.from_codes(CODES, ["z", "b", "a", "c"]), ("z", "b", "a", "c")),
        (pd.Categorical.from_codes(CODES, [30, 4, 100, 5]), ("30", "4", "100", "5")),
        (pd.Categorical.from_codes(CODES, [*"dcba", "unused"]), ("d", "c", "b", "a")),
        (np.array(["z", "b", "a", "c"])[CODES], ("a", "b", "c", "z")),
        (np.array([10, 9, 100, -1])[CODES], ("-1", "9", "10", "100")),
        (np.array([0.5, 10.0, 9.0, 2.0])[CODES], ("0.5", "2", "9", "10")),
        (CODES > 1, ("False", "True")),
        (np.array([1, "a", 2, "b"], dtype=object)[CODES], ("1", "2", "a", "b")),
        (pd.array(CODES, dtype="Int64"), ("0", "1", "2", "3")),
        (pd.array(np.array([*"abcd"])[CODES], dtype="string"), ("a", "b", "c", "d")),
        (pd.array(CODES > 0, dtype="boolean"), ("False", "True")),
    ],
)
def test_labels_of_any_type(adata, labels, classes):
    adata.obs["cell_type"] = labels
    cells = cells_from_adata(adata, SOURCE)
    assert cells.classes == classes
    assert [cells.classes[code] for code in cells.labels] == [str(label).removesuffix(".0") for label in labels]


@pytest.mark.parametrize("kind", ["category", object, "string"])
def test_cells_without_a_label_are_dropped_and_counted(adata, said, kind):
    labels = adata.obs["cell_type"].astype(object)
    labels.iloc[[0, 5]], labels.iloc[[6]], labels.iloc[[199]] = np.nan, "", "  \t"
    adata.obs["cell_type"] = labels.astype(kind)
    cells = cells_from_adata(adata, replace(SOURCE, donor_key="donor"))
    kept = np.setdiff1d(np.arange(200), [0, 5, 6, 199])
    assert cells.names.tolist() == adata.obs_names[kept].tolist()
    assert cells.donors.tolist() == adata.obs["donor"].iloc[kept].tolist()
    np.testing.assert_allclose(values_of(cells), log1p_cp10k(adata.X.toarray())[kept], rtol=1e-6)
    assert cells.classes == LETTERS
    assert "4 of 200 cells have no label in 'cell_type': left out" in said()


def test_labels_that_are_missing_numbers_are_dropped(adata):
    labels = CODES.astype(float)
    labels[:2] = np.nan
    adata.obs["cell_type"] = labels
    assert cells_from_adata(adata, SOURCE).class_counts().tolist() == [49, 49, 50, 50]


def test_no_label_at_all_is_refused(adata):
    adata.obs["cell_type"] = np.nan
    with pytest.raises(DataError, match="no cell has a label in 'cell_type'; name a column of obs"):
        cells_from_adata(adata, SOURCE)


def test_an_absent_column_is_refused_with_the_nearest(adata):
    with pytest.raises(DataError, match=r"no label column 'celltypes' in obs; did you mean 'cell_type'\?"):
        cells_from_adata(adata, CellsSource("celltypes"))
    with pytest.raises(DataError, match=r"no donor column 'donors' in obs; did you mean 'donor'\?"):
        cells_from_adata(adata, CellsSource("cell_type", "donors"))


def test_labels_are_left_out_on_request(adata, said):
    cells = cells_from_adata(adata, replace(SOURCE, exclude_labels=("type B", "type A")))
    assert cells.classes == ("type C", "type D")
    assert cells.n_cells == 100
    assert "100 cells are left out as requested, with the labels: 'type B', 'type A'" in said()
    numbers = cells_from_adata(adata, CellsSource("cluster", exclude_labels=("10",)))
    assert numbers.classes == ("0", "5", "15")


def test_labels_to_leave_out_must_be_there_and_leave_some(adata):
    with pytest.raises(DataError, match=r"no cell has the label 'typ A' .*did you mean 'type A'"):
        cells_from_adata(adata, replace(SOURCE, exclude_labels=("typ A",)))
    with pytest.raises(DataError, match="all labels are excluded; exclude fewer"):
        cells_from_adata(adata, replace(SOURCE, exclude_labels=LETTERS))


def test_missing_donors_are_refused(adata):
    adata.obs.loc[["cell1", "cell2"], "donor"] = np.nan
    with pytest.raises(DataError, match=r"2 cells have no donor in 'donor'; fill the column"):
        cells_from_adata(adata, replace(SOURCE, donor_key="donor"))


# --- the class list of a split


def test_a_split_file_carries_its_class_list(adata, tmp_path):
    classes = ["type C", "type A", "not here", "type B"]
    rows = np.flatnonzero(adata.obs["cell_type"].isin(["type A", "type C"]))
    part = subset_with_classes(adata, adata.obs_names, rows, label_key="cell_type", classes=classes)
    write_adata(part, tmp_path / "part.h5ad")
    cells = cells_from_adata(read_adata(tmp_path / "part.h5ad"), SOURCE)
    assert cells.classes == tuple(classes)
    assert cells.class_counts().tolist() == [50, 50, 0, 0]
    assert cells_from_adata(part, CellsSource("donor")).classes == tuple(f"donor {i}" for i in range(4))


def test_integer_labels_come_back_as_the_same_classes(adata, tmp_path):
    classes = ["15", "0", "5"]
    rows = np.flatnonzero(adata.obs["cluster"] != 10)
    part = subset_with_classes(adata, adata.obs_names, rows, label_key="cluster", classes=classes)
    write_adata(part, tmp_path / "part.h5ad")
    cells = cells_from_adata(read_adata(tmp_path / "part.h5ad"), CellsSource("cluster"))
    assert cells.classes == tuple(classes)
    assert [cells.classes[code] for code in cells.labels] == adata.obs["cluster"].iloc[rows].astype(str).tolist()


def test_a_class_list_that_is_given_wins_and_others_are_unknown(adata):
    cells = cells_from_adata(adata, SOURCE, classes=["type D", "type A"])
    assert cells.classes == ("type D", "type A")
    expected = {"type A": 1, "type B": -1, "type C": -1, "type D": 0}
    assert cells.labels.tolist() == [expected[label] for label in adata.obs["cell_type"]]


def test_a_carried_list_that_lacks_labels_gives_way_to_them(adata, said):
    adata.uns["selectormlp"] = {"label_key": "cell_type", "classes": np.array(["type B", "type A"])}
    cells = cells_from_adata(adata, SOURCE)
    assert cells.classes == LETTERS
    assert cells.class_counts().tolist() == [50] * 4
    assert "lacks 'type C', 'type D' of 'cell_type', so types were renamed since" in said()


def test_cells_outside_a_given_list_are_dropped_and_counted(adata, said):
    cells = drop_unlisted(cells_from_adata(adata, SOURCE, classes=["type B", "type A"]))
    assert cells.class_counts().tolist() == [50, 50]
    assert "100 cells have labels that are not in the class list" in said()
    assert drop_unlisted(cells) is cells


def test_a_carried_list_that_repeats_is_refused(adata):
    adata.uns["selectormlp"] = {"label_key": "cell_type", "classes": np.array(["type A", "type B", "type A"])}
    with pytest.raises(DataError, match=r"the class list in uns.* repeats 'type A'; split again"):
        cells_from_adata(adata, SOURCE)


@pytest.mark.parametrize("carried", ["text", {}, {"label_key": "cell_type"}, {"label_key": "cell_type", "classes": []}])
def test_what_others_keep_under_our_name_is_passed_over(adata, carried):
    adata.uns["selectormlp"] = carried
    assert cells_from_adata(adata, SOURCE).classes == LETTERS
