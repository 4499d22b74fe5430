"""The linear SVM, as a selector beside the networks."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

from selectormlp.data.cells import Float32Array, Matrix
from selectormlp.quiet import quiet_warnings
from selectormlp.selectors.classifier import ClassifyingSelector
from selectormlp.selectors.labels import check_class_weight, class_importance

logger = logging.getLogger(__name__)


class LinearSVM(ClassifyingSelector):
    """Rank genes by the coefficients of scikit-learn's one-vs-rest ``LinearSVC``: Σ over classes of |coefficient|.

    Parameters
    ----------
    n_features_to_select
        Number of genes of the panel (int), fraction of the genes (float), or None for half of them.
    loss, penalty, dual, C, class_weight, max_iter
        Of ``sklearn.svm.LinearSVC``; the defaults are those of the published program. A mapping as ``class_weight``
        goes from labels to weights, 1 where it names none.
    random_state
        Seed; the same seed gives the same ranking.

    Attributes
    ----------
    scores_, ranking_
        Σ over classes of |coefficient|, and the strict ranking by it.
    svm_
        The fitted ``LinearSVC``, trained on class codes.
    classes_, trained_classes_
        Class labels, and which of them had training cells.

    References
    ----------
    Genes by their coefficients: Guyon, Weston, Barnhill, Vapnik, Machine Learning 2002, there to drop them one by one.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.eye(3, dtype="float32").repeat(10, axis=0)
    >>> LinearSVM(random_state=0).fit(X, ["a"] * 10 + ["b"] * 10 + ["c"] * 10).predict(X[[0, 10, 20]]).tolist()
    ['a', 'b', 'c']
    """

    def __init__(
        self,
        n_features_to_select: int | float | None = None,
        *,
        loss: Literal["squared_hinge", "hinge"] = "squared_hinge",
        penalty: Literal["l1", "l2"] = "l1",
        dual: bool = False,
        C: float = 1.0,
        class_weight: Literal["balanced"] | Mapping[Any, float] | None = None,
        max_iter: int = 1000,
        random_state: Any = None,
    ) -> None:
        self.n_features_to_select = n_features_to_select
        self.loss = loss
        self.penalty = penalty
        self.dual = dual
        self.C = C
        self.class_weight = class_weight
        self.max_iter = max_iter
        self.random_state = random_state

    def fit(self, X: Any, y: Any, *, classes: Sequence[Any] | None = None) -> Self:  # type: ignore[override]
        """Train the SVM and rank the genes.

        Parameters
        ----------
        X
            Expression, shape (n_cells, n_genes), dense or sparse (stays sparse).
        y
            Class labels, shape (n_cells,).
        classes
            The ordered class list, which may hold classes without training cells. By default the labels found,
            sorted.

        Raises
        ------
        SettingsError
            If ``class_weight`` is not usable.
        DataError
            If the cells are of one class, or a label is not in ``classes``.
        ValueError
            Of scikit-learn, if a parameter is out of range or a combination is not supported.
        """
        check_class_weight(self.class_weight)
        cells, codes = self._checked_training_data(X, y, classes)
        weights: Any = self.class_weight
        if isinstance(weights, Mapping):  # by label; liblinear is given codes
            weights = dict(enumerate(class_importance(self.classes_, weights, name="class_weight")))
        svm = LinearSVC(
            loss=self.loss,
            penalty=self.penalty,
            dual=self.dual,
            C=self.C,
            class_weight=weights,
            max_iter=self.max_iter,
            random_state=self.random_state,
        )
        with quiet_warnings(category=ConvergenceWarning):
            svm.fit(_liblinear_indices(cells), codes)
        if svm.n_iter_ >= self.max_iter:
            logger.warning("the SVM stopped after max_iter=%d iterations, before it converged", self.max_iter)
        self.adopt_svm(svm)
        return self

    def adopt_svm(self, svm: LinearSVC) -> None:
        """Take a fitted ``LinearSVC`` as this selector's own, and rank the genes by it."""
        self.svm_ = svm
        self.n_iter_ = svm.n_iter_
        self._set_scores(np.abs(svm.coef_).sum(axis=0))

    def _class_scores(self, X: Matrix) -> Float32Array:
        weights, offset = self.first_layer()
        return self.scores_from_first_layer((X @ weights + offset).astype(np.float32))

    def first_layer(self) -> tuple[Float32Array, Float32Array]:
        """Return the coefficients: (n_genes, n_rows) and offset (n_rows,), one row per class (one for two classes)."""
        return np.ascontiguousarray(self.svm_.coef_.T.astype(np.float32)), self.svm_.intercept_.astype(np.float32)

    def scores_from_first_layer(self, activations: Float32Array) -> Float32Array:
        """Spread the distances over the class list: −∞ for classes without training cells."""
        distances = np.hstack([-activations, activations]) if activations.shape[1] == 1 else activations
        scores = np.full((len(activations), len(self.classes_)), -np.inf, dtype=np.float32)
        scores[:, self.svm_.classes_] = distances
        return scores


def _liblinear_indices(X: Matrix) -> Matrix:
    """Give CSR indices the 32-bit type that liblinear takes."""
    if isinstance(X, sp.csr_array) and X.indices.dtype != np.int32:
        return sp.csr_array((X.data, X.indices.astype(np.int32), X.indptr.astype(np.int32)), shape=X.shape)
    return X
