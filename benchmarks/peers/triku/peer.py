"""Triku."""

from __future__ import annotations

import numpy as np

from peers.shared import Labels, Peer, Values, as_adata, best_first


def triku(X: Values, y: Labels, size: int, seed: int) -> Labels:
    import scanpy as sc
    import triku as package

    del size
    adata = as_adata(X, y)
    adata.var_names = [f"g{column}" for column in range(adata.n_vars)]
    sc.pp.filter_genes(adata, min_cells=1)  # it refuses genes without counts; they rank last
    sc.pp.pca(adata, random_state=seed)
    sc.pp.neighbors(adata, metric="cosine", n_neighbors=int(0.5 * adata.n_obs**0.5), random_state=seed)  # its tutorial
    package.tl.triku(adata, verbose="error")
    distances = adata.var["triku_distance"].reindex([f"g{column}" for column in range(X.shape[1])])
    return best_first(np.nan_to_num(distances.to_numpy(float), nan=-np.inf))


PEERS = {
    "triku": Peer(
        triku, "triku", "Ascensión et al., GigaScience 2022; makes no use of labels; ranked by distance", quick=False
    )
}
