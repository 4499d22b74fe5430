import numpy as np

from selectormlp.moments.forward import Residual, forward_select


class Additive:
    """An objective whose genes do not depend on each other."""

    def __init__(self, worth):
        self.worth = np.array(worth, dtype=float)

    def gains(self):
        return self.worth.copy()

    def choose(self, gene):
        self.worth[gene] = 0.0


def test_must_have_first_then_by_gain_then_the_rest():
    result = forward_select(Additive([1, 4, 2, 3, 0]), 3, must_have=[2, 4])
    np.testing.assert_array_equal(result.order, [2, 4, 1, 3, 0])
    np.testing.assert_array_equal(result.gains, [1, 4, 2, 3, 0])
    assert result.n_chosen == 3


def test_stops_where_nothing_is_gained_and_still_ranks_all():
    result = forward_select(Additive([0, 2, 0, 1]), 4)
    np.testing.assert_array_equal(result.order, [1, 3, 0, 2])
    assert result.n_chosen == 2


def test_collinear_and_constant_genes_are_not_free():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 3))
    X = np.column_stack([X, X[:, 0] - X[:, 1], np.ones(50)])
    residual = Residual(np.cov(X.T))
    np.testing.assert_array_equal(residual.free, [True, True, True, True, False])
    residual.choose(0)
    residual.choose(1)
    np.testing.assert_array_equal(residual.free, [False, False, True, False, False])
    assert residual.choose(3) is None
    assert residual.choose(0) is None


def test_factor_outgrows_its_first_columns():
    covariance = np.cov(np.random.default_rng(0).normal(size=(200, 40)).T)
    residual = Residual(covariance)
    for gene in range(40):
        residual.choose(gene)
    np.testing.assert_allclose(residual.factor @ residual.factor.T, covariance, atol=1e-10)
