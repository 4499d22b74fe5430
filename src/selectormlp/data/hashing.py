"""A hash that tells whether two sets of labelled cells are the same."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import scipy.sparse as sp

from selectormlp.data.cells import Cells, as_matrix

HASHED_CELLS = 4096
"""Cells hashed at a time; part of the hash's definition."""


def hash_cells(cells: Cells) -> str:
    """Hash the matrix, the labels and the gene names.

    Parameters
    ----------
    cells
        Dense and CSR matrices of the same values have the same hash, on every machine; so have class lists in
        different order. Cell names and donors take no part.

    Returns
    -------
    ``"sha256:"`` and 64 hexadecimal digits.

    Examples
    --------
    >>> import pandas as pd
    >>> X = np.array([[0, 1], [2, 0]], dtype=np.float32)
    >>> names = pd.Index(["a", "b"])
    >>> dense = Cells(X, names, names, np.array([0, 1]), ("T", "B"))
    >>> hash_cells(dense) == hash_cells(Cells(sp.csr_array(X), names, names, np.array([1, 0]), ("B", "T")))
    True
    """
    labels = [None if code < 0 else cells.classes[code] for code in cells.labels]
    digest = hashlib.sha256(json.dumps([list(cells.X.shape), list(map(str, cells.genes)), labels]).encode())
    for start in range(0, cells.n_cells, HASHED_CELLS):
        block = sp.csr_array(as_matrix(cells.X[start : start + HASHED_CELLS]), copy=True)
        block.eliminate_zeros()
        block.sort_indices()
        digest.update(np.diff(block.indptr).astype("<i8").tobytes())
        digest.update(block.indices.astype("<i8").tobytes())
        digest.update(block.data.astype("<f4").tobytes())
    return f"sha256:{digest.hexdigest()}"
