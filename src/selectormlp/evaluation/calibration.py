"""Calibrate probabilities by a temperature, and measure their calibration error on unseen cells."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from selectormlp.data.cells import FloatArray, IntArray

N_BINS = 10
"""Bins of confidence for the calibration error, as Guo et al. have them (15) for fewer cells."""


def fit_temperature(scores: FloatArray, true: IntArray) -> float:
    """Fit the temperature: scores divided by it give calibrated probabilities.

    Parameters
    ----------
    scores
        Of cells that were not learned from, shape (n_cells, n_classes).
    true
        Class codes, shape (n_cells,).

    Returns
    -------
    Temperature of least negative log-likelihood, between e⁻³ and e³ (Guo et al., ICML 2017, section 4.2); the most
    probable class stays the same.

    Examples
    --------
    >>> scores = np.array([[4.0, 0.0]] * 4)
    >>> round(fit_temperature(scores, np.array([0, 0, 0, 1])), 2)  # 75 % right: 4 / T = log 3
    3.64
    """
    rows = np.arange(len(true))

    def loss(log_temperature: float) -> float:
        return -float(log_softmax(scores / np.exp(log_temperature), axis=1)[rows, true].mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x))


def calibration_error(probabilities: FloatArray, true: IntArray) -> float:
    """Return the expected calibration error: mean |share right − mean confidence| over ten bins of confidence.

    Parameters
    ----------
    probabilities
        Shape (n_cells, n_classes).
    true
        Class codes, shape (n_cells,).

    Examples
    --------
    >>> round(calibration_error(np.array([[0.75, 0.25]] * 4), np.array([0, 0, 0, 1])), 3)
    0.0
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == true
    bins = np.minimum((confidence * N_BINS).astype(np.int64), N_BINS - 1)
    gaps = np.bincount(bins, weights=right - confidence, minlength=N_BINS)
    return float(np.abs(gaps).sum() / len(true))


def robust_temperature(scores: FloatArray, true: IntArray, parts: IntArray) -> float:
    """Return the median (of logarithms) of the temperatures of the parts, so that one odd donor does not decide.

    Parameters
    ----------
    scores, true, parts
        As in :func:`honest_calibration`.
    """
    found = [np.log(fit_temperature(scores[parts == name], true[parts == name])) for name in np.unique(parts)]
    return float(np.exp(np.median(found)))


def honest_calibration(scores: FloatArray, true: IntArray, parts: IntArray) -> float:
    """Return the calibration error on parts of the cells, each with a temperature that was fitted on the others.

    Where the parts are donors, this is what to expect of a new donor; the error on the cells that the temperature was
    fitted on is far smaller.

    Parameters
    ----------
    scores
        Shape (n_cells, n_classes), of classifiers that had not learned from the cell's part.
    true
        Class codes, shape (n_cells,).
    parts
        Part of each cell, shape (n_cells,).

    Returns
    -------
    The mean over parts, each counting as its cells do; of all cells together where there is one part.

    Examples
    --------
    >>> scores = np.array([[4.0, 0.0]] * 8)
    >>> true = np.array([0, 0, 0, 1, 0, 0, 0, 1])
    >>> round(honest_calibration(scores, true, np.repeat([0, 1], 4)), 3)
    0.0
    """
    names = np.unique(parts)
    if len(names) < 2:
        return calibration_error(_probabilities(scores, fit_temperature(scores, true)), true)
    total = 0.0
    for name in names:
        own = parts == name
        temperature = robust_temperature(scores[~own], true[~own], parts[~own])
        total += int(own.sum()) * calibration_error(_probabilities(scores[own], temperature), true[own])
    return total / len(true)


def _probabilities(scores: FloatArray, temperature: float) -> FloatArray:
    found: FloatArray = np.exp(log_softmax(scores / temperature, axis=1))
    return found
