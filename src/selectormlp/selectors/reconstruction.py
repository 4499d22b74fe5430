"""Choosing the genes from which the whole profile can be reconstructed, in closed form and without labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from selectormlp.devices import Device
from selectormlp.moments.moments import Moments
from selectormlp.moments.reconstruction import ReconstructionObjective, Target
from selectormlp.panel.limits import Limit
from selectormlp.selectors.closed_form import ClosedFormSelector


class ReconstructionSelector(ClosedFormSelector):
    """Choose genes one at a time, each the one that explains most of the variance still unexplained.

    Unsupervised: one pass over the cells gives the covariance, and the choice needs that only.

    Parameters
    ----------
    n_features_to_select
        Number of genes to choose: a number, a fraction, or None for half of them. Smaller panels are the first genes of
        the same ranking.
    target
        Variance to explain: that of all ``genes``, or of the leading principal ``components``.
    n_components
        How many components; not used for ``genes``.
    must_have
        Columns that are chosen first, in this order.
    limits
        Hard limits that the panel keeps, amounts by column of X: each next gene is chosen among those that still leave
        a feasible panel. Panels of different sizes are then not nested.
    priorities
        Factor on the gain of each gene, by column; None: 1 for all.
    max_genes
        Maximum number of genes considered, those of highest variance. None: all.
    max_memory_gb
        Refuse to start if the covariance would take more (10⁹ bytes).
    device
        Device for covariances: ``"auto"`` (CUDA if available and the work is large enough), ``"cpu"`` or ``"cuda"``.

    Attributes
    ----------
    candidates_
        Columns that were considered, increasing; the others are ranked last, by variance, with score 0.
    scores_
        Share of the variance that each gene added when it was chosen, or would add at the end, shape (n_features_in_,).
        The ranking is by order of choice, not by score.
    ranking_
        Rank of each gene, 1 (best) … n, strict, shape (n_features_in_,).

    See Also
    --------
    selectormlp.moments.reconstruction.ReconstructionObjective : the recursion, with its source.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = 0.1 * rng.normal(size=(100, 5))
    >>> X[:, [0, 1, 2]] += rng.normal(size=(100, 1))
    >>> X[:, [3, 4]] += rng.normal(size=(100, 1))
    >>> support = ReconstructionSelector(2).fit(X).get_support()  # one of each group
    >>> int(support[:3].sum()), int(support[3:].sum())
    (1, 1)
    """

    _total: ClassVar[bool] = True

    needs_labels = False

    def __init__(
        self,
        n_features_to_select: int | float | None = None,
        *,
        target: Target = "genes",
        n_components: int = 50,
        must_have: Sequence[int] | None = None,
        limits: Sequence[Limit] | None = None,
        priorities: Sequence[float] | None = None,
        max_genes: int | None = 5000,
        max_memory_gb: float = 8.0,
        device: Device = "auto",
    ) -> None:
        self.n_features_to_select = n_features_to_select
        self.target = target
        self.n_components = n_components
        self.must_have = must_have
        self.limits = limits
        self.priorities = priorities
        self.max_genes = max_genes
        self.max_memory_gb = max_memory_gb
        self.device = device

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn which genes matter.

        Parameters
        ----------
        X
            Expression, shape (n_cells, n_genes), dense or CSR; not altered.
        y
            Not used.

        Returns
        -------
        The selector, fitted.

        Raises
        ------
        SettingsError
            If a parameter is not usable, or the covariance would not fit in memory.
        ValueError
            If X is not usable (as scikit-learn says it).
        """
        del y
        return self._fit_unlabelled(X)

    def _objective(self, moments: Moments) -> ReconstructionObjective:
        return ReconstructionObjective(moments, target=self.target, n_components=self.n_components)
