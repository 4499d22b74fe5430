"""Where a panel comes from: method, settings, seed, versions, data and cells."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp

from selectormlp.data.cells import Cells, as_matrix
from selectormlp.errors import PanelError

GIVEN = "given"
"""Method of a panel that was not chosen here but read from a list."""

HASHED_CELLS = 4096
"""Cells hashed at a time; part of the hash's definition."""


@dataclass(frozen=True)
class Provenance:
    """How, from what and with what a panel was learned.

    Attributes
    ----------
    method
        Name of the selector, ``"given"`` for a list that was read.
    settings
        Its settings and constraints, as JSON holds them (tuples become lists).
    seed
        Random state, or None.
    versions
        Version of Python and of the packages that matter.
    data_hash
        See ``hash_cells``; None where unknown.
    label_key
        Column of cell types that it was learned from, or None.
    cells
        Names of the cells that it was learned on, each once; empty where unknown.

    Raises
    ------
    PanelError
        If JSON cannot hold the settings, or a cell is named twice.
    """

    method: str = GIVEN
    settings: dict[str, Any] = field(default_factory=dict)
    seed: int | None = None
    versions: dict[str, str] = field(default_factory=dict)
    data_hash: str | None = None
    label_key: str | None = None
    cells: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        try:
            settings = json.loads(json.dumps(self.settings, allow_nan=False))
        except (TypeError, ValueError, RecursionError) as error:
            raise PanelError(
                f"the settings of a panel hold what JSON cannot ({error}); give text, finite numbers and lists"
            ) from error
        object.__setattr__(self, "settings", settings)
        object.__setattr__(self, "cells", tuple(self.cells))
        if len(set(self.cells)) < len(self.cells):
            raise PanelError(
                f"{len(self.cells) - len(set(self.cells))} cell name(s) repeat among the {len(self.cells)} that the "
                "panel was learned on; name each once"
            )


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
