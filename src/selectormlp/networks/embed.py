"""Turn a network on the genes of a panel into one on all genes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from selectormlp.data.cells import FloatArray, IntArray
from selectormlp.networks.mlp import SelectorNetwork
from selectormlp.networks.threads import one_at_a_time


@torch.no_grad()
def embed(
    panel_network: SelectorNetwork, genes: IntArray, means: FloatArray, deviations: FloatArray
) -> SelectorNetwork:
    """Turn a network on standardised panel genes into one on all genes, not standardised.

    The deviations go into the gene weights, the means into the first layer's offset, and the weights of all other genes
    are zero.

    Parameters
    ----------
    panel_network
        Network with ``len(genes)`` inputs.
    genes
        Their columns among all genes.
    means, deviations
        Means and standard deviations of all genes, shape (n_genes,), by which the panel's genes were standardised.

    Returns
    -------
    A network with ``len(means)`` inputs that gives the same logits.
    """
    spec = panel_network.spec
    with one_at_a_time(), torch.random.fork_rng([]):  # initial weights are drawn here and overwritten below
        whole = SelectorNetwork(replace(spec, n_genes=len(means))).eval()
    whole.rest.load_state_dict(panel_network.rest.state_dict())
    assert whole.gates is not None and panel_network.gates is not None  # noqa: S101, PT018
    scale = torch.from_numpy((1.0 / deviations[genes]).astype(np.float32))
    shift = torch.from_numpy(means[genes].astype(np.float32))
    whole.gates.weight.zero_()
    whole.gates.weight[genes] = panel_network.gates.weight * scale
    whole.first.weight.zero_()
    whole.first.weight[:, genes] = panel_network.first.weight
    whole.first.bias.copy_(panel_network.first.bias - whole.folded_weight()[:, genes] @ shift)
    return whole
