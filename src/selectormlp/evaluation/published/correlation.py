"""How strongly a panel's genes repeat each other, and how well they stand for known markers (Spapros)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from selectormlp.data.cells import FloatArray, Matrix, dense
from selectormlp.errors import SettingsError
from selectormlp.evaluation.published.steps import LIMIT, share_above

MIN_MEAN = 0.025
"""Mean expression above which a marker counts among those that are expressed, Spapros' default."""

SAME = 1e-4
"""Distance from a type's best marker within which another of its markers counts as equally good, as in Spapros."""


def pearson(first: Matrix, second: Matrix) -> FloatArray:
    """Return Pearson's correlation of each gene with each other over cells; 0 where a gene does not vary.

    Parameters
    ----------
    first, second
        Expression of the same cells, shapes (n_cells, n_first) and (n_cells, n_second), dense or CSR.

    Returns
    -------
    Shape (n_first, n_second), -1 to 1.

    Examples
    --------
    >>> X = np.array([[0, 2, 1], [1, 0, 1], [2, -2, 1]], dtype=np.float32)
    >>> pearson(X, X[:, :2])
    array([[ 1., -1.],
           [-1.,  1.],
           [ 0.,  0.]])
    """
    sides = []
    for X in (first, second):
        values = dense(X).astype(np.float64)
        values -= values.mean(axis=0)
        lengths = np.linalg.norm(values, axis=0)
        sides.append(np.divide(values, lengths, out=np.zeros_like(values), where=lengths > 1e-12))
    found: FloatArray = np.clip(sides[0].T @ sides[1], -1, 1)
    return found


def one_minus_mean(correlation: FloatArray) -> float:
    """Return 1 - the mean absolute correlation over pairs of genes; NaN for fewer than two genes.

    Examples
    --------
    >>> one_minus_mean(np.array([[1.0, -0.25], [-0.25, 1.0]]))
    0.75
    """
    pairs = np.abs(correlation)[np.tril_indices(len(correlation), -1)]
    return float(1 - pairs.mean()) if len(pairs) else float("nan")


def share_unrepeated(correlation: FloatArray, limit: float = LIMIT) -> float:
    """Return the share of genes whose largest absolute correlation with another is below a limit, softly.

    Examples
    --------
    >>> share_unrepeated(np.array([[1.0, 0.9, 0.1], [0.9, 1.0, 0.0], [0.1, 0.0, 1.0]])).__round__(6)
    0.333333
    """
    others = np.abs(correlation)
    np.fill_diagonal(others, 0.0)
    return 1.0 - share_above(others.max(axis=0), limit)


@dataclass(frozen=True, eq=False)
class KnownMarkers:
    """How well a panel stands for known markers.

    Attributes
    ----------
    markers
        Names.
    types
        The type of each.
    best
        Largest correlation of each with a gene of the panel, shape (n_markers,).
    means
        Mean expression of each, shape (n_markers,).
    """

    markers: tuple[str, ...]
    types: tuple[str, ...]
    best: FloatArray
    means: FloatArray

    @property
    def per_marker(self) -> float:
        """Mean over markers."""
        return float(self.best.mean())

    @property
    def per_expressed_marker(self) -> float:
        """Mean over markers with a mean expression above 0.025; NaN where there are none."""
        some = self.best[self.means > MIN_MEAN]
        return float(some.mean()) if len(some) else float("nan")

    @property
    def per_type(self) -> float:
        """Mean over the best marker of each type; markers of a type that are as good count too."""
        best = pd.Series(self.best)
        top = best.groupby(list(self.types)).transform("max")
        return float(best[top - best <= SAME].mean())


def correlate_markers(
    panel: Matrix, X: Matrix, columns: Sequence[int], names: Sequence[str], types: Sequence[str]
) -> KnownMarkers:
    """Correlate known markers with the genes of a panel.

    Parameters
    ----------
    panel
        Expression of the panel's genes, shape (n_cells, n_panel).
    X
        Expression of all genes of the same cells, shape (n_cells, n_genes).
    columns, names, types
        Of the markers: column, name and type.
    """
    known = X[:, np.asarray(columns, dtype=np.int64)]
    means = np.asarray(known.mean(axis=0, dtype=np.float64)).ravel()
    return KnownMarkers(tuple(names), tuple(types), pearson(known, panel).max(axis=1), means)


def marker_lists(given: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return known markers as lists: each type has a list of genes, or a table with ``genes``, as sets of genes do.

    Raises
    ------
    SettingsError
        If something else stands there.

    Examples
    --------
    >>> marker_lists({"T": ["CD3E"], "B": {"genes": ["CD79A", "MS4A1"]}})
    {'T': ['CD3E'], 'B': ['CD79A', 'MS4A1']}
    """
    found = {}
    for name, members in given.items():
        genes = members.get("genes") if isinstance(members, Mapping) else members
        if (
            isinstance(genes, str)
            or not isinstance(genes, Sequence)
            or not all(isinstance(gene, str) for gene in genes)
        ):
            raise SettingsError(f"markers of {name!r} are {members!r}; expected a list of genes")
        found[str(name)] = list(genes)
    return found


def marker_columns(
    markers: Mapping[str, Sequence[str]], genes: pd.Index[str]
) -> tuple[list[int], list[str], list[str]]:
    """Find the markers that the data have; one that several types name counts for the first, as in Spapros.

    Returns
    -------
    Columns, names and types, sorted by name.

    Examples
    --------
    >>> marker_columns({"T": ["b", "x"], "B": ["a", "b"]}, pd.Index(["a", "b"]))
    ([0, 1], ['a', 'b'], ['B', 'T'])
    """
    of_type: dict[str, str] = {}
    for name, members in markers.items():
        for gene in members:
            if gene in genes:
                of_type.setdefault(gene, name)
    names = sorted(of_type)
    return genes.get_indexer(pd.Index(names)).tolist(), names, [of_type[gene] for gene in names]
