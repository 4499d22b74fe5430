"""Moments computed with PyTorch are those computed with NumPy; here on the CPU, and on CUDA in contract/test_gpu.py."""

import anndata
import numpy as np
import pytest
import scipy.sparse as sp
import torch

from selectormlp.data.disk import DiskMatrix, StoredPart
from selectormlp.data.stored import StoredMatrix
from selectormlp.errors import DataError
from selectormlp.moments import on_device
from selectormlp.moments.on_device import moments_on_device, read_ahead, stored_moments_on_device
from selectormlp.moments.stream import moments_of, moments_of_chunks
from selectormlp.moments.variable import work_of_moments

WEIGHTS = np.array([0.2, 1.0, 0.0, 0.5])


def cells(dtype=np.float32, n_cells=60, seed=0):
    rng = np.random.default_rng(seed)
    X = (rng.gamma(2.0, size=(n_cells, 7)) * (rng.random((n_cells, 7)) < 0.5) + [0, 0, 0, 0, 0, 0, 50]).astype(dtype)
    codes = rng.integers(-1, 4, size=n_cells)
    codes[codes == 2] = 3  # a class without a cell
    return X, codes


def cut(X, codes, n_rows):
    return [(X[start : start + n_rows], codes[start : start + n_rows]) for start in range(0, len(codes), n_rows)]


def assert_close(found, expected, rtol):
    np.testing.assert_array_equal(found.counts, expected.counts)
    np.testing.assert_allclose(found.means, expected.means, rtol=1e-12)
    for name in ("squares", "within", "total"):
        one, other = getattr(found, name), getattr(expected, name)
        assert (one is None) == (other is None)
        if other is not None:
            assert one.dtype == np.float64
            np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol * np.abs(other).max())


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("kept", [(True, True), (True, False), (False, True), (False, False)])
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float32, 1e-12), (np.float64, 1e-12), (np.uint8, 1e-12)])
def test_they_agree_with_those_of_numpy_however_the_cells_are_cut(sparse, kept, dtype, rtol):
    X, codes = cells(dtype)
    exact = moments_of_chunks([(X.astype(np.float64), codes)], cell_weights=WEIGHTS, within=kept[0], total=kept[1])
    before, matrix = X.copy(), sp.csr_array(X) if sparse else X
    for n_rows in (60, 17, 1):
        found = moments_on_device(
            cut(matrix, codes, n_rows), cell_weights=WEIGHTS, within=kept[0], total=kept[1], device="cpu"
        )
        assert_close(found, exact, rtol)
    np.testing.assert_array_equal(X, before)


def test_few_rows_are_multiplied_at_once(monkeypatch):
    X, codes = cells()
    whole = moments_on_device([(X, codes)], cell_weights=WEIGHTS, device="cpu")
    monkeypatch.setattr(on_device, "ROWS_AT_ONCE", 7)
    assert_close(moments_on_device([(X, codes)], cell_weights=WEIGHTS, device="cpu"), whole, 1e-6)


def test_places_stored_twice_count_as_their_sum():
    X = sp.csr_array((np.array([1.0, 2.0, 5.0]), np.array([1, 1, 0]), np.array([0, 2, 3])), shape=(2, 2))
    found = moments_on_device([(X, np.array([0, 1]))], cell_weights=np.ones(2), device="cpu")
    np.testing.assert_array_equal(found.means, [[0, 3], [5, 0]])


def test_cells_that_may_not_be_written_to_are_read():
    X, codes = cells()
    X.flags.writeable = False
    assert_close(
        moments_on_device([(X, codes)], cell_weights=WEIGHTS, device="cpu"),
        moments_of_chunks([(X, codes)], cell_weights=WEIGHTS),
        1e-6,
    )


def test_no_cell_of_a_class_is_refused_as_it_is_by_numpy():
    X, codes = cells()
    with pytest.raises(DataError, match=r"^no cell has a class; at least one labelled cell is needed$"):
        moments_on_device([(X, np.full(len(codes), -1))], cell_weights=WEIGHTS, device="cpu")


def test_products_are_exact_whatever_precision_others_have_set():
    X, codes = cells()
    exact = moments_of_chunks([(X.astype(np.float64), codes)], cell_weights=WEIGHTS)
    torch.set_float32_matmul_precision("medium")
    try:
        assert_close(moments_on_device([(X, codes)], cell_weights=WEIGHTS, device="cpu"), exact, 1e-12)
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.fixture
def stored(tmp_path):
    X, codes = cells(n_cells=200)
    anndata.AnnData(sp.csr_matrix(X)).write_h5ad(tmp_path / "cells.h5ad")
    return StoredMatrix((StoredPart(DiskMatrix(tmp_path / "cells.h5ad", "X")),), "any"), X, codes


@pytest.mark.parametrize("n_threads", [1, 3])
def test_cells_on_disk_are_read_ahead_in_their_order(stored, n_threads):
    matrix, X, _ = stored
    rows = [slice(start, min(start + 30, 200)) for start in range(0, 200, 30)]
    done = []
    found = list(read_ahead(matrix, np.arange(200), rows, n_threads, done.append))
    np.testing.assert_array_equal(np.concatenate([codes for _, codes in found]), np.arange(200))
    np.testing.assert_array_equal(sp.vstack([part for part, _ in found]).toarray(), X)
    assert done == [1] * 7


def test_an_error_in_reading_ends_the_pass(stored):
    matrix, _, codes = stored
    with pytest.raises(IndexError):
        list(read_ahead(matrix, codes, [slice(0, 30), np.array([500]), slice(30, 60)], 2))


def test_moments_of_cells_on_disk(stored, monkeypatch):
    matrix, X, codes = stored
    monkeypatch.setattr("selectormlp.moments.stream.CHUNK_BYTES", 4 * 7 * 40)
    started = []
    found = stored_moments_on_device(
        matrix, codes, cell_weights=WEIGHTS, device="cpu", n_threads=2, on_start=started.append
    )
    assert_close(found, moments_of(X.astype(np.float64), codes, cell_weights=WEIGHTS), 1e-6)
    assert started[0] > 1


def test_work_grows_with_cells_genes_and_scatters():
    small, large = work_of_moments(2_000, 500, 1), work_of_moments(100_000, 2_000, 2)
    assert not small.is_worth_a_device
    assert large.is_worth_a_device
    assert large.products == 2 * work_of_moments(100_000, 2_000, 1).products
    assert large.n_bytes > small.n_bytes
