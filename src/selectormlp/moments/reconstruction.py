"""Choose genes that reconstruct the others linearly, from moments alone."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import scipy.linalg
from scipy.sparse.linalg import eigsh

from selectormlp.data.cells import FloatArray
from selectormlp.errors import SettingsError, quoted
from selectormlp.moments.forward import Residual
from selectormlp.moments.moments import Moments

Target = Literal["genes", "components"]
"""Targets of the reconstruction: all genes, or the leading principal components, in which noise genes weigh little."""

TARGETS: tuple[str, ...] = get_args(Target)


class ReconstructionObjective:
    """Share of the variance of the targets that a linear reconstruction from the chosen genes explains.

    Choosing gene j explains Σ_t R_jt² / R_jj, with R the covariance of genes and targets given the genes already
    chosen.

    Parameters
    ----------
    moments
        With the total scatter.
    target
        ``genes``, or ``components``: principal components, weighted by their variance.
    n_components
        How many components; not used for ``genes``.

    Raises
    ------
    SettingsError
        If the target is unknown or there are no components.
    DataError
        If the moments hold no total scatter.

    References
    ----------
    Farahat, Ghodsi, Kamel, "Efficient greedy feature selection for unsupervised learning", Knowledge and Information
    Systems 2013 (recursion for Σ_t R_jt²). Here it uses the covariance alone and allows components as targets.
    """

    def __init__(self, moments: Moments, *, target: Target = "genes", n_components: int = 50) -> None:
        if target not in TARGETS:
            raise SettingsError(f"target={target!r}; expected one of {quoted(TARGETS)}")
        if n_components < 1:
            raise SettingsError(f"n_components={n_components}; expected at least 1")
        covariance = moments.total_covariance()
        self._residual = Residual(covariance)
        self._explained: _Genes | _Components
        if target == "genes":
            self._explained = _Genes(covariance, self._residual)
        else:
            self._explained = _Components(covariance, n_components)
        self._scale = self._explained.total or 1.0

    def gains(self) -> FloatArray:
        """Return the share of the targets' variance that each gene would explain on top, shape (n_genes,)."""
        variance = np.where(self._residual.free, self._residual.variance, np.inf)
        gains: FloatArray = np.maximum(self._explained.squares, 0.0) / (variance * self._scale)
        return gains

    def choose(self, gene: int) -> None:
        """Condition on a gene (by column)."""
        column = self._residual.choose(gene)
        if column is not None:
            self._explained.explain(gene, column)


class _Genes:
    """Σ_t R_jt² over all genes t, kept by a recursion that needs one product with the covariance a step.

    From R' = R − c cᵀ follows Σ_t R'_jt² = Σ_t R_jt² − 2 c_j (R c)_j + c_j² ‖c‖².
    """

    def __init__(self, covariance: FloatArray, residual: Residual) -> None:
        self._covariance = covariance
        self._residual = residual
        self.squares: FloatArray = np.einsum("jt,jt->j", covariance, covariance)
        self.total = float(covariance.trace())

    def explain(self, gene: int, column: FloatArray) -> None:
        del gene
        earlier = self._residual.factor[:, :-1]
        product = self._covariance @ column - earlier @ (earlier.T @ column)
        self.squares += column * (column * (column @ column) - 2.0 * product)


class _Components:
    """Σ_t B_jt² with B the conditional covariance of genes and principal components."""

    def __init__(self, covariance: FloatArray, n_components: int) -> None:
        values, vectors = _leading(covariance, n_components)
        self._covariances = vectors * values
        self.squares: FloatArray = np.einsum("jt,jt->j", self._covariances, self._covariances)
        self.total = float(values.sum())

    def explain(self, gene: int, column: FloatArray) -> None:
        loading = self._covariances[gene] / column[gene]
        self._covariances -= np.outer(column, loading)
        self.squares = np.einsum("jt,jt->j", self._covariances, self._covariances)


def _leading(covariance: FloatArray, n_components: int) -> tuple[FloatArray, FloatArray]:
    n_genes = len(covariance)
    diagonal = covariance.diagonal()
    if (
        n_components < n_genes // 10 and diagonal.any()
    ):  # Lanczos suits few of many components; a fixed start makes it reproducible
        values, vectors = eigsh(covariance, k=n_components, ncv=4 * n_components, v0=diagonal, tol=1e-6)
    else:
        first = max(0, n_genes - n_components)
        values, vectors = scipy.linalg.eigh(covariance, subset_by_index=[first, n_genes - 1])
    return np.maximum(values, 0.0), vectors
