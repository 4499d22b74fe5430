"""Trying methods: panels chosen from part of the cells, and tested on the rest, quickly or by refitted classifiers."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from joblib import Memory
from scipy.stats import norm
from scipy.stats import t as t_law

from selectormlp.auto.instruments import Instruments
from selectormlp.auto.screening import discriminant_predict
from selectormlp.auto.task import Task
from selectormlp.blas import one_thread
from selectormlp.data.cells import BoolArray, FloatArray, IntArray, dense
from selectormlp.errors import InputError
from selectormlp.evaluation.refit import make_classifier, refit_predict
from selectormlp.evaluation.splits import Folds
from selectormlp.moments.stream import AnyMatrix
from selectormlp.progress import track
from selectormlp.selectors.base import GeneSelector, fit_labelled
from selectormlp.selectors.passes import SharedMoments
from selectormlp.selectors.registry import Method, find_method

logger = logging.getLogger(__name__)


Predictor = Callable[[npt.NDArray[Any], IntArray, npt.NDArray[Any]], IntArray]
"""Learns from cells and their codes, and predicts the codes of others."""

HELD_BYTES = 2**27
"""Size of the sample, 128 MiB, up to which the cells of each fold are held for the next method; 5,000 cells of 2,000
genes take 40 MB."""

RANKED = 100
"""Genes that a method ranks at least where smaller panels are the first of the same ranking, so that trials for several
sizes can share it."""


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
        Share of the classifiers that were right about each tested cell, shape (n_tested,); with costs of mistakes, 1
        less what their mistakes cost, as a share of the highest cost.
    recalls
        Their mean over each class, NaN where it has no tested cell, shape (n_classes,).
    panels
        The panel of each fold, columns.
    refitted
        Whether the classifiers of the user were refitted; otherwise the panels were screened.
    """

    method: str
    options: Mapping[str, Any]
    seconds: float
    shares: FloatArray = field(repr=False)
    recalls: FloatArray = field(repr=False)
    panels: Sequence[IntArray] = field(default=(), repr=False)
    refitted: bool = False

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
            "refitted": self.refitted,
        }


@dataclass(frozen=True, eq=False)
class Learned:
    """Cells to learn from in a fold, for all methods.

    Attributes
    ----------
    X, labels
        Expression, shape (n_cells, n_genes), and the label of each cell.
    moments
        Of these cells; methods that need them share them.
    batches
        Batch of each cell, or None.
    """

    X: AnyMatrix
    labels: npt.NDArray[Any]
    moments: SharedMoments
    batches: npt.NDArray[Any] | None = None


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
        What is refitted: names in :data:`selectormlp.evaluation.refit.CLASSIFIERS`.
    memory
        Keeps rankings, so that trials for other sizes need not make them again.
    donors
        Donor of each cell, shape (n_cells,): the units that a standard error is over. None: cells are.
    batches
        Batch of each cell, shape (n_cells,), for methods that tell batches from classes; or None.
    instruments
        Measure the cells that panels are tested on, another instrument in each fold; folds are the units of the
        standard error then, unless donors are. None: cells are tested as they are.

    Attributes
    ----------
    done
        The trials so far, in order, as they were screened.
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
        donors: npt.NDArray[Any] | None = None,
        batches: npt.NDArray[Any] | None = None,
        instruments: Instruments | None = None,
    ) -> None:
        self.X, self.labels, self.codes, self.folds, self.task = X, labels, codes, folds, task
        self.classifiers, self.batches = classifiers, batches
        self.n_classes = int(codes.max()) + 1
        self._tested = codes[folds.test_rows]
        self._credit = np.eye(self.n_classes)
        if task.mistakes is not None:
            present, first = np.unique(codes, return_index=True)
            self._credit[np.ix_(present, present)] = task.mistakes.credit(labels[first])
        self._donors = None if donors is None else np.unique(donors[folds.test_rows], return_inverse=True)[1]
        self._instruments = instruments
        if instruments is not None and donors is None:
            self._donors = folds.split_of_test
        self._fit = memory.cache(_fit)
        self._learned: dict[int, Learned] = {}
        self.done: list[Trial] = []
        self._confirmed: dict[Trial, Trial] = {}

    def run(self, wanted: Method | str, options: Mapping[str, Any]) -> None:
        """Try a method; one that cannot work on these cells is left out, and the log says why.

        Its panels are screened: judged by a closed-form discriminant and by nearest neighbours.
        """
        start, method = time.perf_counter(), find_method(wanted)
        folds = track(self.folds, method.name, len(self.folds))
        try:
            panels = [self._panel(method, options, fold) for fold, _ in enumerate(folds)]
            shares = self._shares_right(panels, [discriminant_predict, self._predictor("knn")])
        except (InputError, ValueError) as error:  # scikit-learn's and scanpy's own refusals are ValueErrors
            logger.info("%s cannot be tried: %s", method.name, " ".join(str(error).split())[:200])
            return
        recalls = _class_means(shares, self._tested, self.n_classes)
        self.done.append(Trial(method.name, options, time.perf_counter() - start, shares, recalls, panels))
        self._log("tried", self.done[-1])

    @property
    def found(self) -> list[Trial]:
        """The trials in order: as refitted classifiers judge them, where these were, otherwise as screened."""
        return [self._confirmed.get(trial, trial) for trial in self.done]

    def confirm(self, trial: Trial) -> Trial:
        """Judge the panels of one of ``done`` by refitted classifiers; a second time nothing is fitted."""
        if trial not in self._confirmed:
            start = time.perf_counter()
            shares = self._shares_right(trial.panels, [self._predictor(name) for name in self.classifiers])
            recalls = _class_means(shares, self._tested, self.n_classes)
            seconds = trial.seconds + time.perf_counter() - start
            self._confirmed[trial] = replace(trial, seconds=seconds, shares=shares, recalls=recalls, refitted=True)
            self._log("refitted classifiers for", self._confirmed[trial])
        return self._confirmed[trial]

    @staticmethod
    def _log(what: str, trial: Trial) -> None:
        logger.info(
            "%s %s%s: balanced accuracy %.3f, of the worst class %.3f (%.1f s)",
            what,
            trial.method,
            " with other class weights" if trial.raises else "",
            trial.balanced_accuracy,
            trial.least_recall,
            trial.seconds,
        )

    def difference(self, trial: Trial, other: Trial, among: BoolArray | None = None) -> tuple[float, float]:
        """Return by how much a trial's balanced accuracy is above another's, and the standard error of that.

        Parameters
        ----------
        trial, other
            Two of ``done``.
        among
            The tested cells that count, shape (n_tested,); by default all. Classes without any are left out.

        Notes
        -----
        With donors, their sums of what cells deviate by are what varies (Liang and Zeger, Biometrika 1986), times
        D / (D − 1) for D donors. The error over cells is taken where it is larger: with few donors theirs may be small
        by chance.
        """
        counted = slice(None) if among is None else among
        gains, tested = (trial.shares - other.shares)[counted], self._tested[counted]
        means = _class_means(gains, tested, self.n_classes)
        counts = np.bincount(tested, minlength=self.n_classes)
        deviations = gains - means[tested]
        spread = np.bincount(tested, deviations**2, minlength=self.n_classes)
        present = counts > 0
        variance = (spread[present] / counts[present] / np.maximum(counts[present] - 1, 1)).sum() / present.sum() ** 2
        if self._donors is not None:
            sums = np.bincount(self._donors[counted], deviations / counts[tested])
            n_donors = len(np.unique(self._donors[counted]))
            of_donors = float(sums @ sums) / present.sum() ** 2 * n_donors / max(n_donors - 1, 1)
            variance = max(variance, of_donors)
        return float(means[present].mean()), float(np.sqrt(variance))

    def widened(self, margin: float) -> float:
        """Return the standard errors that are as rare for so few donors as ``margin`` is for many (Student's t)."""
        n_units = len(self._tested) if self._donors is None else len(np.unique(self._donors))
        return float(t_law.isf(norm.sf(margin), n_units - 1)) if n_units > 1 else np.inf

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

    def _panel(self, method: Method, options: Mapping[str, Any], fold: int) -> IntArray:
        """Choose a panel from the cells to learn from in a fold, increasing columns."""
        most = max(self.task.n_genes, min(RANKED, self.X.shape[1] // 2)) if method.kind.is_nested else None
        if self.task.limits:
            most = None
        learned = self._cells_of(fold)
        selector = self.task.selector(method, options, n_genes=most)
        with learned.moments.shared():
            return self.task.panel(self._fit(selector, learned.X, learned.labels, learned.batches))

    def _cells_of(self, fold: int) -> Learned:
        """Return the cells to learn from in a fold; those of a large sample are not held for the next method."""
        if fold in self._learned:
            return self._learned[fold]
        rows = self.folds.train[fold]
        batches = None if self.batches is None else self.batches[rows]
        found = Learned(self.X[rows], self.labels[rows], SharedMoments(), batches)
        if _size(self.X) <= HELD_BYTES:
            self._learned[fold] = found
        return found

    def _predictor(self, name: str) -> Predictor:
        return lambda X, codes, asked: refit_predict(make_classifier(name, self.task.seed), X, codes, asked)

    def _shares_right(self, panels: Sequence[IntArray], predictors: Sequence[Predictor]) -> FloatArray:
        """Return the share of classifiers that are right about each tested cell, shape (n_tested,)."""
        shares = []
        for fold, (columns, (train, test)) in enumerate(zip(track(panels, "testing panels"), self.folds, strict=True)):
            values = self._measured(columns, fold)
            with one_thread():
                found = [predict(values[train], self.codes[train], values[test]) for predict in predictors]
            shares.append(self._credit[self.codes[test], np.array(found)].mean(axis=0))
        return np.concatenate(shares)

    def _measured(self, columns: IntArray, fold: int) -> npt.NDArray[Any]:
        if self._instruments is not None:
            return self._instruments.values(columns, fold)
        return dense(self.X[:, columns])


def _class_means(values: FloatArray, codes: IntArray, n_classes: int) -> FloatArray:
    """Average values of cells over each class, NaN where there is none, shape (n_classes,)."""
    counts = np.bincount(codes, minlength=n_classes)
    sums = np.bincount(codes, values, minlength=n_classes)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _size(X: AnyMatrix) -> int:
    """Return the bytes of a matrix."""
    parts = (X,) if isinstance(X, np.ndarray) else (X.data, X.indices, X.indptr)
    return sum(part.nbytes for part in parts)


def _fit(selector: GeneSelector, X: AnyMatrix, y: npt.NDArray[Any], batches: npt.NDArray[Any] | None) -> GeneSelector:
    return fit_labelled(selector, X, y, batches)
