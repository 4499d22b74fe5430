import numpy as np
import pytest

from selectormlp.selectors.variance import VarianceSelector


def test_overdispersed_genes_come_first_and_constant_ones_last():
    rng = np.random.default_rng(0)
    rates = np.tile(rng.uniform(1, 3, 400), (200, 1))
    rates[:100, :3] *= 1.9  # the mean stays, so that they are compared with genes like them
    rates[100:, :3] *= 0.1
    X = np.log1p(rng.poisson(rates))
    X[:, 399] = 0
    selector = VarianceSelector(3).fit(X)
    assert selector.get_support(indices=True).tolist() == [0, 1, 2]
    assert selector.ranking_[399] == 400


def test_negative_values_are_refused():
    with pytest.raises(ValueError, match="Negative values in data"):
        VarianceSelector(1).fit(np.array([[1.0, -1.0], [0.0, 2.0]]))
