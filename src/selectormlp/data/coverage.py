"""Which genes were measured in which cells, for joined data sets with different genes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from selectormlp.data.cells import BoolArray, IntArray


@dataclass(frozen=True, eq=False)
class Coverage:
    """Genes measured by each data set. Where a gene was not measured, its value is a meaningless 0.

    Attributes
    ----------
    sets
        Data set of each cell, an index into the rows of ``measured``, shape (n_cells,).
    measured
        Whether each data set measured each gene, shape (n_sets, n_genes).
    """

    sets: IntArray
    measured: BoolArray

    def take(self, rows: IntArray | BoolArray) -> Coverage:
        """Keep some cells."""
        return replace(self, sets=self.sets[rows])

    def take_genes(self, columns: IntArray) -> Coverage:
        """Keep some genes, by column."""
        return replace(self, measured=self.measured[:, columns])

    @property
    def n_cells_measured(self) -> IntArray:
        """Number of cells in which each gene was measured, shape (n_genes,)."""
        counts = np.bincount(self.sets, minlength=len(self.measured))
        found: IntArray = counts @ self.measured.astype(np.int64)
        return found
