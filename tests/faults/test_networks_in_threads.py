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


@pytest.mark.parametrize("kind", [SelectorMLP, MLP, BudgetSelectorMLP])
def test_ten_trainings_in_threads_give_the_scores_that_they_give_alone(kind):
    small = {"max_epochs": 3, "hidden_sizes": (8, 6, 4), "device": "cpu"} if kind is not BudgetSelectorMLP else {}
    X, labels = cells()
    seeds = list(range(5)) * 2

    def fit(seed):
        return kind(random_state=seed, **small).fit(X, labels).scores_

    alone = {seed: fit(seed) for seed in range(5)}
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
