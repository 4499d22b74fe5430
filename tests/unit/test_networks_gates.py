import pytest
import torch

from selectormlp.networks.gates import INITIAL_SPREAD, SELECTOR_TYPES, GeneWeights


def gates(*, clamped, n_genes=20_000):
    torch.manual_seed(0)
    return GeneWeights(n_genes, clamped=clamped)


@pytest.fixture(autouse=True)
def _own_random_state():
    with torch.random.fork_rng():
        yield


def test_the_names_are_the_published_ones():
    assert SELECTOR_TYPES == ("std", "clamped", "none")


def test_free_weights_start_normal():
    layer = gates(clamped=False)
    assert layer.weight.requires_grad
    weight = layer.weight.detach()
    assert float(weight.std()) == pytest.approx(INITIAL_SPREAD, rel=0.03)
    assert abs(float(weight.mean())) < 0.01
    assert float(weight.min()) < -0.5


def test_clamped_weights_start_as_the_absolute_values_of_the_same_draw():
    free, clamped = gates(clamped=False).weight.detach(), gates(clamped=True).weight.detach()
    assert torch.equal(clamped, free.abs())
    assert float(clamped.max()) <= 1


@pytest.mark.parametrize(("clamped", "expected"), [(True, [0.0, 0.5, 1.0]), (False, [-2.0, 0.5, 3.0])])
def test_only_clamped_weights_are_brought_back(clamped, expected):
    layer = gates(clamped=clamped, n_genes=3)
    layer.weight.data = torch.tensor([-2.0, 0.5, 3.0])
    layer.project()
    assert layer.weight.tolist() == expected


def test_folding_scales_columns():
    layer = gates(clamped=False, n_genes=3)
    layer.weight.data = torch.tensor([2.0, 0.0, -1.0])
    assert layer.fold_into(torch.ones(2, 3)).tolist() == [[2, 0, -1]] * 2
