"""Selectors that hold a network: what they share, and what SelectorMLP and MLP share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np
import torch
from sklearn.utils.class_weight import compute_class_weight

from selectormlp.data.cells import Cells, Float32Array, IntArray, Matrix, as_matrix
from selectormlp.data.split import SplitSizes, split_cells
from selectormlp.data.stored import StoredCells, StoredMatrix
from selectormlp.data.stored_batches import Reading
from selectormlp.devices import AnyDevice, Precision
from selectormlp.errors import DataError, SettingsError, quoted
from selectormlp.networks.choices import Penalty, SelectorType
from selectormlp.networks.gates import SELECTOR_TYPES
from selectormlp.networks.losses import PENALTIES
from selectormlp.networks.mlp import NetworkSpec, SelectorNetwork, predict_logits
from selectormlp.networks.module import TrainingSpec
from selectormlp.networks.sizes import LEARNING_RATE, batch_size_for, epochs_for
from selectormlp.networks.training import Run, train_network
from selectormlp.selectors.base import seed_from
from selectormlp.selectors.classifier import ClassifyingSelector, ProbabilitiesMixin, encode
from selectormlp.selectors.labels import check_class_weight
from selectormlp.selectors.parameters import check_ranges, range_of_hidden_sizes

PANEL_SPLIT = SplitSizes(train=5000, validation=1000, test=0)
"""Cells of a class that a network trains on and is validated on beside a panel, as the published program has them."""


class NetworkClassifier(ProbabilitiesMixin, ClassifyingSelector):
    """A selector that holds a trained network and predicts with it (abstract).

    Attributes
    ----------
    network_
        The trained :class:`~selectormlp.networks.mlp.SelectorNetwork`, on the CPU.
    """

    def _class_scores(self, X: Matrix) -> Float32Array:
        scores: Float32Array = predict_logits(self.network_, X).numpy()
        return scores

    @torch.inference_mode()
    def first_layer(self) -> tuple[Float32Array, Float32Array]:
        """Return the first layer with the gene weights folded in: (n_genes, n_hidden), (n_hidden,)."""
        weight, bias = self.network_.folded_weight(), self.network_.first.bias
        return np.ascontiguousarray(weight.numpy().T), bias.numpy()

    @torch.inference_mode()
    def scores_from_first_layer(self, activations: Float32Array) -> Float32Array:
        """Run the layers behind the first: (n_cells, n_hidden) → logits (n_cells, n_classes)."""
        scores: Float32Array = self.network_.from_first_layer(torch.from_numpy(activations)).numpy()
        return scores


class NetworkSelector(NetworkClassifier):
    """What SelectorMLP and MLP share: training a network, and predicting with it (abstract).

    Attributes
    ----------
    history_
        Accuracy, mean per-class accuracy and loss after each epoch (a data frame; empty without validation).
    best_epoch_
        Epoch (from 1) that the weights are of, or None without validation cells.
    device_
        Where it was trained: ``"cpu"``, ``"cuda"`` or ``"mps"``.
    """

    may_contend = False
    keeps_best_epoch: ClassVar[bool] = False
    """Whether, beside a panel, it takes the weights of the epoch that is best on validation cells."""

    selector_type: SelectorType
    hidden_sizes: Sequence[int]
    leak_angle: float
    dropout: float
    noise_std: float
    batch_norm: bool
    lr: float
    weight_decay: float
    max_epochs: int
    batch_size: int
    shuffle: bool
    class_weight: Literal["balanced"] | Mapping[Any, float] | None
    patience: int | None
    device: AnyDevice
    precision: Precision | None
    memory_gb: float | None
    random_state: Any
    progress: bool
    penalty: Penalty | None
    alpha: float

    @staticmethod
    def defaults_for(n_cells: int) -> dict[str, Any]:
        """Return the parameters whose defaults depend on the number of cells: batch size, epochs, learning rate.

        Examples
        --------
        >>> NetworkSelector.defaults_for(700)
        {'batch_size': 32, 'lr': 0.001, 'max_epochs': 108}
        """
        batch_size = batch_size_for(n_cells)
        return {"batch_size": batch_size, "lr": LEARNING_RATE, "max_epochs": epochs_for(n_cells, batch_size)}

    def fit_cells(self, cells: Cells, *, target: Matrix | None = None, seed: int = 0) -> Self:
        """Fit on at most 5,000 cells of a class; where the best epoch is kept, a sixth of each class validates.

        With donors, validation cells come from donors of their own, as near to a sixth as these come.
        """
        del target
        sizes, donors = PANEL_SPLIT, cells.donors
        if not self.keeps_best_epoch:
            sizes, donors = replace(PANEL_SPLIT, validation=0), None
        split = split_cells(cells.labels, sizes, donors=donors, rng=np.random.default_rng(seed))
        labels, rows = np.array(cells.classes)[cells.labels], split.validation
        validation = (cells.X[rows], labels[rows]) if len(rows) else None
        return self.fit(cells.X[split.train], labels[split.train], validation=validation, classes=cells.classes)

    def fit(  # type: ignore[override]
        self,
        X: Any,
        y: Any,
        *,
        validation: tuple[Any, Any] | None = None,
        classes: Sequence[Any] | None = None,
        run: Run | None = None,
    ) -> Self:
        """Train the network and rank the genes.

        Parameters
        ----------
        X
            Expression, shape (n_cells, n_genes), dense or sparse (only a batch is densified), not normalised
            here.
        y
            Class labels, shape (n_cells,).
        validation
            Cells and labels that are scored after every epoch; the best epoch's weights are kept.
        classes
            The ordered class list, which may hold classes without training cells. By default the labels found,
            sorted.
        run
            Where to leave logs and checkpoints and what to continue from; None leaves nothing.

        Raises
        ------
        SettingsError
            If a parameter is out of range.
        DataError
            If the cells are of one class, or a label is not in ``classes``.
        """
        cells, codes = self._checked_training_data(X, y, classes)
        scored = None if validation is None else self._validation_cells(*validation)
        return self._train(cells, codes, scored, run)

    def fit_stored(
        self,
        cells: StoredCells,
        *,
        validation: StoredCells | None = None,
        run: Run | None = None,
        reading: Reading | None = None,
    ) -> Self:
        """Train the network on cells that stay on disk, and rank the genes.

        Parameters
        ----------
        cells
            Training cells, every one with a class of the list.
        validation
            Cells with the same genes and classes that are scored after every epoch.
        run
            Where to train, to leave logs and checkpoints, and what to continue from.
        reading
            How cells are read.

        Raises
        ------
        SettingsError
            If a parameter is out of range.
        DataError
            If the cells are of one class, or cannot be read.
        """
        self.classes_ = np.asarray(cells.classes)
        self.trained_classes_ = cells.class_counts() > 0
        self.n_features_in_ = cells.n_genes
        if self.trained_classes_.sum() < 2:
            raise DataError("all cells are of one class; a classifier needs more than one class")
        scored = None if validation is None else self._known_cells(validation.X, validation.labels)
        return self._train(cells.X, cells.labels, scored, run, reading)

    def _train(
        self,
        X: Matrix | StoredMatrix,
        codes: IntArray,
        validation: tuple[Matrix | StoredMatrix, IntArray] | None,
        run: Run | None,
        reading: Reading | None = None,
    ) -> Self:
        trained = train_network(
            X,
            codes,
            self.network_spec(X.shape[1], len(self.classes_)),
            self._training_spec(),
            class_weights=self._class_weights(codes),
            validation=validation,
            run=run,
            reading=reading,
            progress=self.progress,
        )
        self.history_ = trained.history
        self.best_epoch_ = trained.best_epoch
        self.device_ = trained.device
        self.adopt_network(trained.network)
        return self

    def _class_weights(self, codes: IntArray) -> Float32Array | None:
        if self.class_weight is None:
            return None
        trained = self.trained_classes_
        weights = np.zeros(len(trained), dtype=np.float32)
        labels = self.classes_[codes]
        weights[trained] = compute_class_weight(self.class_weight, classes=self.classes_[trained], y=labels)
        return weights

    def _validation_cells(self, X: Any, y: Any) -> tuple[Matrix | StoredMatrix, IntArray]:
        """Check validation cells and leave out those of classes that are not trained on."""
        return self._known_cells(as_matrix(X), encode(np.asarray(y), self.classes_))

    def _known_cells(self, X: Matrix | StoredMatrix, codes: IntArray) -> tuple[Matrix | StoredMatrix, IntArray]:
        known = self.trained_classes_[codes]
        if not known.any():
            raise SettingsError("no validation cell is of a class with training cells; give cells of the same classes")
        if known.all():
            return X, codes
        return (X.take_cells(known) if isinstance(X, StoredMatrix) else X[known]), codes[known]

    def adopt_network(self, network: SelectorNetwork) -> None:
        """Take a trained network as this selector's own, and rank the genes by it."""
        self.network_ = network
        self._set_scores(network.gene_scores().numpy())

    def network_spec(self, n_genes: int, n_classes: int) -> NetworkSpec:
        """Return the shape of the network for these numbers of genes and classes.

        Raises
        ------
        SettingsError
            If a parameter is out of range.
        """
        self._check_parameters()
        return NetworkSpec(
            n_genes=n_genes,
            n_classes=n_classes,
            selector_type=self.selector_type,
            hidden_sizes=tuple(map(int, self.hidden_sizes)),
            leak_angle=self.leak_angle,
            dropout=self.dropout,
            noise_std=self.noise_std,
            batch_norm=self.batch_norm,
        )

    def _training_spec(self) -> TrainingSpec:
        return TrainingSpec(
            penalty=self.penalty,
            alpha=self.alpha,
            lr=float(self.lr),  # a grid of settings is often NumPy's, whose numbers Lightning and checkpoints refuse
            weight_decay=float(self.weight_decay),
            max_epochs=int(self.max_epochs),
            batch_size=int(self.batch_size),
            shuffle=self.shuffle,
            patience=self.patience,
            seed=seed_from(self.random_state),
            device=self.device,
            precision=self.precision,
            memory_gb=None if self.memory_gb is None else float(self.memory_gb),
        )

    def _check_parameters(self) -> None:
        check_class_weight(self.class_weight)
        choices: dict[str, tuple[object, tuple[object, ...]]] = {
            "selector_type": (self.selector_type, SELECTOR_TYPES),
            "penalty": (self.penalty, (*PENALTIES, None)),
            "device": (self.device, get_args(AnyDevice)),
            "precision": (self.precision, (*get_args(Precision), None)),
        }
        for name, (value, valid) in choices.items():
            if value not in valid:
                raise SettingsError(f"{name}={value!r}; expected one of {quoted(valid)}")
        in_range = {
            **range_of_hidden_sizes(self.hidden_sizes),
            "leak_angle": (self.leak_angle >= 0, "0 or more"),
            "dropout": (0 <= self.dropout < 1, "0 or more, below 1"),
            "noise_std": (self.noise_std >= 0, "0 or more"),
            "alpha": (self.alpha >= 0, "0 or more"),
            "lr": (self.lr > 0, "above 0"),
            "weight_decay": (self.weight_decay >= 0, "0 or more"),
            "max_epochs": (self.max_epochs >= 1, "1 or more"),
            "batch_size": (self.batch_size >= 2, "2 or more"),
            "memory_gb": (self.memory_gb is None or self.memory_gb > 0, "above 0, or None"),
            "patience": (self.patience is None or self.patience >= 1, "1 or more, or None"),
        }
        check_ranges(self, in_range)
