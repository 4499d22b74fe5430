"""MarkerMap, and RankCorr, which its package holds."""

from __future__ import annotations

import sys
from types import ModuleType

from peers.shared import Labels, Peer, Values, standardised

LEARNING_RATE = 1e-3
"""Of MarkerMap. Its own search for one leaves the genes as they were drawn at the start."""

STEPS = 8
"""Of halving the interval of RankCorr's sparsity, whose panels are not of a size asked for."""


def markermap(X: Values, y: Labels, size: int, seed: int) -> Labels:
    import torch

    sys.modules.setdefault("persist", ModuleType("persist"))  # which it imports for a comparison, and no registry has
    from markermap.utils import split_data_into_dataloaders_no_test
    from markermap.vae_models import MarkerMap, train_model

    torch.manual_seed(seed)
    hidden = max(64, X.shape[1] // 10)  # "a good rule of thumb is ~10 %" of the genes
    model = MarkerMap(X.shape[1], hidden, 16, int(y.max()) + 1, size, lr=LEARNING_RATE, loss_tradeoff=0)
    cells = torch.as_tensor(standardised(X))  # as the data of its examples are
    train, judge, *_ = split_data_into_dataloaders_no_test(cells, torch.as_tensor(y), train_size=0.8)
    train_model(model, train, judge, auto_lr=False)
    return [int(gene) for gene in model.markers()]


def rankcorr(X: Values, y: Labels, size: int, seed: int) -> Labels:
    from RankCorr.rocks import Rocks

    del seed
    model = Rocks(X.astype(float), y)
    low, high = 1.0, 2.0
    while len(model.CSrankMarkers(high)) < size and high < X.shape[1]:
        low, high = high, 2 * high
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if len(model.CSrankMarkers(middle)) < size else (low, middle)
    return [int(gene) for gene in model.CSrankMarkers(high)[:size]]


PEERS = {
    "markermap": Peer(
        markermap,
        "markermap",
        "Sarwar et al., npj Systems Biology and Applications 2024; supervised, settings of its quick "
        "start; genes standardised, as in the data of its examples",
        nested=False,
        quick=False,
    ),
    "rankcorr": Peer(
        rankcorr,
        "markermap",
        "Vargo and Gilbert, BMC Bioinformatics 2020; the least sparsity that gives as many genes as wanted",
        nested=False,
    ),
}
