"""Choosing genes that tell classes apart and reconstruct the profile, mixed by one weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from selectormlp.data.label_tree import Mistakes
from selectormlp.devices import Device
from selectormlp.moments.batches import Combine
from selectormlp.moments.discriminant import Criterion, DiscriminantObjective
from selectormlp.moments.mixture import MixtureObjective
from selectormlp.moments.moments import Moments
from selectormlp.moments.reconstruction import ReconstructionObjective, Target
from selectormlp.panel.limits import Limit
from selectormlp.selectors.closed_form import ClosedFormSelector


class MixtureSelector(ClosedFormSelector):
    """Choose genes one at a time for both objectives: classes told apart, and the profile reconstructed.

    Parameters
    ----------
    n_features_to_select
        Number of genes to choose: a number, a fraction, or None for half of them. Smaller panels are the first genes of
        the same ranking.
    weight
        Weight of the reconstruction, from 0 (as :class:`DiscriminantSelector`) to 1 (as
        :class:`ReconstructionSelector`). The mean over pairs of classes of 1/(1 + D²) and the unexplained share of the
        variance are lowered together.
    criterion, ridge, class_weights
        As :class:`~selectormlp.selectors.discriminant.DiscriminantSelector` takes them.
    target, n_components
        As :class:`~selectormlp.selectors.reconstruction.ReconstructionSelector` takes them.
    combine
        How to combine batches, see :class:`DiscriminantSelector`; profiles are reconstructed over all cells.
    must_have
        Columns that are chosen first, in this order.
    limits
        Hard limits that the panel keeps, amounts by column of X: each next gene is chosen among those that still leave
        a feasible panel. Panels of different sizes are then not nested.
    priorities
        Factor on the gain of each gene, by column; None: 1 for all.
    mistakes
        Costs of mistakes between classes, and weights of classes, along a tree of labels; None: all equal.
    max_genes
        Maximum number of genes considered, those of highest (class-balanced) variance. None: all.
    max_memory_gb
        Refuse to start if the covariances would take more (10⁹ bytes).
    device
        Device for covariances: ``"auto"`` (CUDA if available and the work is large enough), ``"cpu"`` or ``"cuda"``.

    Attributes
    ----------
    classes_
        Labels, sorted, shape (n_classes,); not there after ``fit_moments``.
    candidates_
        Columns that were considered, increasing; the others are ranked last, by variance, with score 0.
    scores_
        Mixed gain of each gene when it was chosen, or at the end, shape (n_features_in_,). The
        ranking is by order of choice, not by score.
    ranking_
        Rank of each gene, 1 (best) … n, strict, shape (n_features_in_,).

    See Also
    --------
    DiscriminantSelector, ReconstructionSelector : the two objectives, with their sources.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["B", "T"], 50)
    >>> X = rng.normal(size=(100, 4))
    >>> X[y == "T", 0] += 4
    >>> X[:, 3] *= 10
    >>> MixtureSelector(2, weight=0.5).fit(X, y).get_support(indices=True)
    array([0, 3])
    """

    _within: ClassVar[bool] = True
    takes_batches = True
    _total: ClassVar[bool] = True

    def __init__(
        self,
        n_features_to_select: int | float | None = None,
        *,
        weight: float = 0.5,
        criterion: Criterion = "inverse",
        ridge: float = 0.3,
        class_weights: Mapping[Any, float] | None = None,
        target: Target = "genes",
        n_components: int = 50,
        combine: Combine = "new-study",
        must_have: Sequence[int] | None = None,
        limits: Sequence[Limit] | None = None,
        priorities: Sequence[float] | None = None,
        mistakes: Mistakes | None = None,
        max_genes: int | None = 5000,
        max_memory_gb: float = 8.0,
        device: Device = "auto",
    ) -> None:
        self.n_features_to_select = n_features_to_select
        self.weight = weight
        self.criterion = criterion
        self.ridge = ridge
        self.class_weights = class_weights
        self.target = target
        self.n_components = n_components
        self.combine = combine
        self.must_have = must_have
        self.limits = limits
        self.priorities = priorities
        self.mistakes = mistakes
        self.max_genes = max_genes
        self.max_memory_gb = max_memory_gb
        self.device = device

    def fit(self, X: Any, y: Any = None, *, batches: Any = None) -> Self:
        """Learn which genes matter.

        Parameters
        ----------
        X
            Expression, shape (n_cells, n_genes), dense or CSR; not altered.
        y
            Labels, shape (n_cells,), at least two classes.
        batches
            Batch of each cell (study, chemistry, donor), shape (n_cells,), which is told from classes; see ``combine``.
            None: cells are pooled.

        Returns
        -------
        The selector, fitted.

        Raises
        ------
        SettingsError
            If a parameter is not usable, or the covariances would not fit in memory.
        DataError
            If there are fewer than two classes.
        ValueError
            If X or y is not usable (as scikit-learn says it).
        """
        return self._fit_labelled(X, y, batches)

    def _objective(self, moments: Moments) -> MixtureObjective:
        return MixtureObjective(
            DiscriminantObjective(
                moments, criterion=self.criterion, ridge=self.ridge, costs=self._costs(), combine=self.combine
            ),
            ReconstructionObjective(moments, target=self.target, n_components=self.n_components),
            weight=self.weight,
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags
