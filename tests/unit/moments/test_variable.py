import numpy as np
import pytest
import scipy.sparse as sp

from selectormlp.errors import DataError, SettingsError
from selectormlp.moments import stream
from selectormlp.moments.stream import balanced_cell_weights
from selectormlp.moments.variable import check_memory, gene_variances, most_variable, square_sums_of_chunks


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array, sp.csr_matrix])
@pytest.mark.parametrize("n_rows", [7, 1000])
def test_variances_equal_numpy(kind, n_rows, monkeypatch):
    monkeypatch.setattr(stream, "CHUNK_BYTES", n_rows * 6 * 8)
    X = np.random.default_rng(0).poisson(1.0, size=(50, 6)).astype(np.float64)
    codes = np.arange(50) % 3
    np.testing.assert_allclose(gene_variances(kind(X), codes, np.ones(3)), X.var(axis=0))
    codes[:20] = -1
    np.testing.assert_allclose(gene_variances(kind(X), codes, np.ones(3)), X[20:].var(axis=0))


def test_balanced_variance_brings_out_the_gene_of_a_rare_class():
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1], [990, 10])
    X = np.column_stack([rng.normal(size=1000), 2.0 * codes])
    balanced = gene_variances(X, codes, balanced_cell_weights(np.bincount(codes)))
    assert X.var(axis=0).argmax() == 0
    assert balanced[1] == pytest.approx(1.0)


def test_must_have_genes_are_among_the_variable():
    columns = most_variable(np.array([5.0, 4.0, 3.0, 0.0]), 2, always=np.array([3]))
    np.testing.assert_array_equal(columns, [0, 3])


def test_more_must_have_genes_than_are_to_be_considered_all_are():
    np.testing.assert_array_equal(most_variable(np.arange(5.0), 2, always=np.array([3, 0, 1])), [0, 1, 3])


def test_of_equally_variable_genes_the_first_are_considered():
    np.testing.assert_array_equal(most_variable(np.ones(1000), 10, always=np.array([], dtype=int)), np.arange(10))


def test_no_cells_have_no_variance():
    with pytest.raises(DataError, match=r"^there are no cells; at least one is needed$"):
        square_sums_of_chunks([], cell_weights=np.ones(1))


@pytest.mark.parametrize(
    ("n_covariances", "n_pairs", "needed", "most"),
    [(1, 0, r"12\.8", 15_811), (2, 0, r"19\.2", 12_909), (1, 1000, r"13\.4", 15_319)],  # pairs × genes: 4 arrays
)
def test_too_much_memory_is_refused_with_the_size_that_fits(n_covariances, n_pairs, needed, most):
    with pytest.raises(
        SettingsError,
        match=rf"^{n_covariances} covariance.* of 20000 genes: about {needed} GB .* limit of 8 GB; "
        f"set max_genes to at most {most}, or",
    ):
        check_memory(20_000, n_covariances, 8.0, n_pairs=n_pairs)
    check_memory(most, n_covariances, 8.0, n_pairs=n_pairs)
    with pytest.raises(SettingsError, match=f"of {most + 1} genes"):
        check_memory(most + 1, n_covariances, 8.0, n_pairs=n_pairs)


def test_memory_up_to_the_limit_may_be_used():
    check_memory(10_000, 1, 3.2)
