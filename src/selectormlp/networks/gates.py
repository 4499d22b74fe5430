"""The selection layer: one weight per gene."""

from __future__ import annotations

from typing import get_args

import torch
from torch import Tensor, nn

from selectormlp.networks.choices import SelectorType

SELECTOR_TYPES: tuple[str, ...] = get_args(SelectorType)

INITIAL_SPREAD = 0.2
"""Standard deviation of the weights before training, as in the published program."""


class GeneWeights(nn.Module):
    """One trainable weight per gene: x_j ↦ x_j · w_j.

    The layer is never applied to a batch. Since (x ∘ w) Wᵀ = x (W ∘ w)ᵀ, it is folded into the first weight
    matrix instead, which saves a pass over the batch and the gradient with respect to the inputs.

    Parameters
    ----------
    n_genes
        Number of genes.
    clamped
        Start from |N(0, 0.2²)| and keep the weights in [0, 1], rather than from N(0, 0.2²) and free.
    """

    def __init__(self, n_genes: int, *, clamped: bool) -> None:
        super().__init__()
        start = torch.randn(n_genes) * INITIAL_SPREAD
        self.clamped = clamped
        self.weight = nn.Parameter(start.abs().clamp_(max=1.0) if clamped else start)

    def fold_into(self, matrix: Tensor) -> Tensor:
        """Scale the columns of a weight matrix, shape (n_hidden, n_genes), by the gene weights."""
        return matrix * self.weight

    @torch.no_grad()
    def project(self) -> None:
        """Clamp the weights to their range after a step of the optimiser."""
        if self.clamped:
            self.weight.clamp_(0.0, 1.0)
