"""scMAGS."""

from __future__ import annotations

from peers.shared import Labels, Peer, Values, in_turn


def scmags(X: Values, y: Labels, size: int, seed: int, *, im_exp: int = 10, candidates: int = 10) -> Labels:
    from scmags import ScMags

    del seed
    each = -(-size // len(set(y.tolist())))
    model = ScMags(X, y.astype(str), verbose=False)
    model.filter_genes(im_exp=im_exp, nof_sel=max(candidates, 2 * each), log_norm=False)
    model.sel_clust_marker(nof_markers=each, n_cores=1)
    markers = model.get_markers(ind_return=True).to_numpy()
    return in_turn([[int(gene) for gene in genes if gene == gene] for genes in markers])  # NaN: no more markers


PEERS = {
    "scmags": Peer(
        scmags,
        "scmags",
        "Baran and Doğan, Computers in Biology and Medicine 2023; markers of each class in turn, of twice as many "
        "candidates",
        nested=False,
        quick=False,
        grid={"im_exp": (3, 10, 30), "candidates": (10, 30)},
    )
}
