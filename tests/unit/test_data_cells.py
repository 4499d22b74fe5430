import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from selectormlp.data.cells import Cells, as_matrix, check_unique, gene_positions
from selectormlp.errors import DataError

DENSE = np.array([[0, 1, 2], [3, 0, 0]])


def cells(X=DENSE, **changes):
    values = {
        "X": as_matrix(X),
        "genes": pd.Index(["a", "b", "c"]),
        "names": pd.Index(["x", "y"]),
        "labels": np.array([1, -1]),
        "classes": ("A", "B", "C"),
        "donors": np.array(["d", "e"]),
    }
    return Cells(**values | changes)


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("kind", [np.array, np.asmatrix, sp.csr_matrix, sp.csc_array, sp.coo_matrix])
def test_matrices_of_any_type_become_float32(kind, dtype):
    given = kind(DENSE.astype(dtype))
    matrix = as_matrix(given)
    assert matrix.dtype == np.float32
    assert type(matrix) is (sp.csr_array if sp.issparse(given) else np.ndarray)
    np.testing.assert_array_equal(matrix.toarray() if sp.issparse(matrix) else matrix, DENSE.astype(dtype))


def test_dense_rows_lie_one_after_the_other():
    assert as_matrix(np.asfortranarray(DENSE)).flags.c_contiguous


def test_csr_is_made_canonical_and_the_one_given_stays():
    given = sp.csr_matrix((np.array([1.0, 2, 3], np.float32), np.array([2, 0, 0]), np.array([0, 3, 3])), shape=(2, 3))
    before = given.data.copy(), given.indices.copy(), given.indptr.copy()
    matrix = as_matrix(given)
    assert matrix.has_canonical_format
    np.testing.assert_array_equal(matrix.toarray(), [[5, 0, 1], [0, 0, 0]])
    for now, then in zip((given.data, given.indices, given.indptr), before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("kind", [np.array, sp.csr_matrix])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39])  # the last overflows float32
def test_values_that_are_not_finite_are_counted_and_refused(kind, value):
    with pytest.raises(DataError, match=r"holds 2 NaN or infinite values; expected finite numbers"):
        as_matrix(kind([[0, value], [value, 1.0]]))


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((0, 3)), r"empty \(0 cells × 3 genes\)"),
        (sp.csr_matrix((2, 0)), r"empty \(2 cells × 0 genes\)"),
        (np.zeros(3), r"has 1 dimension; expected cells × genes"),
        (np.array([["a"]]), "values of type <U1; expected numbers"),
        (np.array([[1j]]), "values of type complex128; expected numbers"),
        (np.array([[None]]), "values of type object; expected numbers"),
    ],
)
def test_what_is_no_matrix_of_numbers_is_refused(X, message):
    with pytest.raises(DataError, match=message):
        as_matrix(X)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"genes": pd.Index(["a", "b"])}, "2 gene names for a matrix of 2 cells × 3 genes"),
        ({"names": pd.Index(["a"])}, "1 cell names for"),
        ({"labels": np.zeros(3, dtype=np.int64)}, "3 labels for"),
        ({"donors": np.array(["d"])}, "1 donors for"),
        ({"genes": pd.Index(["a", "b", "a"])}, r"1 gene name occurs more than once \('a'\).*var_names_make_unique"),
        ({"names": pd.Index(["x", "x"])}, r"1 cell name occurs more than once \('x'\).*obs_names_make_unique"),
    ],
)
def test_parts_that_disagree_are_refused(changes, message):
    with pytest.raises(DataError, match=message):
        cells(**changes)


@pytest.mark.parametrize("kind", [np.array, sp.csr_matrix])
@pytest.mark.parametrize("rows", [np.array([1, 0]), np.array([True, True])[::-1], np.array([False, True])])
def test_taking_cells_takes_all_that_is_theirs(kind, rows):
    whole = cells(kind(DENSE))
    part = whole.take(rows)
    np.testing.assert_array_equal(part.dense().X, DENSE[rows])
    assert part.names.tolist() == whole.names[rows].tolist()
    assert part.labels.tolist() == whole.labels[rows].tolist()
    assert part.donors.tolist() == whole.donors[rows].tolist()
    assert part.classes == whole.classes


@pytest.mark.parametrize("kind", [np.array, sp.csr_matrix])
def test_taking_genes_is_by_name(kind):
    part = cells(kind(DENSE)).take_genes(["c", "a"])
    np.testing.assert_array_equal(part.dense().X, [[2, 0], [0, 3]])
    assert part.genes.tolist() == ["c", "a"]
    with pytest.raises(DataError, match=r"1 of the 2 genes needed is missing: 'z'"):
        part.take_genes(["a", "z"])


def test_cells_are_counted_by_class():
    assert cells().class_counts().tolist() == [0, 1, 0]
    assert (cells().n_cells, cells().n_genes, cells().n_classes) == (2, 3, 3)


def test_missing_genes_are_counted_and_ten_are_named():
    wanted = pd.Index([f"g{i}" for i in range(15)])
    with pytest.raises(
        DataError, match=r"13 of the 15 genes needed are missing: 'g2', .*'g11' and 3 more; .*'g0', 'g1'"
    ):
        gene_positions(wanted[:2], wanted)


def test_repeated_names_are_counted_once_each():
    with pytest.raises(DataError, match=r"2 gene names occur more than once \('a', 'b'\)"):
        check_unique(pd.Index(list("aaabbc")), "gene", "f()")
