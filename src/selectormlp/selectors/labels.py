"""Labels as scikit-learn takes them, turned into class codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.utils.multiclass import check_classification_targets

from selectormlp.data.cells import FloatArray, IntArray
from selectormlp.errors import DataError, SettingsError, counted, nearest


def encode_labels(y: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], IntArray]:
    """Turn labels into the sorted classes, shape (n_classes,), and the code of each cell, shape (n_cells,).

    Raises
    ------
    ValueError
        If the labels are continuous numbers.

    Examples
    --------
    >>> encode_labels(np.array(["T", "B", "T"]))
    (array(['B', 'T'], dtype='<U1'), array([1, 0, 1]))
    """
    check_classification_targets(y)
    classes, codes = np.unique(y, return_inverse=True)
    return classes, codes.astype(np.int64)


def check_class_weight(given: object) -> None:
    """Refuse what weighs no classes.

    Raises
    ------
    SettingsError
        If it is neither ``"balanced"``, a mapping from labels to weights, nor None.
    """
    if given is not None and not isinstance(given, Mapping) and not (isinstance(given, str) and given == "balanced"):
        raise SettingsError(f"class_weight={given!r}; expected 'balanced', a mapping from labels to weights, or None")


def checked_batches(batches: Any, n_cells: int) -> npt.NDArray[Any] | None:
    """Return the batch of each cell, shape (n_cells,); None where there is none.

    Raises
    ------
    DataError
        If there are more or fewer, or some are missing.
    """
    if batches is None:
        return None
    found = np.asarray(batches)
    if found.shape != (n_cells,):
        raise DataError(f"batches of shape {found.shape} for {n_cells} cells; expected one per cell, ({n_cells},)")
    missing = int(pd.isna(found).sum())
    if missing:
        raise DataError(f"{counted(missing, 'cell has', 'cells have')} no batch; give each one, or leave batches out")
    return found.astype(str)


def rows_of_batches(batches: Any, n_cells: int) -> list[IntArray]:
    """Return the cells of each batch; all cells as one where there are no batches.

    Raises
    ------
    DataError
        As :func:`checked_batches` does.

    Examples
    --------
    >>> rows_of_batches(["a", "b", "a"], 3), rows_of_batches(None, 2)
    ([array([0, 2]), array([1])], [array([0, 1])])
    """
    checked = checked_batches(batches, n_cells)
    if checked is None:
        return [np.arange(n_cells)]
    codes = np.unique(checked, return_inverse=True)[1]
    return [np.flatnonzero(codes == code) for code in range(int(codes.max(initial=-1)) + 1)]


def class_importance(
    classes: npt.NDArray[Any], given: Mapping[Any, float] | None, *, name: str = "class_weights"
) -> FloatArray:
    """Look up the importance of each class, shape (n_classes,); 1 where none is given.

    Raises
    ------
    SettingsError
        If an importance is given for a class that is not there, or is negative.

    Examples
    --------
    >>> class_importance(np.array(["B", "T"]), {"T": 2.0})
    array([1., 2.])
    """
    named = {} if given is None else dict(given)
    for label, importance in named.items():
        if label not in classes.tolist():
            raise SettingsError(f"{name} names {label!r}, which no cell has: {nearest(str(label), map(str, classes))}")
        if not importance >= 0:
            raise SettingsError(f"{name} gives {label!r} the weight {importance!r}; expected a number ≥ 0")
    return np.array([named.get(label, 1.0) for label in classes.tolist()], dtype=np.float64)
