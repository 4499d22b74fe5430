"""Moments against NumPy, whatever the storage, the chunks and the parts."""

import numpy as np
import pytest
import scipy.sparse as sp

from selectormlp.moments import stream
from selectormlp.moments.stream import balanced_cell_weights, moments_of, moments_of_chunks
from selectormlp.moments.variable import gene_variances

RNG = np.random.default_rng(0)
CODES = RNG.choice(4, size=300, p=[0.6, 0.3, 0.09, 0.01])
X = RNG.poisson(RNG.gamma(1.0, 1.0, size=(4, 12))[CODES]).astype(np.float64)
WEIGHTS = balanced_cell_weights(np.bincount(CODES, minlength=4))


def agree(first, second, rtol=1e-10):
    np.testing.assert_array_equal(first.counts, second.counts)
    for name in ("means", "squares", "within", "total"):
        expected = getattr(second, name)
        np.testing.assert_allclose(getattr(first, name), expected, rtol=rtol, atol=rtol * np.abs(expected).max())


def test_covariances_equal_numpy():
    moments = moments_of(X, CODES)
    of_classes = [np.cov(X[code == CODES].T, bias=True) for code in range(4)]
    np.testing.assert_allclose(moments.within_covariance(), np.mean(of_classes, axis=0), atol=1e-12)
    np.testing.assert_allclose(moments.total_covariance(), np.cov(X.T, bias=True), atol=1e-12)
    np.testing.assert_allclose(
        moments.class_variances(), [X[code == CODES].var(axis=0) for code in range(4)], atol=1e-12
    )


def test_given_importance_weighs_the_classes():
    importance = np.array([1.0, 0.0, 2.0, 1.0])
    moments = moments_of(X, CODES, cell_weights=balanced_cell_weights(np.bincount(CODES), importance))
    of_classes = [np.cov(X[code == CODES].T, bias=True) for code in range(4)]
    np.testing.assert_allclose(
        moments.within_covariance(), np.average(of_classes, axis=0, weights=importance), atol=1e-12
    )


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array, sp.csr_matrix])
@pytest.mark.parametrize("n_rows", [1, 7, 299, 1000])
def test_storage_and_chunks_do_not_matter(kind, n_rows, monkeypatch):
    whole = moments_of(X, CODES)
    monkeypatch.setattr(stream, "CHUNK_BYTES", n_rows * 12 * 8)
    agree(moments_of(kind(X), CODES), whole)


def test_parts_of_other_class_proportions_add_up():
    order = np.argsort(CODES, kind="stable")  # the first parts hold one class only
    parts = [moments_of(X[rows], CODES[rows], n_classes=4, cell_weights=WEIGHTS) for rows in np.array_split(order, 5)]
    agree(parts[0] + parts[1] + parts[2] + parts[3] + parts[4], moments_of(X, CODES))
    agree((parts[4] + parts[1]) + (parts[3] + (parts[0] + parts[2])), moments_of(X, CODES))


def test_a_stream_of_mixed_chunks_equals_the_whole():
    chunks = [(X[:90], CODES[:90]), (sp.csr_array(X[90:91]), CODES[90:91]), (X[91:], CODES[91:])]
    agree(moments_of_chunks(iter(chunks), cell_weights=WEIGHTS), moments_of(X, CODES))


def test_float32_far_from_zero_does_not_cancel(monkeypatch):
    shifted = (1000 + RNG.normal(size=(2000, 5))).astype(np.float32)
    monkeypatch.setattr(stream, "CHUNK_BYTES", 128 * 5 * 4)
    moments = moments_of(shifted, np.arange(2000) % 3)
    expected = np.cov(shifted.astype(np.float64).T, bias=True)  # X'X − n·m·m' in float32 would be off by about 0.1
    np.testing.assert_allclose(moments.total_covariance(), expected, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float16, bool])
def test_other_numbers_are_neither_cut_off_nor_overflow(dtype):
    counts = (X + 200 * (X > 2)).astype(dtype) if dtype == np.uint8 else X.astype(dtype)
    expected = moments_of(counts.astype(np.float64), CODES)
    agree(moments_of(counts, CODES), expected)
    np.testing.assert_allclose(gene_variances(counts, CODES, np.ones(4)), expected.total_covariance().diagonal())
