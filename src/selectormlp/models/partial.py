"""Predicting by a panel of which some genes were not measured: what fills them in, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from selectormlp.data.cells import FloatArray, IntArray
from selectormlp.models.novelty import RIDGE, Novelty

N_DRAWN = 200
"""Cells drawn of each type to find what missing genes cost."""


@dataclass(frozen=True)
class MissingGenes:
    """Genes of a panel that the data lack, and what that costs.

    Attributes
    ----------
    genes
        Their names.
    whole, partial
        Balanced accuracy, with all genes and without these, on cells drawn from what the classifier knows of its types.
    worst, worst_whole, worst_partial
        The type that suffers most, and the share of its drawn cells that are right.
    """

    genes: tuple[str, ...]
    whole: float
    partial: float
    worst: str
    worst_whole: float
    worst_partial: float

    def __str__(self) -> str:
        """Say it in a sentence."""
        return (
            f"filled in from the others; on cells drawn from what the classifier knows of its types, balanced accuracy "
            f"falls from {self.whole:.2f} to {self.partial:.2f}, and the share right of {self.worst!r}, the type that "
            f"suffers most, from {self.worst_whole:.2f} to {self.worst_partial:.2f}"
        )


def fill_in(Z: FloatArray, present: IntArray, novelty: Novelty) -> FloatArray:
    """Fill in standardised genes that were not measured: their mean given the others, over all cells learned from.

    Parameters
    ----------
    Z
        Standardised expression of the genes measured, shape (n_cells, n_present).
    present
        Their columns in the panel.
    novelty
        What is known of the types.

    Returns
    -------
    Shape (n_cells, n_genes).
    """
    total, middle = novelty.total, novelty.shares @ novelty.centers
    block = total[np.ix_(present, present)] + RIDGE * np.eye(len(present))
    filled: FloatArray = (Z - middle[present]) @ np.linalg.solve(block, total[present]) + middle
    filled[:, present] = Z
    return filled


def draw_cells(novelty: Novelty, seed: int = 0) -> tuple[FloatArray, IntArray]:
    """Draw cells of each type from a normal distribution with its mean and the covariance within types.

    Returns
    -------
    Standardised expression, shape (n_cells, n_genes), and class codes.
    """
    known = np.flatnonzero(novelty.shares > 0)
    codes = np.repeat(known, N_DRAWN)
    factor = np.linalg.cholesky(novelty.within + 1e-6 * np.eye(len(novelty.within)))
    noise = np.random.default_rng(seed).normal(size=(len(codes), len(factor)))
    return novelty.centers[codes] + noise @ factor.T, codes.astype(np.int64)
