"""Losses against their likelihoods, gradients against differences, masks against their limits, and planted genes."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import log_loss
from torch.autograd import gradcheck

from selectormlp.networks.losses import hurdle_loss, squared_error, weighted_cross_entropy
from selectormlp.networks.relaxed_gates import BinaryGates, KHotMask
from selectormlp.selectors.persist import PersistSelector, UnsupervisedPersistSelector


@pytest.fixture(autouse=True)
def _own_random_state():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_hurdle_loss_is_the_likelihood_where_weight_is_1_and_variance_a_half():
    rng = np.random.default_rng(0)
    target = rng.gamma(1.0, 2.0, size=(30, 7)) * (rng.random((30, 7)) < 0.4)
    mean, logit = rng.normal(size=(2, 30, 7))
    outputs = torch.from_numpy(np.hstack([mean, logit]))
    found = float(hurdle_loss(outputs, torch.from_numpy(target), zero_weight=1.0))
    p_zero = 1 / (1 + np.exp(-logit))
    expressed = target > 0
    density = np.where(expressed, (1 - p_zero) * stats.norm.pdf(target, mean, math.sqrt(0.5)), p_zero)
    constant = expressed.sum() * math.log(math.pi) / 2  # of the Gaussian's norm
    assert found == pytest.approx((-np.log(density).sum() - constant) / 30, rel=1e-12)


def test_hurdle_weighs_the_question_of_zero_only():
    outputs, target = torch.randn(4, 6, dtype=torch.float64), torch.rand(4, 3, dtype=torch.float64)
    one, two, ten = (float(hurdle_loss(outputs, target, zero_weight=weight)) for weight in (1.0, 2.0, 10.0))
    assert ten - one == pytest.approx(9 * (two - one))


def test_cross_entropy_is_scikit_learns():
    rng = np.random.default_rng(0)
    logits, labels, weights = rng.normal(size=(40, 3)), np.arange(40) % 3, np.array([0.5, 1.0, 3.0])
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = log_loss(labels, chances, sample_weight=weights[labels]) * weights[labels].mean()
    found = weighted_cross_entropy(*map(torch.from_numpy, (logits, labels, weights)))
    assert float(found) == pytest.approx(expected, rel=1e-12)


def test_gradients_of_the_losses():
    outputs = torch.randn(5, 6, dtype=torch.float64, requires_grad=True)
    target = torch.rand(5, 3, dtype=torch.float64) * torch.tensor([0.0, 1.0, 1.0])
    labels, weights = torch.arange(5) % 6, torch.rand(6, dtype=torch.float64)
    assert gradcheck(lambda out: hurdle_loss(out, target), (outputs,))
    assert gradcheck(lambda out: squared_error(out[:, :3], target), (outputs,))
    assert gradcheck(lambda out: weighted_cross_entropy(out, labels, weights), (outputs,))


@pytest.mark.parametrize("temperature", [10.0, 1.0, 0.3])
def test_gradients_of_samples(temperature):
    def of_gates(weight):
        gates = BinaryGates(4).double()
        del gates.weight
        gates.weight = weight
        return gates.sample(3, temperature, generator())

    def of_mask(weight):
        mask = KHotMask(5, 2, generator=generator()).double()
        del mask.weight
        mask.weight = weight
        return mask.sample(3, temperature, generator())

    assert gradcheck(of_gates, (torch.randn(4, dtype=torch.float64, requires_grad=True),), atol=1e-4, eps=1e-5)
    assert gradcheck(of_mask, (torch.randn(2, 5, dtype=torch.float64, requires_grad=True),), atol=1e-4, eps=1e-5)


@pytest.mark.parametrize("temperature", [10.0, 1.0, 0.1])
def test_gradients_of_gates_and_mask_are_not_zero(temperature):
    gates, mask = BinaryGates(20), KHotMask(20, 3, generator=generator())
    weights = torch.randn(20)
    for layer in (gates, mask):
        (layer.sample(64, temperature, generator()) * weights).sum().backward()
        assert (layer.weight.grad.abs().sum(dim=0) if layer is mask else layer.weight.grad.abs()).min() > 0


def test_mask_tends_to_k_hot_as_the_temperature_falls():
    mask = KHotMask(40, 4, generator=generator())
    mask.weight.data += 3 * torch.randn(4, 40)
    distance = []
    for temperature in (10.0, 1.0, 0.1, 0.01):
        samples = mask.sample(200, temperature, generator()).detach()
        distance.append(float(torch.minimum(samples, 1 - samples).max(dim=1).values.mean()))
    assert distance[1] > distance[2] > distance[3]
    assert distance[3] < 0.02
    assert samples.round().sum(dim=1).max() == 4  # slots may share a gene, never more than k
    assert samples.round().sum(dim=1).min() >= 1


def planted(seed, *, n_cells=200, n_genes=110):
    """Four types; genes 5, 50 and 100 are on in one each of three, the others at random."""
    rng = np.random.default_rng(seed)
    types = np.arange(n_cells) % 4
    rate = np.full((n_cells, n_genes), 0.4)
    for kind, gene in enumerate((5, 50, 100)):
        rate[types == kind, gene] = 5.0
    return rng.poisson(rate).astype(np.float32), types


@pytest.mark.learned
def test_planted_genes_are_found_on_9_of_10_seeds_and_shuffled_labels_give_chance():
    found = shuffled = 0
    for seed in range(10):
        X, types = planted(seed)
        settings = {"hidden_sizes": (16,), "n_candidates": 30, "random_state": seed}
        settings |= {"elimination_steps": 80, "selection_steps": 120}
        found += set(PersistSelector(3, **settings).fit(X, types).get_support(indices=True)) == {5, 50, 100}
        if seed < 2:
            types = np.random.default_rng(seed).permutation(types)
            chosen = PersistSelector(3, **settings).fit(X, types).get_support(indices=True)
            shuffled += len({5, 50, 100} & set(chosen))
    assert found >= 9
    assert shuffled <= 1


@pytest.mark.learned
@pytest.mark.parametrize("loss", ["hurdle", "mse"])
def test_unsupervised_takes_one_gene_of_each_programme(loss):
    found = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        programmes = rng.integers(0, 2, size=(300, 3))
        X = rng.poisson(0.2 + 5 * programmes[:, np.repeat([0, 1, 2], 8)])
        X = np.log1p(np.hstack([X, rng.poisson(0.4, size=(300, 26))]))
        selector = UnsupervisedPersistSelector(3, loss=loss, hidden_sizes=(32,), selection_steps=200, random_state=seed)
        found += sorted(selector.fit(X).get_support(indices=True) // 8) == [0, 1, 2]
    assert found >= 9
