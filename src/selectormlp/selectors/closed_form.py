"""What the closed-form selectors share: the choice of genes to consider, moments, forward selection."""

from __future__ import annotations

import logging
import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from selectormlp.data.cells import UNKNOWN_CLASS, Cells, FloatArray, IntArray, Matrix
from selectormlp.data.coverage import Coverage
from selectormlp.data.label_tree import Mistakes
from selectormlp.data.stored import StoredCells
from selectormlp.devices import Device, check_device
from selectormlp.errors import SettingsError
from selectormlp.moments.batches import Combine
from selectormlp.moments.dask import Workers
from selectormlp.moments.forward import Forward, Objective, forward_select
from selectormlp.moments.groups import Groups, groups_of
from selectormlp.moments.moments import Moments
from selectormlp.moments.stream import balanced_cell_weights
from selectormlp.moments.variable import check_memory, most_variable
from selectormlp.panel.completion import Completion
from selectormlp.panel.limits import Limit
from selectormlp.selectors.base import GeneSelector, order_by_score
from selectormlp.selectors.columns import checked_columns
from selectormlp.selectors.covered import CoveredPasses
from selectormlp.selectors.labels import checked_batches, class_importance, encode_labels
from selectormlp.selectors.passes import Kept, MatrixPasses, Passes, StoredPasses

logger = logging.getLogger(__name__)


class ClosedFormSelector(GeneSelector):
    """A selector that learns from moments alone (abstract).

    A subclass declares the scatters it needs and its objective; ``fit`` and ``fit_moments`` do the rest.

    Attributes
    ----------
    candidates_
        Columns that were considered, increasing: all, or the ``max_genes`` most variable. The others are
        ranked after them by variance, with score 0.
    is_nested_
        Whether the ranking is that of every smaller panel, too.
    device_
        Where the covariances were computed: ``"cpu"`` or ``"cuda"``; not there after ``fit_moments``.
    """

    learns_from_moments = True

    must_have: Sequence[int] | None
    limits: Sequence[Limit] | None
    priorities: Sequence[float] | None
    max_genes: int | None
    max_memory_gb: float
    device: Device
    class_weights: Mapping[Any, float] | None = None
    mistakes: Mistakes | None = None
    combine: Combine = "new-study"

    _within: ClassVar[bool] = False
    _total: ClassVar[bool] = False
    _columns_suffice: ClassVar[bool] = False

    @property
    def _molecules(self) -> bool:
        """Whether moments of counts are needed."""
        return False

    @abstractmethod
    def _objective(self, moments: Moments) -> Objective:
        """Return what forward selection is to improve."""

    def fit_moments(self, moments: Moments) -> Self:
        """Learn which genes matter from moments, which may come from files, chunks or other machines.

        Parameters
        ----------
        moments
            With the scatter(s) that the selector needs; its cell weights decide what each class counts.

        Returns
        -------
        The selector, fitted.

        Raises
        ------
        DataError
            If a scatter that is needed is not there.
        SettingsError
            If a parameter is not usable.
        """
        if self.mistakes is not None:
            raise SettingsError("mistakes need the names of classes, which moments lack; fit on cells and labels")
        self.n_features_in_ = moments.n_genes
        self.candidates_ = np.arange(moments.n_genes)
        self._select(moments, np.zeros(moments.n_genes), checked_columns("must_have", self.must_have, moments.n_genes))
        return self

    def fit_stored(self, cells: StoredCells, *, workers: Workers | None = None) -> Self:
        """Learn which genes matter from cells on disk, in one pass (two, where ``max_genes`` leaves some genes out).

        Parameters
        ----------
        cells
            Not read into memory: at most a block a worker is, besides the covariance.
        workers
            Who reads and sums; None: threads of this machine, or the Dask client that is active.

        Returns
        -------
        The selector, fitted as on the same cells in memory.

        Raises
        ------
        SettingsError
            If a parameter is not usable, the covariance would not fit in memory, or a cluster cannot be reached.
        DataError
            If there are fewer than two classes, where classes are told apart, or a file cannot be read.
        """
        codes, importance = self._class_codes(cells)
        self.n_features_in_ = cells.n_genes
        passes = StoredPasses(cells.X, codes, workers or Workers())
        return self._fit_passes(_covered(passes, cells.coverage), importance, cells.batches)

    def fit_cells(self, cells: Cells, *, target: Matrix | None = None, seed: int = 0) -> Self:
        """Fit on cells, of each gene on those in which it was measured; see :meth:`GeneSelector.fit_cells`."""
        if cells.coverage is None:
            return super().fit_cells(cells, target=target, seed=seed)
        codes, importance = self._class_codes(cells)
        self.n_features_in_ = cells.n_genes
        return self._fit_passes(_covered(MatrixPasses(cells.X, codes), cells.coverage), importance, cells.batches)

    def _class_codes(self, cells: Cells | StoredCells) -> tuple[IntArray, FloatArray]:
        """Return the code of each cell, classes with cells in alphabetical order, and what each class counts."""
        if not self._within:
            return np.zeros(cells.n_cells, dtype=np.int64), np.ones(1)
        names = np.array(cells.classes)
        present = np.flatnonzero(cells.class_counts())
        present = present[np.argsort(names[present])]
        self.classes_ = names[present]
        new_codes = np.full(cells.n_classes + 1, UNKNOWN_CLASS)  # the last entry is that of cells of no class
        new_codes[present] = np.arange(len(present))
        return new_codes[cells.labels], self._importance()

    def _fit_unlabelled(self, X: Any) -> Self:
        X = self._checked(X)
        return self._fit_passes(MatrixPasses(X, np.zeros(X.shape[0], dtype=np.int64)), np.ones(1))

    def _fit_labelled(self, X: Any, y: Any, batches: Any = None) -> Self:
        X, y = self._checked(X, y)
        batches = checked_batches(batches, len(y))
        self.classes_, codes = encode_labels(y)
        return self._fit_passes(MatrixPasses(X, codes), self._importance(), batches)

    def _importance(self) -> FloatArray:
        """Return what each class counts, shape (n_classes,)."""
        given = class_importance(self.classes_, self.class_weights)
        return given if self.mistakes is None else given * self.mistakes.importance(self.classes_)

    def _costs(self) -> FloatArray | None:
        """Return what mistakes between the classes cost; None where all cost the same."""
        return None if self.mistakes is None else self.mistakes.pair_costs(self.classes_)

    def _fit_passes(self, cells: Passes, importance: FloatArray, batches: Any = None) -> Self:
        n_genes = self.n_features_in_
        check_device(self.device)
        must_have = checked_columns("must_have", self.must_have, n_genes)
        counts = np.bincount(cells.codes[cells.codes >= 0], minlength=len(importance)).astype(np.int64)
        cell_weights = balanced_cell_weights(counts, importance)
        variances = np.zeros(n_genes)
        self.candidates_ = np.arange(n_genes)
        if self.max_genes is not None and n_genes > self.max_genes:
            variances = cells.variances(cell_weights)
            self.candidates_ = most_variable(variances, self.max_genes, always=self._always(must_have))
            logger.info(
                "%d of %d genes are considered, those of largest variance; max_genes sets the number (None: all)",
                len(self.candidates_),
                n_genes,
            )
        groups = self._groups(cells.codes, batches, len(importance))
        n_pairs = math.comb(len(importance), 2) if self._within else 0
        if groups is not None:
            n_pairs = n_pairs * (groups.n_batches if self.combine == "worst" else 1) + len(groups)
            cells = cells.with_codes(groups.of_cells(cells.codes, _codes_of(batches)))
            cell_weights = cell_weights[groups.classes]
        check_memory(len(self.candidates_), self._within + self._total, self.max_memory_gb, n_pairs=n_pairs)
        n_columns = self._resolve_n_features(n_genes) if self._columns_suffice else None
        kept = Kept(self._within, self._total, self._molecules, n_columns)
        self.device_ = cells.device(self.device, kept.work(len(cells.codes), len(self.candidates_)), kept)
        moments = cells.moments(self.candidates_, cell_weights, kept, self.device_)
        if groups is not None:
            moments = groups.mark(moments)
        if moments.molecules is not None and not moments.molecules.absolute:
            logger.info("X holds no counts: expm1 of the values is used instead, with the same total for all cells")
        self._select(moments, variances, must_have)
        return self

    def _groups(self, codes: IntArray, batches: Any, n_classes: int) -> Groups | None:
        """Return the groups of cells of one class in one batch; None where batches cannot be told from classes."""
        if batches is None or not self.takes_batches:
            return None
        groups = groups_of(codes, _codes_of(batches), n_classes)
        return groups if groups.n_batches > 1 and groups.can_be_combined else None

    def _select(self, moments: Moments, variances: FloatArray, must_have: IntArray) -> None:
        objective = self._objective(moments)
        columns = self.candidates_
        n_wanted = self._resolve_n_features(len(variances))
        if len(must_have) > n_wanted:
            raise SettingsError(
                f"must_have holds {len(must_have)} genes and {n_wanted} are to be selected; raise n_features_to_select"
            )
        fixed = np.searchsorted(columns, must_have)
        if moments.columns is not None:
            moments.columns.compute(fixed)
        factors = None if self.priorities is None else np.asarray(self.priorities, dtype=np.float64)[columns]
        completion = None
        if self.limits:
            few = [limit.take(columns) for limit in self.limits]
            completion = Completion(few, np.ones(len(columns), dtype=np.bool_), fixed, n_wanted)
        forward = forward_select(
            objective, min(n_wanted, len(columns)), must_have=fixed.tolist(), gate=completion, priorities=factors
        )
        order = self._refined(objective, forward, len(fixed), completion, factors)
        self.is_nested_ = order is forward.order and not self.limits
        others = np.setdiff1d(np.arange(len(variances)), columns)
        scores = np.zeros(len(variances))
        scores[columns] = forward.gains
        self._set_order(np.concatenate([columns[order], others[order_by_score(variances[others])]]), scores)

    def _always(self, must_have: IntArray) -> IntArray:
        """Return genes to consider however little they vary: must-have genes, and a panel that keeps all limits."""
        if not self.limits:
            return must_have
        n_genes = self.n_features_in_
        n_wanted = self._resolve_n_features(n_genes)
        completion = Completion(self.limits, np.ones(n_genes, dtype=np.bool_), must_have, n_wanted)
        return np.union1d(must_have, completion.example)

    def _refined(
        self,
        objective: Objective,
        forward: Forward,
        n_fixed: int,
        completion: Completion | None,
        priorities: FloatArray | None,
    ) -> IntArray:
        """Improve on the order of a forward selection; as it stands, leave it."""
        del objective, n_fixed, completion, priorities
        return forward.order


def _codes_of(batches: Any) -> IntArray:
    codes: IntArray = np.unique(batches, return_inverse=True)[1].astype(np.int64)
    return codes


def _covered(passes: MatrixPasses | StoredPasses, coverage: Coverage | None) -> Passes:
    return passes if coverage is None else CoveredPasses(passes, coverage)
