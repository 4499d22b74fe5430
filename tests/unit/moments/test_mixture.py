import numpy as np
import pytest

from selectormlp.errors import SettingsError
from selectormlp.moments.discriminant import DiscriminantObjective
from selectormlp.moments.forward import forward_select
from selectormlp.moments.mixture import MixtureObjective
from selectormlp.moments.reconstruction import ReconstructionObjective
from selectormlp.moments.stream import moments_of

CODES = np.arange(90) % 3
X = np.random.default_rng(0).normal(size=(90, 8)) * np.arange(1, 9) + 4 * np.eye(3, 8)[CODES]


def objectives():
    moments = moments_of(X, CODES)
    return DiscriminantObjective(moments), ReconstructionObjective(moments)


def test_ends_of_the_weight_are_the_two_objectives():
    for weight, alone in ((0.0, objectives()[0]), (1.0, objectives()[1])):
        mixed = forward_select(MixtureObjective(*objectives(), weight=weight), 5)
        np.testing.assert_array_equal(mixed.order, forward_select(alone, 5).order)


@pytest.mark.parametrize(("weight", "idle"), [(0.0, 1), (1.0, 0)])
def test_an_objective_of_no_weight_is_not_computed(weight, idle):
    parts = list(objectives())
    parts[idle] = None
    mixed = MixtureObjective(*parts, weight=weight)
    mixed.choose(0)
    assert mixed.gains().any()


def test_gain_is_the_weighted_mean_at_every_step():
    first, second = objectives()
    mixed = MixtureObjective(*objectives(), weight=0.25)
    for gene in (7, 0, 3):
        np.testing.assert_allclose(mixed.gains(), 0.75 * first.gains() + 0.25 * second.gains())
        for objective in (first, second, mixed):
            objective.choose(gene)


@pytest.mark.parametrize("weight", [-0.1, 1.1, np.nan])
def test_weight_outside_is_refused(weight):
    with pytest.raises(SettingsError, match="expected a number from 0 to 1"):
        MixtureObjective(*objectives(), weight=weight)
