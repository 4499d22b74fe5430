"""The selector that tries several methods and lets the best one choose."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from joblib import Memory

from selectormlp.auto.choosing import best_of, listed, raised_from
from selectormlp.auto.contenders import RAISING, SEQUENCING, usable_contenders
from selectormlp.auto.instruments import Instruments
from selectormlp.auto.record import options_taken, record_of
from selectormlp.auto.task import Task
from selectormlp.auto.trials import Trial, Trials
from selectormlp.data.cells import Cells, IntArray, Matrix
from selectormlp.data.label_tree import Mistakes
from selectormlp.data.subsample import subsample
from selectormlp.errors import DataError, SettingsError, counted, quoted
from selectormlp.evaluation.refit import make_classifier
from selectormlp.evaluation.splits import make_folds
from selectormlp.moments.batches import COMBINES, Combine
from selectormlp.panel.assay import Assay, find_assay
from selectormlp.panel.limits import Limit
from selectormlp.progress import track
from selectormlp.selectors.base import GeneSelector, fit_labelled, seed_from
from selectormlp.selectors.columns import checked_must_have
from selectormlp.selectors.labels import checked_batches, encode_labels
from selectormlp.selectors.parameters import check_ranges
from selectormlp.selectors.registry import Method, find_method

logger = logging.getLogger(__name__)

MAX_FITTED = 50_000
"""Cells that a method chooses from in the end, unless moments are all that it needs: on more, a network or a forest
takes minutes."""

EMPHASIS = 3.0
"""Factor by which classes that are found too rarely count more in each attempt to raise them."""


class AutoSelector(GeneSelector):
    """Choose genes by the method that does best on cells that it has not seen.

    Several methods choose panels of the wanted size from part of the cells, which are tested on the rest, fold by fold:
    all of them in closed form and by nearest neighbours; the first and one that is ahead of it there, by refitted
    classifiers. The better one then chooses from all cells; the first contender is kept unless another is better by
    more than chance.

    Parameters
    ----------
    n_features_to_select
        How many genes to choose: a number, a fraction, or None for half of them.
    contenders
        Methods that learn from labels: names in :data:`selectormlp.selectors.registry.METHODS`, or unfitted estimators
        that score genes. A list, or a mapping to their options; the first is preferred. None:
        :data:`selectormlp.auto.contenders.CONTENDERS`.
    classifiers
        What the last two panels are judged by (see :data:`selectormlp.evaluation.refit.CLASSIFIERS`).
    n_folds
        Parts that the cells are divided into; with donors, whole donors are left out.
    max_cells
        Trials take at most so many cells, the largest classes being cut first. The final choice takes all; of more than
        50,000 cells, so many, unless class means and covariances are all that the method needs.
    margin
        Standard errors by which the best contender must be better than an earlier one to be preferred to it; with
        donors, whose number is small, as many as are equally rare by Student's t.
    max_minutes
        Once so much time has passed, nothing further is tried. None: all is.
    min_recall
        Share of its cells that should be found of every class, 0 to 1, as an aim: classes of which less is found are
        made to count more, and the panel is taken that finds most of them, if it finds more of the worst one and the
        gain is above its standard error.
    max_attempts
        How often classes are made to count more for that.
    must_have
        Columns that come first, in this order.
    limits
        Hard limits that the panel keeps, amounts by column of X; panels are tried within them, too.
    assay
        What will measure the panel, see :class:`selectormlp.selectors.discriminant.DiscriminantSelector`. If it
        measures otherwise than ``sequencing``, panels are tried on simulated cells, another instrument in each fold.
    combine
        How batches are combined, see :class:`selectormlp.selectors.discriminant.DiscriminantSelector`.
    mistakes
        What mistakes between classes cost, along a tree of labels: methods that weigh them take them into account, and
        panels are judged by what their mistakes cost. None: all cost the same.
    memory
        Folder that keeps what was fitted in trials, as in scikit-learn's ``Pipeline``: trying another size on the same
        cells then takes little. None: nothing is kept.
    random_state
        Seed of the folds and of the methods.

    Attributes
    ----------
    trials_
        What was tried, in order; see :class:`selectormlp.auto.trials.Trial`. Empty where there was one contender, or
        nothing could be tested.
    choice_
        Name of the method that chose.
    reason_
        A sentence that says why.
    record_
        What a panel keeps of this: parameters by which a second run repeats the first, on a slower machine too, and
        what was found.
    selector_
        The fitted selector that chose.
    classes_
        Labels, sorted, shape (n_classes,).
    scores_, ranking_
        Those of ``selector_``, with must-have genes ranked first.
    is_nested_
        Whether smaller panels of the method that was chosen are the first of the same genes. For a smaller size another
        method may be the best.

    References
    ----------
    Choosing by cross-validation, and the preferred rule within one standard error of the best: Breiman, Friedman,
    Olshen, Stone, "Classification and Regression Trees", 1984, section 3.4.3; here the error is that of the difference
    between two methods on the same cells, and two of them, since the best of four others is ahead by one often enough.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["B", "NK", "T"], 50)
    >>> X = rng.normal(size=(150, 20))
    >>> X[y == "B", 2] += 4
    >>> X[y == "T", 4] += 4
    >>> auto = AutoSelector(2, contenders=("discriminant", "markers"), random_state=0).fit(X, y)
    >>> auto.choice_, auto.get_support(indices=True)
    ('discriminant', array([2, 4]))
    """

    may_contend = False
    takes_batches = True

    def __init__(
        self,
        n_features_to_select: int | float | None = None,
        *,
        contenders: Sequence[Any] | Mapping[Any, Mapping[str, Any]] | None = None,
        classifiers: Sequence[str] = ("logistic", "knn"),
        n_folds: int = 3,
        max_cells: int = 5000,
        margin: float = 2.0,
        max_minutes: float | None = None,
        min_recall: float | None = None,
        max_attempts: int = 3,
        must_have: Sequence[int] | None = None,
        limits: Sequence[Limit] | None = None,
        assay: Assay | str | Mapping[str, Any] = SEQUENCING,
        combine: Combine = "new-study",
        mistakes: Mistakes | None = None,
        memory: str | None = None,
        random_state: Any = None,
    ) -> None:
        self.n_features_to_select = n_features_to_select
        self.contenders = contenders
        self.classifiers = classifiers
        self.n_folds = n_folds
        self.max_cells = max_cells
        self.margin = margin
        self.max_minutes = max_minutes
        self.min_recall = min_recall
        self.max_attempts = max_attempts
        self.must_have = must_have
        self.limits = limits
        self.assay = assay
        self.combine = combine
        self.mistakes = mistakes
        self.memory = memory
        self.random_state = random_state

    def fit_cells(self, cells: Cells, *, target: Matrix | None = None, seed: int = 0) -> Self:
        """Fit on cells; panels are tested on batches, or donors, they were not chosen from, where there are any."""
        del target, seed
        labels, names = np.array(cells.classes)[cells.labels], cells.genes.astype(str).tolist()
        return self.fit(cells.X, labels, donors=cells.donors, batches=cells.batches, genes=names)

    def fit(
        self, X: Any, y: Any = None, *, donors: Any = None, batches: Any = None, genes: Sequence[str] | None = None
    ) -> Self:
        """Try the contenders, and let the best one choose.

        Parameters
        ----------
        X
            Expression, shape (n_cells, n_genes), dense or CSR; not altered.
        y
            Labels, shape (n_cells,), at least two classes.
        donors
            Donor of each cell, shape (n_cells,): none is both chosen from and tested on. None: cells are taken as
            independent.
        batches
            Batch of each cell, shape (n_cells,): methods tell batches from classes, and none is both chosen from and
            tested on, whatever the donors. None: cells are pooled.
        genes
            Names of the genes, for an assay with efficiencies of genes; None: those of X, if it is a data frame.

        Returns
        -------
        The selector, fitted.

        Raises
        ------
        SettingsError
            If a parameter is not usable, or a contender is not known.
        DataError
            If there are fewer than two classes.
        ValueError
            If X or y is not usable (as scikit-learn says it).
        """
        X, y = self._checked(X, y)
        batches = checked_batches(batches, len(y))
        self.classes_, codes = encode_labels(y)
        if len(self.classes_) < 2:
            raise DataError("all cells are of one class; at least 2 classes are needed to tell apart")
        contenders = self._checked_contenders()
        n_genes, seed = self._resolve_n_features(X.shape[1]), seed_from(self.random_state)
        must_have = checked_must_have(self.must_have, X.shape[1], n_genes)
        names = getattr(self, "feature_names_in_", None) if genes is None else genes
        measured = find_assay(self.assay).measurement(names)
        task = Task(n_genes, must_have, seed, self.limits or (), measured, self.combine, self.mistakes)
        (first, options), *others = contenders.items()
        method = find_method(first)
        self.trials_, n_attempts, self.reason_ = [], 0, "it is the only contender"
        if others or self.min_recall is not None:
            try:
                trials = self._prepare(X, y, codes, donors, batches, task, names)
            except DataError as error:
                self.reason_ = f"nothing could be tried: {error}"
            else:
                n_attempts = self._run(trials, contenders)
                if trials.done:
                    best, self.reason_ = self._choose(trials)
                    options = best.options
                    named = {find_method(wanted).name: wanted for wanted in contenders}
                    method = find_method(named.get(best.method, best.method))
                self.trials_ = trials.found
        logger.info("%s chooses: %s", method.name, self.reason_)
        self.selector_ = self._fit_choice(X, y, codes, batches, method, task.selector(method, options), seed)
        self.choice_, knows_all_sizes = (
            method.name,
            method.kind.is_nested and getattr(self.selector_, "is_nested_", True),
        )
        self.is_nested_ = knows_all_sizes and not self.limits
        taken = options_taken(method, options, self.assay, self.combine, self.selector_)
        choice = {"method": method.name, "options": taken, "reason": self.reason_}
        self.record_ = record_of(self.trials_, n_attempts, self.assay, choice, options)
        self._set_order(task.order(self.selector_), np.asarray(self.selector_.scores_, dtype=np.float64))
        return self

    def _fit_choice(self, X: Any, y: Any, codes: Any, batches: Any, method: Method, wanted: Any, seed: int) -> Any:
        """Fit the selector that chooses, on all cells where that takes little."""
        if len(codes) > MAX_FITTED and not method.kind.learns_from_moments:
            rows = subsample(codes, np.random.default_rng(seed), total=MAX_FITTED)
            logger.info("%s chooses from %d of the %d cells", method.name, len(rows), len(codes))
            X, y, batches = X[rows], y[rows], None if batches is None else batches[rows]
        return fit_labelled(wanted, X, y, batches)

    def _prepare(self, X: Any, y: Any, codes: IntArray, donors: Any, batches: Any, task: Task, genes: Any) -> Trials:
        """Draw the cells and the folds."""
        rows = subsample(codes, np.random.default_rng(task.seed), total=self.max_cells)
        units = donors if batches is None or len(np.unique(batches)) < 2 else batches
        groups = None if units is None else np.asarray(units, dtype=str)[rows]
        folds = make_folds(codes[rows], n_splits=self.n_folds, donors=groups, seed=task.seed)
        kept, assay, instruments = Memory(self.memory, verbose=0), find_assay(self.assay), None
        if assay.alters_choice:
            instruments = Instruments(X[rows], assay, genes, task.seed)
        names, few = tuple(self.classifiers), None if batches is None else batches[rows]
        return Trials(X[rows], y[rows], codes[rows], folds, task, names, kept, groups, few, instruments)

    def _run(self, trials: Trials, contenders: Mapping[Method | str, Mapping[str, Any]]) -> int:
        """Try the contenders in turn, then other class weights where a class falls short; return how many of these."""
        end = np.inf if self.max_minutes is None else time.monotonic() + 60 * self.max_minutes
        for wanted, options in track(contenders.items(), "trying methods"):
            if trials.done and time.monotonic() >= end:
                logger.info(
                    "the time limit of %g minutes is over: %s and later methods are not tried",
                    self.max_minutes,
                    find_method(wanted).name,
                )
                return 0
            trials.run(wanted, options)
        if self.min_recall is None or not trials.done:
            return 0
        for trial in trials.done:
            trials.confirm(trial)
        importance = np.ones(len(self.classes_))
        recalls = best_of(trials, self.margin).recalls
        for n_attempts in range(self.max_attempts):
            short = recalls < self.min_recall
            if not short.any() or time.monotonic() >= end:
                return n_attempts
            importance[short] *= EMPHASIS
            weights = dict(zip(self.classes_.tolist(), importance.tolist(), strict=True))
            trials.run(RAISING, {"class_weights": weights})
            recalls = trials.confirm(trials.done[-1]).recalls
        return self.max_attempts

    def _choose(self, trials: Trials) -> tuple[Trial, str]:
        """Return the best trial, and why it is."""
        scored = "balanced accuracy" if self.mistakes is None else "balanced accuracy, less what mistakes cost,"
        reason = f"{scored} in {counted(len(trials.folds), 'fold')}: {listed(trials.done)}"
        best = best_of(trials, self.margin)
        confirmed = listed([trial for trial in trials.found if trial.refitted])
        if confirmed:
            reason += f"; with {' and '.join(self.classifiers)} refitted: {confirmed}"
        if self.min_recall is None:
            return best, reason
        aim, raised = self.min_recall, raised_from(trials, best, self.min_recall)
        return raised, (
            f"{reason}; of the worst class {aim:g} was to be found: {best.least_recall:.3f} became "
            f"{raised.least_recall:.3f}, while the mean went from {best.balanced_accuracy:.3f} to "
            f"{raised.balanced_accuracy:.3f}"
        )

    def _checked_contenders(self) -> dict[Method | str, Mapping[str, Any]]:
        """Check all parameters, and return the contenders with their options."""
        contenders = usable_contenders(self.contenders, self.assay)
        for name in self.classifiers:
            make_classifier(name)
        if self.min_recall is not None and self.mistakes is not None:
            raise SettingsError(
                "min_recall weighs all mistakes equally, and a tree of labels or costs does not; leave one out"
            )
        in_range = {
            "classifiers": (len(self.classifiers) >= 1, "one or more"),
            "n_folds": (self.n_folds >= 2, "2 or more"),
            "max_cells": (self.max_cells >= 1, "1 or more"),
            "combine": (self.combine in COMBINES, f"one of {quoted(COMBINES)}"),
            "margin": (self.margin >= 0, "0 or more"),
            "max_minutes": (self.max_minutes is None or self.max_minutes >= 0, "0 or more, or None"),
            "min_recall": (self.min_recall is None or 0 <= self.min_recall <= 1, "0 to 1, or None"),
            "max_attempts": (self.max_attempts >= 0, "0 or more"),
        }
        check_ranges(self, in_range)
        return contenders

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags
