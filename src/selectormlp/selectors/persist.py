"""PERSIST: genes whose on and off alone, through a network, tell cell types apart or predict the whole profile."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal, Self

import numpy as np
import rich
import torch
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from selectormlp.data.cells import IntArray, Matrix, as_matrix
from selectormlp.errors import DataError, SettingsError, quoted
from selectormlp.networks.annealing import Annealing, Report, Selection, Task, eliminate, select
from selectormlp.networks.targets import PROFILE_LOSSES, CellRows, LabelTargets, ProfileLoss, ProfileTargets, Targets
from selectormlp.networks.threads import threads_worth
from selectormlp.selectors.base import GeneSelector
from selectormlp.selectors.binarize import FloatArray, Threshold, binarized, gene_thresholds
from selectormlp.selectors.closed_form import DTYPES
from selectormlp.selectors.columns import checked_columns
from selectormlp.selectors.labels import encode_labels

logger = logging.getLogger(__name__)

Device = Literal["auto", "cpu", "cuda"]

SELECTED_FROM, LEAST_SELECTED_FROM, MOST_SELECTED_FROM = 8, 100, 500
"""Genes left by the elimination for each gene to be chosen; the fewest, and the most but for twice those."""


class BinarizingSelector(GeneSelector):
    """A selector that learns from binarised expression through gates that are annealed (abstract).

    Attributes
    ----------
    thresholds_
        Expression above which each gene counts as on, in the units of X, shape (n_features_in_,).
    candidates_
        Columns that were left by the elimination, increasing; must-have ones among them.
    gate_probabilities_
        Chance that each gene's gate was open after the elimination, shape (n_features_in_,); 1 where there was no
        elimination or the gene is must-have, 0 for columns that could not be chosen.
    mask_probabilities_
        Chance that each gene is in the final mask, shape (n_features_in_,).
    elimination_
        What the elimination left (λ, rounds), or None if there was none.
    """

    threshold: Threshold
    quantile: float
    must_have: Sequence[int] | None
    candidates: Sequence[int] | None
    n_candidates: int | None
    tolerance: float
    hidden_sizes: Sequence[int]
    elimination_steps: int
    selection_steps: int
    batch_size: int
    lr: float
    start_temperature: float
    end_temperature: float
    device: Device
    random_state: Any
    progress: bool

    def binarize(self, X: Any) -> Matrix:
        """Return the panel's columns as on (1) or off (0) by the fitted thresholds.

        Parameters
        ----------
        X
            Expression of all genes, shape (n_cells, n_features_in_), dense or sparse, in the units of ``fit``.

        Returns
        -------
        Shape (n_cells, n_features_to_select_), float32; CSR for sparse X unless a threshold is below 0.
        """
        check_is_fitted(self, "ranking_")
        X = validate_data(self, X, reset=False, accept_sparse="csr", dtype=DTYPES)
        panel = self.get_support(indices=True)
        return binarized(X[:, panel], self.thresholds_[panel])

    def _learn(self, X: Any, targets: Callable[[torch.device], Targets]) -> Self:
        """Choose genes of checked X for the targets that ``targets(device)`` makes."""
        self._check_settings()
        n_genes = X.shape[1]
        n_wanted = self._resolve_n_features(n_genes)
        must_have, free = self._columns(n_genes, n_wanted)
        self.thresholds_ = gene_thresholds(X, self.threshold, self.quantile)
        columns = np.concatenate([must_have, free])
        on = binarized(X[:, columns], self.thresholds_[columns])
        seed = self._seed()
        device = torch.device("cuda" if self._on_cuda() else "cpu")
        products = self.batch_size * len(columns) * self.hidden_sizes[0]
        with threads_worth(products), torch.random.fork_rng(devices=[]), _reporting(visible=self.progress) as report:
            torch.default_generator.manual_seed(seed)
            task = Task(
                cells=CellRows(on, device),
                targets=targets(device),
                n_fixed=len(must_have),
                annealing=self._annealing(),
                generator=torch.Generator(device).manual_seed(seed),
                rng=np.random.default_rng(seed),
                report=report,
            )
            self._choose(task, must_have, free, n_wanted - len(must_have))
        return self

    def _choose(self, task: Task, must_have: IntArray, free: IntArray, n_chosen: int) -> None:
        n_genes = len(self.thresholds_)
        gates: FloatArray = np.ones(len(free))
        n_left = self.n_candidates
        if n_left is None:
            n_left = min(max(SELECTED_FROM * n_chosen, LEAST_SELECTED_FROM), max(2 * n_chosen, MOST_SELECTED_FROM))
        n_left = max(n_left, n_chosen, 1)
        self.elimination_ = None
        left = np.arange(len(free))
        if len(free) > n_left * (1 + self.tolerance):
            self.elimination_ = eliminate(task, n_left)
            gates = self.elimination_.probabilities
            surest = np.argsort(-gates, kind="stable")
            left = np.sort(surest[: max(n_chosen, self.elimination_.n_open)])
            logger.info("%d of %d genes are left by the elimination", len(left), len(free))
        kept = np.concatenate([np.arange(len(must_have)), len(must_have) + left])
        selection = select(replace(task, cells=task.cells.columns(kept)), n_chosen)
        self.candidates_ = np.sort(np.concatenate([must_have, free[left]]))
        self.gate_probabilities_ = np.zeros(n_genes)
        self.gate_probabilities_[must_have] = 1.0
        self.gate_probabilities_[free] = gates
        self._rank(selection, must_have, free[left])

    def _rank(self, selection: Selection, must_have: IntArray, left: IntArray) -> None:
        """Rank must-have genes, chosen ones by what they save, then the others by mask and by gate."""
        gates = self.gate_probabilities_
        self.mask_probabilities_ = np.zeros(len(gates))
        self.mask_probabilities_[must_have] = 1.0
        self.mask_probabilities_[left] = selection.probabilities
        chosen = left[selection.chosen]
        losses = selection.losses_without
        best_first = np.argsort(-losses[len(must_have) :], kind="stable")
        panel = np.concatenate([must_have, chosen[best_first]]).astype(np.int64)
        others = np.setdiff1d(np.arange(len(gates)), panel)
        others = others[np.lexsort((-gates[others], -self.mask_probabilities_[others]))]
        scores = np.zeros(len(gates))
        scores[np.concatenate([must_have, chosen]).astype(np.int64)] = losses
        self._set_order(np.concatenate([panel, others]), scores)

    def _columns(self, n_genes: int, n_wanted: int) -> tuple[IntArray, IntArray]:
        """Return the must-have columns, and those that may be chosen beside them."""
        must_have = checked_columns("must_have", self.must_have, n_genes)
        if len(must_have) > n_wanted:
            raise SettingsError(
                f"must_have holds {len(must_have)} genes and {n_wanted} are to be selected; raise n_features_to_select"
            )
        named = (
            np.arange(n_genes) if self.candidates is None else checked_columns("candidates", self.candidates, n_genes)
        )
        free = np.setdiff1d(named, must_have)
        if len(free) < n_wanted - len(must_have):
            raise SettingsError(
                f"candidates leave {len(free)} columns beside {len(must_have)} must-have ones and {n_wanted} are to be "
                "selected; name more candidates, or lower n_features_to_select"
            )
        return must_have, free

    def _annealing(self) -> Annealing:
        return Annealing(
            hidden_sizes=tuple(map(int, self.hidden_sizes)),
            elimination_steps=int(self.elimination_steps),
            selection_steps=int(self.selection_steps),
            batch_size=int(self.batch_size),
            learning_rate=float(self.lr),
            start_temperature=float(self.start_temperature),
            end_temperature=float(self.end_temperature),
            tolerance=float(self.tolerance),
        )

    def _seed(self) -> int:
        seed = self.random_state
        return int(seed) if isinstance(seed, int | np.integer) else int(check_random_state(seed).randint(2**31))

    def _on_cuda(self) -> bool:
        if self.device == "cuda" and not torch.cuda.is_available():
            raise SettingsError("device='cuda', and PyTorch finds no CUDA device; use 'auto' or 'cpu'")
        return self.device != "cpu" and torch.cuda.is_available()

    def _check_settings(self) -> None:
        if self.device not in ("auto", "cpu", "cuda"):
            raise SettingsError(f"device={self.device!r}; expected one of 'auto', 'cpu', 'cuda'")
        sizes = np.atleast_1d(np.asarray(self.hidden_sizes))
        in_range = {
            "hidden_sizes": (
                np.ndim(self.hidden_sizes) == 1 and sizes.size > 0 and sizes.min() >= 1,
                "a sequence of one or more sizes from 1 up",
            ),
            "n_candidates": (self.n_candidates is None or self.n_candidates >= 1, "1 or more, or None"),
            "tolerance": (0 < self.tolerance < 1, "above 0, below 1"),
            "elimination_steps": (self.elimination_steps >= 1, "1 or more"),
            "selection_steps": (self.selection_steps >= 1, "1 or more"),
            "batch_size": (self.batch_size >= 1, "1 or more"),
            "lr": (self.lr > 0, "above 0"),
            "end_temperature": (self.end_temperature > 0, "above 0"),
            "start_temperature": (self.start_temperature >= self.end_temperature, "end_temperature or more"),
        }
        for name, (is_valid, expected) in in_range.items():
            if not is_valid:
                raise SettingsError(f"{name}={getattr(self, name)!r}; expected {expected}")


class PersistSelector(BinarizingSelector):
    """Choose genes whose on and off lets a network tell classes apart (PERSIST, supervised).

    Two stages, both annealed: gates, one a gene, close under a penalty λ until some candidates are left; then a mask
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
        How many genes the elimination leaves, beside must-have ones. None: 8 for each gene to be chosen, from 100
        to 500, but at least 2 for each. Where there are no more genes than that, nothing is eliminated.
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
        ``"auto"`` (CUDA where there is any), ``"cpu"`` or ``"cuda"``.
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
        As in :class:`BinarizingSelector`.
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
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["B", "NK", "T"], 40)
    >>> X = rng.poisson(0.3, size=(120, 8))
    >>> X[np.arange(120), np.repeat([5, 6, 7], 40)] += 4
    >>> selector = PersistSelector(3, selection_steps=100, random_state=0).fit(X, y)
    >>> selector.get_support(indices=True), selector.binarize(X).mean(axis=0).round(1)
    (array([5, 6, 7]), array([0.5, 0.5, 0.5], dtype=float32))
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
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=DTYPES)
        self.classes_, codes = encode_labels(y)
        if len(self.classes_) < 2:
            raise DataError(f"all cells are of 1 class ({quoted(self.classes_)}); two or more are needed")
        weights = compute_class_weight(self.class_weight, classes=self.classes_, y=y)
        return self._learn(X, lambda device: LabelTargets(codes, weights, device))

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
        As in :class:`BinarizingSelector`.

    References
    ----------
    Covert et al., Nature Communications 2023, 14:2091.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> programme = rng.integers(0, 2, size=(200, 2))  # two programmes of genes, on or off
    >>> X = np.log1p(rng.poisson(0.1 + 5 * programme[:, [0, 0, 0, 1, 1, 1]]))
    >>> selector = UnsupervisedPersistSelector(2, selection_steps=150, random_state=0).fit(X)
    >>> [int(gene) // 3 for gene in selector.get_support(indices=True)]  # one of each
    [0, 1]
    """

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
        X = validate_data(self, X, accept_sparse="csr", dtype=DTYPES)
        if self.loss not in PROFILE_LOSSES:
            raise SettingsError(f"loss={self.loss!r}; expected one of {quoted(PROFILE_LOSSES)}")
        if not self.zero_weight >= 0:
            raise SettingsError(f"zero_weight={self.zero_weight!r}; expected 0 or more")
        profiles = as_matrix(X if target is None else check_array(target, accept_sparse="csr", dtype=DTYPES))
        if profiles.shape[0] != X.shape[0]:
            raise DataError(f"the target has {profiles.shape[0]} cells and X has {X.shape[0]}; give the same cells")
        return self._learn(X, lambda device: ProfileTargets(CellRows(profiles, device), self.loss, self.zero_weight))


@contextmanager
def _reporting(*, visible: bool) -> Iterator[Report]:
    """Show the stage, λ and the genes left while the block runs."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=rich.get_console(), transient=True, disable=not visible) as bar:
        line = bar.add_task("preparing", total=None)

        def report(stage: str, penalty: float, n_genes: int) -> None:
            about = f", λ {penalty:.3g}" if penalty else ""
            bar.update(line, description=f"PERSIST: {stage}{about}, {n_genes} genes")

        yield report
