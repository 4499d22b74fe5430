"""PERSIST as published: a clone of https://github.com/iancovert/persist, which is no package of any registry."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

from peers.shared import Labels, Peer, Values

CLONE = "SELECTORMLP_PERSIST"
"""Environment variable that names the clone."""


def choose(
    clone: Path, learning: tuple[Values, Labels], judging: tuple[Values, Labels], size: int, seed: int
) -> Labels:
    """Choose genes with the published program at its defaults, from binary values.

    Only its loading of data is replaced, by one that fetches a batch at once in the same process: its own starts four
    processes for every pass over the cells, which takes most of its time. Where its search for λ gives up, its second
    stage chooses among all genes.
    """
    sys.path[:0] = [str(clone)]
    sys.modules.pop("persist", None)  # the name of a benchmark, too
    import persist.models
    import torch
    from torch.utils.data import DataLoader

    from persist import PERSIST, ExpressionDataset

    class Rows(ExpressionDataset):
        def __getitems__(self, rows):
            return self.data[rows], self.output[rows]

    def in_process(data, **settings):
        settings.update(num_workers=0, worker_init_fn=None, collate_fn=lambda batch: tuple(map(torch.as_tensor, batch)))
        return DataLoader(data, **settings)

    persist.models.DataLoader = in_process
    train, validation = (Rows((X > 0).astype(np.float32), y.astype(np.int64)) for X, y in (learning, judging))
    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)
    selector = PERSIST(train, validation, loss_fn=torch.nn.CrossEntropyLoss(), device=torch.device("cpu"))
    try:
        selector.eliminate(target=min(500, learning[0].shape[1] // 2), bar=False)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
    panel, _ = selector.select(num_genes=size, bar=False)
    return np.unique(np.asarray(panel, dtype=np.int64))  # it may name a gene twice


def persist(X: Values, y: Labels, size: int, seed: int) -> Labels:
    from sklearn.model_selection import train_test_split

    clone = os.environ.get(CLONE)
    if not clone:
        raise ImportError(f"no clone of the published program: name its folder by {CLONE}")
    X_train, X_judge, y_train, y_judge = train_test_split(X, y, test_size=0.2, stratify=y, random_state=seed)
    return choose(Path(clone), (X_train, y_train), (X_judge, y_judge), size, seed)


PEERS = {
    "persist": Peer(
        persist,
        "torch",
        "Covert et al., Nature Communications 2023; binary values; a fifth of the cells for its early stopping",
        nested=False,
        quick=False,
    )
}
