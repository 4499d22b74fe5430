"""Selectors that can also classify: what they share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.special import softmax
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from selectormlp.data.cells import Float32Array, IntArray, Matrix, as_matrix
from selectormlp.errors import DataError, quoted
from selectormlp.selectors.base import GeneSelector


class ClassifyingSelector(ClassifierMixin, GeneSelector):  # type: ignore[misc]  # scikit-learn is untyped
    """A selector that predicts classes through a first layer that is linear in the genes (abstract).

    Attributes
    ----------
    classes_
        Class labels; the columns of every score refer to them in this order.
    trained_classes_
        Which classes had training cells, shape (n_classes,), boolean.
    """

    @abstractmethod
    def fit(self, X: Any, y: Any, *, classes: Sequence[Any] | None = None) -> Self:  # type: ignore[override]
        """Learn from cells × genes and their labels, which a classifier needs.

        ``classes`` is the ordered class list, which may hold classes without training cells; by default the
        labels found, sorted.
        """

    @abstractmethod
    def first_layer(self) -> tuple[Float32Array, Float32Array]:
        """Return what the first layer does to the genes: x ↦ x · weights + offset.

        Returns
        -------
        weights of shape (n_genes, n_hidden), offset of shape (n_hidden,).
        """

    @abstractmethod
    def scores_from_first_layer(self, activations: Float32Array) -> Float32Array:
        """Turn the first layer's output, (n_cells, n_hidden), into class scores, (n_cells, n_classes)."""

    @abstractmethod
    def _class_scores(self, X: Matrix) -> Float32Array:
        """Score the classes of checked cells, (n_cells, n_genes) → (n_cells, n_classes); highest wins."""

    def class_scores(self, X: Any) -> Float32Array:
        """Score the classes of cells, one column per class even where there are two.

        Parameters
        ----------
        X
            Expression, shape (n_cells, n_genes), dense or sparse.

        Returns
        -------
        Logits of a network, signed distances of an SVM (−∞ for a class that it was not trained on).
        """
        check_is_fitted(self)
        checked = self._checked(X, reset=False, dtype=np.float32)
        return self._class_scores(as_matrix(checked))

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Predict a class label for each cell, shape (n_cells,)."""
        best = self.class_scores(X).argmax(axis=1)
        labels: npt.NDArray[Any] = self.classes_[best]
        return labels

    def decision_function(self, X: Any) -> Float32Array:
        """Score the classes, (n_cells, n_classes); with two classes, (n_cells,) in favour of the second."""
        scores = self.class_scores(X)
        return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores

    def _checked_training_data(self, X: Any, y: Any, classes: Sequence[Any] | None) -> tuple[Matrix, IntArray]:
        """Check cells and labels, set ``classes_`` and ``trained_classes_``, and code the labels."""
        X, y = self._checked(X, y, dtype=np.float32)
        check_classification_targets(y)
        self.classes_ = np.unique(y) if classes is None else np.asarray(classes)
        codes = encode(y, self.classes_)
        self.trained_classes_ = np.bincount(codes, minlength=len(self.classes_)) > 0
        if self.trained_classes_.sum() < 2:
            raise DataError(
                f"all cells are of one class ({quoted(np.unique(y))}); a classifier needs more than one class"
            )
        return as_matrix(X), codes


class ProbabilitiesMixin:
    """Adds class probabilities to a selector whose scores are logits."""

    def predict_proba(self, X: Any) -> Float32Array:
        """Predict the probability of each class, shape (n_cells, n_classes); rows sum to 1."""
        scores = self.class_scores(X)  # type: ignore[attr-defined]
        probabilities: Float32Array = softmax(scores, axis=1)
        return probabilities


def encode(labels: npt.NDArray[Any], classes: npt.NDArray[Any]) -> IntArray:
    """Turn labels into positions in the class list, shape (n_cells,).

    Raises
    ------
    DataError
        If a label is not in the list.
    """
    sorter = np.argsort(classes, kind="stable")
    places = np.minimum(np.searchsorted(classes, labels, sorter=sorter), len(classes) - 1)
    codes = sorter[places].astype(np.int64)
    unknown = classes[codes] != labels
    if unknown.any():
        strange = np.unique(labels[unknown])
        raise DataError(f"{int(unknown.sum())} cells have labels outside the class list: {quoted(strange)}")
    return codes
