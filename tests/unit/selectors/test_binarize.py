import numpy as np
import pytest
import scipy.sparse as sp

from selectormlp.errors import SettingsError
from selectormlp.selectors.binarize import binarized, gene_thresholds

X = np.random.default_rng(0).poisson(1.0, size=(40, 700)).astype(np.float32)  # more genes than a chunk


@pytest.mark.parametrize("kind", [sp.csr_array, sp.csr_matrix])
@pytest.mark.parametrize(("threshold", "quantile"), [(0.0, 0.5), (1.5, 0.5), (-1.0, 0.5), ("quantile", 0.8)])
def test_sparse_and_dense_agree(kind, threshold, quantile):
    thresholds = gene_thresholds(X, threshold, quantile)
    np.testing.assert_array_equal(gene_thresholds(kind(X), threshold, quantile), thresholds)
    on = binarized(X, thresholds)
    assert on.dtype == np.float32
    np.testing.assert_array_equal(on, thresholds < X)
    sparse = binarized(kind(X), thresholds)
    assert sp.issparse(sparse) == (threshold != -1.0)
    np.testing.assert_array_equal(sparse.toarray() if sp.issparse(sparse) else sparse, on)


def test_quantile_leaves_at_most_so_many_cells_on():
    on = binarized(X, gene_thresholds(X, "quantile", 0.75))
    assert on.mean(axis=0).max() <= 0.25
    values = np.random.default_rng(1).normal(size=(40, 3))
    np.testing.assert_array_equal(binarized(values, gene_thresholds(values, "quantile", 0.75)).sum(axis=0), 10)


@pytest.mark.parametrize("threshold", ["median", np.nan, np.inf, None, True, [0.0, 1.0]])
def test_thresholds_that_cannot_be(threshold):
    with pytest.raises(SettingsError, match="expected a finite number in the units of X, or 'quantile'"):
        gene_thresholds(X, threshold, 0.5)


@pytest.mark.parametrize("quantile", [-0.1, 1.0, "half", None])
def test_quantiles_that_cannot_be(quantile):
    with pytest.raises(SettingsError, match=rf"quantile={quantile!r}; expected a number from 0 up, below 1"):
        gene_thresholds(X, "quantile", quantile)
    with pytest.raises(SettingsError, match=rf"quantile={quantile!r}; "):
        gene_thresholds(X, 0.0, quantile)  # also where it is not used
