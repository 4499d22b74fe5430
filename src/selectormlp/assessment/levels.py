"""The levels of labels above the types, at which panels are scored too."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from selectormlp.data.anndata_io import read_labels
from selectormlp.data.cells import Cells
from selectormlp.data.label_levels import find_tree
from selectormlp.data.label_tree import LabelTree
from selectormlp.data.source import Source, TreeSource
from selectormlp.errors import DataError, SettingsError, counted
from selectormlp.evaluation.curve import Curve
from selectormlp.evaluation.hierarchy import Hierarchy, find_parents, measure_hierarchy
from selectormlp.evaluation.levels import Level, LevelScores

if TYPE_CHECKING:
    from anndata import AnnData

logger = logging.getLogger(__name__)


def source_tree(adata: AnnData, cells: Cells, source: Source) -> LabelTree | None:
    """Find the tree of labels that a source names; None where it names none."""
    table = source.label_tree if isinstance(source, TreeSource) else None
    return find_tree(adata, cells, source.label_levels, table)


def find_levels(adata: AnnData, cells: Cells, source: Source, coarse_key: str | None = None) -> tuple[Level, ...]:
    """Find the levels above the types, coarse to fine; none where none are named.

    Parameters
    ----------
    adata
        Its ``obs`` holds the labels.
    cells
        Cells of it, each class with some.
    source
        Columns, or the table, of the tree.
    coarse_key
        A column above the types, instead; a type counts as the label that most of its cells have.

    Raises
    ------
    SettingsError
        If a tree and ``coarse_key`` are both named, or the table cannot be used.
    DataError
        If the columns make no tree.
    """
    tree = source_tree(adata, cells, source)
    if coarse_key is not None:
        if tree is not None:
            raise SettingsError(
                f"coarse_key is {coarse_key!r} beside a tree of labels; leave it out, or name it among the columns of "
                "label_key"
            )
        return (_majority_level(adata, cells, coarse_key),)
    if tree is None:
        return ()
    return tuple(Level(key, *tree.nodes(place, cells.classes)) for place, key in enumerate(tree.levels))


def coarsest(levels: Sequence[LevelScores], curve: Curve) -> Hierarchy | None:
    """Tell errors inside the nodes of the coarsest level from errors across; None without a level."""
    if not levels:
        return None
    level = levels[0].level
    return measure_hierarchy(level.key, level.nodes, level.parents, curve.sizes, curve.confusions)


def _majority_level(adata: AnnData, cells: Cells, key: str) -> Level:
    _, labels = read_labels(adata, key)
    codes = np.asarray(labels.cat.codes.reindex(cells.names, fill_value=-1), dtype=np.int64)
    parents, n_apart = find_parents(cells.labels, codes, cells.n_classes)
    orphans = [name for name, parent in zip(cells.classes, parents, strict=True) if parent < 0]
    if orphans:
        raise DataError(
            f"no cell of {orphans[0]!r} ({len(orphans)} such classes) has a label in {key!r}; fill the column"
        )
    if n_apart.any():
        worst = int(n_apart.argmax())
        logger.warning(
            "%s of %s another coarse label than most of their class (most: %r); each class counts as that of most of "
            "its cells",
            counted(int(n_apart.sum()), "cell", "cells"),
            counted(int((n_apart > 0).sum()), "class has", "classes have"),
            cells.classes[worst],
        )
    return Level(key, tuple(labels.cat.categories), parents)
