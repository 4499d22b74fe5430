"""Simulate contamination: counts from other cells and from ambient RNA."""

from __future__ import annotations

import numpy as np

from selectormlp.data.cells import FloatArray
from selectormlp.data.count_scale import CountScale


def mix_cells(few: FloatArray, rng: np.random.Generator, *, scale: CountScale, share: float) -> FloatArray:
    """Replace a share of each cell's counts by counts of another cell, drawn at random, as bad segmentation does.

    Parameters
    ----------
    few
        Log-normalised expression, shape (n_cells, k).
    scale
        Of these cells.
    share
        Of the counts, 0 to 1.
    rng
        Source of chance.
    """
    counts = scale.whole_counts(few)
    others = rng.permutation(len(counts))
    mixed = rng.binomial(counts, 1.0 - share) + rng.binomial(counts[others], share)
    values: FloatArray = np.log1p(mixed * scale.unit[:, None])
    return values


def add_ambient(few: FloatArray, rng: np.random.Generator, *, scale: CountScale, share: float) -> FloatArray:
    """Replace a share of each cell's counts by counts of the mean profile of all cells.

    Parameters are those of :func:`mix_cells`.
    """
    counts = scale.whole_counts(few)
    profile = counts.sum(axis=0) / max(1, counts.sum())
    totals = counts.sum(axis=1, keepdims=True)
    mixed = rng.binomial(counts, 1.0 - share) + rng.poisson(share * totals * profile)
    values: FloatArray = np.log1p(mixed * scale.unit[:, None])
    return values
