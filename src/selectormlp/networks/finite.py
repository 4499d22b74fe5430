"""Raise if the training of a network diverged."""

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
        Learning rate, for the message.

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
    """Make the error for a training that diverged."""
    return SettingsError(
        f"the training diverged: weights are NaN or infinite (lr={learning_rate:g}); lower the learning rate, and "
        "check whether the cells hold values that are far too large"
    )
