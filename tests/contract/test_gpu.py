"""The same training on CUDA and on the CPU; skipped without a CUDA device."""

import numpy as np
import pytest
import torch

from selectormlp.networks.mlp import NetworkSpec
from selectormlp.networks.module import TrainingSpec
from selectormlp.networks.training import train_network
from selectormlp.selectors.budget import BudgetSelectorMLP
from selectormlp.selectors.persist import PersistSelector, UnsupervisedPersistSelector
from selectormlp.selectors.selector_mlp import SelectorMLP

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


def cells(seed=0, *, n_cells=300, n_genes=20):
    rng = np.random.default_rng(seed)
    labels = np.arange(n_cells) % 3
    X = rng.normal(size=(n_cells, n_genes)).astype(np.float32)
    X[np.arange(n_cells), labels] += 4
    return X, labels


def weights_after(device, *, batch_norm):
    X, labels = cells()
    spec = NetworkSpec(20, 3, hidden_sizes=(16, 8), dropout=0, noise_std=0, batch_norm=batch_norm)
    training = TrainingSpec(lr=0.01, max_epochs=3, batch_size=64, seed=3, device=device)
    return train_network(X, labels, spec, training, validation=(X[:90], labels[:90]))


@pytest.mark.parametrize("batch_norm", [True, False])
def test_cuda_agrees_with_the_cpu_where_nothing_is_drawn(batch_norm):
    """A bias before a batch norm has no gradient but rounding errors, which Adam scales up: it is left out."""
    on_cpu, on_gpu = (weights_after(device, batch_norm=batch_norm) for device in ("cpu", "cuda"))
    found = on_gpu.network.state_dict()
    for name, value in on_cpu.network.state_dict().items():
        if not (batch_norm and name.endswith(("bias", "running_mean"))):
            torch.testing.assert_close(found[name], value, rtol=1e-2, atol=1e-3)
    losses = ["val_loss", "train_loss"]  # accuracies of few cells jump, and losses follow the biases a little
    np.testing.assert_allclose(on_gpu.history[losses], on_cpu.history[losses], rtol=3e-2 if batch_norm else 1e-2)


def test_the_same_seed_gives_the_same_ranking_on_cuda():
    X, labels = cells()
    settings = {"hidden_sizes": (16,), "lr": 0.02, "max_epochs": 5, "random_state": 0, "device": "cuda"}
    first, second = (SelectorMLP(**settings).fit(X, labels) for _ in range(2))
    np.testing.assert_array_equal(first.ranking_, second.ranking_)
    assert first.network_.first.weight.device.type == "cpu"


@pytest.mark.learned
def test_planted_genes_are_found_on_cuda_on_nine_of_ten_seeds():
    settings = {"hidden_sizes": (32,), "lr": 0.01, "max_epochs": 25, "batch_size": 64, "alpha": 0.01, "device": "cuda"}
    found = [
        SelectorMLP(3, random_state=seed, **settings).fit(*cells(seed)).get_support(indices=True).tolist() == [0, 1, 2]
        for seed in range(10)
    ]
    assert sum(found) >= 9


def test_cudas_random_state_is_left_as_it_was():
    before = torch.cuda.get_rng_state()
    X, labels = cells()
    SelectorMLP(hidden_sizes=(8,), max_epochs=1, device="cuda", random_state=0).fit(X, labels)
    assert torch.equal(torch.cuda.get_rng_state(), before)


@pytest.mark.parametrize("kind", [PersistSelector, UnsupervisedPersistSelector])
def test_persist_on_cuda_repeats_itself(kind):
    X, labels = cells()
    counts = np.maximum(X - 1, 0)
    settings = {"hidden_sizes": (16,), "n_candidates": 8, "selection_steps": 200, "random_state": 0, "device": "cuda"}
    before = torch.cuda.get_rng_state()
    first, second = (kind(2, **settings).fit(counts, labels) for _ in range(2))
    np.testing.assert_array_equal(first.ranking_, second.ranking_)
    np.testing.assert_array_equal(first.scores_, second.scores_)
    assert torch.equal(torch.cuda.get_rng_state(), before)


@pytest.mark.learned
def test_persist_and_budget_find_what_is_planted_on_cuda_on_nine_of_ten_seeds():
    found = {"persist": 0, "budget": 0}
    persist = {"hidden_sizes": (16,), "n_candidates": 8, "selection_steps": 200, "device": "cuda"}
    budget = {"hidden_sizes": (16,), "first_steps": 60, "steps": 5, "panel_steps": 100, "lr": 0.01, "device": "cuda"}
    for seed in range(10):
        X, labels = cells(seed)
        chosen = PersistSelector(2, random_state=seed, **persist).fit(np.maximum(X - 1, 0), labels)
        found["persist"] += set(chosen.get_support(indices=True)) <= {0, 1, 2}  # two of them tell three classes apart
        chosen = BudgetSelectorMLP(3, random_state=seed, **budget).fit(X, labels)
        found["budget"] += chosen.get_support(indices=True).tolist() == [0, 1, 2]
    assert min(found.values()) >= 9, found
