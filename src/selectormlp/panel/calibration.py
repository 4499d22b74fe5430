"""Learn an assay from cells of the same types, measured by it and by sequencing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from selectormlp.data.cells import FloatArray, IntArray, Matrix
from selectormlp.errors import DataError, counted
from selectormlp.panel.assay import ASSAYS, Assay

LEAST_GENES = 8
"""Minimum number of genes seen on both sides."""

LEAST_COUNT = 5.0
"""Minimum counts of a gene, in each half of the reference and in the measured cells."""

N_FOLDS = 5
N_PERMUTATIONS = 200


@dataclass(frozen=True, eq=False)
class Calibration:
    """Efficiencies of genes, and whether their expression level predicts them.

    Attributes
    ----------
    assay
        Assay with the mean efficiency, the relative efficiencies of genes, their spread, and the specificity of
        ``imaging``. With that specificity, panels for known efficiencies were better than for ``imaging`` itself;
        without it, worse.
    genes
        Genes seen on both sides.
    log_efficiency
        Natural logarithm of measured over sequenced counts, types counting the same, shape (n_genes,).
    standard_error
        Its standard error from counting noise, shape (n_genes,).
    level
        Natural logarithm of the mean count in the other half of the reference's cells, shape (n_genes,).
    spread
        Standard deviation of the log efficiencies, net of counting noise.
    explained
        Share of the variance of log efficiencies explained by a line in the level, on genes it was not fitted to; below
        0 if it predicts worse than their mean.
    explained_by_chance
        The same with permuted levels, 95 % quantile.
    """

    assay: Assay
    genes: tuple[str, ...]
    log_efficiency: FloatArray
    standard_error: FloatArray
    level: FloatArray
    spread: float
    explained: float
    explained_by_chance: float

    @property
    def level_tells(self) -> bool:
        """Whether the level predicts efficiencies better than by chance."""
        return self.explained > max(0.0, self.explained_by_chance)


def learn_assay(
    reference: Matrix,
    measured: Matrix,
    reference_codes: IntArray,
    measured_codes: IntArray,
    genes: Sequence[str],
    *,
    name: str = "learned",
    source: str | None = None,
    date: str | None = None,
    seed: int = 0,
) -> Calibration:
    """Learn efficiencies of genes from matched cells.

    A gene's efficiency is the ratio of its measured and sequenced mean counts, with equal weight of types. The mean
    efficiency also absorbs differences in depth. The expression level is measured on one half of the reference's cells
    and the ratio on the other, since shared noise would make rare genes look efficient. Efficiencies are shrunk towards
    their mean by the share of their variance that comes from counting.

    Parameters
    ----------
    reference, measured
        Counts, shape (n_cells, n_genes) each, of the same genes in the same order.
    reference_codes, measured_codes
        Type of each cell, as codes of the same types; types missing on one side, and negative codes, are ignored.
    genes
        Names of the genes.
    name, source, date
        Of the assay.
    seed
        Of the halves, folds and permutations.

    Raises
    ------
    DataError
        If no type is on both sides, or fewer than ``LEAST_GENES`` genes are seen on both.
    """
    rng = np.random.default_rng(seed)
    types = np.intersect1d(reference_codes[reference_codes >= 0], measured_codes[measured_codes >= 0])
    if not len(types):
        raise DataError("no cell type is on both sides; map the labels of both to common ones")
    half = np.zeros(len(reference_codes), dtype=np.bool_)
    for kind in types:
        rows = rng.permutation(np.flatnonzero(reference_codes == kind))
        half[rows[: len(rows) // 2]] = True
    level, level_counts = _type_means(reference, np.where(half, reference_codes, -1), types)
    base, base_counts = _type_means(reference, np.where(half, -1, reference_codes), types)
    seen, seen_counts = _type_means(measured, measured_codes, types)
    used = np.flatnonzero(np.minimum(np.minimum(level_counts, base_counts), seen_counts) >= LEAST_COUNT)
    if len(used) < LEAST_GENES:
        raise DataError(
            f"{counted(len(used), 'gene has', 'genes have')} {LEAST_COUNT:g} counts or more on both sides; "
            f"{LEAST_GENES} are needed to learn an assay"
        )
    ratio = np.log(seen[used] / base[used])
    error = np.sqrt(1 / base_counts[used] + 1 / seen_counts[used])
    spread = float(np.sqrt(max(0.0, ratio.var(ddof=1) - np.mean(error**2))))
    shrunk = ratio.mean() + (ratio - ratio.mean()) * spread**2 / np.maximum(spread**2 + error**2, 1e-12)
    levels = np.log(level[used])
    folds = rng.permutation(len(used)) % N_FOLDS
    chance = [_explained(rng.permutation(levels), ratio, folds) for _ in range(N_PERMUTATIONS)]
    known = tuple(genes[int(column)] for column in used)
    assay = Assay(
        name=name,
        efficiency=float(np.exp(ratio.mean())),
        gene_efficiencies=dict(zip(known, np.exp(shrunk - ratio.mean()).tolist(), strict=True)),
        specificity=ASSAYS["imaging"].specificity,
        spread=spread,
        source=source,
        date=date,
    )
    explained = _explained(levels, ratio, folds)
    return Calibration(assay, known, ratio, error, levels, spread, explained, float(np.quantile(chance, 0.95)))


def _type_means(counts: Matrix, codes: IntArray, types: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return the mean over types of their mean counts, and the number of counts, shape (n_genes,) each."""
    means, total = np.zeros((2, counts.shape[1]))
    for kind in types:
        rows = np.flatnonzero(codes == kind)
        if len(rows):
            part = counts[rows]
            sums = np.asarray(part.sum(axis=0) if sp.issparse(part) else part.sum(axis=0, dtype=np.float64)).ravel()
            means += sums / len(rows) / len(types)
            total += sums
    return means, total


def _explained(levels: FloatArray, ratio: FloatArray, folds: IntArray) -> float:
    """Predict the ratio of each fold's genes by a line fitted to the other folds."""
    predicted = np.empty_like(ratio)
    for fold in np.unique(folds):
        held, rest = folds == fold, folds != fold
        slope, start = np.polyfit(levels[rest], ratio[rest], 1)
        predicted[held] = start + slope * levels[held]
    return float(1 - ((ratio - predicted) ** 2).sum() / ((ratio - ratio.mean()) ** 2).sum())
