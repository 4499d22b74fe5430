"""Scores at two levels of labels: a coarse one above the fine one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from selectormlp.data.cells import FloatArray, IntArray
from selectormlp.evaluation.intervals import scores_of


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """Errors inside coarse classes, and across coarse classes.

    Attributes
    ----------
    coarse_key
        Column of the coarse labels.
    coarse_classes
        Their names.
    parents
        Coarse class of each fine class, as a position in ``coarse_classes``, shape (n_classes,).
    sizes
        Numbers of genes, shape (n_sizes,).
    accuracy, balanced_accuracy
        Of the fine labels, shape (n_sizes,).
    coarse_accuracy, coarse_balanced_accuracy
        Of the coarse labels (a fine prediction counts as its coarse class), shape (n_sizes,).
    inside, across
        Share of test cells given a wrong type of the right coarse class, and of a wrong coarse class, shape (n_sizes,);
        accuracy + inside + across = 1.
    confusions
        Confusion of coarse classes, shape (n_sizes, n_coarse, n_coarse).
    """

    coarse_key: str
    coarse_classes: tuple[str, ...]
    parents: IntArray
    sizes: IntArray
    accuracy: FloatArray
    balanced_accuracy: FloatArray
    coarse_accuracy: FloatArray
    coarse_balanced_accuracy: FloatArray
    inside: FloatArray
    across: FloatArray
    confusions: IntArray

    def to_frame(self) -> pd.DataFrame:
        """Return one line per size, one column per score."""
        names = ("accuracy", "balanced_accuracy", "coarse_accuracy", "coarse_balanced_accuracy", "inside", "across")
        return pd.DataFrame({"n_genes": self.sizes, **{name: getattr(self, name) for name in names}})

    def class_frame(self) -> pd.DataFrame:
        """Return one line per coarse class, for the last size: n_cells, right, inside, across (shares of its cells)."""
        counts = self.confusions[-1]
        totals = np.maximum(counts.sum(axis=1), 1)
        return pd.DataFrame(
            {
                "coarse": self.coarse_classes,
                "n_cells": counts.sum(axis=1),
                "coarse_recall": counts.diagonal() / totals,
                "across": 1 - counts.diagonal() / totals,
            }
        )


def measure_hierarchy(
    coarse_key: str, coarse_classes: Sequence[str], parents: IntArray, sizes: IntArray, confusions: IntArray
) -> Hierarchy:
    """Count errors inside coarse classes and errors across them.

    Parameters
    ----------
    coarse_key, coarse_classes, parents, sizes
        As in :class:`Hierarchy`.
    confusions
        Of fine classes, shape (n_sizes, n_classes, n_classes).

    Examples
    --------
    >>> fine = np.array([[[8, 1, 1], [0, 5, 0], [0, 0, 5]]])
    >>> found = measure_hierarchy("level1", ["T", "B"], np.array([0, 0, 1]), np.array([3]), fine)
    >>> found.accuracy, found.inside, found.across
    (array([0.9]), array([0.05]), array([0.05]))
    """
    belongs = np.zeros((len(parents), len(coarse_classes)), dtype=np.int64)
    belongs[np.arange(len(parents)), parents] = 1
    coarse = belongs.T @ confusions @ belongs
    fine_scores, coarse_scores = (
        scores_of(
            counts.diagonal(axis1=1, axis2=2).astype(np.float64),
            counts.sum(axis=2).astype(np.float64),
            counts.sum(axis=1).astype(np.float64),
        )
        for counts in (confusions, coarse)
    )
    return Hierarchy(
        coarse_key=coarse_key,
        coarse_classes=tuple(coarse_classes),
        parents=parents,
        sizes=sizes,
        accuracy=fine_scores[0],
        balanced_accuracy=fine_scores[1],
        coarse_accuracy=coarse_scores[0],
        coarse_balanced_accuracy=coarse_scores[1],
        inside=coarse_scores[0] - fine_scores[0],
        across=1 - coarse_scores[0],
        confusions=coarse,
    )


def find_parents(labels: IntArray, coarse: IntArray, n_classes: int) -> tuple[IntArray, IntArray]:
    """Find the coarse class of each fine class: that of most of its cells.

    Parameters
    ----------
    labels, coarse
        Codes of each cell, shape (n_cells,); a negative coarse code is unknown.
    n_classes
        Number of fine classes.

    Returns
    -------
    Parents, shape (n_classes,), -1 for classes without a cell of known coarse class; and the number of cells of each
    class that have another coarse label, shape (n_classes,).

    Examples
    --------
    >>> find_parents(np.array([0, 0, 0, 1]), np.array([1, 1, 0, 0]), 2)
    (array([1, 0]), array([1, 0]))
    """
    known = coarse >= 0
    counts = np.zeros((n_classes, int(coarse.max(initial=0)) + 1), dtype=np.int64)
    np.add.at(counts, (labels[known], coarse[known]), 1)
    parents = np.where(counts.sum(axis=1) > 0, counts.argmax(axis=1), -1)
    return parents, counts.sum(axis=1) - counts.max(axis=1)
