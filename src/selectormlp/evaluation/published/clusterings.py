"""How like clusters by a panel are to clusters by all genes, at many numbers of clusters (Spapros)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from sklearn.metrics import normalized_mutual_info_score

from selectormlp.data.cells import AnyFloatArray, IntArray
from selectormlp.evaluation.neighborhoods import N_NEIGHBORS, Communities
from selectormlp.evaluation.published.steps import mean_of_curve
from selectormlp.selectors.scanpy_input import as_anndata

NUMBERS = (5, 60)
"""Least and largest number of clusters, Spapros' defaults."""

COARSE, FINE = (5, 20), (21, 60)
"""Numbers of clusters over which agreement is averaged, Spapros' defaults."""

STEP = 5e-5
"""Distance of two resolutions below which no number of clusters between theirs is looked for."""

SMALLEST, LARGEST = 1e-3, 1e3
"""Resolutions beyond which no further number of clusters is looked for: a graph in pieces has no fewer clusters."""


def clusterings(points: AnyFloatArray, *, numbers: tuple[int, int] = NUMBERS, seed: int = 0) -> dict[int, IntArray]:
    """Cluster cells into each number of clusters that some resolution of Leiden gives.

    scanpy's graph of 15 neighbours, and a search that halves steps of resolution, as in Kuemmerle et al. (Nature
    Methods 2024).

    Parameters
    ----------
    points
        Cells in principal components, or by their genes, shape (n_cells, n_dimensions).
    numbers
        Least and largest number of clusters.
    seed
        Of the graph and of Leiden.

    Returns
    -------
    The clusters of each cell, shape (n_cells,), by their number.
    """
    import scanpy as sc

    adata = as_anndata(points)
    sc.pp.neighbors(adata, n_neighbors=min(N_NEIGHBORS, len(points) - 1), use_rep="X", random_state=seed)
    communities = Communities(adata.obsp["connectivities"], seed)
    least, most = numbers[0], min(numbers[1], len(points))
    tried: dict[float, int] = {}
    found: dict[int, IntArray] = {}

    def cluster(resolution: float) -> int:
        clusters = communities.at(resolution)
        number = int(clusters.max()) + 1
        tried[resolution] = number
        found.setdefault(number, clusters)
        return number

    resolution = 1.0
    while cluster(resolution) > least and resolution > SMALLEST:
        resolution /= 2
    resolution = max(tried)
    while max(tried.values()) < most and resolution < LARGEST:
        resolution *= 2
        cluster(resolution)
    while middles := _middles(tried, found, least, most):
        for resolution in middles:
            cluster(resolution)
    return {number: found[number] for number in sorted(found) if least <= number <= most}


def _middles(tried: Mapping[float, int], found: Mapping[int, IntArray], least: int, most: int) -> list[float]:
    """Return the resolutions half way between two whose numbers of clusters leave some out that is not yet found."""
    wanted = set(range(least, most + 1)) - set(found)
    order = sorted(tried)
    return [
        (low + high) / 2
        for low, high in pairwise(order)
        if high - low > STEP and wanted & set(range(tried[low] + 1, tried[high]))
    ]


def agreement(panel: Mapping[int, IntArray], everything: Mapping[int, IntArray]) -> dict[int, float]:
    """Return the normalised mutual information of two clusterings at each number of clusters that both have.

    Examples
    --------
    >>> import numpy as np
    >>> agreement({2: np.array([0, 0, 1, 1])}, {2: np.array([1, 1, 0, 0]), 3: np.array([0, 0, 1, 2])})
    {2: 1.0}
    """
    both = sorted(set(panel) & set(everything))
    return {number: float(normalized_mutual_info_score(panel[number], everything[number])) for number in both}


def areas(curve: Mapping[int, float]) -> tuple[float, float]:
    """Return the mean agreement over 5 to 20 and over 21 to 60 clusters.

    As in Spapros, numbers in between that no resolution gives are filled in by lines over the whole range first.
    """
    whole = filled(curve, *NUMBERS)
    coarse, fine = (
        {number: whole[number] for number in whole if low <= number <= high} for low, high in (COARSE, FINE)
    )
    return mean_of_curve(coarse, *COARSE), mean_of_curve(fine, *FINE)


def filled(curve: Mapping[int, float], low: int, high: int) -> dict[int, float]:
    """Fill numbers between known ones by lines, and those beyond the last by its value.

    Examples
    --------
    >>> filled({2: 0.0, 4: 1.0}, 1, 5)
    {2: 0.0, 3: 0.5, 4: 1.0, 5: 1.0}
    """
    import pandas as pd

    series = pd.Series(dict(curve), dtype="float64").reindex(range(low, high + 1)).interpolate().dropna()
    return {int(str(number)): float(value) for number, value in series.items()}
