"""Stochastic gates."""

from __future__ import annotations

import collections
import collections.abc

from peers.shared import Labels, Peer, Values, best_first, standardised

EPOCHS = 5_000
"""As in the package's own tests of classification, whose network, step and penalty are taken too: the constructor's
learning rate of 1e-5 hardly moves the gates."""


def stg(X: Values, y: Labels, size: int, seed: int) -> Labels:
    import torch

    for name in ("Iterable", "Mapping", "Sequence", "Set"):
        setattr(collections, name, getattr(collections.abc, name))  # where they were before Python 3.10
    from stg import STG

    del size
    torch.manual_seed(seed)  # its own random_state is not used
    model = STG(
        device="cpu",
        task_type="classification",
        input_dim=X.shape[1],
        output_dim=int(y.max()) + 1,
        hidden_dims=[60, 20],
        activation="tanh",
        optimizer="SGD",
        learning_rate=0.1,
        batch_size=len(X),
        feature_selection=True,
        sigma=0.5,
        lam=0.5,
    )
    model.fit(standardised(X), y, nr_epochs=EPOCHS, verbose=False)
    return best_first(model.get_gates(mode="raw"))


PEERS = {
    "stg": Peer(
        stg,
        "stg",
        "Yamada et al., ICML 2020; genes standardised; settings of the package's tests; ranked by gate; names that "
        "Python has dropped are put back",
        quick=False,
    )
}
