"""Minimum redundancy, maximum relevance."""

from __future__ import annotations

from peers.shared import Labels, Peer, Values


def mrmr(X: Values, y: Labels, size: int, seed: int, *, relevance: str = "f", denominator: str = "mean") -> Labels:
    import pandas as pd
    from mrmr import mrmr_classif

    del seed
    return mrmr_classif(
        pd.DataFrame(X), pd.Series(y), size, relevance=relevance, denominator=denominator, n_jobs=1, show_progress=False
    )


PEERS = {
    "mrmr": Peer(
        mrmr,
        "mrmr-selection",
        "Ding and Peng, J. Bioinformatics and Computational Biology 2005, with F test and correlation",
        grid={"relevance": ("f", "rf"), "denominator": ("mean", "max")},
    )
}
