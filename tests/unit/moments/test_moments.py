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
    with pytest.raises(DataError, match=r"^these moments hold no total scatter; compute them with total=True$"):
        moments.total_covariance()
    moments = moments_of(X, CODES, within=False)
    assert moments.within is None
    for absent in (moments.within_covariance, moments.class_variances):
        with pytest.raises(
            DataError, match=r"^these moments hold no within-class scatter; compute them with within=True$"
        ):
            absent()


def test_adding_alters_neither_part():
    weights = balanced_cell_weights(np.array([2, 2]))
    first = moments_of(X[:3], CODES[:3], cell_weights=weights)
    second = moments_of(X[3:], CODES[3:], n_classes=2, cell_weights=weights)
    kept = first.within.copy(), first.total.copy(), first.means.copy()
    whole = first + second
    for before, after in zip(kept, (first.within, first.total, first.means), strict=True):
        np.testing.assert_array_equal(before, after)
    assert whole.n_cells == 4


@pytest.mark.parametrize("kept", [(True, False), (False, True), (False, False)])
def test_parts_add_up_in_what_they_hold(kept):
    within, total = kept
    part = moments_of(X, CODES, within=within, total=total)
    whole = part + part
    np.testing.assert_array_equal(whole.counts, [4, 4])
    np.testing.assert_array_equal(whole.means, part.means)
    for held, scatters in ((within, ("within", "squares")), (total, ("total",))):
        for name in scatters:
            if held:
                np.testing.assert_allclose(getattr(whole, name), 2 * getattr(part, name))
            else:
                assert getattr(whole, name) is None


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            moments_of(X[:, :1], CODES),
            "^moments of 2 classes × 2 genes and of 2 × 1 do not add up; use the same classes and genes, in the same "
            "order, for every part$",
        ),
        (
            moments_of(X, CODES, cell_weights=np.ones(2)),
            "^the parts give cells of a class different weights, so their within-class scatters do not add up; "
            "count the classes over all parts first and give every part the same cell_weights$",
        ),
        *(
            (
                moments_of(X, CODES, **{scatter: False}),
                "^one part holds a scatter that the other lacks; compute both with the same within= and total=$",
            )
            for scatter in ("within", "total")
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(other: Moments, message: str):
    with pytest.raises(DataError, match=message):
        moments_of(X, CODES) + other
