"""The contract of all selectors: scikit-learn's, with a strict ranking."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from selectormlp.data.cells import AnyFloatArray, BoolArray, Cells, IntArray, Matrix
from selectormlp.errors import DataError, SettingsError, counted

DTYPES = [np.float64, np.float32]
"""Types of values that are taken as they are; others become the first."""


def order_by_score(scores: AnyFloatArray) -> IntArray:
    """Order genes from the highest score to the lowest, shape (n_genes,); equal scores in column order.

    Examples
    --------
    >>> order_by_score(np.array([0.1, 0.7, 0.1, 0.9]))
    array([3, 1, 0, 2])
    """
    return np.argsort(-scores, kind="stable").astype(np.int64)


def check_scores(scores: AnyFloatArray, what: str) -> None:
    """Raise unless every score is a number: genes cannot be ranked by NaN, nor told apart by infinite scores.

    Parameters
    ----------
    scores
        Of the genes, shape (n_genes,).
    what
        Whose scores these are, for the message.

    Raises
    ------
    DataError
        If a score is NaN or infinite.

    Examples
    --------
    >>> check_scores(np.array([1.0, np.nan]), "MyTest")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    selectormlp.errors.DataError: MyTest scores 1 gene of 2 NaN or infinite (the first: column 1), so it cannot rank ...
    """
    wrong = np.flatnonzero(~np.isfinite(scores))
    if len(wrong):
        raise DataError(
            f"{what} scores {counted(len(wrong), 'gene', 'genes')} of {len(scores):,} NaN or infinite (the first: "
            f"column {wrong[0]}), so it cannot rank genes; check whether the cells hold values that are far too large, "
            "normalise and log them (normalize='counts'), or use another method"
        )


def seed_from(random_state: Any) -> int:
    """Return a whole number as seed: the one given, or one drawn from a generator or, for None, at random.

    Examples
    --------
    >>> seed_from(3)
    3
    """
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31))


class GeneSelector(SelectorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """A selector of genes (abstract).

    A subclass takes its settings in ``__init__`` unchanged, learns in ``fit(X, y)`` and ends it with
    ``_set_scores`` (or, where the order does not follow from one score per gene, ``_set_order``).

    Attributes
    ----------
    scores_
        Importance of each gene, higher is better, shape (n_features_in_,).
    ranking_
        Rank of each gene: 1 (best) … n, strict, shape (n_features_in_,). ``RFE.ranking_`` of scikit-learn, in
        contrast, gives every chosen feature rank 1.

    Notes
    -----
    Selectors never normalise: X is taken as it is.
    """

    n_features_to_select: int | float | None

    needs_labels: ClassVar[bool] = True
    """Whether it learns from labels."""
    takes_target: ClassVar[bool] = False
    """Whether it takes profiles to be predicted."""
    learns_from_moments: ClassVar[bool] = False
    """Whether class means and covariances are all that it needs, so that cells may stay on disk."""
    takes_unmeasured: ClassVar[bool] = False
    """Whether it can choose among genes that were measured in some of the cells only."""
    takes_batches: bool = False
    """Whether ``fit`` takes batches of cells and tells them from classes."""
    is_nested: ClassVar[bool] = True
    """Whether the order is the same for every size, so that a smaller panel is the beginning of a larger one."""
    may_contend: ClassVar[bool] = True
    """Whether ``auto`` can try it, if it learns from labels: its settings do not depend on the data."""

    @staticmethod
    def defaults_for(n_cells: int) -> dict[str, Any]:
        """Return the parameters whose defaults depend on the number of cells; none here."""
        del n_cells
        return {}

    @abstractmethod
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn which genes matter from cells × genes and their labels."""

    def fit_cells(self, cells: Cells, *, target: Matrix | None = None, seed: int = 0) -> Self:
        """Fit on cells, with what they carry that the selector learns from.

        Parameters
        ----------
        cells
            Cells of a class, unless the selector needs no labels.
        target
            Profiles to be predicted, shape (n_cells, n_target_genes), for selectors that take them.
        seed
            Seed of what is drawn beside the selector's own, such as validation cells.
        """
        del target, seed
        if not self.needs_labels:
            return self.fit(cells.X)
        return fit_labelled(self, cells.X, np.array(cells.classes)[cells.labels], cells.batches)

    def _checked(self, X: Any, y: Any = "no_validation", **options: Any) -> Any:
        """Return cells × genes, dense or CSR, and the labels where they are given, checked as scikit-learn does.

        Raises
        ------
        DataError
            If X is an AnnData object, which scikit-learn would take a minute to refuse.
        ValueError
            From scikit-learn, whose options ``options`` are.
        """
        if hasattr(X, "obs_names"):
            raise DataError(
                "X is an AnnData object; expected a matrix of cells × genes: give adata.X, and labels as a column of "
                "adata.obs; or call selectormlp.select(adata, label_key=…, n_genes=…)"
            )
        return validate_data(self, X, y, accept_sparse="csr", **{"dtype": DTYPES, **options})

    def _set_scores(self, scores: AnyFloatArray) -> None:
        self._set_order(order_by_score(scores), scores)

    def _set_order(self, order: IntArray, scores: AnyFloatArray) -> None:
        check_scores(scores, type(self).__name__)
        self.n_features_to_select_ = self._resolve_n_features(len(scores))
        self.scores_ = scores
        self.ranking_ = np.empty(len(order), dtype=np.int64)
        self.ranking_[order] = np.arange(1, len(order) + 1)

    def _resolve_n_features(self, n_features: int) -> int:
        wanted: object = self.n_features_to_select
        if wanted is None:
            return max(1, n_features // 2)
        if isinstance(wanted, int | np.integer) and not isinstance(wanted, bool):
            if not 1 <= wanted <= n_features:
                raise SettingsError(
                    f"n_features_to_select={wanted} for data of {n_features} genes; expected 1 to {n_features}"
                )
            return int(wanted)
        if isinstance(wanted, float | np.floating) and 0 < wanted < 1:
            return max(1, int(n_features * wanted))
        raise SettingsError(
            f"n_features_to_select={wanted!r}; expected a whole number of genes, a fraction between 0 and 1, or None"
        )

    def _get_support_mask(self) -> BoolArray:
        check_is_fitted(self, "ranking_")
        support: BoolArray = self.ranking_ <= self.n_features_to_select_
        return support

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


AnySelector = TypeVar("AnySelector", bound=GeneSelector)


def fit_labelled(selector: AnySelector, X: Any, y: Any, batches: Any = None) -> AnySelector:
    """Fit a selector on labelled cells, with their batches where they have any and it takes them."""
    if batches is None or not selector.takes_batches:
        return selector.fit(X, y)
    return selector.fit(X, y, batches=batches)  # type: ignore[call-arg]  # as takes_batches says
