"""Accuracy as genes are masked: set to zero without training again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from selectormlp.data.batches import dense_batches
from selectormlp.data.cells import FloatArray, IntArray, Matrix
from selectormlp.data.stored import StoredMatrix
from selectormlp.evaluation.metrics import accuracy_from_hits
from selectormlp.selectors.classifier import ClassifyingSelector


@dataclass(frozen=True, eq=False)
class MaskingCurve:
    """Accuracy over the number of genes that are left unmasked.

    Attributes
    ----------
    sizes
        Numbers of genes, increasing, shape (n_sizes,).
    accuracy, mean_per_class
        With the best-ranked genes, shape (n_sizes,).
    random_accuracy, random_mean_per_class
        With genes in random order, one row per order, shape (n_orders, n_sizes).
    """

    sizes: IntArray
    accuracy: FloatArray
    mean_per_class: FloatArray
    random_accuracy: FloatArray
    random_mean_per_class: FloatArray

    def to_frame(self) -> pd.DataFrame:
        """Return one row per size, random orders averaged, with the published program's column names."""
        return pd.DataFrame(
            {
                "Accuracy (selected features)": self.accuracy,
                "Accuracy (random features)": self.random_accuracy.mean(axis=0),
                "Mean per-class acc. (selected)": self.mean_per_class,
                "Mean per-class acc. (random)": self.random_mean_per_class.mean(axis=0),
            },
            index=pd.Index(self.sizes, name="n_genes"),
        )


def masking_sizes(n_genes: int, group_size: int, extra: Iterable[int] = ()) -> IntArray:
    """List the sizes of a curve: 0, group_size, 2·group_size, …, any extra ones, and all genes.

    Examples
    --------
    >>> masking_sizes(120, 50, extra=[10, 500])
    array([  0,  10,  50, 100, 120])
    """
    sizes = {*range(0, n_genes, group_size), *(size for size in extra if size < n_genes), n_genes}
    return np.array(sorted(sizes), dtype=np.int64)


def masking_curve(
    selector: ClassifyingSelector,
    X: Matrix | StoredMatrix,
    labels: IntArray,
    *,
    sizes: IntArray,
    random_reps: int,
    rng: np.random.Generator,
    ranking: IntArray | None = None,
    advance: Callable[[int], object] = lambda _: None,
) -> MaskingCurve:
    """Predict cells with all but the top genes masked, and with all but random genes masked.

    Parameters
    ----------
    selector
        Fitted; it classifies.
    X
        Expression, shape (n_cells, n_genes): dense, CSR, or on disk, which is read once.
    labels
        Class codes, shape (n_cells,), all of classes that were trained on.
    sizes
        Numbers of genes to keep, increasing; see :func:`masking_sizes`.
    random_reps
        How many random orders.
    rng
        Source of the random orders.
    ranking
        Rank of each gene, 1 best; by default the selector's own.
    advance
        Called with the number of cells just done.

    Returns
    -------
    The curve.
    """
    ranking = selector.ranking_ if ranking is None else ranking
    orders = [np.argsort(ranking), *(rng.permutation(X.shape[1]) for _ in range(random_reps))]
    hits = masked_hits(selector, X, labels, orders, sizes, advance=advance)
    totals = np.bincount(labels, minlength=hits.shape[-1])
    accuracy, mean_per_class = accuracy_from_hits(hits, totals)
    return MaskingCurve(sizes, accuracy[0], mean_per_class[0], accuracy[1:], mean_per_class[1:])


@torch.inference_mode()
def masked_hits(
    selector: ClassifyingSelector,
    X: Matrix | StoredMatrix,
    labels: IntArray,
    orders: Sequence[IntArray],
    sizes: IntArray,
    *,
    advance: Callable[[int], object] = lambda _: None,
) -> IntArray:
    """Count the cells of each class that are predicted right, for every order of genes and every size.

    The first layer is linear in the genes, so each group of genes is added to its output once, instead of
    predicting again from masked cells at every size.

    Parameters
    ----------
    selector, X, labels, sizes, advance
        As in :func:`masking_curve`.
    orders
        Orders of all genes, best first.

    Returns
    -------
    Hits, shape (n_orders, n_sizes, n_classes).
    """
    weights, offset = map(torch.from_numpy, selector.first_layer())
    n_classes = len(selector.classes_)
    hits = np.zeros((len(orders), len(sizes), n_classes), dtype=np.int64)
    sorted_weights = [weights[torch.from_numpy(order)] for order in orders]
    n_done = 0
    for batch in dense_batches(X):
        truth = labels[n_done : n_done + len(batch)]
        by_gene = batch.T.contiguous()
        for row, (order, matrix) in enumerate(zip(orders, sorted_weights, strict=True)):
            activations = offset.repeat(len(truth), 1)
            done = 0
            for column, size in enumerate(sizes):
                if size > done:
                    group = by_gene[torch.from_numpy(order[done:size])]
                    activations.addmm_(group.T, matrix[done:size])
                    done = int(size)
                predicted = selector.scores_from_first_layer(activations.numpy()).argmax(axis=1)
                hits[row, column] += np.bincount(truth[predicted == truth], minlength=n_classes)
        n_done += len(truth)
        advance(len(truth))
    return hits
