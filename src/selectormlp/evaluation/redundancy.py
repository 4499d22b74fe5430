"""Redundancy of the genes of a panel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from selectormlp.data.cells import Cells, FloatArray, IntArray, as_matrix
from selectormlp.evaluation.unsupervised import MAX_CELLS, spearman


@dataclass(frozen=True, eq=False)
class Redundancy:
    """Correlation of a panel's genes with each other.

    Attributes
    ----------
    genes
        Genes, in the order of the panel.
    correlation
        Spearman's correlation over cells, -1 to 1, shape (n_genes, n_genes); 0 for genes that do not vary.
    n_cells
        Cells that it was measured on, a sample where there are more.
    """

    genes: tuple[str, ...]
    correlation: FloatArray
    n_cells: int

    def nearest(self) -> tuple[tuple[str, float], ...]:
        """Return, for each gene, the gene of the panel most correlated with it, and the correlation.

        Examples
        --------
        >>> Redundancy(("a", "b"), np.array([[1.0, -0.5], [-0.5, 1.0]]), 9).nearest()
        (('b', -0.5), ('a', -0.5))
        """
        if len(self.genes) < 2:
            return (("", 0.0),) * len(self.genes)
        others = np.abs(self.correlation)
        np.fill_diagonal(others, -1)
        return tuple(
            (self.genes[other], float(self.correlation[place, other])) for place, other in enumerate(others.argmax(1))
        )

    def pairs(self, least: float) -> tuple[tuple[str, str, float], ...]:
        """Return the pairs of genes whose correlation is at least so far from 0, the farthest first."""
        firsts, seconds = np.triu_indices(len(self.genes), 1)
        found = self.correlation[firsts, seconds]
        order = [place for place in np.argsort(-np.abs(found), kind="stable") if abs(found[place]) >= least]
        return tuple((self.genes[firsts[p]], self.genes[seconds[p]], float(found[p])) for p in order)


def measure_redundancy(cells: Cells, genes: IntArray, *, seed: int = 0) -> Redundancy:
    """Correlate the genes of a panel over cells.

    Parameters
    ----------
    cells
        Dense or CSR.
    genes
        Columns of the panel's genes, shape (n_genes,).
    seed
        Of the sample.
    """
    rows = np.arange(cells.n_cells)
    if cells.n_cells > MAX_CELLS:
        rows = np.sort(np.random.default_rng(seed).choice(cells.n_cells, MAX_CELLS, replace=False))
    found = spearman(as_matrix(cells.X[rows][:, genes]))
    return Redundancy(tuple(map(str, cells.genes[genes])), found, len(rows))
