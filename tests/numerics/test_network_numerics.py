"""Gradients, steps and folded layers against closed forms."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from selectormlp.networks.gates import GeneWeights
from selectormlp.networks.losses import gene_penalty
from selectormlp.networks.mlp import NetworkSpec, SelectorNetwork
from selectormlp.networks.module import ClassifierModule, TrainingSpec
from selectormlp.networks.training import train_network


@pytest.fixture(autouse=True)
def _own_random_state():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def network(**settings):
    spec = {"hidden_sizes": (7, 5), "dropout": 0.0, "noise_std": 0.0} | settings
    return SelectorNetwork(NetworkSpec(6, 3, **spec)).double()


def plainly(network, x, weight):
    """The published order of things: scale the inputs, then the first linear layer."""
    return network.from_first_layer(F.linear(x * weight, network.first.weight, network.first.bias))


@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_folded_selector_equals_scaled_inputs_forward_and_backward(batch_norm):
    model = network(batch_norm=batch_norm)
    x, labels = torch.randn(9, 6, dtype=torch.float64), torch.arange(9) % 3
    parameters = list(model.parameters())
    folded, plain = model(x), plainly(model, x, model.gates.weight)
    torch.testing.assert_close(folded, plain, rtol=1e-12, atol=1e-12)
    for found, expected in zip(
        torch.autograd.grad(F.cross_entropy(folded, labels), parameters),
        torch.autograd.grad(F.cross_entropy(plain, labels), parameters),
        strict=True,
    ):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_gradients_equal_finite_differences(batch_norm):
    model = network(batch_norm=batch_norm)
    x = torch.randn(5, 6, dtype=torch.float64)
    names, values = zip(*model.named_parameters(), strict=True)

    def logits(*parameters):
        return torch.func.functional_call(model, dict(zip(names, parameters, strict=True)), (x,))

    assert torch.autograd.gradcheck(logits, values)


def test_the_gradient_of_l1_is_the_sign():
    weight = torch.tensor([2.0, -0.1, 0.0, 5.0], requires_grad=True)
    (gradient,) = torch.autograd.grad(gene_penalty(weight, "L1"), weight)
    assert gradient.tolist() == [1, -1, 0, 1]


def test_the_gradient_of_l2_is_the_unit_vector():
    weight = torch.tensor([3.0, -4.0, 0.0], requires_grad=True)
    (gradient,) = torch.autograd.grad(gene_penalty(weight, "L2"), weight)
    torch.testing.assert_close(gradient, torch.tensor([0.6, -0.8, 0.0]))


@pytest.mark.parametrize("penalty", ["L1", "L2"])
def test_the_gradient_is_zero_where_all_weights_are(penalty):
    weight = torch.zeros(3, requires_grad=True)
    (gradient,) = torch.autograd.grad(gene_penalty(weight, penalty), weight)
    assert gradient.tolist() == [0, 0, 0]


@pytest.mark.parametrize("penalty", ["L1", "L2"])
def test_the_penalty_reaches_the_gene_weights_through_the_training_step(penalty):
    x, labels = torch.randn(8, 6), torch.arange(8) % 3
    gradients = {}
    for alpha in (0.0, 0.3):
        torch.manual_seed(0)
        model = network().float()
        training = TrainingSpec(penalty=penalty, alpha=alpha, seed=1)
        ClassifierModule(model, training, None, "").training_step((x, labels), 0).backward()
        gradients[alpha] = model.gates.weight.grad
    weight = model.gates.weight.detach()
    expected = 0.3 * (weight.sign() if penalty == "L1" else weight / weight.norm())
    torch.testing.assert_close(gradients[0.3] - gradients[0.0], expected, rtol=1e-4, atol=1e-6)


def test_clamped_weights_stay_between_0_and_1_while_they_are_pushed_out():
    layer = GeneWeights(6, clamped=True)
    optimiser = torch.optim.SGD(layer.parameters(), lr=1.0)
    push = torch.tensor([1.0, -1.0, 0.3, -0.3, 0.0, 2.0])
    before = layer.weight.detach().clone()
    for _ in range(8):
        optimiser.zero_grad()
        (layer.weight * push).sum().backward()
        optimiser.step()
        layer.project()
        assert 0 <= layer.weight.detach().min() <= layer.weight.detach().max() <= 1
    assert layer.weight.tolist() == [0, 1, 0, 1, before[4], 0]


def adamw_step(value, gradient, memory, *, lr, weight_decay, betas=(0.9, 0.999), eps=1e-8):
    """Loshchilov and Hutter, ICLR 2019, algorithm 2: decay apart from the gradient's moments."""
    memory["t"] += 1
    memory["m"] = betas[0] * memory["m"] + (1 - betas[0]) * gradient
    memory["v"] = betas[1] * memory["v"] + (1 - betas[1]) * gradient**2
    m, v = memory["m"] / (1 - betas[0] ** memory["t"]), memory["v"] / (1 - betas[1] ** memory["t"])
    return value * (1 - lr * weight_decay) - lr * m / (np.sqrt(v) + eps)


@pytest.mark.parametrize("penalty", ["L1", "L2", None])
@pytest.mark.parametrize("selector_type", ["std", "clamped", "none"])
def test_training_equals_a_reference_written_by_hand(penalty, selector_type):
    rng = np.random.default_rng(0)
    X, labels = rng.normal(size=(12, 4)).astype(np.float32), np.arange(12) % 3
    class_weights = np.array([1.0, 2.0, 0.5], dtype=np.float32)
    alpha, lr, weight_decay, leak = 0.4, 0.05, 0.3, 0.2
    spec = NetworkSpec(4, 3, selector_type, hidden_sizes=(5,), leak_angle=leak, dropout=0.0, noise_std=0.0)
    training = TrainingSpec(
        penalty, alpha, lr, weight_decay, max_epochs=4, batch_size=12, shuffle=False, seed=7, device="cpu"
    )
    trained = train_network(X, labels, spec, training, class_weights=class_weights).network.state_dict()

    torch.manual_seed(7)
    start = {name: value.double().numpy() for name, value in SelectorNetwork(spec).state_dict().items()}
    w = start.pop("gates.weight", None)
    W1, b1, W2, b2 = start.values()
    values = {"W1": W1, "b1": b1, "W2": W2, "b2": b2} | ({} if w is None else {"w": w})
    memories = {name: {"t": 0, "m": 0.0, "v": 0.0} for name in values}
    x, share = X.astype(np.float64), class_weights[labels] / class_weights[labels].sum()
    for _ in range(4):
        scaled = x if w is None else x * values["w"]
        hidden = scaled @ values["W1"].T + values["b1"]
        active = np.where(hidden > 0, hidden, leak * hidden)
        logits = active @ values["W2"].T + values["b2"]
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        d_logits = (p / p.sum(axis=1, keepdims=True) - np.eye(3)[labels]) * share[:, None]
        d_hidden = d_logits @ values["W2"] * np.where(hidden > 0, 1, leak)
        gradients = {"W1": d_hidden.T @ scaled, "b1": d_hidden.sum(axis=0)}
        gradients |= {"W2": d_logits.T @ active, "b2": d_logits.sum(axis=0)}
        if w is not None:
            size = {"L1": np.sign(values["w"]), "L2": values["w"] / np.linalg.norm(values["w"]), None: 0.0}[penalty]
            gradients["w"] = ((d_hidden @ values["W1"]) * x).sum(axis=0) + alpha * size
        for name, gradient in gradients.items():
            values[name] = adamw_step(values[name], gradient, memories[name], lr=lr, weight_decay=weight_decay)
        if selector_type == "clamped":
            values["w"] = values["w"].clip(0, 1)

    order = (["w"] if w is not None else []) + ["W1", "b1", "W2", "b2"]
    for (name, found), key in zip(trained.items(), order, strict=True):
        # float32, and AdamW's first steps divide small gradients by their own size
        np.testing.assert_allclose(found.numpy(), values[key], rtol=1e-3, atol=1e-4, err_msg=name)
