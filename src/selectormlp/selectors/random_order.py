"""Genes in random order: what any choice has to beat."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.utils import check_random_state

from selectormlp.selectors.base import GeneSelector


class RandomSelector(GeneSelector):
    """Rank genes at random.

    Parameters
    ----------
    n_features_to_select
        How many genes to choose: a number, a fraction, or None for half of them.
    random_state
        Seed, generator or None, as scikit-learn takes it.

    Examples
    --------
    >>> X = np.zeros((3, 5))
    >>> RandomSelector(2, random_state=0).fit(X).ranking_
    array([3, 1, 2, 4, 5])
    """

    needs_labels = False

    def __init__(self, n_features_to_select: int | float | None = None, *, random_state: Any = None) -> None:
        self.n_features_to_select = n_features_to_select
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Draw an order of the genes of X, shape (n_cells, n_genes); neither values nor labels matter.

        Raises
        ------
        SettingsError
            If n_features_to_select is not usable.
        ValueError
            If X is not usable (as scikit-learn says it).
        """
        del y
        self._checked(X)
        scores: np.ndarray[Any, np.dtype[np.float64]] = check_random_state(self.random_state).random_sample(
            self.n_features_in_
        )
        self._set_scores(scores)
        return self
