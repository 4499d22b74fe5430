import numpy as np
import pytest
import scipy.sparse as sp

from selectormlp.data.normalize import log1p_cp10k, looks_like_counts

COUNTS = np.array([[1, 3, 0], [0, 0, 0], [0, 0, 7]], dtype=np.float32)
KINDS = [np.array, sp.csr_array]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda X: X, True),
        (lambda X: X * 1e6, True),
        (lambda X: X * 0.5, False),
        (lambda X: np.log1p(X), False),
        (lambda X: -X, False),
        (lambda X: X - 2 * (X == 1), False),
        (lambda X: X > 0, False),
        (lambda X: X * 0, False),
    ],
)
def test_counts_are_whole_numbers_some_above_one(kind, change, expected):
    assert looks_like_counts(kind(change(COUNTS).astype(np.float32))) is expected


@pytest.mark.parametrize("kind", KINDS)
def test_cells_are_scaled_to_ten_thousand_and_logged(kind):
    given = kind(COUNTS)
    found = log1p_cp10k(given)
    assert type(found) is type(given)
    assert found.dtype == np.float32
    values = found.toarray() if sp.issparse(found) else found
    expected = np.log1p([[2500, 7500, 0], [0, 0, 0], [0, 0, 10_000]])
    np.testing.assert_allclose(values, expected, rtol=1e-6)
    np.testing.assert_array_equal(given.toarray() if sp.issparse(given) else given, COUNTS)


def test_it_is_what_scanpy_does(adata):
    import scanpy as sc

    found = log1p_cp10k(sp.csr_array(adata.X))
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    np.testing.assert_allclose(found.toarray(), adata.X.toarray(), rtol=2e-6)
