"""Expected loss of pairs of classes if probes fail independently."""

from __future__ import annotations

import numpy as np

from selectormlp.data.cells import FloatArray

N_NODES = 32
"""Nodes of the Gauss-Legendre quadrature; the error is below 1e-5 for panels of a few hundred genes."""


def _nodes() -> tuple[FloatArray, FloatArray]:
    nodes, weights = np.polynomial.legendre.leggauss(N_NODES)
    return (nodes + 1) / 2, weights / 2


NODES, WEIGHTS = _nodes()
"""Of the quadrature over 0 to 1, shape (N_NODES,) each."""

SUMS = {"inverse": (NODES, WEIGHTS), "bhattacharyya": (np.array([np.exp(-0.125)]), np.ones(1))}
"""Losses of D² as sums of u^{D²}, by criterion: nodes u and weights. exp(−D²/8) is one such term."""


class FailingProbes:
    """Expectation of 1/(1 + D²), or exp(−D²/8), over which probes work, for D² a sum over genes.

    With 1/(1 + D²) = ∫₀¹ u^{D²} du, and each gene working with probability 1 − q whatever the others do,

        E[1/(1 + Σ_j Δ_j)] = ∫₀¹ Π_j (q + (1 − q) u^{Δ_j}) du ,

    which a fixed quadrature sums: one multiplication per node and gene; for exp(−D²/8), u = e^{−1/8} alone is exact. A
    second gene for a pair that is already separated keeps its value, since it remains if the first fails; with the mean
    of D² it would have none.

    Terms of a Cholesky update are conditional on earlier genes, which may fail themselves. The sum is therefore exact
    for independent genes only. For correlated genes the loss is overestimated: a later gene gets little credit if an
    earlier one tells the same, but would be worth more if that one failed.

    Parameters
    ----------
    probability
        Probability q that a probe fails, 0 to below 1.
    n_pairs
        Pairs of classes.
    criterion
        ``inverse`` or ``bhattacharyya``.
    """

    def __init__(self, probability: float, n_pairs: int, criterion: str = "inverse") -> None:
        self.probability = probability
        self._nodes, self._weights = SUMS[criterion]
        self._products = np.ones((n_pairs, len(self._nodes)))

    def add(self, terms: FloatArray) -> None:
        """Add a gene that adds these terms to D² of each pair, shape (n_pairs,)."""
        self._products *= self._factor(terms[:, None], np.log(self._nodes))

    def losses(self) -> FloatArray:
        """Return the expected loss of each pair on the genes added so far, shape (n_pairs,)."""
        return self._products @ self._weights

    def losses_with(self, terms: FloatArray, pairs: slice) -> FloatArray:
        """Return the expected loss with one more gene, for each gene.

        Parameters
        ----------
        terms
            What each gene would add to D², shape (n_of_these_pairs, n_genes).
        pairs
            Which pairs these are.

        Returns
        -------
        Shape (n_of_these_pairs, n_genes).
        """
        losses = np.zeros_like(terms)
        for place, (node, weight) in enumerate(zip(self._nodes, self._weights, strict=True)):
            losses += (weight * self._products[pairs, place])[:, None] * self._factor(terms, np.log(node))
        return losses

    def _factor(self, terms: FloatArray, log_node: FloatArray | np.float64) -> FloatArray:
        factor: FloatArray = self.probability + (1.0 - self.probability) * np.exp(terms * log_node)
        return factor
