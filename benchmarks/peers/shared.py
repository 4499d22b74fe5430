"""What a peer is, and what the calls of peers share.

Every peer's environment imports it: it needs NumPy alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from anndata import AnnData

Labels = npt.NDArray[np.int64]
Values = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Peer:
    """A method of another package.

    Attributes
    ----------
    select
        Takes log values (cells × genes), class codes, the size wanted and a seed, and options by name; returns
        columns, best first, fewer than the size where the method names no more. It imports its package itself.
    package
        Distribution whose version is recorded.
    source
        The paper, and what was adapted.
    nested
        Whether one run gives the panels of every smaller size.
    quick
        Whether a run on a few made-up cells takes seconds at most, so that it can be done before the time is taken.
    grid
        Values of its two main parameters that are tried where it is quick enough.
    """

    select: Callable[..., Sequence[int]]
    package: str
    source: str
    nested: bool = True
    quick: bool = True
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def combinations(self) -> list[dict[str, Any]]:
        """Return every combination of the grid."""
        return [dict(zip(self.grid, values, strict=True)) for values in product(*self.grid.values())]


def in_turn(lists: Sequence[Sequence[int]]) -> Labels:
    """Let each class give its best gene not yet taken, class after class, until the lists are empty.

    Examples
    --------
    >>> in_turn([[3, 2], [3, 1, 0]])
    array([3, 1, 2, 0])
    """
    rest, taken = [list(columns) for columns in lists], dict[int, None]()
    while any(rest):
        for columns in rest:
            while columns and columns[0] in taken:
                columns.pop(0)
            if columns:
                taken[columns.pop(0)] = None
    return np.array(list(taken), dtype=np.int64)


def best_first(scores: npt.ArrayLike) -> Labels:
    """Order columns from the highest score to the lowest; equal scores in column order.

    Examples
    --------
    >>> best_first([0.1, 0.7, 0.1])
    array([1, 0, 2])
    """
    return np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable").astype(np.int64)


def as_adata(X: Values, y: Labels) -> AnnData:
    """Wrap cells: genes are named g0, g1, …; ``obs["label"]`` holds names that no package takes for numbers."""
    import pandas as pd
    from anndata import AnnData

    obs = pd.DataFrame(
        {"label": pd.Categorical([f"class{code}" for code in y])}, index=[f"c{row}" for row in range(len(y))]
    )
    return AnnData(X.copy(), obs=obs, var=pd.DataFrame(index=[f"g{column}" for column in range(X.shape[1])]))


def columns_of(genes: Sequence[str]) -> list[int]:
    """Return the columns of genes that :func:`as_adata` has named.

    Examples
    --------
    >>> columns_of(["g7", "g0"])
    [7, 0]
    """
    return [int(gene[1:]) for gene in genes]


def standardised(X: Values) -> Values:
    """Give each gene mean 0 and standard deviation 1; genes that do not vary stay 0."""
    spread = X.std(axis=0)
    scaled: Values = (X - X.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return scaled
