"""Scores with their intervals: from a bootstrap over test cells, and from the spread over splits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

METRICS = ("accuracy", "balanced_accuracy", "macro_f1")
"""The scores that are measured: share of cells right, mean recall of the classes, mean F1 of the classes."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """A score at each of several sizes, with two intervals.

    Attributes
    ----------
    value
        Score over all test cells, 0 to 1, shape (n_sizes,).
    low, high
        Interval from a bootstrap over test cells: how far chance in the choice of cells goes; shape (n_sizes,).
    split_values
        Score of each split alone, shape (n_splits, n_sizes).
    split_low, split_high
        Interval from the spread over the splits: how far the choice of training cells (or donors) goes too;
        shape (n_sizes,). NaN where there is one split.
    """

    value: FloatArray
    low: FloatArray
    high: FloatArray
    split_values: FloatArray
    split_low: FloatArray
    split_high: FloatArray
