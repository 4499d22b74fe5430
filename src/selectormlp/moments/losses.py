"""Loss of each pair of classes, from the squared distance that genes add."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from selectormlp.data.cells import FloatArray, IntArray


class PairLosses(Protocol):
    """Losses of pairs of classes on the genes added so far."""

    def add(self, terms: FloatArray) -> None:
        """Add a gene that adds these terms to D² of each pair, shape (n_pairs,)."""

    def losses(self) -> FloatArray:
        """Return the loss of each pair on the genes added so far, shape (n_pairs,)."""

    def losses_with(self, terms: FloatArray, pairs: slice) -> FloatArray:
        """Return the loss of some pairs with one more gene, for each gene.

        Parameters
        ----------
        terms
            What each gene would add to D², shape (n_of_these_pairs, n_genes); may be overwritten.
        pairs
            Which pairs these are.

        Returns
        -------
        Shape (n_of_these_pairs, n_genes).
        """


class SummedTerms:
    """Loss of D² summed over genes, all of which are measured.

    Parameters
    ----------
    loss
        Loss by D²; may overwrite its argument.
    n_pairs
        Pairs of classes.

    Examples
    --------
    >>> state = SummedTerms(lambda squared: 1 / (1 + squared), 2)
    >>> state.add(np.array([1.0, 3.0]))
    >>> state.losses(), state.losses_with(np.array([[2.0]]), slice(0, 1))
    (array([0.5 , 0.25]), array([[0.25]]))
    """

    def __init__(self, loss: Callable[[FloatArray], FloatArray], n_pairs: int) -> None:
        self._loss = loss
        self._distances = np.zeros(n_pairs)

    def add(self, terms: FloatArray) -> None:
        """Add a gene; see :class:`PairLosses`."""
        self._distances += terms

    def losses(self) -> FloatArray:
        """Return the loss of each pair; see :class:`PairLosses`."""
        return self._loss(self._distances.copy())

    def losses_with(self, terms: FloatArray, pairs: slice) -> FloatArray:
        """Return losses with one gene more, for each gene; see :class:`PairLosses`."""
        terms += self._distances[pairs, None]
        return self._loss(terms)


class WorstBatch:
    """Loss of each pair in its worst batch.

    Parameters
    ----------
    rows
        Losses of pairs per batch; those of one pair are adjacent.
    starts
        First row of each pair, shape (n_pairs,).
    n_rows
        Number of rows: pairs × their batches.

    Examples
    --------
    >>> state = WorstBatch(SummedTerms(lambda squared: 1 / (1 + squared), 3), np.array([0, 2]), 3)
    >>> state.add(np.array([1.0, 3.0, 4.0]))
    >>> state.losses(), state.losses_with(np.array([[0.0], [0.0], [6.0]]), slice(0, 3)).ravel()
    (array([0.5, 0.2]), array([0.5       , 0.09090909]))
    """

    def __init__(self, rows: PairLosses, starts: IntArray, n_rows: int) -> None:
        self._rows, self._starts, self._n_rows = rows, starts, n_rows

    def add(self, terms: FloatArray) -> None:
        """Add a gene; see :class:`PairLosses`. Terms are those of pairs in batches, shape (n_rows,)."""
        self._rows.add(terms)

    def losses(self) -> FloatArray:
        """Return the loss of each pair; see :class:`PairLosses`."""
        found: FloatArray = np.maximum.reduceat(self._rows.losses(), self._starts)
        return found

    def losses_with(self, terms: FloatArray, pairs: slice) -> FloatArray:
        """Return losses with one gene more, of the pairs whose rows ``pairs`` are; see :class:`PairLosses`."""
        start, stop, _ = pairs.indices(self._n_rows)
        first, last = np.searchsorted(self._starts, [start, stop])
        found: FloatArray = np.maximum.reduceat(self._rows.losses_with(terms, pairs), self._starts[first:last] - start)
        return found
