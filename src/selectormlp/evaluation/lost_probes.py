"""Scores of a panel without each of its genes, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from selectormlp.data.cells import FloatArray, IntArray, Matrix, as_matrix, dense
from selectormlp.evaluation.refit import count_confusion, fit_quietly, refit_predict
from selectormlp.evaluation.splits import Folds


@dataclass(frozen=True, eq=False)
class LostProbes:
    """Balanced accuracy without each gene of a panel.

    Attributes
    ----------
    whole
        With all genes.
    masked
        The gene set to 0 in test cells of a classifier that learned with it, shape (k,).
    refitted
        A classifier refitted without the gene, shape (k,).
    genes
        Names of the panel's genes.
    """

    whole: float
    masked: FloatArray
    refitted: FloatArray
    genes: tuple[str, ...]

    @property
    def worst(self) -> int:
        """Position in the panel of the gene whose undetected loss costs most."""
        return int(np.argmin(self.masked))

    def to_frame(self) -> pd.DataFrame:
        """Return one line per gene, sorted by loss: gene, masked, refitted, lost (of the whole panel's score)."""
        found = pd.DataFrame({"gene": self.genes, "masked": self.masked, "refitted": self.refitted})
        return found.assign(lost=self.whole - found["masked"]).sort_values("masked", kind="stable", ignore_index=True)


def lose_each_probe(
    X: Matrix,
    labels: IntArray,
    genes: IntArray,
    folds: Folds,
    refitter: Callable[[], Any],
    names: Sequence[str],
) -> LostProbes:
    """Score a panel without each of its genes, one at a time.

    Parameters
    ----------
    X
        Log-normalised expression of all genes, shape (n_cells, n_genes).
    labels
        Class codes, shape (n_cells,).
    genes
        Columns of the panel, shape (k,), at least two.
    folds
        The splits.
    refitter
        Makes unfitted classifiers.
    names
        Of the panel's genes.
    """
    few = as_matrix(X[:, genes])
    clean = dense(few)
    fitted = [fit_quietly(refitter(), clean[train], labels[train]) for train, _ in folds]
    true, n_classes = labels[folds.test_rows], int(labels.max()) + 1

    def balanced(predicted: list[IntArray]) -> float:
        return count_confusion(true, np.concatenate(predicted), n_classes).balanced_accuracy

    def tested(cells: Matrix) -> float:
        return balanced([clf.predict(cells[test]) for clf, (_, test) in zip(fitted, folds, strict=True)])

    masked, refitted = np.empty(len(genes)), np.empty(len(genes))
    for place in range(len(genes)):
        without = clean.copy()
        without[:, place] = 0.0
        masked[place] = tested(without)
        left = np.delete(clean, place, axis=1)
        refitted[place] = balanced(
            [refit_predict(refitter(), left[train], labels[train], left[test]) for train, test in folds]
        )
    return LostProbes(tested(clean), masked, refitted, tuple(names))
