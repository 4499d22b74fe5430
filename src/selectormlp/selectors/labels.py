"""Labels as scikit-learn takes them, turned into class codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.multiclass import check_classification_targets

from selectormlp.data.cells import FloatArray, IntArray
from selectormlp.errors import SettingsError, nearest


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
