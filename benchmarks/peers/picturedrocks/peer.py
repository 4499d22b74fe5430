"""PicturedRocks: greedy selection by information about the classes."""

from __future__ import annotations

from peers.shared import Labels, Peer, Values, as_adata


def picturedrocks(X: Values, y: Labels, size: int, seed: int, *, criterion: str = "CIFE", bins: int = 5) -> Labels:
    from picturedrocks import markers

    del seed
    adata = as_adata(X, y)
    adata.obs["y"] = y
    search = getattr(markers, criterion)(markers.makeinfoset(adata, include_y=True, k=bins))
    search.autoselect(size)
    return [int(gene) for gene in search.S]


PEERS = {
    "picturedrocks": Peer(
        picturedrocks,
        "picturedrocks",
        "its own documentation; CIFE (Lin and Tang, ECCV 2006) on values in 5 bins",
        grid={"criterion": ("CIFE", "JMI"), "bins": (3, 5)},
    )
}
