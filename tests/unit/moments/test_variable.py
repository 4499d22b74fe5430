import numpy as np
import pytest
import scipy.sparse as sp

from selectormlp.errors import SettingsError
from selectormlp.moments.stream import balanced_cell_weights
from selectormlp.moments.variable import check_memory, gene_variances, most_variable


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array, sp.csr_matrix])
def test_variances_equal_numpy(kind):
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


def test_too_much_memory_is_refused_with_the_size_that_fits():
    with pytest.raises(
        SettingsError, match=r"20000 genes need about 12\.8 GB .* limit of 8 GB; set max_genes to at most 15811"
    ):
        check_memory(20_000, 1, 8.0)
    check_memory(15_811, 1, 8.0)
