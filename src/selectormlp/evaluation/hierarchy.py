"""Scores at two levels of labels: a coarse one above the fine one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from selectormlp.data.cells import IntArray
from selectormlp.evaluation.intervals import FloatArray


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """Errors told apart: inside a coarse class, and across coarse classes.

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
        """Return a line a size and a column a score."""
        names = ("accuracy", "balanced_accuracy", "coarse_accuracy", "coarse_balanced_accuracy", "inside", "across")
        return pd.DataFrame({"n_genes": self.sizes, **{name: getattr(self, name) for name in names}})

    def class_frame(self) -> pd.DataFrame:
        """Return a line a coarse class, for the last size: n_cells, right, inside, across (shares of its cells)."""
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
