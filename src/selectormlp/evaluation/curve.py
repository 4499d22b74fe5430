"""Scores of refitted classifiers as a panel grows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from selectormlp.data.cells import IntArray
from selectormlp.evaluation.intervals import METRICS, Estimate, FloatArray
from selectormlp.evaluation.refit import Confusion


@dataclass(frozen=True, eq=False)
class Curve:
    """Scores on test cells at several numbers of genes, a classifier refitted at each.

    Attributes
    ----------
    name
        What the genes are: ``"panel"``, ``"random"``, ``"all genes"``, or the name of a panel that is compared.
    classes
        Class names, in the order of the codes.
    sizes
        Numbers of genes, increasing, shape (n_sizes,).
    accuracy, balanced_accuracy, macro_f1
        The scores, each of shape (n_sizes,).
    confusions
        Cells of each true class (rows) that were given each class (columns), over all test cells,
        shape (n_sizes, n_classes, n_classes).
    recall_low, recall_high
        Wilson interval of each class's recall, NaN for classes without test cells, shape (n_sizes, n_classes).
    """

    name: str
    classes: tuple[str, ...]
    sizes: IntArray
    accuracy: Estimate
    balanced_accuracy: Estimate
    macro_f1: Estimate
    confusions: IntArray
    recall_low: FloatArray
    recall_high: FloatArray

    def metric(self, name: str) -> Estimate:
        """Return a score by its name, one of ``METRICS``."""
        found: Estimate = getattr(self, name)
        return found

    def confusion(self, place: int = -1) -> Confusion:
        """Return the confusion at one of the sizes, by default the last."""
        return Confusion(self.confusions[place])

    @property
    def recalls(self) -> FloatArray:
        """Share of each class's test cells that are right, NaN for classes without, shape (n_sizes, n_classes)."""
        return np.array([Confusion(counts).recalls for counts in self.confusions])

    def to_frame(self) -> pd.DataFrame:
        """Return a line a size and score: genes, n_genes, metric, value, low, high, split_low, split_high, split_sd."""
        parts = []
        for name in METRICS:
            found = self.metric(name)
            spread = found.split_values.std(axis=0, ddof=1) if len(found.split_values) > 1 else np.nan
            columns = {"genes": self.name, "n_genes": self.sizes, "metric": name, "value": found.value}
            bounds = {which: getattr(found, which) for which in ("low", "high", "split_low", "split_high")}
            parts.append(pd.DataFrame({**columns, **bounds, "split_sd": spread}))
        return pd.concat(parts, ignore_index=True)

    def class_frame(self) -> pd.DataFrame:
        """Return a line a size and class: genes, n_genes, class, n_cells, recall, low, high."""
        n_sizes, n_classes = self.recall_low.shape
        return pd.DataFrame(
            {
                "genes": self.name,
                "n_genes": np.repeat(self.sizes, n_classes),
                "class": np.tile(np.array(self.classes, dtype=object), n_sizes),
                "n_cells": self.confusions.sum(axis=2).ravel(),
                "recall": self.recalls.ravel(),
                "low": self.recall_low.ravel(),
                "high": self.recall_high.ravel(),
            }
        )

    def confused_pairs(self, place: int = -1, *, most: int = 20) -> pd.DataFrame:
        """Return the commonest errors at a size: true, predicted, n_cells, share (of the true class's test cells)."""
        counts = self.confusions[place].copy()
        totals = counts.sum(axis=1)
        np.fill_diagonal(counts, 0)
        best = np.argsort(-counts, axis=None, kind="stable")[:most]
        rows, columns = np.unravel_index(best[counts.ravel()[best] > 0], counts.shape)
        names = np.array(self.classes, dtype=object)
        found = counts[rows, columns]
        return pd.DataFrame(
            {"true": names[rows], "predicted": names[columns], "n_cells": found, "share": found / totals[rows]}
        )


@dataclass(frozen=True)
class LevelOff:
    """Where a curve comes near its ceiling.

    Attributes
    ----------
    metric
        Which score.
    distance
        How near: the score of all genes less this much.
    size
        The first size measured that is so near; None where none is.
    low, high
        The same in the bootstrap over test cells, at the two ends of the interval; None for "larger than any size
        measured".
    """

    metric: str
    distance: float
    size: int | None
    low: int | None
    high: int | None
