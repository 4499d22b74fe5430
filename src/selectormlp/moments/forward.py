"""Forward selection of genes, and the covariance of all genes given the chosen ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from selectormlp.data.cells import FloatArray, IntArray
from selectormlp.moments.moments import Covariance

COLLINEAR = 1e-9
"""A gene with less than this share of its variance left is a combination of the chosen ones. Rounding errors of float32
products, about 1e-7, are well below it once squared."""


class Objective(Protocol):
    """Objective of forward selection."""

    def gains(self) -> FloatArray:
        """Return the gain of each gene if chosen next, shape (n_genes,), ≥ 0; 0 for chosen and collinear ones."""

    def choose(self, gene: int) -> None:
        """Condition on a gene (by column)."""


class Gate(Protocol):
    """Decides which genes may be chosen next, regardless of their gain."""

    def may_follow(self, gene: int) -> bool:
        """Return whether a gene (column) may come next; once refused, a gene stays refused."""

    def choose(self, gene: int) -> None:
        """Add a gene that may come next."""


@dataclass(frozen=True, eq=False)
class Forward:
    """Result of a forward selection.

    Attributes
    ----------
    order
        All genes (columns), best first, shape (n_genes,): the first ``n_chosen`` in the order of choice, so that every
        shorter panel is a prefix; the others by their gain at the end.
    gains
        Gain of each gene when it was chosen, or its gain at the end, by column, shape (n_genes,).
    n_chosen
        Number of genes chosen one at a time.
    n_kept_out
        Genes that would have been chosen, and that the gate kept out.
    """

    order: IntArray
    gains: FloatArray
    n_chosen: int
    n_kept_out: int = 0


def forward_select(
    objective: Objective,
    n_genes: int,
    *,
    must_have: Sequence[int] = (),
    gate: Gate | None = None,
    priorities: FloatArray | None = None,
) -> Forward:
    """Choose genes one at a time, each with the highest gain given those before it, then rank the rest.

    Parameters
    ----------
    objective
        What to improve. It stays conditioned on the chosen genes.
    n_genes
        Number of genes to choose; without a gate, fewer if no gene has any gain left.
    must_have
        Columns that come first, in this order.
    gate
        Decides which genes may come next. With a gate, genes without gain fill the panel, in order of their gain at the
        start.
    priorities
        Factor on the gain of each gene when the next is chosen, shape (n_genes,); None: all count alike.

    Returns
    -------
    The choice. Genes not chosen follow by their gain at the end; ties by their gain at the start.
    """
    factor = np.ones(1) if priorities is None else priorities
    first = gains = objective.gains()
    at_choice = np.zeros(len(gains))
    chosen: list[int] = []
    n_kept_out = 0
    while len(chosen) < n_genes:
        if len(chosen) < len(must_have):
            gene = int(must_have[len(chosen)])
        else:
            gene, n_better = _next(factor * gains, first, chosen, gate)
            n_kept_out += n_better
        if gene < 0:
            break
        if gate is not None:
            gate.choose(gene)
        chosen.append(gene)
        at_choice[gene] = gains[gene]
        objective.choose(gene)
        gains = objective.gains()
    rest = np.setdiff1d(np.arange(len(gains)), chosen)
    at_choice[rest] = gains[rest]
    rest = rest[np.lexsort((-first[rest], -gains[rest]))]
    order = np.concatenate([np.array(chosen, dtype=np.int64), rest])
    return Forward(order, at_choice, len(chosen), n_kept_out)


def _next(gains: FloatArray, first: FloatArray, chosen: Sequence[int], gate: Gate | None) -> tuple[int, int]:
    """Return the gene of highest gain that may come next, or −1, and how many better ones may not."""
    if gate is None:
        best = int(np.argmax(gains))
        return (best if gains[best] > 0 else -1), 0
    untaken = np.lexsort((-first, -gains))
    untaken = untaken[~np.isin(untaken, chosen)]
    for n_better, gene in enumerate(untaken.tolist()):
        if gate.may_follow(gene):
            return gene, n_better
    return -1, len(untaken)


class Residual:
    """Covariance of all genes given the chosen ones, as a Cholesky factor that grows by one column per choice.

    Parameters
    ----------
    covariance
        Shape (n_genes, n_genes); neither copied nor altered. Only its diagonal and the rows of chosen genes are read.
    ridge
        Added to the diagonal.
    shrinkage
        Share by which covariances between different genes count less, 0 to 1.

    Attributes
    ----------
    variance
        Variance of each gene given the chosen ones, shape (n_genes,).
    free
        Genes that can still be chosen: neither chosen nor a combination of chosen ones; shape (n_genes,).
    """

    def __init__(self, covariance: Covariance, *, ridge: float = 0.0, shrinkage: float = 0.0) -> None:
        self._covariance = covariance
        self._ridge = ridge
        self._shrinkage = shrinkage
        self.variance = covariance.diagonal() + ridge
        self._floor = COLLINEAR * self.variance.max(initial=0.0)
        self.free = self.variance > self._floor
        self._factor = np.empty((len(self.variance), 32))
        self._n_columns = 0

    @property
    def factor(self) -> FloatArray:
        """Columns so far: the covariance explained by the chosen genes is factor · factorᵀ."""
        return self._factor[:, : self._n_columns]

    def choose(self, gene: int) -> FloatArray | None:
        """Condition on a gene.

        Returns
        -------
        The new column c, shape (n_genes,): the conditional covariance falls by c cᵀ. None if the gene is constant or a
        combination of chosen ones.
        """
        was_free, self.free[gene] = self.free[gene], False
        if not was_free:
            return None
        row = self._covariance[gene]
        column: FloatArray = (1.0 - self._shrinkage) * row - self.factor @ self.factor[gene]
        column[gene] += self._shrinkage * row[gene] + self._ridge
        column /= np.sqrt(self.variance[gene])
        self._append(column)
        self.variance -= column**2
        self.free &= self.variance > self._floor
        return column

    def _append(self, column: FloatArray) -> None:
        if self._n_columns == self._factor.shape[1]:
            self._factor = np.hstack([self._factor, np.empty_like(self._factor)])
        self._factor[:, self._n_columns] = column
        self._n_columns += 1
