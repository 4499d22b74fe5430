"""Groups of cells: those of one class in one batch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from selectormlp.data.cells import UNKNOWN_CLASS, BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from selectormlp.moments.moments import Moments


@dataclass(frozen=True, eq=False)
class Groups:
    """Groups of cells: the cells of one class in one batch.

    Moments of groups are computed like moments of classes, with groups as classes, so they add up over files, chunks,
    workers and a GPU in the same way.

    Attributes
    ----------
    classes, batches
        Class and batch code of each group, shape (n_groups,).
    n_classes, n_batches
        Number of classes, with or without cells, and of batches.
    """

    classes: IntArray
    batches: IntArray
    n_classes: int
    n_batches: int

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def components(self) -> IntArray:
        """Component of each batch, shape (n_batches,); batches linked by shared classes have the same."""
        size = self.n_classes + self.n_batches
        edges = csr_array((np.ones(len(self)), (self.classes, self.n_classes + self.batches)), (size, size))
        labels = connected_components(edges, directed=False)[1][self.n_classes :]
        return np.unique(labels, return_inverse=True)[1].astype(np.int64)

    @property
    def can_be_combined(self) -> bool:
        """Whether any class is in two batches, so that batches can be combined."""
        return len(self) > len(np.unique(self.classes))

    def take(self, kept: BoolArray) -> Groups:
        """Return some of the groups, without batches that have none of them."""
        batches = np.unique(self.batches[kept], return_inverse=True)[1].astype(np.int64)
        return Groups(self.classes[kept], batches, self.n_classes, int(batches.max(initial=-1)) + 1)

    def summed(self, values: FloatArray) -> FloatArray:
        """Sum values of groups over the groups of each class, shape (n_classes, n_genes)."""
        sums = np.zeros((self.n_classes, values.shape[1]))
        np.add.at(sums, self.classes, values)
        return sums

    def mark(self, moments: Moments) -> Moments:
        """Attach the groups to moments that were computed with groups as classes."""
        return replace(moments, groups=self)

    def of_cells(self, codes: IntArray, batches: IntArray) -> IntArray:
        """Return the group of each cell, shape (n_cells,); ``UNKNOWN_CLASS`` if it has none."""
        place = np.full((self.n_classes, self.n_batches), UNKNOWN_CLASS)
        place[self.classes, self.batches] = np.arange(len(self))
        return np.where(codes >= 0, place[codes, batches], UNKNOWN_CLASS)


def groups_of(codes: IntArray, batches: IntArray, n_classes: int) -> Groups:
    """Find the groups that cells form.

    Parameters
    ----------
    codes, batches
        Class and batch code of each cell, shape (n_cells,); cells of a negative class take no part.
    n_classes
        Number of classes.

    Examples
    --------
    >>> groups = groups_of(np.array([0, 0, 1, -1]), np.array([0, 1, 0, 1]), 2)
    >>> groups.classes, groups.batches
    (array([0, 0, 1]), array([0, 1, 0]))
    """
    n_batches = int(batches.max(initial=-1)) + 1
    known = codes >= 0
    classes, found = np.divmod(np.unique(codes[known] * max(1, n_batches) + batches[known]), max(1, n_batches))
    return Groups(classes, found, n_classes, n_batches)
