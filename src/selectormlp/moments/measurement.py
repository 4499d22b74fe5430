"""Predict counts in another technology from sequenced counts: efficiency, background, mixing, failing probes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from selectormlp.data.cells import FloatArray, IntArray
from selectormlp.errors import SettingsError
from selectormlp.moments.counting import log_count_moments
from selectormlp.moments.moments import Moments


@dataclass(frozen=True, eq=False)
class Measurement:
    """Properties of an assay that affect the choice of genes.

    Attributes
    ----------
    specificity
        Share of the criterion that tells each class from all others mixed, 0 to 1; the rest tells pairs of classes
        apart.
    efficiency
        Counts that the assay detects per count of the reference, above 0; None: values are taken as sequenced, without
        background and mixing.
    gene_efficiency
        Efficiency of each gene relative to the others, shape (n_genes,); None if unknown.
    background
        Background: counts per cell and gene without a molecule, ≥ 0.
    mixing
        Share of each cell's counts that come from its neighbours (from the mean of all classes), 0 to below 1.
    failure
        Probability that the probes of a gene fail, 0 to below 1.

    Raises
    ------
    SettingsError
        If a value is out of range.
    """

    specificity: float = 0.0
    efficiency: float | None = None
    gene_efficiency: FloatArray | None = None
    background: float = 0.0
    mixing: float = 0.0
    failure: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.specificity <= 1:
            raise SettingsError(f"specificity={self.specificity!r}; expected a number from 0 to 1")
        if self.efficiency is not None and not 0 < self.efficiency < np.inf:
            raise SettingsError(f"efficiency={self.efficiency!r}; expected a number above 0, or None")
        if not 0 <= self.background < np.inf:
            raise SettingsError(f"background={self.background!r}; expected a number of counts ≥ 0")
        for name in ("mixing", "failure"):
            if not 0 <= getattr(self, name) < 1:
                raise SettingsError(f"{name}={getattr(self, name)!r}; expected a number from 0 to below 1")
        if self.efficiency is None and (self.background or self.mixing or self.gene_efficiency is not None):
            raise SettingsError(
                "background, mixing and efficiencies of genes are given without efficiency; set efficiency, 1 if "
                "the assay detects as many molecules as the reference"
            )

    @property
    def needs_counts(self) -> bool:
        """Whether moments of counts are needed."""
        return self.efficiency is not None

    def take(self, columns: IntArray) -> Measurement:
        """Return the measurement of some genes, by column."""
        few = None if self.gene_efficiency is None else self.gene_efficiency[columns]
        return replace(self, gene_efficiency=few)


def measured_counts(
    mean: FloatArray, variance: FloatArray, measurement: Measurement, mixed: FloatArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """Compute mean and variance of the counts that an assay will measure.

    A cell has a latent rate Λ; sequencing sees X | Λ ~ Poisson(Λ), the assay Y | Λ ~ Poisson(e Λ + b). With mean μ and
    variance v of X, E Y = e μ + b and Var Y = e² max(v − μ, 0) + e μ + b. For e ≤ 1 this is binomial thinning of the
    counts with Poisson background; Poisson counts around the sequenced counts would include sampling noise twice. With
    mixing m, a share m of Λ comes from the mean of all classes and its standard deviation equals its mean (exponential,
    since spill-over differs from cell to cell).

    Parameters
    ----------
    mean, variance
        Mean and variance of sequenced counts, shape (n_classes, n_genes).
    measurement
        With an efficiency.
    mixed
        Mean count over all classes, shape (n_genes,); None: the mean of ``mean``.

    Examples
    --------
    >>> mean, variance = np.array([[4.0]]), np.array([[6.0]])
    >>> measured_counts(mean, variance, Measurement(efficiency=0.5, background=1.0))
    (array([[3.]]), array([[3.5]]))
    """
    efficiency = (measurement.efficiency or 1.0) * (
        np.ones(mean.shape[1]) if measurement.gene_efficiency is None else measurement.gene_efficiency
    )
    spilled = measurement.mixing * (mean.mean(axis=0) if mixed is None else mixed)
    rate = efficiency * ((1.0 - measurement.mixing) * mean + spilled) + measurement.background
    excess = (1.0 - measurement.mixing) ** 2 * np.maximum(variance - mean, 0.0) + spilled**2
    return rate, efficiency**2 * excess + rate


def measured_moments(moments: Moments, measurement: Measurement) -> Moments:
    """Turn moments of sequenced cells into moments of log counts in an assay.

    Means and variances of log1p(Y) are summed over the negative binomial with the moments of :func:`measured_counts`.
    Cells that are scaled to the median total of the panel have log1p(s · Y) with s near 1, which is held fixed at 1.
    Correlations between genes stay those of the sequenced values: covariances of rates scale with the
    product of the efficiencies, as variances do, and counting noise is independent.

    Parameters
    ----------
    moments
        With moments of counts and the within-class scatter.
    measurement
        Without an efficiency, the moments are returned as they are.

    Raises
    ------
    DataError
        If the moments hold no counts.
    """
    if measurement.efficiency is None:
        return moments
    counts = moments.count_moments()
    shares = moments.class_weights
    variances = counts.variances(moments.counts)
    rate, variance = measured_counts(counts.means, variances, measurement, shares @ counts.means)
    means, spread = log_count_moments(rate, variance)
    before = moments.covariance().diagonal()
    ratio = np.sqrt(np.divide(shares @ spread, before, out=np.zeros_like(before), where=before > 0))
    within = None if moments.within is None else moments.within * np.outer(ratio, ratio)
    columns = None if moments.columns is None else moments.columns.scaled(ratio)
    return replace(moments, means=means, squares=spread * moments.counts[:, None], within=within, columns=columns)
