import numpy as np
import pytest

from selectormlp.errors import DataError
from selectormlp.moments.moments import Moments
from selectormlp.moments.stream import balanced_cell_weights, moments_of

X = np.array([[0.0, 2.0], [2.0, 2.0], [5.0, 1.0], [5.0, 3.0]])
CODES = np.array([0, 0, 1, 1])


def test_sizes_mean_and_shares():
    moments = moments_of(X, CODES, n_classes=3)
    assert (moments.n_cells, moments.n_classes, moments.n_genes) == (4, 3, 2)
    np.testing.assert_allclose(moments.mean, X.mean(axis=0))
    np.testing.assert_allclose(moments.class_weights, [0.5, 0.5, 0.0])
    np.testing.assert_array_equal(moments.counts, [2, 2, 0])


def test_only_the_scatter_asked_for_is_kept():
    moments = moments_of(X, CODES, total=False)
    assert moments.total is None
    with pytest.raises(DataError, match="no total scatter"):
        moments.total_covariance()
    with pytest.raises(DataError, match="no within-class scatter"):
        moments_of(X, CODES, within=False).within_covariance()


def test_adding_alters_neither_part():
    weights = balanced_cell_weights(np.array([2, 2]))
    first = moments_of(X[:3], CODES[:3], cell_weights=weights)
    second = moments_of(X[3:], CODES[3:], n_classes=2, cell_weights=weights)
    kept = first.within.copy(), first.total.copy(), first.means.copy()
    whole = first + second
    for before, after in zip(kept, (first.within, first.total, first.means), strict=True):
        np.testing.assert_array_equal(before, after)
    assert whole.n_cells == 4


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (moments_of(X[:, :1], CODES), "2 classes × 2 genes and of 2 × 1"),
        (moments_of(X, CODES, cell_weights=np.ones(2)), "weigh the cells of a class differently"),
        (moments_of(X, CODES, total=False), "holds a scatter that the other lacks"),
    ],
)
def test_parts_that_do_not_fit_are_refused(other: Moments, message: str):
    with pytest.raises(DataError, match=message):
        moments_of(X, CODES) + other
