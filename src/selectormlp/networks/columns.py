"""Remove columns from a network during training."""

from __future__ import annotations

import torch
from torch import nn

from selectormlp.data.cells import IntArray


def keep_columns(optimiser: torch.optim.Optimizer, module: nn.Module, kept: IntArray, *, dim: int) -> None:
    """Keep some positions of a module's ``weight`` and of its optimiser state.

    Parameters
    ----------
    optimiser
        Trains the module.
    module
        Its parameter ``weight`` is replaced.
    kept
        Positions along the dimension, shape (n_kept,).
    dim
        Which dimension of the weight.
    """
    old = module.get_parameter("weight")
    positions = torch.from_numpy(kept).to(old.device)
    new = nn.Parameter(old.detach().index_select(dim, positions))
    state = optimiser.state.pop(old, {})
    for name, value in state.items():
        if torch.is_tensor(value) and value.shape == old.shape:
            state[name] = value.index_select(dim, positions)
    optimiser.state[new] = state
    for group in optimiser.param_groups:
        group["params"] = [new if parameter is old else parameter for parameter in group["params"]]
    module.weight = new
