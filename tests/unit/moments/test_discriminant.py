import numpy as np
import pytest

from selectormlp.errors import DataError, SettingsError
from selectormlp.moments.discriminant import CRITERIA, DiscriminantObjective
from selectormlp.moments.stream import moments_of

RNG = np.random.default_rng(0)
CODES = np.arange(60) % 3
X = RNG.normal(size=(60, 4)) + 3 * np.eye(3, 4)[CODES]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"criterion": "wilks"}, "criterion='wilks'; expected one of 'inverse'"),
        ({"ridge": -1.0}, r"ridge=-1\.0"),
        ({"shrinkage": 1.5}, r"shrinkage=1\.5; expected a number from 0 to 1"),
        ({"shrink_after": -1}, "shrink_after=-1; expected a number of genes"),
    ],
)
def test_unusable_settings(settings, message):
    with pytest.raises(SettingsError, match=message):
        DiscriminantObjective(moments_of(X, CODES), **settings)


def test_one_class_is_refused():
    with pytest.raises(DataError, match=r"1 class\(es\) with cells"):
        DiscriminantObjective(moments_of(X, n_classes=3))


@pytest.mark.parametrize("criterion", CRITERIA)
def test_constant_and_doubled_genes_gain_nothing(criterion):
    doubled = np.column_stack([X, X[:, 0], np.full(60, 2.0)])
    objective = DiscriminantObjective(moments_of(doubled, CODES), criterion=criterion, ridge=0.0)
    assert objective.gains()[5] == 0
    assert objective.gains()[4] == objective.gains()[0] > 0
    objective.choose(0)
    assert objective.gains()[4] == 0


def test_a_doubled_gene_is_worth_something_once_covariances_are_shrunk():
    noise = 0.5 * RNG.normal(size=60)  # what is shared by both is not noise that a second look would average out
    doubled = np.column_stack([X[:, 0], X[:, 0] + noise])
    gains = {}
    for shrinkage in (0.0, 0.5):
        objective = DiscriminantObjective(moments_of(doubled, CODES), shrinkage=shrinkage, shrink_after=1)
        objective.choose(0)
        gains[shrinkage] = objective.gains()[1]
    assert gains[0.5] > 2 * gains[0.0] >= 0


@pytest.mark.parametrize(("gap", "gains_something"), [(0.31, False), (0.32, True)])  # √(1/20 + 1/20) = 0.316
def test_a_gap_as_wide_as_sampling_makes_it_gains_nothing(gap, gains_something):
    codes = np.repeat([0, 1], 20)
    values = np.tile([-1.0, 1.0], 20) + gap * codes
    gains = DiscriminantObjective(moments_of(values[:, None], codes), ridge=0.0).gains()
    assert (gains[0] > 0) == gains_something


def test_a_class_of_no_weight_does_not_count():
    shifted = X.copy()
    shifted[CODES == 2, 3] += 50
    weights = np.array([1.0, 1.0, 0.0]) / 20
    gains = DiscriminantObjective(moments_of(shifted, CODES, cell_weights=weights)).gains()
    assert gains.argmax() in (0, 1)


def test_classes_without_any_spread_are_told_apart():
    objective = DiscriminantObjective(moments_of(np.eye(3)[CODES], CODES))
    assert (objective.gains() > 0).all()
