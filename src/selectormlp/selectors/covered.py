"""Passes over cells of data sets that measured different genes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from selectormlp.data.cells import UNKNOWN_CLASS, FloatArray, IntArray
from selectormlp.data.coverage import Coverage
from selectormlp.devices import AnyDevice, Device, Work
from selectormlp.moments.moments import Moments
from selectormlp.moments.unmeasured import codes_by_set, pooled_over_sets
from selectormlp.selectors.passes import Kept, MatrixPasses, StoredPasses


@dataclass(frozen=True, eq=False)
class CoveredPasses:
    """Passes over cells in which not all genes were measured, each data set by itself.

    Attributes
    ----------
    cells
        Passes over all of them, unmeasured values 0.
    coverage
        Which genes were measured in which cells.
    """

    cells: MatrixPasses | StoredPasses
    coverage: Coverage

    @property
    def codes(self) -> IntArray:
        """Class of each cell, shape (n_cells,)."""
        return self.cells.codes

    def with_codes(self, codes: IntArray) -> CoveredPasses:
        """Return passes over the same cells with other codes."""
        return replace(self, cells=self.cells.with_codes(codes))

    def variances(self, cell_weights: FloatArray) -> FloatArray:
        """Average the variance of each gene over the data sets that measured it, shape (n_genes,)."""
        sums = np.zeros(self.coverage.measured.shape[1])
        mass = np.zeros_like(sums)
        for number, measured in enumerate(self.coverage.measured):
            codes = np.where(self.coverage.sets == number, self.codes, UNKNOWN_CLASS)
            if (codes >= 0).any():
                own = float(cell_weights[codes[codes >= 0]].sum())
                sums += np.where(measured, own * replace(self.cells, codes=codes).variances(cell_weights), 0.0)
                mass += own * measured
        return np.divide(sums, mass, out=sums, where=mass > 0)

    def device(self, asked: Device, work: Work, kept: Kept) -> AnyDevice:
        """Choose where moments are computed."""
        return self.cells.device(asked, work, kept)

    def moments(self, columns: IntArray, cell_weights: FloatArray, kept: Kept, device: AnyDevice) -> Moments:
        """Compute the moments of some genes, each over the cells in which it was measured."""
        measured = self.coverage.measured[:, columns]
        codes = codes_by_set(self.codes, self.coverage.sets, len(cell_weights))
        apart = replace(self.cells, codes=codes)
        whole = replace(kept, n_columns=None)  # data sets are pooled by their covariances
        found = apart.moments(columns, np.tile(cell_weights, len(measured)), whole, device)
        return pooled_over_sets(found, measured)
