"""Spapros."""

from __future__ import annotations

import numpy as np

from peers.shared import Labels, Peer, Values, as_adata, columns_of


def spapros(X: Values, y: Labels, size: int, seed: int) -> Labels:
    if not hasattr(np, "in1d"):
        np.in1d = np.isin  # noqa: NPY201 - a name that numpy 2.4 has dropped; the same values in one dimension
    import spapros as package

    selector = package.se.ProbesetSelector(
        as_adata(X, y), celltype_key="label", genes_key=None, n=size, verbosity=0, seed=seed, n_jobs=1
    )
    selector.select_probeset()
    chosen = selector.probeset[selector.probeset["selection"]].sort_values("rank", kind="stable")
    return np.array(columns_of(chosen.index), dtype=np.int64)


PEERS = {
    "spapros": Peer(
        spapros,
        "spapros",
        "Kuemmerle et al., Nature Methods 2024; a run for each size; names that numpy has dropped are put back",
        nested=False,
        quick=False,
    )
}
