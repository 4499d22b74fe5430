from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch import nn

from selectormlp.data.batches import EVALUATION_BATCH
from selectormlp.networks.mlp import Dropout, NetworkSpec, SelectorNetwork, predict_logits

SPEC = NetworkSpec(6, 3, hidden_sizes=(5, 4), dropout=0.0, noise_std=0.0)


@pytest.fixture(autouse=True)
def _own_random_state():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def kinds(network):
    return [type(layer) for layer in network.rest]


def test_the_published_shape_is_the_default():
    network = SelectorNetwork(NetworkSpec(50, 7))
    sizes = [(layer.in_features, layer.out_features) for layer in network.modules() if isinstance(layer, nn.Linear)]
    assert sizes == [(50, 512), (512, 128), (128, 64), (64, 7)]
    assert kinds(network) == [nn.LeakyReLU, Dropout, nn.Linear] * 3
    assert {layer.negative_slope for layer in network.rest if isinstance(layer, nn.LeakyReLU)} == {0.2}
    assert {layer.p for layer in network.rest if isinstance(layer, nn.Dropout)} == {0.3}
    assert network.spec.noise_std == 0.2
    assert network.gates is not None
    assert not network.gates.clamped


@pytest.mark.parametrize("hidden_sizes", [(4,), (8, 4), (6, 5, 4, 3)])
def test_hidden_sizes_are_honoured(hidden_sizes):
    network = SelectorNetwork(replace(SPEC, hidden_sizes=hidden_sizes))
    widths = [layer.out_features for layer in network.modules() if isinstance(layer, nn.Linear)]
    assert widths == [*hidden_sizes, 3]
    assert network(torch.randn(7, 6)).shape == (7, 3)


def test_batch_norm_adds_a_layer_behind_every_hidden_linear():
    network = SelectorNetwork(replace(SPEC, batch_norm=True))
    assert kinds(network) == [nn.BatchNorm1d, nn.LeakyReLU, Dropout, nn.Linear] * 2
    assert [layer.num_features for layer in network.rest if isinstance(layer, nn.BatchNorm1d)] == [5, 4]


def test_the_selection_layer_follows_the_selector_type():
    assert SelectorNetwork(replace(SPEC, selector_type="none")).gates is None
    assert SelectorNetwork(replace(SPEC, selector_type="clamped")).gates.clamped


def test_the_leak_angle_is_the_slope_below_zero():
    network = SelectorNetwork(replace(SPEC, hidden_sizes=(1,), leak_angle=0.5)).eval()
    last = network.rest[-1]
    below = network.from_first_layer(torch.tensor([[-2.0]]))
    torch.testing.assert_close(below, last.weight.T * -1.0 + last.bias)


def test_noise_is_added_to_the_inputs_while_training_only():
    x = torch.randn(40, 6)
    original = x.clone()
    network = SelectorNetwork(replace(SPEC, noise_std=0.5))
    assert not torch.equal(network(x), network(x))
    assert torch.equal(x, original)
    torch.manual_seed(1)
    noisy = network(x)
    torch.manual_seed(1)
    torch.testing.assert_close(network.eval()(x + 0.5 * torch.randn(40, 6)), noisy)
    assert torch.equal(network(x), network(x))


def test_dropout_drops_while_training_only():
    network = SelectorNetwork(replace(SPEC, dropout=0.5))
    x = torch.randn(40, 6)
    assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))


def test_without_noise_and_dropout_training_is_deterministic():
    network = SelectorNetwork(SPEC)
    x = torch.randn(40, 6)
    assert torch.equal(network(x), network(x))


def test_gene_scores_are_the_absolute_selector_weights():
    network = SelectorNetwork(SPEC)
    network.gates.weight.data = torch.tensor([1.0, -2, 0, 3, -0.5, 0])
    assert network.gene_scores().tolist() == [1, 2, 0, 3, 0.5, 0]
    assert not network.gene_scores().requires_grad


def test_without_a_selector_scores_are_sums_over_the_first_layer():
    network = SelectorNetwork(replace(SPEC, selector_type="none"))
    np.testing.assert_allclose(
        network.gene_scores().numpy(), np.abs(network.first.weight.detach().numpy()).sum(axis=0), rtol=1e-6
    )


@pytest.mark.parametrize("n_cells", [1, EVALUATION_BATCH, EVALUATION_BATCH + 1])
@pytest.mark.parametrize("make", [np.array, sp.csr_array], ids=["dense", "csr"])
def test_logits_of_all_batches_are_those_of_one(n_cells, make):
    network = SelectorNetwork(replace(SPEC, dropout=0.5, noise_std=1.0, batch_norm=True))
    X = np.random.default_rng(0).normal(size=(n_cells, 6)).astype(np.float32)
    found = predict_logits(network, make(X))
    assert not network.training
    assert not found.requires_grad
    torch.testing.assert_close(found, network(torch.from_numpy(X)).detach())


@pytest.mark.parametrize("p", [0.3, 0.5])
def test_dropout_drops_its_share_and_keeps_the_mean(p):
    torch.default_generator.manual_seed(0)
    x = torch.ones(1000, 1001, requires_grad=True)  # a number of units that is no multiple of 4
    dropped = Dropout(p)(x)
    share = float((dropped == 0).double().mean())
    assert share == pytest.approx(p, abs=0.002)
    assert dropped.detach()[dropped > 0].unique().tolist() == pytest.approx([1 / (1 - round(p * 2**16) / 2**16)], 1e-6)
    dropped.sum().backward()
    torch.testing.assert_close(x.grad, dropped.detach())
    kept = (dropped.detach() != 0).double()
    assert abs(float((kept[:, 1:] * kept[:, :-1]).mean()) - (1 - p) ** 2) < 0.003  # neighbours are independent


def test_dropout_of_nearly_all_units_stays_finite():
    assert torch.isfinite(Dropout(0.999999)(torch.ones(1000, 100))).all()


def test_dropout_is_off_in_evaluation():
    x = torch.ones(3, 5)
    assert torch.equal(Dropout(0.5).eval()(x), x)
    assert torch.equal(Dropout(0.0)(x), x)
