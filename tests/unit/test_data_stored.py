import itertools
import multiprocessing
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import zarr

from selectormlp.data import disk
from selectormlp.data.cells import Cells
from selectormlp.data.disk import DiskMatrix, StoredPart
from selectormlp.data.normalize import log1p_cp10k
from selectormlp.data.stored import StoredCells, StoredMatrix
from selectormlp.errors import DataError

COUNTS = np.random.default_rng(0).poisson(0.5, size=(60, 7)).astype(np.float32)


def write(place, X, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zarr's, on its own defaults
        adata = anndata.AnnData(X)
        if place.suffix == ".zarr":
            adata.write_zarr(place, **settings)
        else:
            adata.write_h5ad(place, **settings)
    return DiskMatrix(place, "X")


KINDS = {
    "csr h5ad": lambda folder, X: write(folder / "a.h5ad", sp.csr_matrix(X)),
    "csr h5ad, int64 counts, packed": lambda folder, X: write(
        folder / "a.h5ad", sp.csr_matrix(X.astype(np.int64)), compression="gzip"
    ),
    "dense h5ad": lambda folder, X: write(folder / "a.h5ad", X.astype(np.float64)),
    "csr zarr": lambda folder, X: write(folder / "a.zarr", sp.csr_matrix(X)),
    "dense zarr": lambda folder, X: write(folder / "a.zarr", X, chunks=(8, 7)),
}


@pytest.fixture(params=KINDS)
def on_disk(request, tmp_path):
    return KINDS[request.param](tmp_path, COUNTS)


@pytest.fixture
def matrix(tmp_path):
    return StoredMatrix((StoredPart(write(tmp_path / "a.h5ad", sp.csr_matrix(COUNTS))),), "counts")


def dense(X):
    return X.toarray() if sp.issparse(X) else X


def two_parts(folder):
    first = write(folder / "first.h5ad", sp.csr_matrix(COUNTS[:25]))
    second = write(folder / "second.h5ad", COUNTS[25:, ::-1].copy())
    return StoredMatrix((StoredPart(first), StoredPart(second, np.arange(7)[::-1])), "counts")


@pytest.mark.parametrize(
    "rows",
    [
        slice(None),
        slice(3, 50),
        slice(40, None, -3),
        np.array([5]),
        np.array([59, 0, 30, 30, 2]),
        np.array([-1, 4]),
        np.arange(60) % 3 == 1,
    ],
)
def test_rows_come_as_from_memory(on_disk, rows):
    found = StoredMatrix((StoredPart(on_disk),), "counts")[rows]
    assert found.dtype == np.float32
    assert sp.issparse(found) == on_disk.is_sparse
    np.testing.assert_array_equal(dense(found), log1p_cp10k(COUNTS[rows]))


def test_far_rows_are_read_in_runs_of_their_own(on_disk, monkeypatch):
    monkeypatch.setattr(disk, "GAP_BYTES", 0)
    monkeypatch.setattr(disk, "RUN_BYTES", 5 * on_disk.row_bytes)
    rows = np.array([0, 1, 2, 3, 4, 5, 6, 20, 22, 59])
    assert [len(run) for run in on_disk._runs(rows)] == [5, 2, 1, 1, 1]
    np.testing.assert_array_equal(dense(on_disk.read(rows)), COUNTS[rows])


def test_several_files_follow_each_other_with_their_genes_in_one_order(tmp_path):
    matrix = two_parts(tmp_path)
    assert matrix.shape == (60, 7)
    assert matrix.is_sparse
    for rows in (slice(None), np.array([40, 3, 24, 25]), slice(30, 35)):
        found = matrix[rows]
        assert isinstance(found, sp.csr_array)
        np.testing.assert_array_equal(found.toarray(), log1p_cp10k(COUNTS[rows]))


def test_genes_taken_from_a_file_are_the_whole_that_counts_refer_to(tmp_path):
    columns = np.array([4, 1, 2])
    part = StoredPart(write(tmp_path / "a.h5ad", sp.csr_matrix(COUNTS)), columns)
    np.testing.assert_array_equal(StoredMatrix((part,), "counts")[:].toarray(), log1p_cp10k(COUNTS[:, columns]))


def test_genes_taken_later_keep_their_values(matrix):
    few = matrix.take_genes(np.array([4, 1, 2])).take_genes(np.array([2, 0]))
    assert few.shape == (60, 2)
    np.testing.assert_array_equal(few[:].toarray(), log1p_cp10k(COUNTS)[:, [2, 4]])


def test_cells_taken_twice_are_found(matrix):
    rows = np.array([50, 3, 40, 9])
    few = matrix.take_cells(rows).take_cells(np.array([False, True, True, True])).take_cells(np.array([2, 0]))
    assert few.shape == (2, 7)
    np.testing.assert_array_equal(few[:].toarray(), log1p_cp10k(COUNTS[[9, 3]]))
    np.testing.assert_array_equal(few[np.array([1])].toarray(), log1p_cp10k(COUNTS[[3]]))


def test_no_rows_are_an_empty_matrix(on_disk):
    found = StoredMatrix((StoredPart(on_disk),), "counts")[np.array([], dtype=np.int64)]
    assert found.shape == (0, 7)
    assert sp.issparse(found) == on_disk.is_sparse


@pytest.mark.parametrize("rows", [np.array([60]), np.array([-61])])
def test_rows_that_are_not_there_are_refused(matrix, rows):
    with pytest.raises(IndexError, match="of a matrix of 60 cells"):
        matrix[rows]
    with pytest.raises(IndexError, match="a mask of 3 cells for a matrix of 60"):
        matrix[np.array([True, False, True])]


def test_blocks_cover_all_rows_in_turn_and_stay_small(on_disk):
    whole = StoredMatrix((StoredPart(on_disk),), "counts")
    for matrix in (whole, whole.take_cells(np.arange(50)[::-1])):
        blocks = list(matrix.row_blocks(17 * on_disk.row_bytes))
        assert blocks[0].start == 0
        assert blocks[-1].stop == matrix.shape[0]
        assert all(now.start == before.stop for before, now in itertools.pairwise(blocks))
        assert all(0 < 28 * (block.stop - block.start) <= 17 * on_disk.row_bytes for block in blocks)
    assert len(list(whole.row_blocks())) == 1
    assert list(whole.take_cells(np.array([], dtype=np.int64)).row_blocks()) == []


def test_blocks_end_with_chunks_on_disk(tmp_path):
    stored = StoredMatrix((StoredPart(write(tmp_path / "a.zarr", COUNTS, chunks=(8, 7))),), "any")
    assert [block.stop for block in stored.row_blocks(4 * 7 * 20)] == [16, 32, 48, 60]
    assert [block.stop for block in stored.row_blocks(4 * 7 * 5)][:3] == [5, 10, 15]  # a chunk is too large


@pytest.mark.parametrize("sparse", [False, True])
def test_shards_are_read_and_blocks_end_with_them(tmp_path, sparse):
    place = tmp_path / "sharded.zarr"
    group = zarr.create_group(place, zarr_format=3)
    X = sp.csr_array(COUNTS)
    if sparse:
        group = group.create_group("X", attributes={"encoding-type": "csr_matrix", "shape": list(X.shape)})
        for name in ("data", "indices", "indptr"):
            values = getattr(X, name)
            group.create_array(name, data=values, chunks=(8,), shards=(32,))
    else:
        group.create_array("X", data=COUNTS, chunks=(4, 7), shards=(12, 7), attributes={"encoding-type": "array"})
    stored = StoredMatrix((StoredPart(DiskMatrix(place, "X")),), "counts")
    np.testing.assert_array_equal(dense(stored[np.array([50, 3, 4])]), log1p_cp10k(COUNTS[[50, 3, 4]]))
    stops = [block.stop for block in stored.row_blocks(4 * 7 * 20)]
    assert stops == ([20, 40, 60] if sparse else [12, 24, 36, 48, 60])


def test_blocks_do_not_cross_files(tmp_path):
    assert [block.stop for block in two_parts(tmp_path).row_blocks(4 * 7 * 15)] == [15, 25, 40, 55, 60]


def test_all_blocks_together_are_the_whole(matrix):
    blocks = [matrix[rows].toarray() for rows in matrix.row_blocks(200)]
    assert len(blocks) > 5
    np.testing.assert_array_equal(np.concatenate(blocks), matrix.load().toarray())


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_reads_the_same(on_disk):
    matrix = StoredMatrix((StoredPart(on_disk),), "counts")
    rows = np.array([7, 3])
    here = dense(matrix[rows])  # the file is open before the fork
    with multiprocessing.get_context("fork").Pool(1) as pool:
        np.testing.assert_array_equal(dense(pool.apply(matrix.__getitem__, (rows,))), here)


def test_a_new_process_reads_the_same(matrix):
    rows = np.array([7, 3])
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        np.testing.assert_array_equal(dense(pool.apply(matrix.__getitem__, (rows,))), dense(matrix[rows]))


def test_threads_that_come_at_once_read_the_same(on_disk):
    matrix = StoredMatrix((StoredPart(on_disk),), "counts")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(matrix.__getitem__, [slice(row, row + 9) for row in range(50)]))
    for row, block in enumerate(found):
        np.testing.assert_array_equal(dense(block), log1p_cp10k(COUNTS[row : row + 9]))


def test_what_is_pickled_is_small(matrix):
    matrix[:2]
    assert len(pickle.dumps(matrix)) < 1500


def test_it_is_no_array(matrix):
    with pytest.raises(TypeError, match=r"is not an array; read rows of it \(matrix\[rows\]\) or all"):
        np.asarray(matrix)
    with pytest.raises(TypeError, match="not iterable"):
        list(matrix)
    assert not sp.issparse(matrix)


# --- values


@pytest.mark.parametrize("kind", ["counts", "corrected", "expression"])
def test_negative_values_are_refused_where_they_are(tmp_path, kind):
    X = COUNTS.copy()
    X[40, 2] = -1
    matrix = StoredMatrix((StoredPart(write(tmp_path / "a.h5ad", sp.csr_matrix(X))),), kind)
    assert matrix[:40].shape == (40, 7)
    with pytest.raises(DataError, match=r"cells 30 to 49 of X of '.*a.h5ad' hold 1 negative value"):
        matrix[30:50]


def test_fractions_among_counts_are_refused_and_corrected_counts_are_normalised(tmp_path):
    X = COUNTS.copy()
    X[40, 2] = 0.5
    part = StoredPart(write(tmp_path / "a.h5ad", sp.csr_matrix(X)))
    with pytest.raises(DataError, match="hold fractions, though the cells that were looked at first hold whole"):
        StoredMatrix((part,), "counts")[:]
    np.testing.assert_array_equal(StoredMatrix((part,), "corrected")[:].toarray(), log1p_cp10k(X))


@pytest.mark.parametrize("kind", ["expression", "any"])
def test_what_is_no_count_is_taken_as_it_is(tmp_path, kind):
    X = COUNTS / 3 - (2 if kind == "any" else 0)
    matrix = StoredMatrix((StoredPart(write(tmp_path / "a.h5ad", sp.csr_matrix(X))),), kind)
    assert not matrix.is_counts
    np.testing.assert_array_equal(matrix[:].toarray(), X)


def test_values_that_are_not_finite_are_refused(tmp_path):
    X = COUNTS.copy()
    X[3, 3] = np.nan
    with pytest.raises(DataError, match=r"1 NaN or infinite value"):
        StoredMatrix((StoredPart(write(tmp_path / "a.h5ad", X)),), "any")[:]


# --- files


def test_a_column_matrix_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"X of '.*a.h5ad' is stored as csc_matrix, which cannot be read cell by cell"):
        write(tmp_path / "a.h5ad", sp.csc_matrix(COUNTS))


def test_a_file_that_cannot_be_opened_is_one_error(tmp_path):
    (tmp_path / "a.h5ad").write_bytes(b"\x89HDF\r\n\x1a\n and no more")
    with pytest.raises(DataError, match=r"cannot open '.*a.h5ad' \("):
        DiskMatrix(tmp_path / "a.h5ad", "X")


def test_genes_beyond_those_there_are_refused(tmp_path):
    write(tmp_path / "a.h5ad", sp.csr_matrix(COUNTS))
    with h5py.File(tmp_path / "a.h5ad", "a") as file:
        file["X/indices"][20] = 7
    with pytest.raises(DataError, match=r"name genes beyond the 7 that it has; the file is damaged"):
        DiskMatrix(tmp_path / "a.h5ad", "X").read(np.arange(60))


@pytest.mark.parametrize("entry", [5, -1, 0])
def test_pointers_that_do_not_fit_are_refused(tmp_path, entry):
    write(tmp_path / "a.h5ad", sp.csr_matrix(COUNTS))
    with h5py.File(tmp_path / "a.h5ad", "a") as file:
        file["X/indptr"][entry] += 10_000
    with pytest.raises(DataError, match="is damaged"):
        DiskMatrix(tmp_path / "a.h5ad", "X").read(np.arange(3))


@pytest.mark.parametrize("kind", ["csr zarr", "dense zarr"])
def test_a_truncated_chunk_is_one_error(tmp_path, kind):
    matrix = KINDS[kind](tmp_path, COUNTS)
    folder = tmp_path / "a.zarr" / "X" / ("data" if matrix.is_sparse else "")
    chunk = max(file for file in folder.rglob("*") if file.name[0].isdigit())
    chunk.write_bytes(chunk.read_bytes()[:20])
    with pytest.raises(DataError, match=r"cannot read cells 0 to 59 of X of '.*a.zarr' \(.*truncated or damaged"):
        matrix.read(np.arange(60))


def test_parts_of_different_genes_are_refused(tmp_path):
    part = StoredPart(write(tmp_path / "a.h5ad", sp.csr_matrix(COUNTS)))
    with pytest.raises(DataError, match=r"the parts have \[3, 7\] genes"):
        StoredMatrix((part, StoredPart(part.matrix, np.arange(3))), "counts")


# --- cells


@pytest.fixture
def stored(matrix):
    return StoredCells(
        X=matrix,
        genes=pd.Index(list("abcdefg")),
        names=pd.Index([f"cell{i}" for i in range(60)]),
        labels=np.arange(60) % 4 - 1,
        classes=("A", "B", "C"),
        donors=np.array([f"donor{i % 2}" for i in range(60)]),
        is_normalized=True,
    )


def assert_same_cells(found, expected):
    assert isinstance(found, Cells)
    np.testing.assert_array_equal(found.X.toarray(), expected.X.toarray())
    for name in ("genes", "names", "labels", "donors"):
        assert list(getattr(found, name)) == list(getattr(expected, name))
    assert (found.classes, found.is_normalized) == (expected.classes, expected.is_normalized)


def test_cells_are_loaded_whole_or_in_part(stored):
    whole = stored.load()
    assert (stored.n_cells, stored.n_genes, stored.n_classes) == (60, 7, 3)
    assert stored.class_counts().tolist() == [15, 15, 15]
    rows = np.array([8, 3, 50])
    assert_same_cells(stored.load(rows), whole.take(rows))
    assert_same_cells(stored.take(stored.labels == 1).load(), whole.take(whole.labels == 1))
    assert_same_cells(stored.take(rows).take_genes(["c", "a"]).load(), whole.take(rows).take_genes(["c", "a"]))
    assert stored.take_genes(stored.genes) is stored


def test_what_does_not_fit_is_refused_as_in_memory(stored):
    with pytest.raises(DataError, match="3 labels for a matrix of 60 cells × 7 genes"):
        StoredCells(stored.X, stored.genes, stored.names, np.zeros(3, dtype=np.int64), ("A",))
    with pytest.raises(DataError, match=r"1 gene name occurs more than once"):
        StoredCells(stored.X, pd.Index(list("abcdeff")), stored.names, stored.labels, stored.classes)
    with pytest.raises(DataError, match="1 of the 1 genes needed is missing: 'z'"):
        stored.take_genes(["z"])
