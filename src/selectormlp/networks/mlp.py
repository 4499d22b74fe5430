"""The classifier network, with or without a selection layer in front."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812  # the name that PyTorch users expect
from torch import Tensor, nn

from selectormlp.data.batches import dense_batches
from selectormlp.data.cells import Matrix
from selectormlp.data.stored import StoredMatrix
from selectormlp.networks.choices import SelectorType
from selectormlp.networks.gates import GeneWeights


@dataclass(frozen=True)
class NetworkSpec:
    """The shape of a network.

    Attributes
    ----------
    n_genes, n_classes
        Numbers of inputs and outputs.
    selector_type
        The selection layer: ``"std"``, ``"clamped"`` or ``"none"``.
    hidden_sizes
        Units of each hidden layer, at least one layer.
    leak_angle
        Slope of the leaky ReLU below 0.
    dropout
        Fraction of hidden units dropped while training, in [0, 1).
    noise_std
        Standard deviation of the Gaussian noise added to the inputs while training, in the units of X.
    batch_norm
        Whether each hidden layer is batch-normalised.
    """

    n_genes: int
    n_classes: int
    selector_type: SelectorType = "std"
    hidden_sizes: tuple[int, ...] = (512, 128, 64)
    leak_angle: float = 0.2
    dropout: float = 0.3
    noise_std: float = 0.2
    batch_norm: bool = False


class Dropout(nn.Dropout):
    """Dropout from 16 random bits per unit on a CPU, where PyTorch's own takes as long as a matrix product.

    The probability is rounded to a multiple of 2⁻¹⁶, and kept units are scaled by the exact share kept.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Set units to zero with probability ``p`` while training; any shape."""
        if x.device.type != "cpu" or not self.training or self.p == 0:
            return super().forward(x)
        dropped = min(round(self.p * 2**16), 2**16 - 1)
        words = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
        bits = words.view(torch.int16)[: x.numel()].view(x.shape)
        return x * (bits >= dropped - 2**15).to(x.dtype).mul_(2**16 / (2**16 - dropped))


class SelectorNetwork(nn.Module):
    """x → gene weights → hidden layers [linear → batch norm → leaky ReLU → dropout] → linear to classes.

    Parameters
    ----------
    spec
        Its shape.
    """

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        self.spec = spec
        has_selector = spec.selector_type != "none"
        self.gates = GeneWeights(spec.n_genes, clamped=spec.selector_type == "clamped") if has_selector else None
        sizes = spec.hidden_sizes
        self.first = nn.Linear(spec.n_genes, sizes[0])
        rest: list[nn.Module] = []
        for size, following in zip(sizes, [*sizes[1:], spec.n_classes], strict=True):
            if spec.batch_norm:
                rest.append(nn.BatchNorm1d(size))
            rest += [nn.LeakyReLU(spec.leak_angle), Dropout(spec.dropout), nn.Linear(size, following)]
        self.rest = nn.Sequential(*rest)

    def forward(self, x: Tensor) -> Tensor:
        """Score the classes: (n_cells, n_genes) → logits (n_cells, n_classes)."""
        if self.training and self.spec.noise_std > 0:
            x = torch.empty_like(x).normal_(std=self.spec.noise_std).add_(x)
        return self.from_first_layer(F.linear(x, self.folded_weight(), self.first.bias))

    def from_first_layer(self, activations: Tensor) -> Tensor:
        """Continue from the first layer's output before its nonlinearity, (n_cells, n_hidden) → logits."""
        logits: Tensor = self.rest(activations)
        return logits

    def folded_weight(self) -> Tensor:
        """Return the first layer's weights with the gene weights folded in, shape (n_hidden, n_genes)."""
        return self.first.weight if self.gates is None else self.gates.fold_into(self.first.weight)

    def gene_scores(self) -> Tensor:
        """Score the genes, shape (n_genes,): |w|, or without a selector Σ over hidden units of |weight|."""
        return (self.gates.weight.abs() if self.gates is not None else self.first.weight.abs().sum(dim=0)).detach()


@torch.inference_mode()
def predict_logits(network: SelectorNetwork, X: Matrix | StoredMatrix) -> Tensor:
    """Score the classes of every cell in evaluation mode, batch by batch.

    Parameters
    ----------
    network
        On any device; left in evaluation mode.
    X
        Expression, shape (n_cells, n_genes): dense, CSR, or on disk.

    Returns
    -------
    Logits on the CPU, shape (n_cells, n_classes).
    """
    network.eval()
    device = network.first.weight.device
    return torch.cat([network(batch.to(device)).cpu() for batch in dense_batches(X)])
