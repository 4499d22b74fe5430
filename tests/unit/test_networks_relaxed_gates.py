import numpy as np
import pytest
import torch

from selectormlp.networks.relaxed_gates import START_PROBABILITY, BinaryGates, KHotMask


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_gates_start_open():
    chances = BinaryGates(4).probabilities()
    torch.testing.assert_close(chances, torch.full((4,), START_PROBABILITY))


def test_samples_of_gates_are_of_the_generator_alone():
    gates = BinaryGates(50)
    before = torch.get_rng_state()
    first, second = (gates.sample(20, 0.5, generator(3)) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, gates.sample(20, 0.5, generator(4)))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_cold_samples_are_open_as_often_as_the_gate_says(probability):
    gates = BinaryGates(1)
    gates.weight.data[:] = torch.logit(torch.tensor(probability)) / 2
    samples = gates.sample(20_000, 1e-3, generator()).detach()
    assert float(samples.mean()) == pytest.approx(probability, abs=0.01)
    assert float(torch.minimum(samples, 1 - samples).mean()) < 0.01


def test_a_mask_is_no_smaller_than_any_slot_and_within_bounds():
    mask = KHotMask(9, 3, generator=generator())
    samples = mask.sample(40, 1.0, generator()).detach()
    assert samples.shape == (40, 9)
    assert float(samples.min()) >= 0
    assert float(samples.max()) <= 1
    assert float(samples.sum(dim=1).min()) >= 1  # the largest entries of a slot that sums to 1, over slots
    assert float(samples.sum(dim=1).max()) <= 3


def test_slots_start_at_different_genes_in_part():
    mask = KHotMask(200, 5, generator=generator())
    assert len(set(mask.weight.argmax(dim=1).tolist())) > 1
    torch.testing.assert_close(mask.slot_probabilities().sum(dim=1), torch.ones(5))
    assert float(mask.probabilities().detach().sum()) == pytest.approx(5, rel=0.05)


@pytest.mark.parametrize("n_chosen", [1, 4, 5])
def test_each_slot_gets_a_gene_of_its_own(n_chosen):
    mask = KHotMask(5, n_chosen, generator=generator())
    mask.weight.data[:, 2] += 10
    chosen = mask.chosen().tolist()
    assert len(set(chosen)) == n_chosen
    assert 2 in chosen


def test_slots_that_share_a_gene_part_but_the_surest():
    mask = KHotMask(6, 3, generator=generator())
    mask.weight.data[:] = 0
    mask.weight.data[0, 1], mask.weight.data[0, 5] = 3, 2
    mask.weight.data[1, 1], mask.weight.data[2, 4] = 5, 2
    before = mask.weight.detach().clone()
    assert mask.part_shared() == 1
    assert torch.equal(mask.weight[1:], before[1:])
    assert mask.weight[0].argmax() == 5  # its second best
    assert mask.part_shared() == 0


def test_settled_means_sure_and_distinct():
    mask = KHotMask(6, 2, generator=generator())
    assert not mask.is_settled(0.01)
    mask.weight.data[0, 1] = mask.weight.data[1, 1] = 9
    assert not mask.is_settled(0.01)
    mask.weight.data[1, 1], mask.weight.data[1, 3] = 0, 9
    assert mask.is_settled(0.01)
    np.testing.assert_array_equal(np.sort(mask.chosen().numpy()), [1, 3])
