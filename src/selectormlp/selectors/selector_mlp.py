"""SelectorMLP: one trainable weight per gene in front of a classifier network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from selectormlp.devices import AnyDevice, Precision
from selectormlp.networks.choices import Penalty, SelectorType
from selectormlp.selectors.network import NetworkSelector


class SelectorMLP(NetworkSelector):
    """Rank genes by the weights of a selection layer in front of a classifier network.

    x_j ↦ x_j · w_j, then a network classifies; the loss is cross entropy + alpha · penalty(w), and genes are
    ranked by |w_j|.

    Parameters
    ----------
    n_features_to_select
        Number of genes of the panel (int), fraction of the genes (float), or None for half of them.
    selector_type
        ``"std"`` (weights free), ``"clamped"`` (kept in [0, 1]) or ``"none"`` (no selection layer: see
        :class:`MLP`).
    hidden_sizes
        Units of each hidden layer.
    leak_angle
        Slope of the leaky ReLU below 0.
    penalty, alpha
        Penalty on the gene weights, ``"L1"``, ``"L2"`` or None, and its coefficient.
    dropout
        Fraction of hidden units dropped while training.
    noise_std
        Standard deviation of the Gaussian noise added to the inputs while training, in the units of X.
    batch_norm
        Whether hidden layers are batch-normalised.
    lr, weight_decay
        Of AdamW.
    max_epochs, batch_size
        Passes over the cells, and cells per step.
    shuffle
        Whether each epoch takes the cells in an order of its own.
    class_weight
        Weight of each class in the loss: ``"balanced"`` makes rare classes count as much as common ones; a
        mapping gives them by label; None weights all cells alike.
    patience
        Stop after this many epochs without a better validation score; None never stops early.
    device
        ``"auto"`` (a GPU where there is one and the work is large enough for it), ``"cpu"``, ``"cuda"`` or ``"mps"``.
    precision
        Of the matrix products: None for float32; ``"tf32"`` lets a GPU round them to 10 bits; ``"bf16"`` takes them in
        bfloat16. Faster on a GPU, and the ranking is another.
    memory_gb
        Most memory of a GPU (10⁹ bytes) that the cells may take, to stay there; None for half of it. Cells that do not
        fit travel there a batch at a time.
    random_state
        Seed; the same seed gives the same ranking.
    progress
        Whether to draw a progress bar.

    Attributes
    ----------
    scores_
        |w_j|, shape (n_genes,).
    ranking_
        1 (best) … n_genes, strict.
    network_, history_, best_epoch_
        The trained network, its scores after each epoch, and the epoch that the weights are of.
    device_
        Where it was trained: ``"cpu"``, ``"cuda"`` or ``"mps"``.
    classes_, trained_classes_
        Class labels, and which of them had training cells.

    Notes
    -----
    The penalty alone can be undone by scaling w down and the next layer up; the ranking is what training at
    this learning rate makes of it, as in the published program.

    References
    ----------
    A layer of one weight a feature in front of a network, penalised: Li, Chen, Wasserman, Journal of Computational
    Biology 2016. The penalty: Tibshirani, Journal of the Royal Statistical Society B 1996.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["a", "b"], 100)
    >>> X = rng.normal(size=(200, 20)).astype("float32")
    >>> X[:100, 7] += 3
    >>> model = SelectorMLP(n_features_to_select=1, hidden_sizes=(16,), lr=0.01, max_epochs=40, random_state=0)
    >>> model.fit(X, y).get_support(indices=True)
    array([7])
    """

    def __init__(
        self,
        n_features_to_select: int | float | None = None,
        *,
        selector_type: SelectorType = "std",
        hidden_sizes: Sequence[int] = (512, 128, 64),
        leak_angle: float = 0.2,
        penalty: Penalty | None = "L1",
        alpha: float = 0.05,
        dropout: float = 0.3,
        noise_std: float = 0.2,
        batch_norm: bool = False,
        lr: float = 3e-4,
        weight_decay: float = 0.3,
        max_epochs: int = 50,
        batch_size: int = 256,
        shuffle: bool = True,
        class_weight: Literal["balanced"] | Mapping[Any, float] | None = None,
        patience: int | None = None,
        device: AnyDevice = "auto",
        precision: Precision | None = None,
        memory_gb: float | None = None,
        random_state: Any = None,
        progress: bool = False,
    ) -> None:
        self.n_features_to_select = n_features_to_select
        self.selector_type = selector_type
        self.hidden_sizes = hidden_sizes
        self.leak_angle = leak_angle
        self.penalty = penalty
        self.alpha = alpha
        self.dropout = dropout
        self.noise_std = noise_std
        self.batch_norm = batch_norm
        self.lr = lr
        self.weight_decay = weight_decay
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.class_weight = class_weight
        self.patience = patience
        self.device = device
        self.precision = precision
        self.memory_gb = memory_gb
        self.random_state = random_state
        self.progress = progress
