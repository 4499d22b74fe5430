"""The discriminant on genes as on or off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, Self

from selectormlp.data.label_tree import Mistakes
from selectormlp.data.stored import StoredCells
from selectormlp.errors import SettingsError
from selectormlp.moments.batches import Combine
from selectormlp.moments.dask import Workers
from selectormlp.moments.discriminant import Criterion
from selectormlp.panel.limits import Limit
from selectormlp.selectors.binarize import Threshold, binarized, gene_thresholds
from selectormlp.selectors.discriminant import DiscriminantSelector
from selectormlp.selectors.on_off import OnOffSelector


class BinaryDiscriminantSelector(OnOffSelector, DiscriminantSelector):
    """Choose genes as :class:`DiscriminantSelector` does, from expression that is on or off.

    For assays that say no more of a gene than whether a cell expresses it. The cells have to be in memory.

    Parameters
    ----------
    n_features_to_select
        How many genes to choose: a number, a fraction, or None for half of them.
    threshold
        Expression above which a gene is on, in the units of X; or ``"quantile"``, a quantile of each gene.
    quantile
        Which one, in [0, 1).
    criterion, ridge, pooling, shrinkage, shrink_after, class_weights, must_have, limits, priorities, mistakes, combine,
    max_genes, max_memory_gb
        As :class:`DiscriminantSelector` takes them.

    Attributes
    ----------
    thresholds_
        Expression above which each gene counts as on, in the units of X, shape (n_features_in_,).
    classes_, candidates_, scores_, ranking_
        As there.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.repeat(["B", "T"], 50)
    >>> X = np.random.default_rng(0).exponential(size=(100, 4))
    >>> X[y == "B", 2] = 0.0
    >>> BinaryDiscriminantSelector(1).fit(X, y).get_support(indices=True)
    array([2])
    """

    learns_from_moments = False

    takes_unmeasured = False

    def __init__(
        self,
        n_features_to_select: int | float | None = None,
        *,
        threshold: Threshold = 0.0,
        quantile: float = 0.5,
        criterion: Criterion = "inverse",
        ridge: float = 0.3,
        pooling: float = 300.0,
        shrinkage: float = 0.5,
        shrink_after: int = 20,
        class_weights: Mapping[Any, float] | None = None,
        must_have: Sequence[int] | None = None,
        limits: Sequence[Limit] | None = None,
        priorities: Sequence[float] | None = None,
        mistakes: Mistakes | None = None,
        combine: Combine = "new-study",
        max_genes: int | None = 5000,
        max_memory_gb: float = 8.0,
    ) -> None:
        super().__init__(
            n_features_to_select,
            criterion=criterion,
            ridge=ridge,
            pooling=pooling,
            shrinkage=shrinkage,
            shrink_after=shrink_after,
            class_weights=class_weights,
            must_have=must_have,
            limits=limits,
            priorities=priorities,
            mistakes=mistakes,
            combine=combine,
            max_genes=max_genes,
            max_memory_gb=max_memory_gb,
        )
        self.threshold = threshold
        self.quantile = quantile

    def fit(self, X: Any, y: Any = None, *, batches: Any = None) -> Self:
        """Learn which genes matter; parameters and errors as of :class:`DiscriminantSelector`."""
        X = self._checked(X)
        self.thresholds_ = gene_thresholds(X, self.threshold, self.quantile)
        return super().fit(binarized(X, self.thresholds_), y, batches=batches)

    def fit_stored(self, cells: StoredCells, *, workers: Workers | None = None) -> NoReturn:
        """Refuse cells on disk.

        Raises
        ------
        SettingsError
            Always.
        """
        del cells, workers
        raise SettingsError("genes are read as on or off in memory only; read the cells, or choose 'discriminant'")
