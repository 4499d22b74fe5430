import numpy as np
import pytest
import scipy.sparse as sp

from selectormlp.errors import SettingsError
from selectormlp.selectors.binary import BinaryDiscriminantSelector
from selectormlp.selectors.discriminant import DiscriminantSelector


def cells():
    """Gene 0 is on in one type alone; gene 1 is on everywhere, and higher by far in another."""
    rng, y = np.random.default_rng(0), np.arange(300) % 3
    X = rng.exponential(size=(300, 5)) * (rng.random((300, 5)) < 0.5)
    X[:, 0] = np.where(y == 0, X[:, 0] + 0.1, 0.0)
    X[:, 1] = 1.0 + rng.exponential(size=300) + 20.0 * (y == 1)
    return X, y


def test_it_is_the_discriminant_of_binarised_values():
    X, y = cells()
    found = BinaryDiscriminantSelector(3).fit(X, y)
    expected = DiscriminantSelector(3).fit((X > 0).astype(np.float32), y)
    np.testing.assert_array_equal(found.ranking_, expected.ranking_)
    assert found.get_support(indices=True)[0] == 0
    np.testing.assert_array_equal(BinaryDiscriminantSelector(3).fit(sp.csr_array(X), y).ranking_, found.ranking_)


def test_how_high_a_gene_is_counts_through_its_threshold_only():
    X, y = cells()
    assert BinaryDiscriminantSelector(1).fit(X, y).get_support(indices=True) == [0]
    half = BinaryDiscriminantSelector(2, threshold="quantile", quantile=0.65).fit(X, y)
    assert set(half.get_support(indices=True)) == {0, 1}
    assert half.thresholds_[1] > 1.0
    np.testing.assert_array_equal(half.binarize(X), X[:, :2] > half.thresholds_[:2])


def test_what_it_cannot_do_is_refused():
    X, y = cells()
    with pytest.raises(SettingsError, match="in memory only"):
        BinaryDiscriminantSelector(2).fit_stored(None)
    with pytest.raises(SettingsError, match="quantile"):
        BinaryDiscriminantSelector(2, quantile=1.0).fit(X, y)
