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


def weights_after(device, **settings):
    X, labels = cells()
    spec = NetworkSpec(20, 3, hidden_sizes=(16, 8), dropout=0, noise_std=0, batch_norm=True)
    training = TrainingSpec(lr=0.01, max_epochs=3, batch_size=64, seed=3, device=device, **settings)
    return train_network(X, labels, spec, training, validation=(X[:90], labels[:90]))


def test_cuda_agrees_with_the_cpu_where_nothing_is_drawn():
    on_cpu, on_gpu = weights_after("cpu"), weights_after("cuda")
    for name, value in on_cpu.network.state_dict().items():
        torch.testing.assert_close(on_gpu.network.state_dict()[name], value, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(on_gpu.history, on_cpu.history, rtol=1e-2, atol=1e-2)


def test_the_same_seed_gives_the_same_ranking_on_cuda():
    X, labels = cells()
    settings = {"hidden_sizes": (16,), "lr": 0.02, "max_epochs": 5, "random_state": 0, "device": "cuda"}
    first, second = (SelectorMLP(**settings).fit(X, labels) for _ in range(2))
    np.testing.assert_array_equal(first.ranking_, second.ranking_)
    assert sorted(first.ranking_[:3]) == [1, 2, 3]
    assert first.network_.first.weight.device.type == "cpu"


def test_cudas_random_state_is_left_as_it_was():
    before = torch.cuda.get_rng_state()
    X, labels = cells()
    SelectorMLP(hidden_sizes=(8,), max_epochs=1, device="cuda", random_state=0).fit(X, labels)
    assert torch.equal(torch.cuda.get_rng_state(), before)


@pytest.mark.parametrize("kind", [PersistSelector, UnsupervisedPersistSelector])
def test_persist_on_cuda_repeats_itself_and_finds_what_is_planted(kind):
    X, labels = cells()
    counts = np.maximum(X - 1, 0)
    settings = {"hidden_sizes": (16,), "n_candidates": 8, "selection_steps": 200, "random_state": 0, "device": "cuda"}
    before = torch.cuda.get_rng_state()
    first, second = (kind(2, **settings).fit(counts, labels) for _ in range(2))
    np.testing.assert_array_equal(first.ranking_, second.ranking_)
    np.testing.assert_array_equal(first.scores_, second.scores_)
    assert torch.equal(torch.cuda.get_rng_state(), before)
    if kind is PersistSelector:
        assert set(first.get_support(indices=True)) <= {0, 1, 2}  # two of them tell three classes apart


def test_a_budget_is_kept_on_cuda():
    X, labels = cells()
    model = BudgetSelectorMLP(3, device="cuda", random_state=0).fit(X, labels)
    assert model.get_support(indices=True).tolist() == [0, 1, 2]
    assert model.score(X, labels) > 0.95
