"""Networks whose training diverged are refused, rather than taken for results."""

from __future__ import annotations

import torch
from torch import nn

from selectormlp.errors import SettingsError


def check_finite(network: nn.Module, learning_rate: float) -> None:
    """Raise if a weight of a network is NaN or infinite.

    Parameters
    ----------
    network
        In training, or trained.
    learning_rate
        That it is trained with, for the message.

    Raises
    ------
    SettingsError
        If it diverged.

    Examples
    --------
    >>> network = nn.Linear(2, 1)
    >>> check_finite(network, 0.1)
    >>> _ = network.weight.data.fill_(float("nan"))
    >>> check_finite(network, 10.0)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    selectormlp.errors.SettingsError: the training diverged: weights are NaN or infinite (lr=10); lower ...
    """
    weights = [value.detach() for value in network.state_dict().values() if value.is_floating_point()]
    if weights and not bool(torch.stack([torch.isfinite(value).all() for value in weights]).all()):
        raise diverged(learning_rate)


def diverged(learning_rate: float) -> SettingsError:
    """Make the error that says that a training diverged."""
    return SettingsError(
        f"the training diverged: weights are NaN or infinite (lr={learning_rate:g}); lower the learning rate, and see "
        "whether the cells hold values that are far too large"
    )
