"""Estimators of scikit-learn's kind as methods: whatever scores or ranks genes can choose a panel."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from sklearn.base import clone
from sklearn.utils import get_tags

from selectormlp.data.cells import BoolArray, FloatArray
from selectormlp.errors import SettingsError, quoted
from selectormlp.selectors.base import GeneSelector, check_scores, order_by_score
from selectormlp.selectors.registry import Method

RESULTS = ("ranking_", "scores_", "feature_importances_", "coef_")
"""Attributes of a fitted estimator that genes can be ranked by, in this order."""


class EstimatorSelector(GeneSelector):
    """Rank genes by what an estimator of scikit-learn's kind has learned.

    Parameters
    ----------
    n_features_to_select
        How many genes to choose: a number, a fraction, or None for half of them.
    estimator
        With ``fit``, and one of ``ranking_`` (1 is best), ``scores_``, ``feature_importances_`` or ``coef_`` (their
        absolute values, summed over classes) once fitted; not altered.
    random_state
        Seed, for an estimator that takes one and has none of its own.

    Examples
    --------
    >>> from sklearn.feature_selection import SelectKBest
    >>> X = np.array([[0.0, 1.0], [0.1, 0.0], [0.0, 9.0], [0.1, 8.0]])
    >>> EstimatorSelector(1, estimator=SelectKBest(k=1)).fit(X, list("aabb")).ranking_
    array([2, 1])
    """

    def __init__(
        self, n_features_to_select: int | float | None = None, *, estimator: Any = None, random_state: Any = None
    ) -> None:
        self.n_features_to_select = n_features_to_select
        self.estimator = estimator
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit a clone of the estimator, and rank the genes by it.

        Raises
        ------
        SettingsError
            If it leaves nothing that genes can be ranked by.
        DataError
            If the score of a gene that varies is NaN.
        """
        X = self._checked(X)
        fitted = clone(self.estimator)
        parameters = fitted.get_params()
        if "random_state" in parameters and parameters["random_state"] is None:
            fitted.set_params(random_state=self.random_state)
        if hasattr(X, "toarray") and not get_tags(fitted).input_tags.sparse:
            X = X.toarray()
        fitted.fit(X, y)
        found = next((name for name in RESULTS if getattr(fitted, name, None) is not None), None)
        if found is None:
            raise SettingsError(
                f"{type(fitted).__name__} has none of {quoted(RESULTS)} once fitted; give one that scores genes"
            )
        self.estimator_ = fitted
        scores = _scores(np.asarray(getattr(fitted, found), dtype=np.float64), found)
        if scores.shape != (X.shape[1],):
            raise SettingsError(
                f"{found} of {type(fitted).__name__} has the shape {scores.shape}; expected one value for each of "
                f"the {X.shape[1]} genes"
            )
        scores = np.nan_to_num(scores, nan=np.nan)  # infinite where a gene separates classes without error
        unknown = np.isnan(scores) & _constant(X)  # as SelectKBest scores them
        known = np.where(unknown, 0.0, scores)
        check_scores(known, type(fitted).__name__)
        self._set_order(order_by_score(np.where(unknown, -np.inf, scores)), known)
        return self

    @property
    def record_(self) -> dict[str, Any]:
        """What a panel's provenance keeps: class and parameters of the estimator, as JSON holds them."""
        return {"estimator": description_of(self.estimator)}


def _constant(X: Any) -> BoolArray:
    """Return which genes have the same value in all cells, shape (n_genes,)."""
    ends = X.max(axis=0), X.min(axis=0)
    high, low = (np.asarray(end.toarray() if hasattr(end, "toarray") else end).ravel() for end in ends)
    constant: BoolArray = high == low
    return constant


def _scores(values: FloatArray, name: str) -> FloatArray:
    """Turn what an estimator has learned into one score per gene, higher is better."""
    if name == "ranking_":
        values = values.max() - values + 1.0
    if name == "coef_":
        values = np.abs(np.atleast_2d(values)).sum(axis=0)
    return values


def description_of(estimator: Any) -> dict[str, Any]:
    """Return the class of an estimator and its parameters, those that JSON cannot hold as their text."""
    parameters = estimator.get_params(deep=False)
    return {"class": class_name(type(estimator)), "parameters": {name: _plain(v) for name, v in parameters.items()}}


def _plain(value: Any) -> Any:
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        if hasattr(value, "__qualname__"):
            return class_name(value)
        return re.sub(r" at 0x[0-9a-f]+", "", repr(value))  # addresses differ in each run


def class_name(kind: Any) -> str:
    """Return module and name of a class or function."""
    return f"{kind.__module__}.{kind.__qualname__}"


def method_of(estimator: Any) -> Method:
    """Take an unfitted estimator as a method; see :func:`selectormlp.selectors.registry.find_method`."""
    if isinstance(estimator, type) or not (hasattr(estimator, "fit") and hasattr(estimator, "get_params")):
        raise SettingsError(f"method is {str(estimator)[:80]!r}; expected a name, or an unfitted estimator")
    name = class_name(type(estimator))
    if isinstance(estimator, GeneSelector):
        return Method(name, lambda: type(estimator), build=lambda: clone(estimator), is_registered=False)
    return Method(
        name,
        lambda: EstimatorSelector,
        {"estimator": estimator},
        build=lambda: EstimatorSelector(estimator=estimator),
        is_registered=False,
    )


def registered(name: str, found: Any) -> Method:
    """Return the method that another package registers: a class of selectors, or of estimators.

    Raises
    ------
    SettingsError
        If it is no class with ``fit``.
    """
    if not (isinstance(found, type) and hasattr(found, "fit")):
        raise SettingsError(f"the entry point {name!r} is {str(found)[:80]!r}; expected a class with fit")
    if issubclass(found, GeneSelector):
        return Method(name, lambda: found)
    settings: Mapping[str, Any] = {"estimator": found()}
    return Method(name, lambda: EstimatorSelector, settings)
