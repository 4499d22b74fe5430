"""COSG."""

from __future__ import annotations

import numpy as np

from peers.shared import Labels, Peer, Values, as_adata, columns_of, in_turn


def cosg(X: Values, y: Labels, size: int, seed: int, *, mu: float = 1, expressed_pct: float = 0.1) -> Labels:
    import cosg as package

    del size, seed
    adata = as_adata(X, y)
    settings = {"mu": mu, "remove_lowly_expressed": True, "expressed_pct": expressed_pct}
    package.cosg(adata, groupby="label", key_added="cosg", n_genes_user=adata.n_vars, **settings)
    found = adata.uns["cosg"]
    lists = []
    for group in found["names"].dtype.names:
        kept = np.asarray(found["scores"][group]) > -1  # -1 marks genes that too few cells of the class express
        lists.append(columns_of(np.asarray(found["names"][group])[kept]))
    return in_turn(lists)


PEERS = {
    "cosg": Peer(
        cosg,
        "cosg",
        "Dai et al., Briefings in Bioinformatics 2022; markers of each class in turn",
        grid={"mu": (1, 10, 100), "expressed_pct": (0.05, 0.1, 0.3)},
    )
}
