"""Loss of each pair of classes by what the genes of a panel add to its squared distance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from selectormlp.data.cells import FloatArray


class PairLosses(Protocol):
    """Losses of pairs of classes on the genes added so far."""

    def add(self, terms: FloatArray) -> None:
        """Add a gene that adds these terms to D² of each pair, shape (n_pairs,)."""

    def losses(self) -> FloatArray:
        """Return the loss of each pair on the genes added so far, shape (n_pairs,)."""

    def losses_with(self, terms: FloatArray, pairs: slice) -> FloatArray:
        """Return the loss of some pairs with one gene more, for each gene.

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
    """Loss of D² for D² a sum over genes, all of which are measured.

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
