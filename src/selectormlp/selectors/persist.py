"""PERSIST: genes whose on and off alone, through a network, tell cell types apart or predict the whole profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.validation import check_array

from selectormlp.data.cells import Cells, Matrix, as_matrix
from selectormlp.devices import Device
from selectormlp.errors import DataError, SettingsError, quoted
from selectormlp.networks.targets import PROFILE_LOSSES, CellRows, LabelTargets, ProfileLoss, ProfileTargets
from selectormlp.selectors.base import DTYPES
from selectormlp.selectors.binarize import Threshold
from selectormlp.selectors.binarizing import BinarizingSelector
from selectormlp.selectors.labels import check_class_weight, encode_labels


class PersistSelector(BinarizingSelector):
    """Choose genes whose on and off lets a network tell classes apart (PERSIST, supervised).

    Two stages, both annealed: gates, one per gene, close under a penalty λ until some candidates are left; then a mask
    of exactly k genes settles among these. The network reads 0 and 1 only, so that the panel may serve a technology
    that measures other units, such as FISH.

    Parameters
    ----------
    n_features_to_select
        How many genes to choose: a number, a fraction, or None for half of them. A panel is trained for its size:
        a smaller one is not the beginning of a larger one.
    threshold
        A gene is on where its expression is above this, in the units of X: 0 means "expressed" on counts and on logs
        alike. ``"quantile"`` takes a quantile of each gene.
    quantile
        Which, over all cells, in [0, 1); used with ``"quantile"`` only.
    must_have
        Columns that are chosen first, in this order; their gates are always open.
    candidates
        Columns that may be chosen beside them. None: all.
    n_candidates
        How many genes the elimination leaves, beside must-have ones; no fewer than are to be chosen beside these. None:
        8 for each gene to be chosen, from 100 to 500, but at least 2 for each. Where there are no more genes than that,
        nothing is eliminated.
    tolerance
        How far that number may be off, as a part of it. Where no λ is found that keeps to it, the nearest result is
        taken, and the log warns.
    hidden_sizes
        Units of each hidden layer of the network.
    elimination_steps, selection_steps
        Gradient steps of the two stages; the second stops early once the mask is settled.
    batch_size
        Cells a step.
    lr
        Learning rate of Adam for the network.
    start_temperature, end_temperature
        Of the relaxed gates; between them it falls geometrically.
    class_weight
        ``"balanced"`` lets each class count alike, however many cells it has; None each cell, as published; or a
        weight for each label.
    device
        ``"auto"`` (CUDA where there is any and the work is large enough for it), ``"cpu"`` or ``"cuda"``.
    random_state
        Seed; on one device, the same seed gives the same panel.
    progress
        Whether to show the stage, λ and the genes left on the terminal.

    Attributes
    ----------
    scores_
        By how much the loss (nats a cell, on 512 training cells) grows without each gene of the panel, the network
        being left as it is; 0 for all other genes. Shape (n_features_in_,).
    ranking_
        Rank of each gene, 1 (best) … n, strict: must-have genes; the others of the panel by score; then those that
        were left by the elimination, by their chance in the mask; then the others by the chance of their gate.
    thresholds_, candidates_, gate_probabilities_, mask_probabilities_, elimination_
        As in :class:`~selectormlp.selectors.binarizing.BinarizingSelector`.
    classes_
        Class labels.

    References
    ----------
    Covert et al., Nature Communications 2023, 14:2091; Maddison et al., ICLR 2017 (the relaxed samples).

    Notes
    -----
    Otherwise than published: one path on which λ is steered, and a bracketing search after it only where it misses,
    instead of a whole training for each λ of a secant search that may fail; exactly k distinct genes, where slots may
    share one; some cells share a sample of the gates; steps, not epochs; balanced classes.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["B", "NK", "T", "none of these"], 40)
    >>> X = rng.poisson(0.3, size=(160, 8))
    >>> X[np.arange(120), np.repeat([5, 6, 7], 40)] += 4  # a marker each for three of the four
    >>> selector = PersistSelector(3, selection_steps=200, random_state=0).fit(X, y)
    >>> selector.get_support(indices=True), selector.binarize(X).shape
    (array([5, 6, 7]), (160, 3))
    """

    def __init__(
        self,
        n_features_to_select: int | float | None = None,
        *,
        threshold: Threshold = 0.0,
        quantile: float = 0.5,
        must_have: Sequence[int] | None = None,
        candidates: Sequence[int] | None = None,
        n_candidates: int | None = None,
        tolerance: float = 0.2,
        hidden_sizes: Sequence[int] = (128, 128),
        elimination_steps: int = 150,
        selection_steps: int = 400,
        batch_size: int = 128,
        lr: float = 3e-3,
        start_temperature: float = 10.0,
        end_temperature: float = 0.01,
        class_weight: Literal["balanced"] | Mapping[Any, float] | None = "balanced",
        device: Device = "auto",
        random_state: Any = None,
        progress: bool = False,
    ) -> None:
        self.n_features_to_select = n_features_to_select
        self.threshold = threshold
        self.quantile = quantile
        self.must_have = must_have
        self.candidates = candidates
        self.n_candidates = n_candidates
        self.tolerance = tolerance
        self.hidden_sizes = hidden_sizes
        self.elimination_steps = elimination_steps
        self.selection_steps = selection_steps
        self.batch_size = batch_size
        self.lr = lr
        self.start_temperature = start_temperature
        self.end_temperature = end_temperature
        self.class_weight = class_weight
        self.device = device
        self.random_state = random_state
        self.progress = progress

    def fit(self, X: Any, y: Any) -> Self:  # type: ignore[override]
        """Choose genes.

        Parameters
        ----------
        X
            Expression, shape (n_cells, n_genes), dense or sparse, in any units; binarised here, not altered.
        y
            Class labels, shape (n_cells,).

        Raises
        ------
        SettingsError
            If a parameter is not usable.
        DataError
            If the cells are of one class.
        ValueError
            If X or y is not usable (as scikit-learn says it).
        """
        check_class_weight(self.class_weight)
        X, y = self._checked(X, y)
        self.classes_, codes = encode_labels(y)
        if len(self.classes_) < 2:
            raise DataError(f"all cells are of 1 class ({quoted(self.classes_)}); two or more are needed")
        weights = compute_class_weight(self.class_weight, classes=self.classes_, y=y)
        return self._learn(X, lambda device: LabelTargets(codes, weights, device), len(self.classes_))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


class UnsupervisedPersistSelector(BinarizingSelector):
    """Choose genes from whose on and off a network predicts the whole profile (PERSIST, unsupervised).

    Parameters
    ----------
    loss
        ``"hurdle"``: is a gene zero, and how high is it if not; or ``"mse"``: squared error. Both summed over genes.
    zero_weight
        What the question of zero counts in the hurdle loss.
    n_features_to_select, threshold, quantile, must_have, candidates, n_candidates, tolerance, hidden_sizes
        As in :class:`PersistSelector`.
    elimination_steps, selection_steps, batch_size, lr, start_temperature, end_temperature
        As in :class:`PersistSelector`.
    device, random_state, progress
        As in :class:`PersistSelector`.

    Attributes
    ----------
    scores_, ranking_
        As in :class:`PersistSelector`; the loss is summed over genes.
    thresholds_, candidates_, gate_probabilities_, mask_probabilities_, elimination_
        As in :class:`~selectormlp.selectors.binarizing.BinarizingSelector`.

    References
    ----------
    Covert et al., Nature Communications 2023, 14:2091.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> programme = rng.integers(0, 2, size=(200, 2))  # two programmes of genes, on or off
    >>> X = np.log1p(rng.poisson(0.1 + 5 * programme[:, [0, 0, 0, 1, 1, 1]]))
    >>> selector = UnsupervisedPersistSelector(2, selection_steps=150, random_state=0).fit(X)
    >>> [int(gene) // 3 for gene in selector.get_support(indices=True)]  # one of each
    [0, 1]
    """

    needs_labels = False
    takes_target = True

    def __init__(
        self,
        n_features_to_select: int | float | None = None,
        *,
        loss: ProfileLoss = "hurdle",
        zero_weight: float = 10.0,
        threshold: Threshold = 0.0,
        quantile: float = 0.5,
        must_have: Sequence[int] | None = None,
        candidates: Sequence[int] | None = None,
        n_candidates: int | None = None,
        tolerance: float = 0.2,
        hidden_sizes: Sequence[int] = (128, 128),
        elimination_steps: int = 150,
        selection_steps: int = 400,
        batch_size: int = 128,
        lr: float = 3e-3,
        start_temperature: float = 10.0,
        end_temperature: float = 0.01,
        device: Device = "auto",
        random_state: Any = None,
        progress: bool = False,
    ) -> None:
        self.n_features_to_select = n_features_to_select
        self.loss = loss
        self.zero_weight = zero_weight
        self.threshold = threshold
        self.quantile = quantile
        self.must_have = must_have
        self.candidates = candidates
        self.n_candidates = n_candidates
        self.tolerance = tolerance
        self.hidden_sizes = hidden_sizes
        self.elimination_steps = elimination_steps
        self.selection_steps = selection_steps
        self.batch_size = batch_size
        self.lr = lr
        self.start_temperature = start_temperature
        self.end_temperature = end_temperature
        self.device = device
        self.random_state = random_state
        self.progress = progress

    def fit_cells(self, cells: Cells, *, target: Matrix | None = None, seed: int = 0) -> Self:
        """Fit on cells and the profiles to be predicted."""
        del seed
        return self.fit(cells.X, target=target)

    def fit(self, X: Any, y: Any = None, *, target: Any = None) -> Self:
        """Choose genes.

        Parameters
        ----------
        X
            Expression, shape (n_cells, n_genes), dense or sparse, in any units; binarised here, not altered.
        y
            Not used.
        target
            Profiles to be predicted, shape (n_cells, n_target_genes), dense or sparse: another layer, or more genes
            than may be chosen. None: X as it is.

        Raises
        ------
        SettingsError
            If a parameter is not usable.
        DataError
            If X and the target differ in cells.
        ValueError
            If X or the target is not usable (as scikit-learn says it).
        """
        del y
        X = self._checked(X)
        if self.loss not in PROFILE_LOSSES:
            raise SettingsError(f"loss={self.loss!r}; expected one of {quoted(PROFILE_LOSSES)}")
        if not self.zero_weight >= 0:
            raise SettingsError(f"zero_weight={self.zero_weight!r}; expected 0 or more")
        profiles = as_matrix(X if target is None else check_array(target, accept_sparse="csr", dtype=DTYPES))
        if profiles.shape[0] != X.shape[0]:
            raise DataError(f"the target has {profiles.shape[0]} cells and X has {X.shape[0]}; give the same cells")
        n_outputs = profiles.shape[1] * (2 if self.loss == "hurdle" else 1)
        return self._learn(
            X, lambda device: ProfileTargets(CellRows(profiles, device), self.loss, self.zero_weight), n_outputs
        )
