import numpy as np
import pytest

from selectormlp.data.subsample import subsample

CODES = np.repeat([0, 1, -1], [50, 3, 20])


def counts_of(codes, seed=0, **wanted):
    rows = subsample(codes, np.random.default_rng(seed), **wanted)
    assert (np.diff(rows) > 0).all()
    return np.bincount(codes[rows], minlength=int(codes.max(initial=-1)) + 1).tolist()


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        ({}, [50, 3]),
        ({"per_class": 10}, [10, 3]),
        ({"share": 0.1}, [5, 1]),
        ({"share": 1.0}, [50, 3]),
        ({"share": 0.5, "per_class": 8}, [8, 2]),
        ({"total": 53}, [50, 3]),
        ({"total": 20}, [17, 3]),
        ({"total": 1}, [1, 1]),
    ],
)
def test_each_class_gives_its_number_of_cells(wanted, kept):
    assert counts_of(CODES, **wanted) == kept


@pytest.mark.parametrize(
    ("counts", "total", "kept"),
    [([5, 2], 5, [3, 2]), ([100, 10, 1], 31, [20, 10, 1]), ([4, 4, 4], 7, [2, 2, 2]), ([0, 6, 0, 2], 6, [0, 4, 0, 2])],
)
def test_a_total_cuts_the_largest_classes_first(counts, total, kept):
    assert counts_of(np.repeat(np.arange(len(counts)), counts), total=total) == kept


@pytest.mark.parametrize("wanted", [{"per_class": 10}, {"share": 0.2}, {"total": 13}])
def test_every_labelled_cell_has_the_same_chance(wanted):
    drawn = [subsample(CODES, np.random.default_rng(seed), **wanted) for seed in range(2000)]
    times = np.bincount(np.concatenate(drawn), minlength=len(CODES))
    expected = times[:50].mean()
    assert expected == 2000 * 10 / 50
    # binomial(2000, 0.2): standard deviation 17.9; of fifty, none is six away but once in 10⁷ runs
    assert (np.abs(times[:50] - expected) < 6 * 17.9).all()
    assert not times[53:].any()


@pytest.mark.parametrize("codes", [np.empty(0, dtype=np.int64), np.array([-1, -1])])
def test_without_labelled_cells_nothing_is_drawn(codes):
    assert counts_of(codes, per_class=3, total=2) == []


def test_the_order_of_classes_in_the_file_does_not_matter():
    shuffled = np.random.default_rng(1).permutation(CODES)
    assert counts_of(shuffled, share=0.3) == counts_of(CODES, share=0.3)
