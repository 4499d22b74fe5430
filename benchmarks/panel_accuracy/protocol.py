"""The protocol: which cells are learned from, on which genes, and how a panel is scored on the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from selectormlp.data.cells import Cells, IntArray
from selectormlp.data.split import SplitSizes, split_cells
from selectormlp.evaluation.refit import CLASSIFIERS, Confusion, count_confusion, make_classifier, refit_predict
from selectormlp.selectors.base import order_by_score

SIZES = (10, 25, 50, 100, 200)
"""Numbers of genes of the panels."""

LEAST_CELLS = 40
"""Cells that a class must have to take part."""

SPLIT = SplitSizes(train=500, validation=125, test=125)
"""The most cells of a class on each side; smaller classes are split in the same proportion, 4 : 1 : 1."""

MAX_GENES = 2000
"""Genes that methods choose from: the most variable ones over the training cells."""


@dataclass(frozen=True, eq=False)
class Learning:
    """What a method is given.

    Attributes
    ----------
    X
        Training and validation cells × genes, log values, dense float32.
    y
        Class codes, 0 to ``n_classes`` - 1, shape (n_cells,); every class has cells.
    n_classes
        Number of classes.
    """

    X: npt.NDArray[np.float32]
    y: IntArray
    n_classes: int


@dataclass(frozen=True, eq=False)
class Prepared:
    """A data set split with a seed: what methods learn from, and the test cells that they do not see."""

    learning: Learning
    X_test: npt.NDArray[np.float32]
    y_test: IntArray


@dataclass(frozen=True)
class Score:
    """How one refitted classifier did on the test cells.

    Attributes
    ----------
    classifier
        Its name in ``selectormlp.evaluation.refit.CLASSIFIERS``.
    balanced_accuracy, macro_f1
        Mean recall, and mean F1, of the classes.
    least_recall
        Recall of the class that is found worst.
    """

    classifier: str
    balanced_accuracy: float
    macro_f1: float
    least_recall: float

    def as_row(self) -> dict[str, object]:
        """Return the columns of a row of results."""
        return asdict(self)


def prepare(cells: Cells, seed: int) -> Prepared:
    """Split cells and keep the genes that vary most over the training cells.

    Methods get training and validation cells as one learning set, peers and our own alike; one that makes choices
    on validation cells splits them off itself. The validation cells have no say in the choice of variable genes, and
    the test cells in nothing.

    Parameters
    ----------
    cells
        Log values; classes of fewer than ``LEAST_CELLS`` cells are left out.
    seed
        Of the split.

    Raises
    ------
    DataError
        If fewer than two classes have cells enough.
    """
    split = split_cells(cells.labels, SPLIT, min_cluster_size=LEAST_CELLS, rng=np.random.default_rng(seed))
    code = np.full(cells.n_classes, -1)
    code[split.kept_classes] = np.arange(len(split.kept_classes))
    train = cells.take(split.train).dense().X
    genes = np.sort(order_by_score(train.var(axis=0, dtype=np.float64))[:MAX_GENES])
    rows = np.concatenate([split.train, split.validation])
    X, X_test = (np.ascontiguousarray(cells.take(part).dense().X[:, genes]) for part in (rows, split.test))
    learning = Learning(X, code[cells.labels[rows]], len(split.kept_classes))
    return Prepared(learning, X_test, code[cells.labels[split.test]])


def usable_sizes(sizes: Sequence[int], n_genes: int) -> list[int]:
    """Leave out sizes above half of the genes, where any choice is as good.

    Examples
    --------
    >>> usable_sizes([10, 25, 50], 60)
    [10, 25]
    """
    return sorted(size for size in set(sizes) if size <= n_genes / 2)


def refit_on_panel(
    prepared: Prepared, panel: IntArray, seed: int, classifiers: Sequence[str] = CLASSIFIERS
) -> dict[str, Confusion]:
    """Refit each classifier on the learning cells and the panel's genes, and let it classify the test cells.

    Parameters
    ----------
    prepared
        Cells.
    panel
        Columns, shape (n_panel_genes,).
    seed
        Of the classifiers.
    classifiers
        Their names.

    Returns
    -------
    What each took for what, by name.
    """
    learning, columns = prepared.learning, np.sort(panel)
    found = {}
    for name in classifiers:
        predicted = refit_predict(
            make_classifier(name, seed), learning.X[:, columns], learning.y, prepared.X_test[:, columns]
        )
        found[name] = count_confusion(prepared.y_test, predicted, learning.n_classes)
    return found


def score_panel(
    prepared: Prepared, panel: IntArray, seed: int, classifiers: Sequence[str] = CLASSIFIERS
) -> list[Score]:
    """Score a panel by each classifier; parameters as :func:`refit_on_panel` takes them."""
    return [
        Score(name, confusion.balanced_accuracy, confusion.macro_f1, float(np.nanmin(confusion.recalls)))
        for name, confusion in refit_on_panel(prepared, panel, seed, classifiers).items()
    ]
