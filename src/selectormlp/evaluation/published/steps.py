"""What several published measures share: a share with a soft limit, and a mean over a curve."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from selectormlp.data.cells import FloatArray

LIMIT = 0.8
"""Limit of an accuracy and of a correlation, Spapros' default."""

TOLERANCE = 0.05
"""Half the width over which a value near the limit counts in part, Spapros' default."""


def share_above(values: FloatArray, limit: float = LIMIT, tolerance: float = TOLERANCE) -> float:
    """Return the share of values above a limit; those within the tolerance count in part, growing linearly.

    Kuemmerle et al. (Nature Methods 2024), so that a small change of one value does not change the share by much.

    Parameters
    ----------
    values
        Shape (n_values,).
    limit, tolerance
        A value counts 0 at ``limit - tolerance``, 1 at ``limit + tolerance``.

    Examples
    --------
    >>> share_above(np.array([0.5, 0.8, 0.9]))
    0.5
    """
    return float(np.clip((values - limit + tolerance) / (2 * tolerance), 0, 1).mean())


def mean_of_curve(points: Mapping[int, float], low: int, high: int) -> float:
    """Return the mean of a curve over whole numbers, joined by lines between the points that are known.

    Beyond the last point the curve stays as it is there; before the first, it counts as 0, as Spapros' area does.

    Parameters
    ----------
    points
        Values at some whole numbers.
    low, high
        First and last number of the mean.

    Examples
    --------
    >>> mean_of_curve({1: 0.0, 3: 1.0}, 1, 3), mean_of_curve({2: 1.0}, 1, 4)
    (0.5, 0.75)
    """
    if not points:
        return float("nan")
    curve = pd.Series(dict(points), dtype=np.float64).reindex(range(low, high + 1))
    return float(curve.interpolate().sum() / len(curve))
