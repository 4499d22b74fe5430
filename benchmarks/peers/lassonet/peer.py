"""LassoNet."""

from __future__ import annotations

from peers.shared import Labels, Peer, Values, best_first, standardised


def lassonet(X: Values, y: Labels, size: int, seed: int) -> Labels:
    from lassonet import LassoNetClassifier

    del size
    model = LassoNetClassifier(verbose=0, random_state=seed, torch_seed=seed)
    model.path(standardised(X), y)
    return best_first(model.feature_importances_.numpy())


PEERS = {
    "lassonet": Peer(
        lassonet,
        "lassonet",
        "Lemhadri et al., JMLR 2021; genes standardised; ranked by when they leave the path",
        quick=False,
    )
}
