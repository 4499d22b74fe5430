"""The penalties on gene weights, as pure functions."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

Penalty = Literal["L1", "L2"]

PENALTIES: tuple[str, ...] = get_args(Penalty)


def gene_penalty(weight: Tensor, penalty: Penalty | None) -> Tensor:
    """Penalty on the gene weights: Σ|w| (L1), √Σw² (L2), or 0.

    Parameters
    ----------
    weight
        Gene weights, shape (n_genes,).
    penalty
        Which one, or None.

    Returns
    -------
    A scalar; differentiable, with gradient 0 where all weights are 0.

    Examples
    --------
    >>> gene_penalty(torch.tensor([3.0, -4.0]), "L1"), gene_penalty(torch.tensor([3.0, -4.0]), "L2")
    (tensor(7.), tensor(5.))
    """
    if penalty is None:
        return weight.new_zeros(())
    size: Tensor = torch.linalg.vector_norm(weight, ord=1 if penalty == "L1" else 2)
    return size
