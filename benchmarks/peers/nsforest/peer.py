"""NS-Forest."""

from __future__ import annotations

import tempfile

from peers.shared import Labels, Peer, Values, as_adata, columns_of, in_turn


def nsforest(X: Values, y: Labels, size: int, seed: int) -> Labels:
    import nsforest as package

    del size, seed  # it sets its own seed
    adata = package.pp.prep_medians(as_adata(X, y), "label")
    adata = package.pp.prep_binary_scores(adata, "label")
    with tempfile.TemporaryDirectory() as folder:  # made again even where nothing is written
        markers = package.nsforesting.NSForest(adata, "label", n_jobs=1, output_folder=f"{folder}/")
    return in_turn([columns_of(genes) for genes in markers["NSForest_markers"]])


PEERS = {
    "nsforest": Peer(
        nsforest,
        "nsforest",
        "Aevermann et al., Genome Research 2021; markers of each class in turn; names 1 to 6 genes a class, so that "
        "large panels hold fewer genes than asked for",
        quick=False,
    )
}
