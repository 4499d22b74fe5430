"""Hash labelled cells, to find out whether two sets are the same."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import scipy.sparse as sp

from selectormlp.data.cells import Cells, Matrix, as_matrix
from selectormlp.data.rows import rows_of
from selectormlp.data.stored import StoredCells

HASHED_CELLS = 4096
"""Number of cells hashed at once; part of the definition of the hash."""

MAX_BLOCKS = 16
"""Maximum number of hashed blocks of ``HASHED_CELLS`` cells on disk: 65,536 cells take seconds, an atlas would take
long."""


def hash_cells(cells: Cells | StoredCells) -> str:
    """Hash the matrix, the labels and the gene names.

    Parameters
    ----------
    cells
        Dense and CSR matrices of the same values have the same hash on every machine, and so have class lists in
        different order. Cell names and donors do not matter. Of more than ``HASHED_CELLS`` · ``MAX_BLOCKS`` cells on
        disk, all labels and evenly spaced blocks are hashed.

    Returns
    -------
    ``"sha256:"``, or ``"sha256-sample:"`` where not all cells were hashed, and 64 hexadecimal digits.

    Raises
    ------
    DataError
        If cells on disk cannot be read.

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
    starts = np.arange(0, cells.n_cells, HASHED_CELLS)
    is_sample = isinstance(cells, StoredCells) and len(starts) > MAX_BLOCKS
    if is_sample:
        starts = starts[np.linspace(0, len(starts) - 1, MAX_BLOCKS).astype(np.int64)]
    for start in starts:
        _update(digest, rows_of(cells.X, slice(int(start), int(start) + HASHED_CELLS)))
    return f"sha256{'-sample' if is_sample else ''}:{digest.hexdigest()}"


def _update(digest: Any, block: Matrix) -> None:
    sparse = sp.csr_array(as_matrix(block), copy=True)
    sparse.eliminate_zeros()
    sparse.sort_indices()
    digest.update(np.diff(sparse.indptr).astype("<i8").tobytes())
    digest.update(sparse.indices.astype("<i8").tobytes())
    digest.update(sparse.data.astype("<f4").tobytes())
