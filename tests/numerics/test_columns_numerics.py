"""Columns of covariances against whole covariances, and panels that are chosen by either."""

import numpy as np
import pytest
import scipy.sparse as sp

from selectormlp import DiscriminantSelector
from selectormlp.moments import columns
from selectormlp.moments.columns import column_moments, covariance_rows
from selectormlp.moments.measurement import Measurement, measured_moments
from selectormlp.moments.stream import balanced_cell_weights, moments_of

RNG = np.random.default_rng(0)
CODES = RNG.choice(4, size=700, p=[0.6, 0.3, 0.07, 0.03])
COUNTS = RNG.poisson(RNG.gamma(0.5, 1.0, size=(4, 90))[CODES])
WEIGHTS = balanced_cell_weights(np.bincount(CODES, minlength=4))
KINDS = [np.asarray, sp.csr_array, sp.csr_matrix]
GENES = np.array([7, 0, 89, 7])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [0.0, 300.0])
def test_columns_are_those_of_the_whole_covariance(kind, dtype, offset, monkeypatch):
    """Also over several runs of rows, and where means are large beside deviations."""
    X = (np.log1p(COUNTS) + offset * (np.arange(90) % 3)).astype(dtype)
    expected = moments_of(X.astype(np.float64), CODES)
    for name in ("ROWS_AT_ONCE", "SPARSE_ROWS"):
        monkeypatch.setattr(columns, name, 150)
    found = column_moments(kind(X), CODES, cell_weights=WEIGHTS)
    size = float(expected.within_covariance().max())
    np.testing.assert_allclose(found.squares, expected.squares, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.covariance().diagonal(), expected.within_covariance().diagonal(), rtol=1e-9)
    rows = covariance_rows(found.covariance(), GENES)
    np.testing.assert_allclose(rows, expected.within_covariance()[GENES], rtol=1e-8, atol=1e-10 * size)
    np.testing.assert_array_equal(rows, [found.covariance()[gene] for gene in GENES])
    np.testing.assert_array_equal(covariance_rows(expected.covariance(), GENES), expected.within_covariance()[GENES])


def test_values_that_are_stored_in_parts_are_summed():
    X = sp.csr_array(np.log1p(COUNTS))
    doubled = sp.csr_array((np.repeat(X.data / 2, 2), np.repeat(X.indices, 2), 2 * X.indptr), shape=X.shape)
    found, expected = (column_moments(kind, CODES, cell_weights=WEIGHTS) for kind in (doubled, X))
    np.testing.assert_allclose(found.squares, expected.squares, rtol=1e-12)
    np.testing.assert_allclose(found.covariance()[3], expected.covariance()[3], atol=1e-12)
    assert doubled.nnz == 2 * X.nnz


def test_cells_of_no_class_take_no_part():
    X, codes = np.log1p(COUNTS), np.where(np.arange(700) % 5 == 0, -1, CODES)
    weights = balanced_cell_weights(np.bincount(codes[codes >= 0], minlength=4))
    found = column_moments(X, codes, cell_weights=weights).covariance()
    expected = moments_of(X, codes, cell_weights=weights).within_covariance()
    np.testing.assert_allclose(covariance_rows(found, np.arange(90)), expected, atol=1e-12)


def test_an_assay_changes_columns_as_it_changes_the_whole():
    X, assay = np.log1p(COUNTS), Measurement(efficiency=0.3, background=0.05)
    whole = moments_of(X, CODES, molecules=True, counts=COUNTS)
    few = column_moments(X, CODES, cell_weights=WEIGHTS, molecules=True, counts=COUNTS)
    first = covariance_rows(few.covariance(), GENES)
    expected, found = (measured_moments(moments, assay).covariance() for moments in (whole, few))
    np.testing.assert_allclose(covariance_rows(found, GENES), covariance_rows(expected, GENES), atol=1e-12)
    np.testing.assert_allclose(found.diagonal(), expected.diagonal(), atol=1e-12)
    np.testing.assert_array_equal(covariance_rows(few.covariance(), GENES), first)


def test_a_sum_of_moments_has_no_columns():
    parts = [column_moments(np.log1p(COUNTS), CODES, cell_weights=WEIGHTS) for _ in range(2)]
    assert (parts[0] + parts[1]).columns is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"criterion": "bhattacharyya", "must_have": [5, 80]},
        {"class_weights": {0: 0.0, 3: 5.0}},
        {"refine": True, "shrink_after": 4},
        {"assay": "imaging"},
        {"max_genes": 60},
        {"ridge": 0.0, "pooling": np.inf},
    ],
    ids=["defaults", "must-have", "class weights", "refined", "assay", "some genes", "no ridge"],
)
def test_a_panel_does_not_depend_on_how_covariances_are_computed(kind, settings, monkeypatch):
    X = kind(np.log1p(COUNTS))
    found = []
    for cheaper in (True, False):
        monkeypatch.setattr(columns, "are_columns_cheaper", lambda X, n, cheaper=cheaper: cheaper)
        found.append(DiscriminantSelector(12, **settings).fit(X, CODES))
    np.testing.assert_array_equal(*(np.flatnonzero(selector.ranking_ <= 12) for selector in found))
    np.testing.assert_allclose(*(selector.scores_ for selector in found), atol=1e-9)


def test_genes_that_repeat_others_are_known_as_such():
    X = np.log1p(np.hstack([COUNTS[:, :30]] * 3))
    covariance = column_moments(X.astype(np.float32), CODES, cell_weights=WEIGHTS).covariance()
    left = covariance.diagonal() - covariance[4] ** 2 / covariance.diagonal()[4]
    assert np.abs(left[[4, 34, 64]]).max() < 1e-12


@pytest.mark.parametrize(("n_genes", "n_chosen", "expected"), [(4000, 100, True), (4000, 2000, False)])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
def test_columns_are_taken_where_few_genes_are_chosen(kind, n_genes, n_chosen, expected):
    X = np.zeros((5, n_genes))
    X[:, : n_genes // 5] = 1.0
    assert columns.are_columns_cheaper(kind(X), n_chosen) is expected
