"""Relaxed binary gates: one gate per gene, or a mask of exactly k genes."""

from __future__ import annotations

import math

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

START_PROBABILITY = 0.99
"""Probability that a gate is open before training, as published."""

GATE_SCALE, MASK_SCALE = 1 / 2, 1 / 3
"""Ratio of parameter to logit, as published: a step of the optimiser moves the logits two and three times as far."""

START_SPREAD = 0.01
"""Standard deviation of the mask's parameters before training, large enough that slots diverge."""


class BinaryGates(nn.Module):
    """One gate per gene, open with a learned probability; samples are relaxed (binary Concrete).

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
        """Return the probability that each gate is open, shape (n_genes,)."""
        return torch.sigmoid(self.weight / GATE_SCALE)

    def sample(self, n_samples: int, temperature: float, generator: torch.Generator) -> Tensor:
        """Draw relaxed gates, shape (n_samples, n_genes), in [0, 1]."""
        uniform = torch.rand(n_samples, len(self.weight), generator=generator, device=self.weight.device)
        noise = torch.logit(uniform, eps=torch.finfo(uniform.dtype).eps)
        return torch.sigmoid((self.weight / GATE_SCALE + noise) / temperature)


class KHotMask(nn.Module):
    """A mask of k genes: k slots, each a relaxed choice of one gene; a gene is as open as its most open slot.

    A slot's sample is softmax((logits + Gumbel noise) / temperature), which tends to a single 1 as the temperature
    falls; the mask is the maximum over slots. The published program reads off the best gene of each slot, which may
    repeat a gene; :meth:`chosen` gives each slot a different gene.

    Parameters
    ----------
    n_genes
        Number of genes to choose from.
    n_chosen
        Number of slots, at most ``n_genes``.
    generator
        Random generator of the initial slots.

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
        """Return the probability of each gene in each slot, shape (n_chosen, n_genes); rows sum to 1."""
        return torch.softmax(self.weight / MASK_SCALE, dim=1)

    def probabilities(self) -> Tensor:
        """Return the probability that each gene is in any slot, shape (n_genes,), for independent slots."""
        return 1 - (1 - self.slot_probabilities()).prod(dim=0)

    def sample(self, n_samples: int, temperature: float, generator: torch.Generator) -> Tensor:
        """Draw relaxed masks, shape (n_samples, n_genes), in [0, 1]; n_samples · k · n_genes numbers are drawn."""
        waiting = torch.empty(n_samples, *self.weight.shape, device=self.weight.device)
        gumbel = waiting.exponential_(generator=generator).clamp_(min=torch.finfo(waiting.dtype).tiny).log_().neg_()
        slots = torch.softmax((self.weight / MASK_SCALE + gumbel) / temperature, dim=2)
        return slots.amax(dim=1)

    @torch.no_grad()
    def chosen(self) -> Tensor:
        """Assign a different gene to each slot, maximising the product of probabilities, shape (n_chosen,)."""
        chances = torch.log_softmax(self.weight / MASK_SCALE, dim=1).double().cpu().numpy()
        _, genes = linear_sum_assignment(chances, maximize=True)
        return torch.from_numpy(genes)

    @torch.no_grad()
    def part_shared(self) -> int:
        """Make each slot give up its likeliest gene (probability above ½) if a surer slot has it; return how many did.

        The slot continues with its next likeliest genes. The published program re-initialises such a slot, which late
        in the training leaves its gene to chance: it found 13 of 18 planted genes, this rule 18 (and so did training
        without either).
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
        """Return whether every slot is sure of its gene to within ``tolerance``, and no two share one."""
        surest, genes = self.slot_probabilities().max(dim=1)
        return bool(surest.min() > 1 - tolerance) and len(set(genes.tolist())) == len(genes)
