"""scGIST."""

from __future__ import annotations

from peers.shared import Labels, Peer, Values


def scgist(X: Values, y: Labels, size: int, seed: int) -> Labels:
    import tensorflow as tf
    from scgist import scGIST

    tf.keras.utils.set_random_seed(seed)
    model = scGIST()
    model.create_model(X.shape[1], int(y.max()) + 1, panel_size=size)
    model.compile_model()
    model.train_model(X=X, y=y, verbose=0)
    return [int(gene) for gene in model.get_markers_indices()]


PEERS = {
    "scgist": Peer(
        scgist,
        "scgist",
        "Yafi et al., Genome Biology 2024; 200 epochs, a fifth of the cells for validation",
        nested=False,
        quick=False,
    )
}
