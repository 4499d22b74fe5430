import pytest
import torch

from selectormlp.networks.losses import PENALTIES, gene_penalty


@pytest.mark.parametrize("penalty", PENALTIES)
def test_a_penalty_grows_with_each_weight_and_does_not_see_its_sign(penalty):
    weights = torch.tensor([3.0, -4.0, 0.5])
    assert gene_penalty(-weights, penalty) == gene_penalty(weights, penalty)
    for place in range(3):
        larger = weights.clone()
        larger[place] *= 2
        assert gene_penalty(larger, penalty) > gene_penalty(weights, penalty)


@pytest.mark.parametrize(("penalty", "expected"), [("L1", 19.0), ("L2", 13.0), (None, 0.0)])
def test_the_size_of_the_penalty(penalty, expected):
    found = gene_penalty(torch.tensor([3.0, -4.0, 12.0, 0.0]), penalty)
    assert found.shape == ()
    assert float(found) == expected


def test_no_penalty_keeps_the_weights_type():
    assert gene_penalty(torch.zeros(2, dtype=torch.float64), None).dtype == torch.float64
