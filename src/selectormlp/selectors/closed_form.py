"""What the closed-form selectors share: the choice of genes to consider, moments, forward selection."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import validate_data

from selectormlp.data.cells import IntArray
from selectormlp.errors import SettingsError
from selectormlp.moments.forward import Forward, Objective, forward_select
from selectormlp.moments.moments import FloatArray, Moments
from selectormlp.moments.stream import AnyMatrix, balanced_cell_weights, moments_of
from selectormlp.moments.variable import check_memory, gene_variances, most_variable
from selectormlp.selectors.base import GeneSelector, order_by_score
from selectormlp.selectors.columns import checked_columns
from selectormlp.selectors.labels import class_importance, encode_labels

logger = logging.getLogger(__name__)

DTYPES = [np.float64, np.float32]
"""Expression is taken in these as it is; anything else becomes the first."""


class ClosedFormSelector(GeneSelector):
    """A selector that learns from moments alone (abstract).

    A subclass says which scatters it needs and gives its objective; ``fit`` or ``fit_moments`` does the rest.

    Attributes
    ----------
    candidates_
        Columns that were considered, increasing: all, or the ``max_genes`` most variable. The others are
        ranked after them by variance, with score 0.
    is_nested_
        Whether the ranking is that of every smaller panel, too.
    """

    must_have: Sequence[int] | None
    max_genes: int | None
    max_memory_gb: float

    _within: ClassVar[bool] = False
    _total: ClassVar[bool] = False

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
        self.n_features_in_ = moments.n_genes
        self.candidates_ = np.arange(moments.n_genes)
        self._select(moments, np.zeros(moments.n_genes), checked_columns("must_have", self.must_have, moments.n_genes))
        return self

    def _fit_unlabelled(self, X: Any) -> Self:
        X = validate_data(self, X, accept_sparse="csr", dtype=DTYPES)
        return self._fit_codes(X, np.zeros(X.shape[0], dtype=np.int64), np.ones(1))

    def _fit_labelled(self, X: Any, y: Any, class_weights: Any) -> Self:
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=DTYPES)
        self.classes_, codes = encode_labels(y)
        return self._fit_codes(X, codes, class_importance(self.classes_, class_weights))

    def _fit_codes(self, X: AnyMatrix, codes: IntArray, importance: FloatArray) -> Self:
        must_have = checked_columns("must_have", self.must_have, X.shape[1])
        counts = np.bincount(codes, minlength=len(importance)).astype(np.int64)
        cell_weights = balanced_cell_weights(counts, importance)
        variances = np.zeros(X.shape[1])
        self.candidates_ = np.arange(X.shape[1])
        if self.max_genes is not None and X.shape[1] > self.max_genes:
            variances = gene_variances(X, codes, cell_weights)
            self.candidates_ = most_variable(variances, self.max_genes, always=must_have)
            logger.info(
                "%d of %d genes are considered, those of most variance; max_genes sets how many, None takes all",
                len(self.candidates_),
                X.shape[1],
            )
        check_memory(len(self.candidates_), self._within + self._total, self.max_memory_gb)
        moments = moments_of(
            _take_columns(X, self.candidates_), codes, cell_weights=cell_weights, within=self._within, total=self._total
        )
        self._select(moments, variances, must_have)
        return self

    def _select(self, moments: Moments, variances: FloatArray, must_have: IntArray) -> None:
        objective = self._objective(moments)
        columns = self.candidates_
        n_wanted = self._resolve_n_features(len(variances))
        if len(must_have) > n_wanted:
            raise SettingsError(
                f"must_have holds {len(must_have)} genes and {n_wanted} are to be selected; raise n_features_to_select"
            )
        fixed = np.searchsorted(columns, must_have)
        forward = forward_select(objective, min(n_wanted, len(columns)), must_have=fixed.tolist())
        order = self._refined(objective, forward, len(fixed))
        self.is_nested_ = order is forward.order
        others = np.setdiff1d(np.arange(len(variances)), columns)
        scores = np.zeros(len(variances))
        scores[columns] = forward.gains
        self._set_order(np.concatenate([columns[order], others[order_by_score(variances[others])]]), scores)

    def _refined(self, objective: Objective, forward: Forward, n_fixed: int) -> IntArray:
        """Improve on the order of a forward selection; as it stands, leave it."""
        del objective, n_fixed
        return forward.order


def _take_columns(X: AnyMatrix, columns: IntArray) -> AnyMatrix:
    return X if len(columns) == X.shape[1] else X[:, columns]
