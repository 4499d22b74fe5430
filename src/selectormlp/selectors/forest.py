"""Ranking genes by the importance that a random forest gives them."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from selectormlp.data.cells import FloatArray, IntArray
from selectormlp.selectors.base import GeneSelector
from selectormlp.selectors.labels import encode_labels, rows_of_batches


class ForestSelector(GeneSelector):
    """Rank genes by the fall in impurity over a random forest whose trees weigh classes equally.

    Parameters
    ----------
    n_features_to_select
        How many genes to choose: a number, a fraction, or None for half of them.
    n_estimators
        Number of trees.
    n_jobs
        Trees grown at the same time, as joblib takes it.
    random_state
        Seed, generator or None, as scikit-learn takes it.

    Attributes
    ----------
    classes_
        Labels, sorted, shape (n_classes,).

    References
    ----------
    Breiman, Machine Learning 2001; as scikit-learn's ``RandomForestClassifier`` has it.

    Examples
    --------
    >>> y = np.repeat([0, 1], 20)
    >>> X = np.random.default_rng(0).normal(size=(40, 3)) + 5 * np.outer(y, [0, 0, 1])
    >>> ForestSelector(1, n_estimators=10, random_state=0).fit(X, y).get_support(indices=True)
    array([2])
    """

    takes_batches = True

    def __init__(
        self,
        n_features_to_select: int | float | None = None,
        *,
        n_estimators: int = 500,
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.n_features_to_select = n_features_to_select
        self.n_estimators = n_estimators
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, *, batches: Any = None) -> Self:
        """Grow the forest on X, shape (n_cells, n_genes), dense or CSR, and labels, shape (n_cells,).

        With batches, shape (n_cells,), a forest is grown in each that has two classes or more, of its share of the
        trees, and the importances are averaged, each batch weighing by its classes.

        Raises
        ------
        SettingsError
            If n_features_to_select is not usable.
        ValueError
            If X, y or a parameter of the forest is not usable (as scikit-learn says it).
        """
        X, y = self._checked(X, y)
        self.classes_, codes = encode_labels(y)
        parts = [rows for rows in rows_of_batches(batches, len(codes)) if len(np.unique(codes[rows])) > 1]
        parts = parts or [np.arange(len(codes))]
        weights = np.array([len(np.unique(codes[rows])) for rows in parts], dtype=np.float64)
        found = [self._importances(X, codes, rows, len(parts)) for rows in parts]
        self._set_scores(np.average(found, axis=0, weights=weights))
        return self

    def _importances(self, X: Any, codes: IntArray, rows: IntArray, n_parts: int) -> FloatArray:
        """Return what a forest of its share of the trees, grown on some cells, makes of the genes."""
        forest = RandomForestClassifier(
            n_estimators=-(-self.n_estimators // n_parts),
            class_weight="balanced",
            n_jobs=self.n_jobs,
            random_state=self.random_state,
        )
        few = X if len(rows) == len(codes) else X[rows]
        return np.asarray(forest.fit(few, codes[rows]).feature_importances_, dtype=np.float64)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags
