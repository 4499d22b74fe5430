"""The plain network, without a selection layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from selectormlp.devices import AnyDevice, Precision
from selectormlp.selectors.network import NetworkSelector


class MLP(NetworkSelector):
    """Rank genes by a plain network's first layer: Σ over hidden units of |weight|.

    Parameters are those of :class:`SelectorMLP` but for the selection layer and its penalty.

    See Also
    --------
    SelectorMLP : the parameters, and a ranking that the network itself learns.

    Examples
    --------
    >>> MLP(hidden_sizes=(64,)).get_params()["hidden_sizes"]
    (64,)
    """

    keeps_best_epoch = True

    selector_type = "none"
    penalty = None
    alpha = 0.0

    def __init__(
        self,
        n_features_to_select: int | float | None = None,
        *,
        hidden_sizes: Sequence[int] = (512, 128, 64),
        leak_angle: float = 0.2,
        dropout: float = 0.3,
        noise_std: float = 0.2,
        batch_norm: bool = False,
        lr: float = 3e-4,
        weight_decay: float = 0.3,
        max_epochs: int = 50,
        batch_size: int = 256,
        shuffle: bool = True,
        class_weight: Literal["balanced"] | Mapping[Any, float] | None = None,
        patience: int | None = None,
        device: AnyDevice = "auto",
        precision: Precision | None = None,
        memory_gb: float | None = None,
        random_state: Any = None,
        progress: bool = False,
    ) -> None:
        self.n_features_to_select = n_features_to_select
        self.hidden_sizes = hidden_sizes
        self.leak_angle = leak_angle
        self.dropout = dropout
        self.noise_std = noise_std
        self.batch_norm = batch_norm
        self.lr = lr
        self.weight_decay = weight_decay
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.class_weight = class_weight
        self.patience = patience
        self.device = device
        self.precision = precision
        self.memory_gb = memory_gb
        self.random_state = random_state
        self.progress = progress
