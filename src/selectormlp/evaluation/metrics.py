"""Accuracy, over cells and over classes."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import numpy.typing as npt

from selectormlp.data.cells import BoolArray, FloatArray
from selectormlp.data.stored import AnyCells, StoredCells
from selectormlp.errors import DataError, quoted
from selectormlp.selectors.classifier import ClassifyingSelector

logger = logging.getLogger(__name__)


def accuracy_from_hits(
    hits: npt.NDArray[np.integer[Any]], totals: npt.NDArray[np.integer[Any]]
) -> tuple[FloatArray, FloatArray]:
    """Turn hits per class into accuracy and mean per-class accuracy.

    Parameters
    ----------
    hits
        Cells of each class that were predicted right, shape (…, n_classes).
    totals
        Cells of each class, shape (n_classes,); classes without cells do not count.

    Returns
    -------
    Accuracy (share of cells right) and mean per-class accuracy (mean recall, as scikit-learn's
    ``balanced_accuracy_score``), each of shape (…).

    Examples
    --------
    >>> accuracy, mean_per_class = accuracy_from_hits(np.array([9, 1, 0]), np.array([9, 3, 0]))
    >>> round(float(accuracy), 3), round(float(mean_per_class), 3)
    (0.833, 0.667)
    """
    present = totals > 0
    recalls = hits[..., present] / totals[present]
    return hits.sum(axis=-1) / totals.sum(), recalls.mean(axis=-1)


def scorable_cells(cells: AnyCells, trained: BoolArray) -> AnyCells:
    """Keep the cells whose class was trained on; log how many are dropped.

    Parameters
    ----------
    cells
        Cells to be scored.
    trained
        Which classes had training cells, shape (n_classes,).

    Raises
    ------
    DataError
        If none is left.
    """
    known = cells.labels >= 0
    known[known] = trained[cells.labels[known]]
    if not known.any():
        raise DataError(
            f"none of the {cells.n_cells} cells is of a class that the model was trained on "
            f"({quoted(np.array(cells.classes)[trained])}); give cells of these classes, or name the right label column"
        )
    if not known.all():
        logger.warning(
            "%d of %d cells are of classes that were never trained on: left out of the scores",
            int((~known).sum()),
            cells.n_cells,
        )
        return cells.take(known)
    return cells


def accuracy_of(selector: ClassifyingSelector, cells: AnyCells) -> dict[str, float]:
    """Predict cells and score the predictions.

    Parameters
    ----------
    selector
        Fitted; it classifies.
    cells
        With the selector's genes and classes, in memory or on disk; see :func:`scorable_cells`.

    Returns
    -------
    ``accuracy`` and ``mean_per_class_accuracy``.
    """
    blocks = (cells.X[rows] for rows in cells.X.row_blocks()) if isinstance(cells, StoredCells) else (cells.X,)
    predicted = np.concatenate([selector.class_scores(block).argmax(axis=1) for block in blocks])
    right = cells.labels[predicted == cells.labels]
    accuracy, mean_per_class = accuracy_from_hits(np.bincount(right, minlength=cells.n_classes), cells.class_counts())
    return {"accuracy": float(accuracy), "mean_per_class_accuracy": float(mean_per_class)}
