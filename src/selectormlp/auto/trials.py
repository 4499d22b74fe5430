"""Trying methods: panels chosen from part of the cells, classifiers refitted, and tested on the rest."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from joblib import Memory

from selectormlp.data.cells import IntArray
from selectormlp.errors import InputError
from selectormlp.evaluation.refit import make_classifier, refit_predict
from selectormlp.evaluation.splits import Folds
from selectormlp.moments.stream import AnyMatrix
from selectormlp.progress import track
from selectormlp.selectors.base import GeneSelector
from selectormlp.selectors.options import set_options
from selectormlp.selectors.registry import find_method

logger = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float64]


RANKED = 100
"""Genes that a method ranks at least where smaller panels are the first of the same ranking, so that trials for several
sizes can share it."""


@dataclass(frozen=True, eq=False)
class Task:
    """What every method is asked for.

    Attributes
    ----------
    n_genes
        Size of the panel.
    must_have
        Columns that come first.
    seed
        Of whatever is random in a method.
    """

    n_genes: int
    must_have: IntArray
    seed: int

    def selector(self, method: str, options: Mapping[str, Any], *, n_genes: int | None = None) -> GeneSelector:
        """Make a method's selector for this task, or for another number of genes, not yet fitted."""
        selector = find_method(method).make()
        wanted = {
            "n_features_to_select": n_genes or self.n_genes,
            "must_have": self.must_have.tolist(),
            "random_state": self.seed,
        }
        known = selector.get_params(deep=False)
        selector.set_params(**{name: value for name, value in wanted.items() if name in known})
        set_options(selector, options, method=method)
        return selector

    def order(self, selector: GeneSelector) -> IntArray:
        """Return all columns in the order of a fitted selector, must-have ones first."""
        order = np.argsort(selector.ranking_)
        return np.concatenate([self.must_have, order[~np.isin(order, self.must_have)]])


@dataclass(frozen=True, eq=False)
class Trial:
    """How a method's panels did on cells that they were not chosen from.

    Attributes
    ----------
    method, options
        Name in :data:`selectormlp.selectors.registry.METHODS`, and parameters that are not at their defaults.
    seconds
        Wall time.
    shares
        Share of the classifiers that were right about each tested cell, shape (n_tested,).
    recalls
        Their mean over each class, NaN where it has no tested cell, shape (n_classes,).
    """

    method: str
    options: Mapping[str, Any]
    seconds: float
    shares: FloatArray = field(repr=False)
    recalls: FloatArray = field(repr=False)

    @property
    def raises(self) -> bool:
        """Whether it was an attempt to raise the worst class, rather than a contender as it is."""
        return "class_weights" in self.options

    @property
    def balanced_accuracy(self) -> float:
        """Mean over the classes of the share of their cells that are found."""
        return float(np.nanmean(self.recalls))

    @property
    def least_recall(self) -> float:
        """Share that is found of the class that is found worst."""
        return float(np.nanmin(self.recalls))

    def as_record(self) -> dict[str, Any]:
        """Return what is kept with a panel, as JSON holds it; times are left out, so that two runs agree."""
        return {
            "method": self.method,
            "options": dict(self.options),
            "balanced_accuracy": round(self.balanced_accuracy, 4),
            "least_recall": round(self.least_recall, 4),
        }


class Trials:
    """Tries methods on the same cells, so that they can be compared cell by cell.

    Parameters
    ----------
    X
        Expression, shape (n_cells, n_genes), dense or CSR.
    labels, codes
        Labels, and class codes from 0, shape (n_cells,).
    folds
        Which cells are chosen from and which tested.
    task
        What is wanted.
    classifiers
        Names in :data:`selectormlp.evaluation.refit.CLASSIFIERS`.
    memory
        Keeps rankings, so that trials for other sizes need not make them again.

    Attributes
    ----------
    done
        The trials so far, in order.
    """

    def __init__(
        self,
        X: AnyMatrix,
        labels: npt.NDArray[Any],
        codes: IntArray,
        folds: Folds,
        task: Task,
        classifiers: Sequence[str],
        memory: Memory,
    ) -> None:
        self.X, self.labels, self.codes, self.folds, self.task = X, labels, codes, folds, task
        self.classifiers = classifiers
        self.n_classes = int(codes.max()) + 1
        self._tested = codes[folds.test_rows]
        self._fit = memory.cache(_fit)
        self.done: list[Trial] = []

    def run(self, method: str, options: Mapping[str, Any]) -> None:
        """Try a method; one that cannot work on these cells is left out, and the log says why."""
        start = time.perf_counter()
        try:
            shares = np.concatenate(
                [self._shares_right(method, options, *fold) for fold in track(self.folds, method, len(self.folds))]
            )
        except (InputError, ValueError) as error:  # scikit-learn's and scanpy's own refusals are ValueErrors
            logger.info("%s cannot be tried: %s", method, " ".join(str(error).split())[:200])
            return
        recalls = _class_means(shares, self._tested, self.n_classes)
        trial = Trial(method, options, time.perf_counter() - start, shares, recalls)
        logger.info(
            "tried %s%s: balanced accuracy %.3f, of the worst class %.3f (%.1f s)",
            method,
            " with other class weights" if trial.raises else "",
            trial.balanced_accuracy,
            trial.least_recall,
            trial.seconds,
        )
        self.done.append(trial)

    def difference(self, trial: Trial, other: Trial, among: npt.NDArray[np.bool_] | None = None) -> tuple[float, float]:
        """Return by how much a trial's balanced accuracy is above another's, and the standard error of that.

        Parameters
        ----------
        trial, other
            Two of ``done``.
        among
            The tested cells that count, shape (n_tested,); by default all. Classes without any are left out.
        """
        counted = slice(None) if among is None else among
        gains, tested = (trial.shares - other.shares)[counted], self._tested[counted]
        means = _class_means(gains, tested, self.n_classes)
        counts = np.bincount(tested, minlength=self.n_classes)
        spread = np.bincount(tested, (gains - means[tested]) ** 2, minlength=self.n_classes)
        present = counts > 0
        variance = (spread[present] / counts[present] / np.maximum(counts[present] - 1, 1)).sum() / present.sum() ** 2
        return float(means[present].mean()), float(np.sqrt(variance))

    def recalls_elsewhere(self, trial: Trial) -> FloatArray:
        """Return for each tested cell the share that is found of its class in the other folds, shape (n_tested,).

        What is decided by this share about a cell does not depend on whether the cell itself was found. NaN where the
        other folds have none of the class.
        """
        fold = self.folds.split_of_test
        place = fold * self.n_classes + self._tested
        n_places = len(self.folds) * self.n_classes
        sums, counts = (
            found.sum(axis=0) - found
            for found in (
                np.bincount(place, values, minlength=n_places).reshape(-1, self.n_classes)
                for values in (trial.shares, np.ones(len(place)))
            )
        )
        return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)[fold, self._tested]

    def _shares_right(self, method: str, options: Mapping[str, Any], train: IntArray, test: IntArray) -> FloatArray:
        """Choose a panel from some cells; return the share of classifiers that are right about each of the others."""
        most = max(self.task.n_genes, min(RANKED, self.X.shape[1] // 2)) if find_method(method).kind.is_nested else None
        selector = self._fit(self.task.selector(method, options, n_genes=most), self.X[train], self.labels[train])
        columns = np.sort(self.task.order(selector)[: self.task.n_genes])
        panel = self.X[:, columns]
        values = panel.toarray() if hasattr(panel, "toarray") else panel
        right = [
            refit_predict(make_classifier(name, self.task.seed), values[train], self.codes[train], values[test])
            == self.codes[test]
            for name in self.classifiers
        ]
        shares: FloatArray = np.mean(right, axis=0)
        return shares


def _class_means(values: FloatArray, codes: IntArray, n_classes: int) -> FloatArray:
    """Average values of cells over each class, NaN where there is none, shape (n_classes,)."""
    counts = np.bincount(codes, minlength=n_classes)
    sums = np.bincount(codes, values, minlength=n_classes)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _fit(selector: GeneSelector, X: AnyMatrix, y: npt.NDArray[Any]) -> GeneSelector:
    return selector.fit(X, y)


def cap_classes(codes: IntArray, most: int, rng: np.random.Generator) -> IntArray:
    """Pick at most so many cells by cutting the largest classes down to one size, positions increasing.

    Examples
    --------
    >>> codes = np.array([0, 0, 0, 0, 0, 1, 1])
    >>> np.bincount(codes[cap_classes(codes, 5, np.random.default_rng(0))])
    array([3, 2])
    """
    if len(codes) <= most:
        return np.arange(len(codes))
    counts = np.sort(np.bincount(codes))
    counts = counts[counts > 0]
    caps = (most - np.concatenate([[0], np.cumsum(counts)[:-1]])) // np.arange(len(counts), 0, -1)
    cap = max(1, int(caps[np.argmax(caps < counts)]))
    kept = [rng.permutation(np.flatnonzero(codes == code))[:cap] for code in np.unique(codes)]
    return np.sort(np.concatenate(kept))
