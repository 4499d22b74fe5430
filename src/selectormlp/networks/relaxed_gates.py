"""Gates that are 0 or 1 in the end and smooth on the way: a gate a gene, and a mask of exactly k genes."""

from __future__ import annotations

import math

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

START_PROBABILITY = 0.99
"""Chance that a gate is open before training, as published."""

GATE_SCALE, MASK_SCALE = 1 / 2, 1 / 3
"""Parameter over logit, as published: a step of the optimiser moves the logits twice and three times as far."""

START_SPREAD = 0.01
"""Standard deviation of the mask's parameters before training: enough for its slots to go different ways."""


class BinaryGates(nn.Module):
    """A gate for each gene, open with a probability that is learned; samples are relaxed (binary Concrete).

    A sample is sigmoid((logit + log u − log(1 − u)) / temperature), u uniform: near 0 or 1 when the temperature is
    low, differentiable in the logit at every temperature.

    Parameters
    ----------
    n_genes
        Number of gates; all start open with probability 0.99.

    References
    ----------
    Maddison et al., ICLR 2017 (binary Concrete); Covert et al., Nature Communications 2023, 14:2091.

    Examples
    --------
    >>> gates = BinaryGates(3)
    >>> samples = gates.sample(2, temperature=0.5, generator=torch.Generator().manual_seed(0))
    >>> samples.shape, bool(((samples >= 0) & (samples <= 1)).all())
    (torch.Size([2, 3]), True)
    """

    def __init__(self, n_genes: int) -> None:
        super().__init__()
        start = math.log(START_PROBABILITY / (1 - START_PROBABILITY)) * GATE_SCALE
        self.weight = nn.Parameter(torch.full((n_genes,), start))

    def probabilities(self) -> Tensor:
        """Return the chance that each gate is open, shape (n_genes,)."""
        return torch.sigmoid(self.weight / GATE_SCALE)

    def sample(self, n_samples: int, temperature: float, generator: torch.Generator) -> Tensor:
        """Draw relaxed gates, shape (n_samples, n_genes), in [0, 1]."""
        uniform = torch.rand(n_samples, len(self.weight), generator=generator, device=self.weight.device)
        noise = torch.logit(uniform, eps=torch.finfo(uniform.dtype).eps)
        return torch.sigmoid((self.weight / GATE_SCALE + noise) / temperature)


class KHotMask(nn.Module):
    """A mask of k genes: k slots, each a relaxed choice of one gene; a gene is as open as its most open slot.

    A slot's sample is softmax((logits + Gumbel noise) / temperature), which tends to a single 1 as the temperature
    falls; the mask is the maximum over slots. The published program reads off the best gene of each slot, which
    may be the same one twice; :meth:`chosen` gives each slot a gene of its own.

    Parameters
    ----------
    n_genes
        Number of genes to choose from.
    n_chosen
        Number of slots, at most ``n_genes``.
    generator
        Draws where the slots start.

    References
    ----------
    Maddison et al., ICLR 2017 (Concrete, eq. 10); Covert et al., Nature Communications 2023, 14:2091.

    Examples
    --------
    >>> generator = torch.Generator().manual_seed(0)
    >>> mask = KHotMask(5, 2, generator=generator)
    >>> mask.weight.data[:, 3] += 9  # both slots want gene 3
    >>> len(mask.chosen()), 3 in mask.chosen()
    (2, True)
    """

    def __init__(self, n_genes: int, n_chosen: int, *, generator: torch.Generator) -> None:
        super().__init__()
        start = torch.randn(n_chosen, n_genes, generator=generator, device=generator.device)
        self.weight = nn.Parameter(start * START_SPREAD)

    def slot_probabilities(self) -> Tensor:
        """Return the chance of each gene in each slot, shape (n_chosen, n_genes); rows sum to 1."""
        return torch.softmax(self.weight / MASK_SCALE, dim=1)

    def probabilities(self) -> Tensor:
        """Return the chance that each gene is in some slot, shape (n_genes,), the slots being independent."""
        return 1 - (1 - self.slot_probabilities()).prod(dim=0)

    def sample(self, n_samples: int, temperature: float, generator: torch.Generator) -> Tensor:
        """Draw relaxed masks, shape (n_samples, n_genes), in [0, 1]; n_samples · k · n_genes numbers are drawn."""
        waiting = torch.empty(n_samples, *self.weight.shape, device=self.weight.device)
        gumbel = waiting.exponential_(generator=generator).clamp_(min=torch.finfo(waiting.dtype).tiny).log_().neg_()
        slots = torch.softmax((self.weight / MASK_SCALE + gumbel) / temperature, dim=2)
        return slots.amax(dim=1)

    @torch.no_grad()
    def chosen(self) -> Tensor:
        """Give each slot a gene of its own such that the product of their chances is largest, shape (n_chosen,)."""
        chances = torch.log_softmax(self.weight / MASK_SCALE, dim=1).double().cpu().numpy()
        _, genes = linear_sum_assignment(chances, maximize=True)
        return torch.from_numpy(genes)

    @torch.no_grad()
    def part_shared(self) -> int:
        """Let each slot give up its likeliest gene (chance above ½) if a surer slot has it; return how many did.

        It goes on with the genes that come next. The published program draws such a slot anew, which late in the
        training is left to chance: of 18 planted genes 13 were found so, and 18 this way (and 18 with neither).
        """
        surest, genes = self.slot_probabilities().max(dim=1)
        taken: set[int] = set()
        n_parted = 0
        for slot in torch.argsort(surest, descending=True, stable=True).tolist():
            gene = int(genes[slot])
            if surest[slot] > 0.5 and gene in taken:
                self.weight[slot, gene] = self.weight[slot].min()
                n_parted += 1
            taken.add(gene)
        return n_parted

    @torch.no_grad()
    def is_settled(self, tolerance: float) -> bool:
        """Say whether every slot is sure of its gene to within ``tolerance``, and no two of the same."""
        surest, genes = self.slot_probabilities().max(dim=1)
        return bool(surest.min() > 1 - tolerance) and len(set(genes.tolist())) == len(genes)
