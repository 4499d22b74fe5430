"""How many of a cell's neighbours by all genes are its neighbours by the panel, over numbers of them (Spapros)."""

from __future__ import annotations

from collections.abc import Sequence

from selectormlp.data.cells import IntArray
from selectormlp.evaluation.neighborhoods import knn_overlap
from selectormlp.evaluation.published.steps import mean_of_curve

SIZES = (5, 10, 15, 20, 25, 30)
"""Sizes of neighbourhoods, the cell itself included, Spapros' defaults."""


def overlap_curve(panel: IntArray, everything: IntArray, sizes: Sequence[int] = SIZES) -> dict[int, float]:
    """Return the mean share of common neighbours at each size.

    Parameters
    ----------
    panel, everything
        Rows of neighbours by the panel and by all genes, nearest first, without the cell itself, shape (n_cells,
        n_neighbors).
    sizes
        Sizes, the cell itself included; those that there are too few neighbours for are left out.

    Examples
    --------
    >>> import numpy as np
    >>> overlap_curve(np.array([[1, 2], [0, 2], [1, 0]]), np.array([[1, 2], [2, 0], [0, 1]]), (2, 3))
    {2: 0.3333333333333333, 3: 1.0}
    """
    some = [size for size in sizes if size - 1 <= panel.shape[1]]
    return {size: knn_overlap(panel[:, : size - 1], everything[:, : size - 1]) for size in some}


def overlap_area(curve: dict[int, float]) -> float:
    """Return the mean of the curve over all sizes from its first to its last."""
    return mean_of_curve(curve, min(curve), max(curve)) if curve else float("nan")
