"""Networks that are trained in threads: the same genes as alone, and nothing global changed."""

import logging
import threading
import warnings

import numpy as np
import pytest
import torch

from selectormlp.selectors.budget import BudgetSelectorMLP
from selectormlp.selectors.mlp import MLP
from selectormlp.selectors.selector_mlp import SelectorMLP


def cells():
    rng = np.random.default_rng(0)
    labels = np.repeat(["B", "NK", "T"], 20)
    X = rng.poisson(2.0, (60, 12)).astype(np.float32)
    X[:20, 0] += 9
    X[20:40, 1] += 9
    return X, labels


SMALL = {"max_epochs": 2, "hidden_sizes": (8, 6, 4), "device": "cpu"}
FEW_STEPS = {"n_networks": 2, "first_steps": 20, "steps": 2, "panel_steps": 20, "hidden_sizes": (8,), "device": "cpu"}


@pytest.mark.parametrize(
    ("kind", "small", "n_seeds"),
    [
        (SelectorMLP, SMALL, 2),
        pytest.param(SelectorMLP, SMALL, 5, marks=pytest.mark.slow),
        pytest.param(MLP, SMALL, 5, marks=pytest.mark.slow),
        pytest.param(BudgetSelectorMLP, FEW_STEPS, 5, marks=pytest.mark.slow),
    ],
)
def test_trainings_in_threads_give_the_scores_that_they_give_alone(kind, small, n_seeds):
    X, labels = cells()
    seeds = list(range(n_seeds)) * 2

    def fit(seed):
        return kind(random_state=seed, **small).fit(X, labels).scores_

    alone = {seed: fit(seed) for seed in range(n_seeds)}
    names = ("lightning", "lightning.pytorch", "lightning.fabric")
    before = (list(warnings.filters), [logging.getLogger(name).level for name in names], torch.get_num_threads())
    state = torch.get_rng_state()
    found = {}
    threads = [threading.Thread(target=lambda i=i, s=s: found.update({i: fit(s)})) for i, s in enumerate(seeds)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for place, seed in enumerate(seeds):
        np.testing.assert_array_equal(found[place], alone[seed])
    assert torch.equal(torch.get_rng_state(), state)
    after = (list(warnings.filters), [logging.getLogger(name).level for name in names], torch.get_num_threads())
    assert after == before
