"""Check that batches of cells can be told from types, and find types in one batch only."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import numpy.typing as npt

from selectormlp.data.cells import Cells, IntArray
from selectormlp.data.stored import StoredCells
from selectormlp.errors import DataError, counted, quoted

logger = logging.getLogger(__name__)

MAX_NAMED = 8
"""Maximum number of types in a note."""


def check_batches(cells: Cells | StoredCells, key: str) -> None:
    """Raise for batches from which nothing can be learned.

    Parameters
    ----------
    cells
        Labelled, with batches.
    key
        Column of ``obs`` with the batches, for messages.

    Raises
    ------
    DataError
        If nearly every cell has its own batch, or each type is in one batch only, so that type and batch cannot be told
        apart.
    """
    if cells.batches is None:
        return
    names = np.unique(cells.batches)
    if len(names) == 1:
        logger.warning(
            "all %s cells are of one batch (%r in %r): batches are ignored",
            f"{cells.n_cells:,}",
            str(names[0]),
            key,
        )
        return
    if 2 * len(names) > cells.n_cells:
        raise DataError(
            f"the {cells.n_cells:,} cells have {len(names):,} different batches in {key!r}, one for each or two; name "
            "a column of obs with batches that many cells share (batch_key, --batch-key), or leave it out"
        )
    if not cells.n_classes:
        return
    if not can_be_told_apart(cells):
        n_types = len(np.unique(cells.labels[cells.labels >= 0]))
        raise DataError(
            f"each of the {counted(n_types, 'type', 'types')} is in one batch of {key!r} only, so "
            "type and batch cannot be told apart; name another column (batch_key, --batch-key), or leave it out"
        )
    logger.info("cells of %d batches (%s) are compared within their batch", len(names), quoted(map(str, names)))


def can_be_told_apart(cells: Cells | StoredCells) -> bool:
    """Say whether batches can be told from types: whether a type is in two of them."""
    if cells.batches is None:
        return False
    table = cells_of_units(cells.labels, cells.batches, cells.n_classes)
    return bool((table > 0).sum(axis=1).max(initial=0) > 1)


def warn_of_lone_types(cells: Cells | StoredCells) -> None:
    """Log a warning of types found in one batch only, and of types found in one donor only."""
    for note in lone_type_notes(cells):
        logger.warning("%s", note)


def lone_type_notes(cells: Cells | StoredCells) -> list[str]:
    """Name the types found in one batch only, and those found in one donor only, in one note each.

    Examples
    --------
    >>> import pandas as pd
    >>> X, names = np.ones((3, 1), dtype=np.float32), pd.Index(["c1", "c2", "c3"])
    >>> donors = np.array(["d1", "d2", "d1"])
    >>> cells = Cells(X, pd.Index(["CD3E"]), names, np.array([0, 0, 1]), ("T", "B"), donors=donors)
    >>> lone_type_notes(cells)[0][:46]
    "Types of one donor only: 'B' (1 cell, 'd1'). T"
    """
    notes = []
    for what, plural, units in (("batch", "batches", cells.batches), ("donor", "donors", cells.donors)):
        if units is None or (what == "donor" and cells.batches is not None and np.array_equal(cells.batches, units)):
            continue
        unit_names = np.unique(units)
        table = cells_of_units(cells.labels, units, cells.n_classes)
        alone = np.flatnonzero((table > 0).sum(axis=1) == 1)
        if len(unit_names) < 2 or not len(alone):
            continue
        named = [
            f"{cells.classes[code]!r} ({counted(int(table[code].sum()), 'cell', 'cells')}, "
            f"{str(unit_names[table[code].argmax()])!r})"
            for code in alone[:MAX_NAMED]
        ]
        more = f" and {len(alone) - MAX_NAMED} more" if len(alone) > MAX_NAMED else ""
        notes.append(
            f"Types of one {what} only: {', '.join(named)}{more}. They cannot be tested on other {plural}, so how well "
            "a panel works for them there is unknown."
        )
    return notes


def cells_of_units(labels: IntArray, units: npt.NDArray[Any], n_classes: int) -> IntArray:
    """Count the cells of each class in each batch or donor, units in sorted order, shape (n_classes, n_units).

    Examples
    --------
    >>> cells_of_units(np.array([0, 0, 1, -1]), np.array(["b", "a", "a", "a"]), 2)
    array([[1, 1],
           [1, 0]])
    """
    codes = np.unique(units, return_inverse=True)[1]
    known = labels >= 0
    table = np.zeros((n_classes, int(codes.max(initial=-1)) + 1), dtype=np.int64)
    np.add.at(table, (labels[known], codes[known]), 1)
    return table
