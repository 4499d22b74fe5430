from itertools import product

import numpy as np
import pytest

from selectormlp.data.donors import assign_donors
from selectormlp.data.split import SplitSizes, split_cells, wanted_cells
from selectormlp.errors import DataError

PUBLISHED = SplitSizes(5000, 1000, 1000)


def split(labels, sizes, seed=0, **options):
    return split_cells(np.asarray(labels), sizes, rng=np.random.default_rng(seed), **options)


def sides(found):
    return (found.train, found.validation, found.test)


@pytest.mark.parametrize(
    ("n_cells", "expected"),
    [
        (500, (357, 71, 71)),
        (700, (500, 100, 100)),
        (6999, (4999, 999, 999)),
        (7000, (5000, 1000, 1000)),
        (7001, (5000, 1000, 1000)),
        (123_456, (5000, 1000, 1000)),
        (7, (5, 1, 1)),
        (6, (4, 0, 0)),
        (1, (0, 0, 0)),
    ],
)
def test_large_classes_are_capped_and_small_ones_split_in_proportion(n_cells, expected):
    m = min(1, n_cells / 7000)
    assert expected == (int(5000 * m), int(1000 * m), int(1000 * m))
    assert wanted_cells(np.array([n_cells]), PUBLISHED)[:, 0].tolist() == list(expected)
    found = split(np.repeat([0, 1], [n_cells, 700]), PUBLISHED)
    assert tuple(int((side < n_cells).sum()) for side in sides(found)) == expected


def test_no_cell_lies_on_two_sides_and_rows_are_in_order():
    labels = np.random.default_rng(1).integers(0, 5, 1000)
    found = split(labels, SplitSizes(100, 40, 30))
    rows = np.concatenate(sides(found))
    assert len(np.unique(rows)) == len(rows) == 5 * 170
    for side in sides(found):
        assert (np.diff(side) > 0).all()


def test_classes_below_the_least_size_are_dropped():
    labels = np.repeat([0, 1, 2, 3], [10, 9, 11, 0])
    found = split(np.concatenate([labels, [4] * 10]), SplitSizes(6, 2, 2), min_cluster_size=10)
    assert found.kept_classes.tolist() == [0, 2, 4]
    assert not np.isin(labels[found.train[found.train < 30]], [1]).any()


def test_cells_without_a_class_take_no_part():
    labels = np.array([-1, 0, 0, 1, 1, -1] * 10)
    found = split(labels, SplitSizes(10, 5, 5))
    assert (labels[np.concatenate(sides(found))] >= 0).all()
    assert found.kept_classes.tolist() == [0, 1]


def test_without_a_shuffle_the_first_cells_of_each_class_are_taken():
    labels = np.tile([0, 1], 10)
    found = split(labels, SplitSizes(3, 2, 1), shuffle=False)
    assert found.train.tolist() == [0, 1, 2, 3, 4, 5]
    assert found.validation.tolist() == [6, 7, 8, 9]
    assert found.test.tolist() == [10, 11]


def test_the_seed_decides_the_shuffle():
    labels = np.tile([0, 1], 100)
    first, again, other = (split(labels, SplitSizes(30, 10, 10), seed) for seed in (3, 3, 4))
    for left, right in zip(sides(first), sides(again), strict=True):
        np.testing.assert_array_equal(left, right)
    assert first.train.tolist() != other.train.tolist()
    assert first.train.tolist() != split(labels, SplitSizes(30, 10, 10), shuffle=False).train.tolist()


def test_the_callers_random_state_stays():
    np.random.seed(0)  # noqa: NPY002  # the global state is what is watched
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    split(np.tile([0, 1], 100), SplitSizes(30, 10, 10))
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


@pytest.mark.parametrize(
    ("labels", "least", "message"),
    [
        ([0] * 9, 1, r"1 of 1 class has at least 1 cells \(the largest has 9\), and at least 2"),
        ([0] * 9 + [1] * 8, 9, r"1 of 2 classes have at least 9 cells"),
        ([0] * 9 + [2], 2, r"1 of 2 classes have at least 2 cells"),
        ([0] * 9 + [1] * 8, 10, r"0 of 2 .*lower min_cluster_size or use another label column"),
        ([-1, -1], 1, r"0 of 0 classes .*\(the largest has 0\)"),
    ],
)
def test_fewer_than_two_classes_are_refused(labels, least, message):
    with pytest.raises(DataError, match=message):
        split(labels, SplitSizes(1, 1, 1), min_cluster_size=least)


def test_a_split_without_training_cells_is_refused():
    with pytest.raises(
        DataError,
        match="no training cells are left: the largest class has 3 cells, of which training is to have 1 in 4;",
    ):
        split([0, 0, 0, 1, 1], SplitSizes(1, 2, 1))
    assert len(split([0, 0, 0, 0, 1, 1], SplitSizes(1, 2, 1)).train) == 1


# --- donors


def shortfall(per_donor, wanted, assignment):
    """What is minimised: classes that training lacks; over sides and classes, the missing share of the cells wanted."""
    assignment = np.asarray(assignment)
    have = np.stack([per_donor[assignment == side].sum(axis=0) for side in range(3)])
    n_lacking = int(((have[0] == 0) & (wanted[0] > 0)).sum())
    return n_lacking, (np.maximum(0, wanted - have) / np.maximum(wanted, 1)).sum()


def least_shortfall(per_donor, wanted):
    filled = np.flatnonzero(wanted.sum(axis=1) > 0)
    every = (each for each in product(filled, repeat=len(per_donor)) if set(each) == set(filled))
    return min(shortfall(per_donor, wanted, each) for each in every)


@pytest.mark.parametrize("seed", range(12))
def test_donors_are_assigned_as_well_as_by_trying_everything(seed):
    rng = np.random.default_rng(seed)
    n_donors, n_classes = int(rng.integers(3, 7)), int(rng.integers(1, 5))
    per_donor = rng.poisson(20, (n_donors, n_classes)) * rng.integers(0, 2, (n_donors, n_classes))
    sizes = SplitSizes(*(int(size) for size in rng.choice([5, 10, 30, 60], 3)))
    wanted = wanted_cells(per_donor.sum(axis=0), sizes)
    if not (wanted.sum(axis=1) > 0).all():
        wanted[:, 0] += 1
    found = assign_donors(per_donor, wanted, rng=rng)
    assert set(found) == {0, 1, 2}
    best = least_shortfall(per_donor, wanted)
    assert shortfall(per_donor, wanted, found) == (best[0], pytest.approx(best[1]))


@pytest.mark.parametrize("few", [[10, 10], [1, 0]])
def test_a_side_that_wants_nothing_gets_no_donor(few):
    per_donor = np.full((4, 2), 10)
    wanted = np.array([[20, 20], [0, 0], few])
    found = assign_donors(per_donor, wanted, rng=np.random.default_rng(0))
    assert sorted(set(found.tolist())) == [0, 2]
    assert shortfall(per_donor, wanted, found) == (0, 0)


@pytest.mark.parametrize("shuffle", [True, False])
def test_no_donor_straddles_and_no_side_takes_too_many(shuffle):
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 4, 2000)
    donors = np.array([f"d{i}" for i in rng.choice(9, 2000, p=np.arange(1, 10) / 45)])
    sizes = SplitSizes(200, 60, 60)
    found = split(labels, sizes, donors=donors, shuffle=shuffle)
    owners = [set(donors[side]) for side in sides(found)]
    assert sum(map(len, owners)) == len(set.union(*owners))
    for side, most in zip(sides(found), (200, 60, 60), strict=True):
        assert np.bincount(labels[side]).tolist() == [most] * 4


def test_among_equally_good_assignments_the_seed_decides():
    labels, donors = np.tile([0, 1], 60), np.repeat([f"d{i}" for i in range(6)], 20)
    found = {
        tuple(split(labels, SplitSizes(10, 10, 10), seed, donors=donors, shuffle=False).train) for seed in range(8)
    }
    assert len(found) > 1
    again = [split(labels, SplitSizes(10, 10, 10), 3, donors=donors).train.tolist() for _ in range(2)]
    assert again[0] == again[1]


def test_a_donor_without_a_cell_that_takes_part_fills_no_side():
    labels = np.concatenate([np.tile([0, 1], 30), [2, -1]])
    donors = np.concatenate([np.repeat(["a", "b", "c"], 20), ["d", "e"]])
    for seed in range(5):
        found = split(labels, SplitSizes(10, 5, 5), seed, donors=donors, min_cluster_size=2)
        assert [len(side) for side in sides(found)] == [20, 10, 10]
    with pytest.raises(DataError, match=r"2 donors for 3 sides"):
        split(labels[20:], SplitSizes(10, 5, 5), donors=donors[20:], min_cluster_size=2)


def test_fewer_donors_than_sides_are_refused():
    labels, donors = np.tile([0, 1], 20), np.repeat(["a", "b"], 20)
    with pytest.raises(DataError, match=r"2 donors for 3 sides \(train, validation, test\); each side needs"):
        split(labels, SplitSizes(5, 5, 5), donors=donors)
    assert len(split(labels, SplitSizes(5, 0, 5), donors=donors).test) == 10


def test_donors_of_classes_too_small_for_any_side_are_refused_in_words():
    with pytest.raises(DataError, match="no training cells are left"):
        split_cells(
            np.array([0, 1]),
            SplitSizes(1, 0, 1),
            donors=np.array(["a", "a"]),
            rng=np.random.default_rng(0),
        )
