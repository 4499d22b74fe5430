import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from selectormlp.errors import SettingsError
from selectormlp.selectors.base import GeneSelector, order_by_score


class Given(GeneSelector):
    """Scores genes by what it was given."""

    def __init__(self, scores=(), n_features_to_select=None):
        self.scores = scores
        self.n_features_to_select = n_features_to_select

    def fit(self, X, y=None):
        self.n_features_in_ = len(self.scores)
        self._set_scores(np.array(self.scores, dtype=float))
        return self


def test_the_ranking_is_strict_and_ties_go_by_column():
    fitted = Given([0.1, 0.7, 0.1, 0.9, 0.1]).fit(None)
    assert fitted.ranking_.tolist() == [3, 2, 4, 1, 5]
    assert fitted.scores_.tolist() == [0.1, 0.7, 0.1, 0.9, 0.1]


def test_many_ties_are_in_column_order():
    scores = np.repeat([0.0, 1.0], 500)
    assert order_by_score(scores).tolist() == [*range(500, 1000), *range(500)]


def test_permuting_the_genes_permutes_the_ranking():
    rng = np.random.default_rng(0)
    scores, order = rng.normal(size=30), rng.permutation(30)
    np.testing.assert_array_equal(
        Given(scores[order]).fit(None).ranking_, np.asarray(Given(scores).fit(None).ranking_)[order]
    )


def test_an_order_of_its_own_may_differ_from_the_scores():
    given = Given([0.1, 0.9, 0.5], 1)
    given.n_features_in_ = 3
    given._set_order(np.array([2, 0, 1]), np.array([0.1, 0.9, 0.5]))
    assert given.ranking_.tolist() == [2, 3, 1]
    assert given.get_support(indices=True).tolist() == [2]


@pytest.mark.parametrize(
    ("wanted", "n_genes", "expected"),
    [
        (None, 7, 3),
        (None, 1, 1),
        (1, 7, 1),
        (7, 7, 7),
        (np.int64(2), 7, 2),
        (0.5, 7, 3),
        (0.01, 7, 1),
        (np.float32(0.5), 8, 4),
    ],
)
def test_how_many_genes_are_chosen(wanted, n_genes, expected):
    fitted = Given(np.arange(n_genes), wanted).fit(None)
    assert fitted.n_features_to_select_ == expected
    assert fitted.get_support(indices=True).tolist() == list(range(n_genes - expected, n_genes))
    assert fitted.transform(np.arange(2 * n_genes).reshape(2, -1)).shape == (2, expected)


@pytest.mark.parametrize("wanted", [0, -1, 8])
def test_a_number_out_of_range_is_refused(wanted):
    with pytest.raises(SettingsError, match=f"n_features_to_select={wanted} for data of 7 genes; expected 1 to 7"):
        Given(np.arange(7), wanted).fit(None)


@pytest.mark.parametrize("wanted", [0.0, 1.0, 1.5, -0.5, float("nan"), "3", True, [3]])
def test_what_is_no_number_of_genes_is_refused(wanted):
    with pytest.raises(SettingsError, match="expected a whole number of genes, a fraction between 0 and 1, or None"):
        Given(np.arange(7), wanted).fit(None)


def test_a_selector_that_is_not_fitted_says_so():
    with pytest.raises(NotFittedError, match="Given instance is not fitted yet"):
        Given().get_support()
