"""Fresh classifiers, fitted on the genes of a panel alone and scored on other cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from selectormlp.data.cells import FloatArray, IntArray, Matrix, dense
from selectormlp.errors import SettingsError, nearest, quoted
from selectormlp.evaluation.metrics import accuracy_from_hits
from selectormlp.quiet import quiet_warnings


def _logistic(seed: int) -> BaseEstimator:
    return LogisticRegression(C=1.0, class_weight="balanced", max_iter=200, random_state=seed)


def _knn(seed: int) -> BaseEstimator:
    del seed
    return KNeighborsClassifier(15, weights="distance")


def _forest(seed: int) -> BaseEstimator:
    return RandomForestClassifier(200, class_weight="balanced", random_state=seed)


def _network(seed: int) -> BaseEstimator:
    from selectormlp.selectors.mlp import MLP  # PyTorch is loaded where a network is asked for

    return MLP(
        hidden_sizes=(64,),
        noise_std=0.0,
        lr=5e-3,
        weight_decay=0.1,
        max_epochs=30,
        batch_size=256,
        class_weight="balanced",
        random_state=seed,
    )


CLASSIFIERS: dict[str, Callable[[int], BaseEstimator]] = {
    "logistic": _logistic,
    "knn": _knn,
    "forest": _forest,
    "network": _network,
}
"""What a panel is judged by, by name, made with a seed; genes are standardised before each. Logistic regression (C = 1,
classes balanced), 15 nearest neighbours weighted by distance, a random forest of 200 trees (classes balanced), and a
network of one hidden layer of 64 units (classes balanced)."""


def make_classifier(name: str, seed: int = 0) -> BaseEstimator:
    """Make a classifier of :data:`CLASSIFIERS`, behind a standardisation of the genes.

    Raises
    ------
    SettingsError
        If there is none of this name.

    Examples
    --------
    >>> [step for step, _ in make_classifier("logistic").steps]
    ['standardscaler', 'logisticregression']
    """
    if name not in CLASSIFIERS:
        raise SettingsError(f"no classifier {name!r}; {nearest(name, CLASSIFIERS)}")
    return make_pipeline(StandardScaler(), CLASSIFIERS[name](seed))


@dataclass(frozen=True, eq=False)
class Confusion:
    """Which cells a classifier took for what.

    Attributes
    ----------
    counts
        Cells of each true class (rows) that were given each class (columns), shape (n_classes, n_classes).
    """

    counts: IntArray

    @property
    def accuracy(self) -> float:
        """Share of the cells that are right."""
        return float(accuracy_from_hits(self.counts.diagonal(), self.counts.sum(axis=1))[0])

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall of the classes that have cells, as scikit-learn's ``balanced_accuracy_score``."""
        return float(accuracy_from_hits(self.counts.diagonal(), self.counts.sum(axis=1))[1])

    @property
    def recalls(self) -> FloatArray:
        """Share of each class's cells that are right, NaN for classes without cells, shape (n_classes,)."""
        totals = self.counts.sum(axis=1)
        recalls: FloatArray = np.where(totals > 0, self.counts.diagonal() / np.maximum(totals, 1), np.nan)
        return recalls

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the classes that have cells or were predicted, as scikit-learn's ``f1_score(average="macro")``."""
        involved = self.counts.sum(axis=0) + self.counts.sum(axis=1)
        return float(np.mean(2 * self.counts.diagonal()[involved > 0] / involved[involved > 0]))


def count_confusion(true: IntArray, predicted: IntArray, n_classes: int) -> Confusion:
    """Count predictions.

    Parameters
    ----------
    true, predicted
        Class codes, shape (n_cells,).
    n_classes
        Number of classes.

    Examples
    --------
    >>> confusion = count_confusion(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0]), 3)
    >>> confusion.accuracy, confusion.balanced_accuracy, confusion.recalls
    (0.75, 0.75, array([1. , 0.5, nan]))
    """
    cells = np.bincount(true * n_classes + predicted, minlength=n_classes**2)
    return Confusion(cells.reshape(n_classes, n_classes))


def refit_predict(classifier: Any, X: Matrix, labels: IntArray, X_test: Matrix) -> IntArray:
    """Fit a classifier on some cells and predict others.

    Parameters
    ----------
    classifier
        Unfitted, with scikit-learn's contract; fitted here.
    X, labels
        Cells to learn from, shape (n_cells, n_panel_genes), and their class codes, shape (n_cells,).
    X_test
        Cells to predict, shape (n_test_cells, n_panel_genes).

    Returns
    -------
    Class codes, shape (n_test_cells,).
    """
    predicted: IntArray = np.asarray(fit_quietly(classifier, X, labels).predict(dense(X_test)))
    return predicted


def fit_quietly(classifier: Any, X: Matrix, labels: IntArray) -> Any:
    """Fit a classifier, and return it; one that is stopped before it has converged is good enough.

    Parameters
    ----------
    classifier, X, labels
        As in :func:`refit_predict`.
    """
    with quiet_warnings(category=ConvergenceWarning):
        return classifier.fit(dense(X), labels)


def refitter_of(classifier: Any, seed: int = 0) -> tuple[str, Callable[[], Any]]:
    """Return the name of a classifier, and what makes unfitted copies of it.

    Parameters
    ----------
    classifier
        A name of :data:`CLASSIFIERS`, or an unfitted scikit-learn classifier, which is taken as it is: not seeded, and
        not standardised unless it is a pipeline that does so.
    seed
        For those made by name.

    Raises
    ------
    SettingsError
        If there is none of this name, or it is no classifier.

    Examples
    --------
    >>> name, make = refitter_of("knn")
    >>> name, make() is make()
    ('knn', False)
    """
    if isinstance(classifier, str):
        make_classifier(classifier, seed)  # refuses unknown names now rather than after the cells are read
        return classifier, lambda: make_classifier(classifier, seed)
    if isinstance(classifier, type) or not all(hasattr(classifier, verb) for verb in ("fit", "predict", "get_params")):
        raise SettingsError(
            f"the classifier is {classifier!r}; expected one of {quoted(CLASSIFIERS)}, or an unfitted scikit-learn "
            "classifier"
        )
    return type(classifier).__name__, lambda: clone(classifier)
