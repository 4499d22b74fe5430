import numpy as np
import pytest

from selectormlp.errors import DataError, SettingsError
from selectormlp.moments import discriminant
from selectormlp.moments.discriminant import CRITERIA, DiscriminantObjective
from selectormlp.moments.forward import forward_select
from selectormlp.moments.stream import moments_of

RNG = np.random.default_rng(0)
CODES = np.arange(60) % 3
X = RNG.normal(size=(60, 4)) + 3 * np.eye(3, 4)[CODES]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"criterion": "wilks"}, "criterion='wilks'; expected one of 'inverse'"),
        ({"ridge": -1.0}, r"ridge=-1\.0; expected a number ≥ 0"),
        ({"pooling": -1.0}, r"pooling=-1\.0; expected a number of cells"),
        ({"shrinkage": -0.1}, r"shrinkage=-0\.1; expected a number from 0 to 1"),
        ({"shrinkage": 1.5}, r"shrinkage=1\.5; expected a number from 0 to 1"),
        ({"shrink_after": -1}, "shrink_after=-1; expected a number of genes"),
    ],
)
def test_unusable_settings(settings, message):
    with pytest.raises(SettingsError, match=message):
        DiscriminantObjective(moments_of(X, CODES), **settings)


@pytest.mark.parametrize(
    "settings", [{"ridge": 0}, {"pooling": 0}, {"pooling": np.inf}, {"shrinkage": 1, "shrink_after": 0}], ids=str
)
def test_ends_of_the_ranges_are_taken(settings):
    gains = DiscriminantObjective(moments_of(X, CODES), **settings).gains()
    assert set(np.argsort(-gains)[:3]) == {0, 1, 2}


def test_ridge_is_in_units_of_the_median_variance_of_genes_that_vary():
    scaled = np.column_stack([X * [1, 2, 3, 4], np.ones((60, 6))])
    moments = moments_of(scaled, CODES)
    median = np.median(moments.within_covariance().diagonal()[:4])
    assert DiscriminantObjective(moments, ridge=0.2).ridge == pytest.approx(0.2 * median)
    assert DiscriminantObjective(moments_of(np.eye(3)[CODES], CODES), ridge=0.2).ridge == 0.2


@pytest.mark.parametrize(("pooling", "own_share"), [(0, 1.0), (20, 0.5), (60, 0.25), (np.inf, 0.0)])
def test_gaps_are_in_units_of_the_pairs_own_variance_as_far_as_its_cells_can_tell_it(pooling, own_share):
    moments = moments_of(X * np.array([1.0, 2.0, 4.0])[CODES][:, None], CODES)  # 20 cells a class
    common, own = moments.within_covariance().diagonal(), moments.class_variances()
    mixed = own_share * own + (1 - own_share) * common
    gaps = DiscriminantObjective(moments, ridge=0.0, pooling=pooling).gaps
    for found, (a, b) in zip(gaps, [(0, 1), (0, 2), (1, 2)], strict=True):
        expected = (moments.means[a] - moments.means[b]) * np.sqrt(common / ((mixed[a] + mixed[b]) / 2))
        np.testing.assert_allclose(found, expected)


def test_pairs_count_by_the_weights_of_their_classes():
    weights = np.array([1.0, 2.0, 4.0]) / 20
    found = DiscriminantObjective(moments_of(X, CODES, cell_weights=weights)).pair_weights
    np.testing.assert_allclose(found, np.array([2, 4, 8]) / 14)


@pytest.mark.parametrize("n_pairs", [1, 2, 3])
def test_blocks_of_pairs_do_not_matter(n_pairs, monkeypatch):
    at_once = forward_select(DiscriminantObjective(moments_of(X, CODES)), 3)
    monkeypatch.setattr(discriminant, "BLOCK_BYTES", n_pairs * 4 * 8)
    in_blocks = forward_select(DiscriminantObjective(moments_of(X, CODES)), 3)
    np.testing.assert_array_equal(in_blocks.order, at_once.order)
    np.testing.assert_allclose(in_blocks.gains, at_once.gains)


def test_one_class_is_refused():
    with pytest.raises(DataError, match=r"1 class with cells"):
        DiscriminantObjective(moments_of(X, n_classes=3))


@pytest.mark.parametrize("criterion", CRITERIA)
def test_constant_and_doubled_genes_gain_nothing(criterion):
    doubled = np.column_stack([X, X[:, 0], np.full(60, 2.0)])
    objective = DiscriminantObjective(moments_of(doubled, CODES), criterion=criterion, ridge=0.0)
    assert objective.gains()[5] == 0
    assert objective.gains()[4] == pytest.approx(objective.gains()[0], rel=1e-12)
    assert objective.gains()[0] > 0
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


def test_the_unit_of_expression_does_not_matter_without_a_ridge():
    codes = np.repeat([0, 1, 2], 20)
    values = np.tile([-1.0, 1.0], 30) * (codes == 2) + 3.0 * (codes == 1)  # varies in the last class only
    gains = [
        DiscriminantObjective(moments_of(unit * values[:, None], codes), ridge=0.0, pooling=0.0).gains()
        for unit in (1.0, 1e-3)
    ]
    np.testing.assert_allclose(gains[1], gains[0])


def test_classes_without_any_spread_are_told_apart():
    objective = DiscriminantObjective(moments_of(np.eye(3)[CODES], CODES))
    assert (objective.gains() > 0).all()
