"""Scores at the levels of a tree of labels, above the types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from selectormlp.data.cells import FloatArray, IntArray
from selectormlp.evaluation.curve import Curve


@dataclass(frozen=True, eq=False)
class Level:
    """A level of labels above the types.

    Attributes
    ----------
    key
        Its name: the column, or ``depth 1`` and so on.
    nodes
        Names of its nodes.
    parents
        Node of each type, a position in ``nodes``, shape (n_classes,).
    """

    key: str
    nodes: tuple[str, ...]
    parents: IntArray


@dataclass(frozen=True, eq=False)
class LevelScores:
    """Scores at a level: a cell predicted as another type of the same node counts as correct.

    Attributes
    ----------
    level
        The level.
    curve
        Scores of its nodes at each size, with intervals; 1 − accuracy is the share of cells that are taken for a type
        of another node.
    type_mistakes
        Share of the cells of a type that are taken for a type of another node, mean over types, shape (n_sizes,).
    """

    level: Level
    curve: Curve
    type_mistakes: FloatArray

    def to_frame(self) -> pd.DataFrame:
        """Return one line per size: level, n_genes, each score with low and high, mistakes, type_mistakes."""
        columns: dict[str, object] = {"level": self.level.key, "n_genes": self.curve.sizes}
        for name in ("accuracy", "balanced_accuracy"):
            found = self.curve.metric(name)
            columns |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
        return pd.DataFrame({**columns, "mistakes": 1 - self.curve.accuracy.value, "type_mistakes": self.type_mistakes})


def measure_type_mistakes(confusions: IntArray, parents: IntArray) -> FloatArray:
    """Return the share of a type's cells predicted as a type of another node, averaged over types.

    Parameters
    ----------
    confusions
        Cells of each type (row) that were given each type, shape (n_sizes, n_classes, n_classes).
    parents
        Node of each type, shape (n_classes,).

    Returns
    -------
    Shape (n_sizes,); types without test cells do not count.

    Examples
    --------
    >>> counts = np.array([[[8, 1, 1], [0, 5, 0], [0, 0, 5]]])
    >>> measure_type_mistakes(counts, np.array([0, 0, 1])).round(3)  # a tenth of the first type
    array([0.033])
    """
    across = (confusions * (parents[:, None] != parents)).sum(axis=2)
    totals = confusions.sum(axis=2)
    shares = across / np.maximum(totals, 1)
    found: FloatArray = shares.sum(axis=1) / (totals > 0).sum(axis=1)
    return found


def level_frame(levels: Sequence[LevelScores]) -> pd.DataFrame:
    """Return the scores of all levels, one line per level and size; see :meth:`LevelScores.to_frame`."""
    return pd.concat([level.to_frame() for level in levels], ignore_index=True)
