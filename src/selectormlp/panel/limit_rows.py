"""Limits as rows of a sparse matrix: a gene table may name thousands of groups of a few genes each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array

from selectormlp.data.cells import BoolArray, FloatArray, IntArray
from selectormlp.panel.limits import Limit


class LimitRows:
    """Limits as rows of a sparse matrix, so that a limit costs what the genes that add to it cost.

    Parameters
    ----------
    limits
        Limits over the same genes.
    n_genes
        Number of these genes.

    Attributes
    ----------
    limits
        The limits, in the order of the rows.
    amounts
        Amount that each gene adds to each sum, without zeros, shape (n_limits, n_genes).
    floor, ceiling
        Bounds with tolerance, see :class:`Limit`; shape (n_limits,).
    least, most
        The smallest and the largest amount of a row, 0 included, shape (n_limits,).

    Examples
    --------
    >>> group = Limit("group", np.array([1, 1, 0, 0], dtype=np.int8), high=1)
    >>> cost = Limit("cost", np.array([3.0, 1.0, 2.0, 4.0]), high=5)
    >>> rows = LimitRows([group, cost], 4)
    >>> held = rows.sums(np.array([0]))
    >>> held.tolist(), rows.keeps(held, np.array([1, 2, 3])).tolist()
    ([1.0, 3.0], [False, True, False])
    """

    def __init__(self, limits: Sequence[Limit], n_genes: int) -> None:
        self.limits = tuple(limits)
        genes = [np.flatnonzero(limit.amounts) for limit in self.limits]
        starts = np.cumsum([0, *map(len, genes)])
        values = [limit.amounts[some].astype(np.float64) for limit, some in zip(self.limits, genes, strict=True)]
        self.amounts = csr_array(
            (np.concatenate([np.empty(0), *values]), np.concatenate([np.empty(0, dtype=np.int64), *genes]), starts),
            shape=(len(self.limits), n_genes),
        )
        self.floor = np.array([limit.floor for limit in self.limits])
        self.ceiling = np.array([limit.ceiling for limit in self.limits])
        self.least, self.most = np.zeros(len(self.limits)), np.zeros(len(self.limits))
        np.minimum.at(self.least, row_of(self.amounts), self.amounts.data)
        np.maximum.at(self.most, row_of(self.amounts), self.amounts.data)
        self._by_gene = self.amounts.tocsc()

    def sums(self, genes: IntArray | Sequence[int]) -> FloatArray:
        """Return the sums over genes (positions, distinct), shape (n_limits,)."""
        columns = self._by_gene[:, genes]
        return np.asarray(np.bincount(columns.indices, columns.data, minlength=len(self.limits)), dtype=np.float64)

    def keeps(self, sums: FloatArray, genes: IntArray, sign: float = 1.0) -> BoolArray:
        """Return for each gene whether all limits hold if it is added to sums, or taken off with ``sign=-1``.

        Parameters
        ----------
        sums
            Sum of each limit without the change, shape (n_limits,).
        genes
            Positions.
        sign
            1 or −1.

        Returns
        -------
        Shape (len(genes),).
        """
        columns = self._by_gene[:, genes]
        place = row_of(columns)
        limit = columns.indices
        changed = sums[limit] + sign * columns.data
        inside = (changed >= self.floor[limit]) & (changed <= self.ceiling[limit])
        broken = (sums < self.floor) | (sums > self.ceiling)
        n_outside = np.bincount(place[~inside], minlength=len(genes))
        n_mended = np.bincount(place[inside & broken[limit]], minlength=len(genes))
        kept: BoolArray = (n_outside == 0) & (n_mended == np.count_nonzero(broken))
        return kept

    def easily_kept(self, sums: FloatArray, n_more: int, n_candidates: int) -> BoolArray:
        """Return which limits surely allow more genes, since enough candidates add nothing to them.

        Parameters
        ----------
        sums
            Sum of each limit over the genes held, shape (n_limits,).
        n_more
            Number of genes to come.
        n_candidates
            Number of genes to choose from.

        Returns
        -------
        Shape (n_limits,); False where this simple bound does not decide.
        """
        n_adding = np.diff(self.amounts.indptr)
        easy: BoolArray = np.isinf(self.floor) & (n_adding <= n_candidates - n_more) & (sums <= self.ceiling)
        return easy


def row_of(matrix: csr_array) -> IntArray:
    """Return the row of each entry of a CSR matrix, or the column of each in a CSC matrix.

    Examples
    --------
    >>> row_of(csr_array(np.array([[0, 2, 3], [0, 0, 4]]))).tolist()
    [0, 0, 1]
    """
    rows: IntArray = np.repeat(np.arange(len(matrix.indptr) - 1), np.diff(matrix.indptr))
    return rows


def entries_of(matrix: csr_array, row: int) -> tuple[IntArray, FloatArray]:
    """Return columns and values of the entries of a row.

    Examples
    --------
    >>> [part.tolist() for part in entries_of(csr_array(np.array([[0, 2, 3], [0, 0, 4]])), 0)]
    [[1, 2], [2, 3]]
    """
    start, end = matrix.indptr[row : row + 2]
    return matrix.indices[start:end], matrix.data[start:end]
