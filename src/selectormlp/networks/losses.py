"""Penalties on gene weights, and losses for labels and profiles."""

from __future__ import annotations

from typing import get_args

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from selectormlp.networks.choices import Penalty

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


def weighted_cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Cross entropy, each cell weighted by its class; the mean over cells (not over weights).

    Parameters
    ----------
    logits
        Shape (n_cells, n_classes).
    labels
        Class codes, shape (n_cells,).
    weights
        Weight of each class, shape (n_classes,); a mean of 1 over the cells keeps the scale of the loss.

    Returns
    -------
    A scalar, in nats a cell.

    Examples
    --------
    >>> weighted_cross_entropy(torch.zeros(2, 4), torch.tensor([0, 3]), torch.ones(4))  # log 4
    tensor(1.3863)
    """
    each = F.cross_entropy(logits, labels, reduction="none")
    return (each * weights[labels]).mean()


def squared_error(predicted: Tensor, target: Tensor) -> Tensor:
    """Squared error, summed over genes; the mean over cells. Both of shape (n_cells, n_genes); a scalar.

    Examples
    --------
    >>> squared_error(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 4.0]]))
    tensor(5.)
    """
    return (predicted - target).square().sum(dim=1).mean()


def hurdle_loss(outputs: Tensor, target: Tensor, *, zero_weight: float = 10.0) -> Tensor:
    """Hurdle loss of profiles: whether each value is zero, and its mean if not.

    Summed over genes, ``zero_weight`` · binary cross entropy of "is zero", and the squared error where expressed; the
    mean over cells. With weight 1 it is the negative log-likelihood of the hurdle model whose expressed values are
    Gaussian of variance ½, up to log(π)/2 per expressed value.

    Parameters
    ----------
    outputs
        Means of all genes, then logits of "is zero" of all genes, shape (n_cells, 2 · n_genes).
    target
        Expression, shape (n_cells, n_genes); what is above 0 is expressed.
    zero_weight
        Weight of the hurdle; 10 as published.

    Returns
    -------
    A scalar.

    References
    ----------
    Covert et al., Nature Communications 2023, 14:2091 (which interleaves means and logits).

    Examples
    --------
    >>> hurdle_loss(torch.tensor([[3.0, -50.0]]), torch.tensor([[2.0]]))  # surely expressed; the mean is 1 off
    tensor(1.)
    """
    mean, zero_logit = outputs.chunk(2, dim=1)
    is_zero = (target <= 0).to(outputs.dtype)
    hurdle = F.binary_cross_entropy_with_logits(zero_logit, is_zero, reduction="none")
    expressed = (1 - is_zero) * (target - mean).square()
    return (zero_weight * hurdle + expressed).sum(dim=1).mean()
