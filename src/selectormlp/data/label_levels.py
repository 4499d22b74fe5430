"""Find the tree of labels of an AnnData object, from columns of obs (coarse to fine) or from a table."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from selectormlp.data.anndata_io import obs_column
from selectormlp.data.cells import Cells, IntArray
from selectormlp.data.label_tables import read_label_tree
from selectormlp.data.label_tree import LabelTree
from selectormlp.data.labels import label_text
from selectormlp.data.stored import StoredCells
from selectormlp.errors import DataError, counted, quoted

if TYPE_CHECKING:
    from anndata import AnnData

logger = logging.getLogger(__name__)


def find_tree(adata: AnnData, cells: Cells | StoredCells, levels: Sequence[str], table: str | None) -> LabelTree | None:
    """Find the tree of the labels of some cells.

    Parameters
    ----------
    adata
        Object whose ``obs`` holds the columns.
    cells
        Its labelled cells.
    levels
        Columns of ``obs`` above the type, coarse to fine.
    table
        File of types and their parents, as an alternative; see :func:`selectormlp.data.label_tables.read_label_tree`.

    Returns
    -------
    The tree; None if neither is given.

    Raises
    ------
    DataError
        If a column is absent, or a type has no label in it or several.
    SettingsError
        If the table is not usable.
    """
    present = np.flatnonzero(cells.class_counts())
    classes = [cells.classes[code] for code in present]
    if table is not None:
        return read_label_tree(table, classes)
    if not levels:
        return None
    rows = adata.obs_names.astype(str).get_indexer(cells.names)
    above = [_parents(adata, key, rows, cells, present) for key in levels]
    return LabelTree(dict(zip(classes, zip(*above, strict=True), strict=True)), tuple(levels))


def _parents(adata: AnnData, key: str, rows: IntArray, cells: Cells | StoredCells, present: IntArray) -> list[str]:
    """Return the node above each type that has cells."""
    found = label_text(obs_column(adata, key, "label"), key)
    found.say(key)
    codes = found.codes[rows]
    counts = np.zeros((cells.n_classes, len(found.names)), dtype=np.int64)
    known = (codes >= 0) & (cells.labels >= 0)
    np.add.at(counts, (cells.labels[known], codes[known]), 1)
    counts = counts[present]
    orphans = np.flatnonzero(counts.sum(axis=1) == 0)
    if len(orphans):
        names = quoted([cells.classes[present[place]] for place in orphans], most=3)
        raise DataError(f"no cell of {names} has a label in {key!r}; fill the column, or leave these labels out")
    split = np.flatnonzero((counts > 0).sum(axis=1) > 1)
    if len(split):
        name, row = cells.classes[present[split[0]]], counts[split[0]]
        nodes = ", ".join(f"{found.names[node]!r}: {row[node]:,} cells" for node in np.flatnonzero(row)[:3])
        raise DataError(
            f"{name!r} is under {(row > 0).sum()} labels of {key!r} ({nodes}; {len(split)} such types); expected a "
            "tree, its columns from coarse to fine: correct the labels or the order"
        )
    n_missing = int((codes < 0).sum())
    if n_missing:
        logger.warning(
            "%s no label in %r: that of their type is used",
            counted(n_missing, "cell has", "cells have"),
            key,
        )
    return [found.names[node] for node in counts.argmax(axis=1)]
