"""Ranking genes by the importance that a random forest gives them."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from selectormlp.selectors.base import GeneSelector
from selectormlp.selectors.labels import encode_labels


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

    def fit(self, X: Any, y: Any = None) -> Self:
        """Grow the forest on X, shape (n_cells, n_genes), dense or CSR, and labels, shape (n_cells,).

        Raises
        ------
        SettingsError
            If n_features_to_select is not usable.
        ValueError
            If X, y or a parameter of the forest is not usable (as scikit-learn says it).
        """
        X, y = self._checked(X, y)
        self.classes_, codes = encode_labels(y)
        forest = RandomForestClassifier(
            n_estimators=self.n_estimators,
            class_weight="balanced",
            n_jobs=self.n_jobs,
            random_state=self.random_state,
        )
        self._set_scores(np.asarray(forest.fit(X, codes).feature_importances_))
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags
