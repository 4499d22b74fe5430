"""Expression of each gene of a panel in each cell type."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp

from selectormlp.data.cells import Cells, FloatArray, IntArray
from selectormlp.errors import counted
from selectormlp.values import Shown


@dataclass(frozen=True, eq=False)
class Expression(Shown):
    """Expression of a panel's genes in each type.

    Attributes
    ----------
    genes
        Genes, in the order of the panel.
    classes
        Types that have cells.
    n_cells
        Cells of each type, shape (n_classes,).
    means
        Mean over the cells of a type, in the unit of the matrix (log1p of counts per 10,000 where counts were
        normalised), shape (n_classes, n_genes).
    fractions
        Share of the cells of a type with a value above 0, 0 to 1, shape (n_classes, n_genes).
    """

    genes: tuple[str, ...]
    classes: tuple[str, ...]
    n_cells: IntArray
    means: FloatArray
    fractions: FloatArray

    def __repr__(self) -> str:
        """Return what it is of."""
        genes, types = counted(len(self.genes), "gene"), counted(len(self.classes), "type")
        return f"Expression({genes} in {types}, {counted(self.n_cells.sum(), 'cell')})"

    @property
    def scaled(self) -> FloatArray:
        """Means of each gene from 0 (its lowest type) to 1 (its highest); 0 where it is the same in all."""
        low = self.means.min(axis=0)
        span = self.means.max(axis=0) - low
        scaled: FloatArray = (self.means - low) / np.where(span > 0, span, 1)
        return scaled

    def arranged(self) -> Expression:
        """Return the same with genes in the order of the types that have most of them.

        Examples
        --------
        >>> means = np.array([[0.0, 2.0], [1.0, 0.0]])
        >>> Expression(("b", "a"), ("A", "B"), np.array([3, 3]), means, means / 2).arranged().genes
        ('a', 'b')
        """
        order = np.lexsort([-self.scaled.max(axis=0), self.means.argmax(axis=0)])
        return Expression(
            tuple(self.genes[place] for place in order),
            self.classes,
            self.n_cells,
            self.means[:, order],
            self.fractions[:, order],
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one line per type and gene: class, gene, n_cells, mean, fraction."""
        n_genes = len(self.genes)
        return pd.DataFrame(
            {
                "class": np.repeat(np.array(self.classes, dtype=object), n_genes),
                "gene": np.tile(np.array(self.genes, dtype=object), len(self.classes)),
                "n_cells": np.repeat(self.n_cells, n_genes),
                "mean": self.means.ravel(),
                "fraction": self.fractions.ravel(),
            }
        )


def measure_expression(cells: Cells, genes: IntArray) -> Expression:
    """Average the genes of a panel over the cells of each type.

    Parameters
    ----------
    cells
        Labelled cells, dense or CSR.
    genes
        Columns of the panel's genes, shape (n_genes,).

    Returns
    -------
    Means and shares of the types that have cells.

    Examples
    --------
    >>> X = np.array([[3, 0], [1, 1], [0, 2]], dtype=np.float32)
    >>> names = pd.Index(["c1", "c2", "c3"])
    >>> cells = Cells(X, pd.Index(["a", "b"]), names, np.array([0, 0, 1]), ("A", "B"))
    >>> found = measure_expression(cells, np.array([0]))
    >>> found.means.tolist(), found.fractions.tolist()
    ([[2.0], [0.0]], [[1.0], [0.0]])
    """
    labelled = np.flatnonzero(cells.labels >= 0)
    counts = cells.class_counts()
    present = np.flatnonzero(counts)
    code = np.searchsorted(present, cells.labels[labelled])
    of_class = sp.csr_array(
        (np.ones(len(labelled)), (code, np.arange(len(labelled)))), shape=(len(present), len(labelled))
    )
    part = sp.csr_array(cells.X[labelled][:, genes], dtype=np.float64)
    totals = counts[present][:, None]
    return Expression(
        tuple(map(str, cells.genes[genes])),
        tuple(cells.classes[place] for place in present),
        counts[present],
        np.asarray((of_class @ part).toarray()) / totals,
        np.asarray((of_class @ (part > 0).astype(np.float64)).toarray()) / totals,
    )
