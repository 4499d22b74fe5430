"""SelectorMLP trained to a number of genes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from selectormlp.data.batches import dense_rows
from selectormlp.data.cells import FloatArray, IntArray, Matrix
from selectormlp.devices import Device, Work, check_device, choose_device
from selectormlp.errors import DataError
from selectormlp.networks.budget import FEWEST_GENES, Budget, drop_to_budget, train_panel
from selectormlp.networks.embed import embed
from selectormlp.progress import showing, step
from selectormlp.selectors.base import seed_from
from selectormlp.selectors.columns import checked_must_have
from selectormlp.selectors.discriminant import DiscriminantSelector
from selectormlp.selectors.network import NetworkClassifier
from selectormlp.selectors.parameters import check_ranges, range_of_hidden_sizes

FORWARD_GENES = 100
"""Genes that the screening chooses one at a time; the others follow by what they would add."""


class BudgetSelectorMLP(NetworkClassifier):
    """Rank genes by a SelectorMLP that is trained to a number of genes, not to a penalty.

    Genes are screened by moments (:class:`~selectormlp.selectors.discriminant.DiscriminantSelector`). Several networks
    with one weight per gene in front are trained on them, each without one part of the cells, while genes are dropped a
    few at a time: those whose weight can be set to zero at the least cost on the cells that the network has not seen.
    Dropped columns leave the matrix. In the end one network is trained on the panel and all cells.

    Parameters
    ----------
    n_features_to_select
        How many genes to choose: a number, a fraction, or None for half of them. Smaller panels are the first genes
        of the same ranking, up to half of ``n_screened``; for a larger panel, more genes are screened.
    n_screened
        Genes that the screening leaves; at least twice the panel, where there are so many.
    hidden_sizes
        Units of each hidden layer.
    n_networks
        How many networks judge the genes.
    kept_share
        Share of the genes that stay each time some are dropped.
    first_steps, steps, panel_steps
        Steps of training before genes are dropped for the first time, between two times, and on the panel in the end.
    batch_size
        Cells a step.
    dropout, gene_dropout
        Fraction of hidden units, and of genes, set to zero while training.
    lr, weight_decay
        Of AdamW.
    must_have
        Columns that are never dropped and come first, in this order.
    device
        ``"auto"`` (CUDA where there is any and the steps are large enough for it), ``"cpu"`` or ``"cuda"``.
    random_state
        Seed; the same seed gives the same ranking.
    progress
        Whether to draw a progress bar.

    Attributes
    ----------
    scores_
        Fall in the mean probability of the right class, classes counting the same, when the gene's weight was set to
        zero, as it was dropped or at the end; 0 for genes that were screened out. Shape (n_genes,). The ranking is by
        the order in which genes were dropped, not by score.
    ranking_
        1 (best) … n_genes, strict.
    candidates_
        Columns that the screening left, increasing.
    is_nested_
        Whether the ranking is that of every smaller panel, too.
    network_
        The network of the panel, of all genes, with weight zero for those outside the panel.
    device_
        Where it was trained: ``"cpu"`` or ``"cuda"``.
    classes_, trained_classes_
        Class labels, and which of them had training cells.

    See Also
    --------
    selectormlp.networks.budget.drop_to_budget : how genes are dropped, with its source.
    selectormlp.SelectorMLP : the published training.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["a", "b", "c"], 60)
    >>> X = rng.normal(size=(180, 30)).astype("float32")
    >>> X[y == "a", 7] += 3
    >>> X[y == "b", 9] += 3
    >>> model = BudgetSelectorMLP(2, first_steps=100, panel_steps=100, random_state=0).fit(X, y)
    >>> model.get_support(indices=True)
    array([7, 9])
    >>> bool(model.score(X, y) > 0.85)
    True
    """

    def __init__(
        self,
        n_features_to_select: int | float | None = None,
        *,
        n_screened: int = 200,
        hidden_sizes: Sequence[int] = (128,),
        n_networks: int = 3,
        kept_share: float = 0.9,
        first_steps: int = 300,
        steps: int = 30,
        panel_steps: int = 1000,
        batch_size: int = 128,
        dropout: float = 0.3,
        gene_dropout: float = 0.1,
        lr: float = 2e-3,
        weight_decay: float = 0.01,
        must_have: Sequence[int] | None = None,
        device: Device = "auto",
        random_state: Any = None,
        progress: bool = False,
    ) -> None:
        self.n_features_to_select = n_features_to_select
        self.n_screened = n_screened
        self.hidden_sizes = hidden_sizes
        self.n_networks = n_networks
        self.kept_share = kept_share
        self.first_steps = first_steps
        self.steps = steps
        self.panel_steps = panel_steps
        self.batch_size = batch_size
        self.dropout = dropout
        self.gene_dropout = gene_dropout
        self.lr = lr
        self.weight_decay = weight_decay
        self.must_have = must_have
        self.device = device
        self.random_state = random_state
        self.progress = progress

    def fit(self, X: Any, y: Any, *, classes: Sequence[Any] | None = None) -> Self:  # type: ignore[override]
        """Screen the genes, drop them to the panel, and train the panel's network.

        Parameters
        ----------
        X
            Expression, shape (n_cells, n_genes), dense or sparse (the screened genes are densified); not altered.
        y
            Class labels, shape (n_cells,).
        classes
            The ordered class list, which may hold classes without training cells. By default the labels found,
            sorted.

        Returns
        -------
        The selector, fitted.

        Raises
        ------
        SettingsError
            If a parameter is out of range.
        DataError
            If the cells are of one class or fewer than the networks, or a label is not in ``classes``.
        ValueError
            If X or y is not usable (as scikit-learn says it).
        """
        cells, codes = self._checked_training_data(X, y, classes)
        budget = self._budget()
        if len(codes) < budget.n_networks:
            raise DataError(f"{len(codes)} cells for {budget.n_networks} networks; expected a cell for each, or more")
        n_wanted = self._resolve_n_features(cells.shape[1])
        fixed = checked_must_have(self.must_have, cells.shape[1], n_wanted)
        screened = self._screen(cells, codes, fixed, n_wanted)
        n_left = min(len(screened), max(self.n_screened, 2 * n_wanted))
        columns = screened[:n_left]
        self.device_ = choose_device(self.device, _work(budget, n_left), what="dropping genes")
        device = torch.device(self.device_)
        means, deviations = np.zeros(len(screened)), np.ones(len(screened))
        standardised = _standardised(cells, columns, means, deviations).to(device)
        labels = torch.from_numpy(codes).to(device)
        n_classes, seed = len(self.classes_), seed_from(self.random_state)
        parts = _parts(codes, budget.n_networks, np.random.default_rng(seed))
        with showing(self.progress), step("dropping genes", n_left) as bar:
            order, worth = drop_to_budget(
                standardised, labels, n_classes, parts, budget, n_fixed=len(fixed), seed=seed, report=bar.advance
            )
        places = order[:n_wanted]
        panel = train_panel(standardised[:, torch.from_numpy(places).to(device)], labels, n_classes, budget, seed=seed)
        self.network_ = embed(panel, columns[places], means, deviations)
        self.candidates_ = np.sort(columns)
        scores = np.zeros(len(screened))
        scores[columns] = worth
        self.is_nested_ = n_left == min(len(screened), self.n_screened)
        self._set_order(np.concatenate([columns[order], screened[n_left:]]), scores)
        return self

    def _screen(self, cells: Matrix, codes: IntArray, fixed: IntArray, n_wanted: int) -> IntArray:
        """Order all genes by moments, must-have ones first."""
        n_forward = min(cells.shape[1], max(FORWARD_GENES, len(fixed), min(n_wanted, 2 * FORWARD_GENES)))
        screen = DiscriminantSelector(n_forward, must_have=fixed.tolist()).fit(cells, codes)
        return np.argsort(screen.ranking_)

    def _budget(self) -> Budget:
        check_device(self.device)
        in_range = {
            **range_of_hidden_sizes(self.hidden_sizes),
            "n_screened": (self.n_screened >= 1, "1 or more"),
            "n_networks": (self.n_networks >= 2, "2 or more"),
            "kept_share": (0 < self.kept_share < 1, "above 0, below 1"),
            "first_steps": (self.first_steps >= 1, "1 or more"),
            "steps": (self.steps >= 0, "0 or more"),
            "panel_steps": (self.panel_steps >= 1, "1 or more"),
            "batch_size": (self.batch_size >= 2, "2 or more"),
            "dropout": (0 <= self.dropout < 1, "0 or more, below 1"),
            "gene_dropout": (0 <= self.gene_dropout < 1, "0 or more, below 1"),
            "lr": (self.lr > 0, "above 0"),
            "weight_decay": (self.weight_decay >= 0, "0 or more"),
        }
        check_ranges(self, in_range)
        return Budget(
            hidden_sizes=tuple(map(int, self.hidden_sizes)),
            n_networks=int(self.n_networks),
            first_steps=int(self.first_steps),
            steps=int(self.steps),
            kept_share=float(self.kept_share),
            panel_steps=int(self.panel_steps),
            batch_size=int(self.batch_size),
            dropout=float(self.dropout),
            gene_dropout=float(self.gene_dropout),
            lr=float(self.lr),
            weight_decay=float(self.weight_decay),
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True  # predicts from the panel alone: half of the genes by default
        return tags


def _standardised(cells: Matrix, columns: IntArray, means: FloatArray, deviations: FloatArray) -> Tensor:
    """Standardise some columns, and note the means and deviations of these among those of all genes."""
    values = dense_rows(cells[:, columns], slice(None)).clone()
    means[columns] = values.mean(dim=0).double().numpy()
    spread = values.std(dim=0, correction=0).double().numpy()
    deviations[columns] = np.where(spread > 0, spread, 1.0)
    values -= torch.from_numpy(means[columns].astype(np.float32))
    values /= torch.from_numpy(deviations[columns].astype(np.float32))
    return values


def _work(budget: Budget, n_genes: int) -> Work:
    """Count the work of the steps that the networks take; most are taken with fewer genes."""
    n_drops = math.log(max(n_genes, FEWEST_GENES) / FEWEST_GENES) / -math.log(budget.kept_share)
    n_steps = budget.n_networks * (budget.first_steps + round(n_drops) * budget.steps) + budget.panel_steps
    return Work.of_training(
        n_steps=n_steps, batch_size=budget.batch_size, n_inputs=n_genes, n_hidden=budget.hidden_sizes[0]
    )


def _parts(codes: IntArray, n_parts: int, rng: np.random.Generator) -> IntArray:
    """Deal the cells to the parts in turn, class by class, so that the parts are alike."""
    order = rng.permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    parts = np.empty(len(codes), dtype=np.int64)
    parts[order] = np.arange(len(codes)) % n_parts
    return parts
