"""Robustness as harsh as reality: each probe lost in turn, and a plan of what real assays do to cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from selectormlp.data.cells import IntArray, Matrix, as_matrix
from selectormlp.evaluation.intervals import FloatArray
from selectormlp.evaluation.refit import count_confusion, fit_quietly, refit_predict
from selectormlp.evaluation.robustness import Plan
from selectormlp.evaluation.splits import Folds

HARSH = Plan(
    thinning=(0.5, 0.2),
    failures=(0.02, 0.05),
    gains=(0.5, 1.0),
    mixing=(0.1, 0.2),
    ambient=(0.1,),
    n_draws=5,
    n_failure_draws=20,
)
"""Efficiency of a half and a fifth; 2 and 5 % of the probes failing, 20 draws each; efficiencies of genes spread by 0.5
and 1.0 of the natural logarithm; 10 and 20 % of the counts from another cell; 10 % ambient counts."""


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
    """

    whole: float
    masked: FloatArray
    refitted: FloatArray

    @property
    def worst(self) -> int:
        """Position in the panel of the gene whose loss costs most if nobody notices."""
        return int(np.argmin(self.masked))


def lose_each_probe(
    X: Matrix, labels: IntArray, genes: IntArray, folds: Folds, refitter: Callable[[], Any]
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
    """
    few = as_matrix(X[:, genes])
    clean = np.asarray(few.toarray() if isinstance(few, sp.csr_array) else few, dtype=np.float32)
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
    return LostProbes(tested(clean), masked, refitted)
