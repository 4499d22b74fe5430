"""Targets of a network with gates, and the cells it reads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal, get_args

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from selectormlp.data.batches import dense_rows
from selectormlp.data.cells import AnyFloatArray, IntArray, Matrix
from selectormlp.networks.losses import hurdle_loss, squared_error, weighted_cross_entropy

ProfileLoss = Literal["hurdle", "mse"]

PROFILE_LOSSES: tuple[str, ...] = get_args(ProfileLoss)

MAX_BYTES = 1 << 30
"""A matrix up to this size is kept dense on the device; a larger one is made dense batch by batch."""


class CellRows:
    """Cells × genes, from which batches are taken as dense tensors on a device.

    Parameters
    ----------
    X
        Shape (n_cells, n_genes), dense or CSR; not altered.
    device
        Device of the batches.
    """

    def __init__(self, X: Matrix, device: torch.device) -> None:
        self.device = device
        self.n_cells, self.n_genes = map(int, X.shape)
        self._resident: Tensor | None = None
        self._X = X
        if self.n_cells * self.n_genes * 4 <= MAX_BYTES:
            self._resident = dense_rows(X, slice(None)).to(device)

    def take(self, rows: IntArray) -> Tensor:
        """Return some cells, shape (n_rows, n_genes), float32."""
        if self._resident is None:
            return dense_rows(self._X, rows).to(self.device)
        return self._resident[torch.from_numpy(rows).to(self.device)]

    def columns(self, kept: IntArray) -> CellRows:
        """Return the same cells with some genes only, in the order given."""
        few = object.__new__(CellRows)
        few.device, few.n_cells, few.n_genes, few._X = self.device, self.n_cells, len(kept), self._X
        few._resident = None
        if self._resident is not None:
            few._resident = self._resident[:, torch.from_numpy(kept).to(self.device)]
            return few
        return CellRows(sp.csr_array(self._X[:, kept]) if sp.issparse(self._X) else self._X[:, kept], self.device)


class Targets(ABC):
    """Target to predict for each cell (abstract).

    Attributes
    ----------
    n_outputs
        Outputs of the network.
    """

    n_outputs: int

    @abstractmethod
    def loss(self, outputs: Tensor, rows: IntArray) -> Tensor:
        """Score the outputs for some cells, shape (n_rows, n_outputs), as a scalar."""


class LabelTargets(Targets):
    """Classes, with weighted cross entropy.

    Parameters
    ----------
    codes
        Class of each cell, shape (n_cells,).
    weights
        Weight of each class, shape (n_classes,).
    device
        Device of the outputs.
    """

    def __init__(self, codes: IntArray, weights: AnyFloatArray, device: torch.device) -> None:
        self.n_outputs = len(weights)
        self._codes = torch.from_numpy(codes).to(device)
        self._weights = torch.from_numpy(weights.astype(np.float32)).to(device)

    def loss(self, outputs: Tensor, rows: IntArray) -> Tensor:
        """Score logits, shape (n_rows, n_classes)."""
        labels = self._codes[torch.from_numpy(rows).to(self._codes.device)]
        return weighted_cross_entropy(outputs, labels, self._weights)


class ProfileTargets(Targets):
    """Whole profiles, with the hurdle loss or the squared error.

    Parameters
    ----------
    profiles
        Expression to be predicted, shape (n_cells, n_target_genes).
    loss
        ``"hurdle"`` (two outputs per gene) or ``"mse"`` (one).
    zero_weight
        Weight of the hurdle.
    """

    def __init__(self, profiles: CellRows, loss: ProfileLoss, zero_weight: float) -> None:
        self._profiles = profiles
        self._loss = loss
        self._zero_weight = zero_weight
        self.n_outputs = profiles.n_genes * (2 if loss == "hurdle" else 1)

    def loss(self, outputs: Tensor, rows: IntArray) -> Tensor:
        """Score outputs, shape (n_rows, n_outputs)."""
        target = self._profiles.take(rows)
        if self._loss == "mse":
            return squared_error(outputs, target)
        return hurdle_loss(outputs, target, zero_weight=self._zero_weight)
