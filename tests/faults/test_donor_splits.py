"""Splits by donor: every type reaches training where that can be, soon, and what is not tested is named."""

import time

import numpy as np
import pytest

import selectormlp as sm
from selectormlp.data.donors import assign_donors
from selectormlp.data.split import SplitSizes, split_cells, wanted_cells
from selectormlp.evaluation.splits import make_folds


def some_donors(n_donors, n_classes, holders):
    """Cells of all types in all donors, but for the last type, which some donors have."""
    donors = np.repeat([f"d{i}" for i in range(n_donors)], 20 * n_classes)
    labels = np.tile(np.arange(n_classes), 20 * n_donors)
    kept = (labels < n_classes - 1) | np.isin(donors, [f"d{i}" for i in holders])
    return labels[kept], donors[kept]


@pytest.mark.parametrize("holders", [(4, 5), (0,), (1, 3, 5)])
@pytest.mark.parametrize("sizes", [(5000, 1000, 1000), (10, 10, 10), (8, 50, 50)])
def test_a_type_of_few_donors_reaches_training(holders, sizes):
    labels, donors = some_donors(6, 5, holders)
    for seed in range(10):
        found = split_cells(labels, SplitSizes(*sizes), donors=donors, rng=np.random.default_rng(seed))
        assert set(labels[found.train]) == set(range(5))


def test_types_that_cannot_all_be_learned_lose_as_few_as_can_be():
    per_donor = np.diag([30, 30, 30, 30]).astype(np.int64)  # each type in one donor
    sides = assign_donors(per_donor, wanted_cells(per_donor.sum(axis=0), SplitSizes(60, 20, 20)), rng=_rng())
    assert np.bincount(sides, minlength=3).tolist() == [2, 1, 1]


def test_many_donors_are_assigned_soon_and_well():
    rng = _rng()
    shares = rng.dirichlet(np.full(40, 0.5), 1500)
    per_donor = rng.poisson(rng.lognormal(5, 0.6, 1500)[:, None] * shares)
    wanted = wanted_cells(per_donor.sum(axis=0), SplitSizes(5000, 1000, 1000))
    start = time.thread_time()  # of this thread: others wait in busy loops
    sides = assign_donors(per_donor, wanted, rng=_rng())
    assert time.thread_time() - start < 10
    have = np.stack([per_donor[sides == side].sum(axis=0) for side in range(3)])
    missing = np.maximum(0, wanted - have) / wanted
    assert missing.max() < 0.1
    assert missing.mean() < 0.01


def test_the_same_seed_gives_the_same_sides():
    labels, donors = some_donors(30, 8, (1, 2))
    sides = [split_cells(labels, SplitSizes(90, 20, 20), donors=donors, rng=_rng()).test.tolist() for _ in range(2)]
    assert sides[0] == sides[1]


def test_types_whose_cells_are_not_tested_are_named(make_adata):
    adata = make_adata(n_cells=400)
    alone = (adata.obs["cell_type"] == "type D").to_numpy()
    donors = adata.obs["donor"].to_numpy().copy()
    donors[alone] = "donor 1"
    adata.obs["donor"] = donors
    folds = make_folds(np.arange(400) % 4, n_splits=4, donors=donors.astype(str))
    assert folds.unlearned == ((3, 100),)
    found = sm.evaluate(adata, ["gene0", "gene1"], label_key="cell_type", donor_key="donor", unsupervised=False)
    assert any("'type D' (all of its cells)" in note for note in found.notes)


def _rng():
    return np.random.default_rng(0)
