import numpy as np
import pytest
import scanpy as sc
import scipy.sparse as sp

from selectormlp.errors import DataError, SettingsError
from selectormlp.selectors.markers import METHODS, MarkerSelector, each_in_turn
from selectormlp.selectors.scanpy_input import as_anndata

CODES = np.repeat([0, 1, 2], 20)
X = np.random.default_rng(0).normal(size=(60, 8))
X[CODES == 0, 5] += 6
X[CODES == 1, 2] += 4
X[CODES == 2, 7] += 5


def test_turns_skip_what_is_taken():
    statistics = np.array([[9.0, 8.0, 0.0, 1.0], [9.0, 7.0, 6.0, 0.0]])
    np.testing.assert_array_equal(each_in_turn(statistics), [0, 1, 3, 2])


@pytest.mark.parametrize("method", METHODS)
def test_first_round_gives_each_class_its_marker(method):
    selector = MarkerSelector(3, method=method).fit(X, CODES)
    assert np.argsort(selector.ranking_)[:3].tolist() == [5, 2, 7]


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
def test_the_t_test_is_scanpys(kind):
    """One gene is on in one class only, one never: where nothing varies, nothing is divided by."""
    rng = np.random.default_rng(1)
    codes = rng.choice(4, 200, p=[0.5, 0.3, 0.17, 0.03])
    counts = np.log1p(rng.poisson(rng.gamma(0.5, 2.0, (4, 30))[codes])).astype(np.float32)
    counts[:, 3], counts[:, 4] = codes == 1, 0
    data = as_anndata(kind(counts), codes)
    sc.tl.rank_genes_groups(data, "label", method="t-test")
    found = data.uns["rank_genes_groups"]
    expected = np.zeros((4, 30))
    for group in found["names"].dtype.names:
        expected[int(group), found["names"][group].astype(int)] = found["scores"][group]
    finite = np.isfinite(expected).all(axis=0)
    np.testing.assert_allclose(
        MarkerSelector(3).fit(kind(counts), codes).scores_[finite], expected.max(axis=0)[finite], rtol=1e-5
    )
    assert MarkerSelector(2).fit(kind(counts), codes).ranking_[3] == 2


def test_a_gene_of_one_value_marks_nothing():
    constant = np.column_stack([X, np.full(60, 0.1), np.full(60, 1 / 3)])
    assert not MarkerSelector(3).fit(constant, CODES).scores_[8:].any()


def test_two_classes_of_logistic_regression_take_turns():
    two = CODES < 2
    selector = MarkerSelector(2, method="logreg").fit(X[two], CODES[two])
    assert selector.get_support(indices=True).tolist() == [2, 5]


def test_a_class_of_one_cell_takes_no_turn():
    codes = CODES.copy()
    codes[0] = 9
    assert set(MarkerSelector(3).fit(X, codes).get_support(indices=True)) == {2, 5, 7}


def test_what_cannot_be_ranked_is_refused():
    with pytest.raises(SettingsError, match="method='anova'; expected one of 't-test'"):
        MarkerSelector(3, method="anova").fit(X, CODES)
    with pytest.raises(DataError, match=r"1 class, 1 of them with two cells"):
        MarkerSelector(3).fit(X, np.zeros(60, dtype=int))
    with pytest.raises(DataError, match=r"3 classes, 0 of them"):
        MarkerSelector(3).fit(X[:3], np.arange(3))
