"""Moments over data sets that measured different genes, against sums over the cells that measured each."""

import numpy as np
import pytest

from selectormlp.moments.discriminant import DiscriminantObjective
from selectormlp.moments.stream import balanced_cell_weights, moments_of
from selectormlp.moments.unmeasured import codes_by_set, gaps_measured, pooled_over_sets


def drawn(seed, *, n_cells=90, n_genes=7, n_classes=3, n_sets=3):
    rng = np.random.default_rng(seed)
    codes = rng.integers(-1, n_classes, n_cells)
    sets = rng.integers(0, n_sets, n_cells)
    X = rng.normal(size=(n_cells, n_genes)) + codes[:, None] * rng.normal(size=n_genes) + sets[:, None]
    measured = rng.random((n_sets, n_genes)) < 0.6
    measured[0] |= ~measured.any(axis=0)
    return X * measured[sets], codes, sets, measured


def pooled(X, codes, sets, measured):
    n_classes = codes.max() + 1
    weights = balanced_cell_weights(np.bincount(codes[codes >= 0], minlength=n_classes))
    by_set = codes_by_set(codes, sets, n_classes)
    found = moments_of(X, by_set, cell_weights=np.tile(weights, len(measured)), total=False)
    return pooled_over_sets(found, measured), weights


@pytest.mark.parametrize("seed", range(5))
def test_each_gene_is_of_the_cells_that_measured_it(seed):
    X, codes, sets, measured = drawn(seed)
    found, weights = pooled(X, codes, sets, measured)
    there = measured[sets]
    sums = np.zeros((X.shape[1], X.shape[1]))
    mass = np.zeros(X.shape[1])
    for code in range(codes.max() + 1):
        cells = codes == code
        n_measured = there[cells].sum(axis=0)
        mean = np.divide(X[cells].sum(axis=0), n_measured, out=np.zeros(X.shape[1]), where=n_measured > 0)
        apart = np.where(there[cells], X[cells] - mean, 0.0)
        np.testing.assert_allclose(found.means[code], mean, atol=1e-12)
        np.testing.assert_array_equal(found.cells_measured[code], n_measured)
        variance = np.divide((apart**2).sum(axis=0), n_measured, out=np.zeros(X.shape[1]), where=n_measured > 0)
        np.testing.assert_allclose(found.class_variances()[code], variance, atol=1e-10)
        sums += weights[code] * apart.T @ apart
        mass += weights[code] * n_measured
    np.testing.assert_allclose(found.within_covariance(), sums / np.sqrt(np.outer(mass, mass)), atol=1e-10)


@pytest.mark.parametrize("seed", range(5))
def test_it_stays_a_covariance_and_genes_never_measured_together_have_none(seed):
    X, codes, sets, measured = drawn(seed, n_genes=30, n_cells=60)
    found, _ = pooled(X, codes, sets, measured)
    covariance = found.within_covariance()
    assert np.linalg.eigvalsh(covariance).min() > -1e-10
    together = (measured.T.astype(int) @ measured) > 0
    assert (covariance[~together] == 0).all()


@pytest.mark.parametrize("seed", range(3))
def test_with_all_genes_measured_it_is_the_moments_of_all_cells(seed):
    X, codes, sets, measured = drawn(seed)
    X = np.random.default_rng(seed).normal(size=X.shape) + sets[:, None]
    found, weights = pooled(X, codes, sets, np.ones_like(measured))
    expected = moments_of(X, codes, cell_weights=weights, total=False)
    for name in ("counts", "means", "squares", "within", "cell_weights"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-10)
    same = DiscriminantObjective(found).gains() - DiscriminantObjective(expected).gains()
    assert np.abs(same).max() < 1e-12


def test_a_gene_that_one_of_two_classes_lacks_does_not_tell_them_apart():
    gaps = np.full((3, 2), 5.0)
    cells = np.array([[10.0, 0.0], [10.0, 10.0], [10.0, 10.0]])
    found = gaps_measured(gaps, np.ones(2), cells, np.array([10, 10, 10]))
    np.testing.assert_allclose(found, [[5, 0], [5, 0], [5, 5]])


def test_fewer_cells_leave_less_of_a_gap():
    gaps, counts = np.array([[2.0, -2.0, 0.1]]), np.array([100, 100])
    cells = np.array([[100.0, 10.0, 2.0], [100.0, 50.0, 2.0]])
    found = gaps_measured(gaps, np.full(3, 2.0), cells, counts)
    np.testing.assert_allclose(found, [[2.0, -np.sqrt(4 - 2 * (0.09 + 0.01)), 0.0]])
