"""ActiveSVM."""

from __future__ import annotations

import multiprocessing
import random

from peers.shared import Labels, Peer, Values


def activesvc(X: Values, y: Labels, size: int, seed: int, *, n_samples: int = 100, balance: bool = True) -> Labels:
    multiprocessing.cpu_count = lambda: 1  # it starts as many processes for every gene
    random.seed(seed)
    from activeSVC import min_complexity

    chosen = min_complexity(X, y, X, y, size, n_samples, balance=balance, class_weight="balanced", random_state=seed)
    return [int(gene) for gene in chosen[0]]


PEERS = {
    "activesvc": Peer(
        activesvc,
        "activeSVC",
        "Chen et al., Nature Computational Science 2022; min_complexity, 100 cells a step, balanced over classes",
        quick=False,
        grid={"n_samples": (50, 200), "balance": (True, False)},
    )
}
