"""Mean and variance of log counts, summed over the distribution of counts."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import gammaln, xlogy

from selectormlp.data.cells import FloatArray

EXACT_UP_TO = 64
"""Counts up to this one are summed one by one; above, the distribution is smooth and a step of several counts
suffices."""

STEPS_PER_ROOT = 4
"""Above it, the step is √count / 4: a quarter of the standard deviation of the narrowest distribution, Poisson."""

TAIL = 12.0
"""Sums end this many standard deviations, and ``LEAST_REACH`` counts, above the mean."""

LEAST_REACH = 40.0

MAX_COUNT = 1e7
"""Largest count that is summed; no assay counts as many molecules of one gene in a cell."""

POISSON_FROM = 1e8
"""With this dispersion parameter or a larger one, a negative binomial is taken as Poisson; its logarithms would
cancel."""

ENTRIES_AT_ONCE = 2**21
"""Number of distributions × counts held at once, 16 MiB per array."""


def log_count_moments(mean: FloatArray, variance: FloatArray, scale: float = 1.0) -> tuple[FloatArray, FloatArray]:
    """Compute mean and variance of log1p(scale · Y) for counts Y of given mean and variance.

    Y is negative binomial, or Poisson where the variance is not above the mean. (Expanding the logarithm about the
    mean, the delta method, is off by a factor of two at a mean of 0.01.)

    Parameters
    ----------
    mean, variance
        Of the counts, ≥ 0, of one shape.
    scale
        Factor on counts before the logarithm. It is fixed: all cells are taken to have the same total.

    Returns
    -------
    Mean and variance, of that shape; exact to 1e-3 of either for means from 0.003 to 10,000.

    Examples
    --------
    >>> mean, variance = log_count_moments(np.array([1.0]), np.array([1.0]))
    >>> mean.round(4), variance.round(4)  # Poisson: Σ e⁻¹ log(1 + y) / y!
    (array([0.5734]), array([0.2396]))
    """
    means, variances = mean.ravel(), np.maximum(variance, mean).ravel()
    result = np.zeros((2, len(means)))
    reach = np.minimum(means + TAIL * np.sqrt(variances) + LEAST_REACH, MAX_COUNT)
    octaves = np.where(means > 0, np.ceil(np.log2(reach)), -1).astype(np.int64)
    for octave in np.unique(octaves[octaves >= 0]):
        group = np.flatnonzero(octaves == octave)
        counts, weights = _counts(float(reach[group].max()))
        for block in np.array_split(group, math.ceil(len(group) * len(counts) / ENTRIES_AT_ONCE)):
            result[:, block] = _summed(means[block], variances[block], scale, counts, weights)
    return result[0].reshape(mean.shape), result[1].reshape(mean.shape)


def _counts(largest: float) -> tuple[FloatArray, FloatArray]:
    """Return the counts to sum over and the weight of each (by the trapezoidal rule where the step is above 1)."""
    counts = list(range(EXACT_UP_TO + 1))
    while counts[-1] < largest:
        counts.append(counts[-1] + max(1, int(math.sqrt(counts[-1]) / STEPS_PER_ROOT)))
    nodes = np.array(counts, dtype=np.float64)
    steps = np.diff(nodes)
    weights = np.ones(len(nodes))
    weights[EXACT_UP_TO:-1] = (steps[EXACT_UP_TO - 1 : -1] + steps[EXACT_UP_TO:]) / 2
    return nodes, weights


def _summed(
    mean: FloatArray, variance: FloatArray, scale: float, counts: FloatArray, weights: FloatArray
) -> tuple[FloatArray, FloatArray]:
    mean, excess = mean[:, None], (variance - mean)[:, None]
    size = np.minimum(mean**2 / np.maximum(excess, mean**2 / POISSON_FROM), POISSON_FROM)
    poisson = size >= POISSON_FROM
    log_p = xlogy(counts, mean) - gammaln(counts + 1)
    log_p = np.where(
        poisson,
        log_p - mean,
        log_p + gammaln(counts + size) - gammaln(size) - (counts + size) * np.log(mean + size) + size * np.log(size),
    )
    shares = np.exp(log_p) * weights
    shares /= shares.sum(axis=1, keepdims=True)
    values = np.log1p(scale * counts)
    first = shares @ values
    second = np.einsum("ij,ij->i", shares, (values - first[:, None]) ** 2)
    return first, second
