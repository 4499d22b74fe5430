import numpy as np
import pytest

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


class OneOnly(Additive):
    """An objective that is met by any one gene."""

    def choose(self, gene):
        self.worth[:] = 0.0


def test_genes_of_no_gain_at_the_end_are_ranked_by_their_gain_alone():
    result = forward_select(OneOnly([1, 4, 2, 3]), 4)
    np.testing.assert_array_equal(result.order, [1, 3, 2, 0])
    np.testing.assert_array_equal(result.gains, [0, 4, 0, 0])
    assert result.n_chosen == 1


def test_where_no_gene_gains_anything_all_are_columns_still():
    result = forward_select(Additive([0, 0, 0]), 2)
    np.testing.assert_array_equal(np.arange(3.0)[result.order], [0, 1, 2])
    assert result.n_chosen == 0


def test_collinear_and_constant_genes_are_not_free():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 3))
    X = np.column_stack([X, X[:, 0] - X[:, 1], np.ones(50)])
    residual = Residual(np.cov(X.T))
    np.testing.assert_array_equal(residual.free, [True, True, True, True, False])
    residual.choose(0)
    residual.choose(1)
    np.testing.assert_array_equal(residual.free, [False, False, True, False, False])
    for gene in (0, 3, 4):
        assert residual.choose(gene) is None
    np.testing.assert_array_equal(residual.free, [False, False, True, False, False])


def test_the_unit_of_expression_does_not_decide_which_genes_are_free():
    covariance = np.cov(np.random.default_rng(0).normal(size=(50, 3)).T)
    assert Residual(1e-20 * covariance).free.all()
    assert not Residual(np.zeros((3, 3))).free.any()


def test_factor_outgrows_its_first_columns():
    covariance = np.cov(np.random.default_rng(0).normal(size=(200, 40)).T)
    residual = Residual(covariance)
    for gene in range(40):
        residual.choose(gene)
    np.testing.assert_allclose(residual.factor @ residual.factor.T, covariance, atol=1e-10)


@pytest.mark.parametrize("shrinkage", [0.0, 0.4])
def test_chosen_genes_are_explained_whole(shrinkage):
    covariance = np.cov(np.random.default_rng(0).normal(size=(50, 5)).T)
    residual = Residual(covariance, ridge=0.3, shrinkage=shrinkage)
    chosen = [3, 1, 4]
    for gene in chosen:
        residual.choose(gene)
    assumed = (1 - shrinkage) * covariance + np.diag(shrinkage * covariance.diagonal() + 0.3)
    np.testing.assert_allclose((residual.factor @ residual.factor.T)[chosen], assumed[chosen])
    np.testing.assert_allclose(residual.variance[chosen], 0, atol=1e-12)
