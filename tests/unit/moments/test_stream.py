import numpy as np
import pytest
import scipy.sparse as sp

from selectormlp.errors import DataError
from selectormlp.moments import stream
from selectormlp.moments.stream import (
    ROWS_AT_ONCE,
    as_float,
    balanced_cell_weights,
    class_sums,
    moments_of,
    moments_of_chunks,
)


def test_class_weights_are_shares_whatever_the_counts():
    counts = np.array([1, 10, 0])
    np.testing.assert_allclose(balanced_cell_weights(counts), [1, 0.1, 0])
    np.testing.assert_allclose(balanced_cell_weights(counts, np.array([2.0, 1.0, 5.0])), [2, 0.1, 0])


def test_class_sums_are_float64_for_sparse_and_dense():
    X = np.array([[1, 2], [3, 4], [5, 6]], dtype=np.float32)
    for matrix in (X, sp.csr_array(X), sp.csr_matrix(X)):
        sums = class_sums(matrix, np.array([1, 0, 1]), 3)
        np.testing.assert_array_equal(sums, [[3, 4], [6, 8], [0, 0]])
        assert sums.dtype == np.float64
        np.testing.assert_array_equal(
            class_sums(matrix, np.array([1, 0, 1]), 3, squared=True), [[9, 16], [26, 40], [0, 0]]
        )


def test_class_sums_of_many_rows_are_those_of_all():
    X = np.random.default_rng(0).normal(size=(2 * ROWS_AT_ONCE + 3, 4))
    codes = np.arange(len(X)) % 3
    np.testing.assert_allclose(class_sums(X, codes, 3), [X[codes == code].sum(axis=0) for code in range(3)])
    assert class_sums(X[:0], codes[:0], 3).tolist() == [[0.0] * 4] * 3


def test_cells_without_a_class_take_no_part():
    X = np.random.default_rng(0).normal(size=(20, 3))
    codes = np.arange(20) % 3 - 1
    known = codes >= 0
    all_cells, only_known = moments_of(X, codes), moments_of(X[known], codes[known])
    np.testing.assert_allclose(all_cells.total, only_known.total)
    np.testing.assert_array_equal(all_cells.counts, only_known.counts)


def test_no_labelled_cell_is_refused():
    with pytest.raises(DataError, match="no cell has a class"):
        moments_of(np.ones((2, 2)), np.array([-1, -1]), n_classes=1)
    with pytest.raises(DataError, match=r"^no cell has a class; at least one labelled cell is needed$"):
        moments_of_chunks([], cell_weights=np.ones(2))


def test_a_chunk_without_a_labelled_cell_changes_nothing():
    X, codes = np.random.default_rng(0).normal(size=(6, 3)), np.array([0, 1, 0, 1, -1, -1])
    cuts, weights = (slice(4, 6), slice(0, 2), slice(2, 4)), np.ones(2)
    found = moments_of_chunks([(X[cut], codes[cut]) for cut in cuts], cell_weights=weights)
    np.testing.assert_allclose(found.total, moments_of(X[:4], codes[:4], cell_weights=weights).total)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_are_worked_on_as_they_are_and_summed_in_float64(dtype):
    X = np.random.default_rng(0).normal(size=(30, 4)).astype(dtype)
    assert as_float(X) is X
    moments = moments_of(X)
    assert (moments.n_classes, moments.counts.dtype) == (1, np.int64)
    assert {moments.means.dtype, moments.squares.dtype, moments.within.dtype, moments.total.dtype} == {np.dtype(float)}


def test_input_is_not_altered_and_read_only_input_will_do():
    X = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    before = X.copy()
    X.setflags(write=False)
    moments_of(X, np.arange(30) % 2)
    np.testing.assert_array_equal(X, before)


def test_rows_are_cut_by_bytes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stream, "CHUNK_BYTES", 3 * 5 * 8)
    cuts = list(stream.row_chunks(np.zeros((7, 5))))
    assert [len(range(7)[cut]) for cut in cuts] == [3, 3, 1]
    monkeypatch.setattr(stream, "CHUNK_BYTES", 1)
    assert len(list(stream.row_chunks(np.zeros((7, 5))))) == 7


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
def test_counts_of_parts_add_up_to_those_of_the_whole(kind):
    rng = np.random.default_rng(0)
    counts, codes = rng.poisson(2.0, (60, 4)).astype(np.float64), np.arange(60) % 3
    X, weights = np.log1p(counts / 7), balanced_cell_weights(np.bincount(codes))
    cuts = (slice(0, 5), slice(5, 31), slice(31, 60))
    parts = [
        moments_of(
            kind(X[cut]), codes[cut], n_classes=3, cell_weights=weights, molecules=True, counts=kind(counts[cut])
        )
        for cut in cuts
    ]
    found = (parts[2] + parts[0]) + parts[1]
    molecules = found.count_moments()
    assert molecules.absolute
    for code in range(3):
        np.testing.assert_allclose(molecules.means[code], counts[codes == code].mean(axis=0))
        np.testing.assert_allclose(molecules.variances(found.counts)[code], counts[codes == code].var(axis=0))


def test_values_stand_for_counts_that_are_not_at_hand():
    X, codes = np.log1p(np.array([[1.0, 0.0], [3.0, 2.0], [0.0, 5.0]])), np.array([0, 0, 1])
    molecules = moments_of(X, codes, molecules=True).count_moments()
    np.testing.assert_allclose(molecules.means, [[2.0, 1.0], [0.0, 5.0]], rtol=1e-12)
    assert not molecules.absolute
    with pytest.raises(DataError, match="hold no counts"):
        moments_of(X, codes).count_moments()
    with pytest.raises(DataError, match="the other lacks"):
        moments_of(X, codes) + moments_of(X, codes, molecules=True)
