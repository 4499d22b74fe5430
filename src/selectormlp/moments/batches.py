"""Moments of each class in each batch, combined to choose genes for a batch not yet seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from selectormlp.data.cells import FloatArray, IntArray
from selectormlp.errors import SettingsError, quoted
from selectormlp.moments.components import Components, measured_cells, variance_components
from selectormlp.moments.groups import Groups
from selectormlp.moments.moments import CountMoments, Moments, add_outer

Combine = Literal["new-study", "corrected", "worst"]
"""How batches are combined: for a batch not yet seen, within batches only, or by the worst batch of each pair."""

COMBINES: tuple[str, ...] = get_args(Combine)


@dataclass(frozen=True, eq=False)
class BatchMeans:
    """Class means in one batch, with the batch's level subtracted.

    Attributes
    ----------
    classes
        Codes of the classes, increasing, shape (n_present,).
    means
        Shape (n_present, n_genes).
    """

    classes: IntArray
    means: FloatArray


def pooled(moments: Moments) -> Moments:
    """Return the moments of classes from those of groups, ignoring batches.

    Examples
    --------
    >>> from selectormlp.moments.groups import groups_of
    >>> from selectormlp.moments.stream import moments_of
    >>> X, codes, batches = np.array([[0.0], [2.0], [4.0], [9.0]]), np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1])
    >>> groups = groups_of(codes, batches, 2)
    >>> whole = pooled(groups.mark(moments_of(X, groups.of_cells(codes, batches))))
    >>> whole.means.ravel(), whole.class_variances().ravel().round(2)
    (array([2., 9.]), array([2.67, 0.  ]))
    """
    groups = moments.groups
    if groups is None:
        return moments
    whole = _regrouped(moments)
    cells = measured_cells(moments)
    of_class = groups.summed(cells)
    shares = cells / np.maximum(of_class, 1.0)[groups.classes]
    means = groups.summed(shares * moments.means)
    apart = np.where(cells > 0, moments.means - means[groups.classes], 0.0)
    squares = molecules = within = columns = None
    if moments.squares is not None:
        own = moments.squares / np.maximum(moments.counts, 1)[:, None]
        squares = groups.summed(shares * (own + apart**2)) * whole.counts[:, None]
    if moments.molecules is not None:
        found = moments.molecules
        levels = groups.summed(shares * found.means)
        spread = moments.counts[:, None] * (found.means - levels[groups.classes]) ** 2
        molecules = CountMoments(levels, groups.summed(found.squares + spread), found.absolute)
    if moments.within is not None:
        within = moments.within.copy()
        mass = moments.cell_weights @ cells
        scale = np.divide(float(moments.cell_weights @ moments.counts), mass, out=np.zeros_like(mass), where=mass > 0)
        add_outer(within, apart * np.sqrt(scale), moments.cell_weights * moments.counts)
    if moments.columns is not None:
        columns = moments.columns.with_spread(np.sqrt(moments.class_weights)[:, None] * apart)
    return replace(whole, means=means, squares=squares, within=within, molecules=molecules, columns=columns)


def combined(moments: Moments, combine: Combine = "new-study") -> tuple[Moments, list[BatchMeans]]:
    """Combine the moments of groups into those of classes, so that a batch is not taken for a class.

    The gap between two classes is averaged over gaps within batches: the level of a batch cancels, whatever its class
    composition. The remaining variation between batches counts as variance. For a batch not yet seen (``new-study``),

        D² = ḡ² / (s_within + s_shift + τ²) ,

    with s_shift the variance of a gene's level between batches and τ² the variance of the gap between batches, both net
    of sampling. ``corrected`` uses s_within alone, for data that will be corrected for batches. ``worst`` uses, for
    each pair, the batch in which the pair is closest. Correlations between genes are those over all batches together;
    for ``corrected``, those within batches.

    Parameters
    ----------
    moments
        Moments of groups, with the within-class scatter; each cell has the weight of its class. Moments of classes are
        returned unchanged.
    combine
        How.

    Returns
    -------
    Moments of the classes; and, for ``worst``, the means in each batch, with gaps shrunk towards the mean gap by the
    share of their difference that sampling explains.

    Raises
    ------
    SettingsError
        If ``combine`` is none of the three.
    DataError
        If there is no within-class scatter.

    Notes
    -----
    If no class is in two batches, batch and class cannot be told apart, and batches are ignored.
    """
    if combine not in COMBINES:
        raise SettingsError(f"combine={combine!r}; expected one of {quoted(COMBINES)}")
    groups = moments.groups
    if groups is None or not groups.can_be_combined:
        return pooled(moments), []
    parts = variance_components(moments, groups)
    classes = _regrouped(moments) if combine == "corrected" else pooled(moments)
    variances = parts.within.copy()
    if combine != "corrected":
        variances += parts.shift
    if combine == "new-study":
        variances += 2.0 * parts.interaction  # τ² of a pair is the sum of its two: the mean of twice each
    ratio = _ratio(classes.class_weights @ variances, classes.within_variances())
    within = columns = None
    if classes.within is not None:
        within = classes.within * ratio[:, None]
        within *= ratio
    if classes.columns is not None:
        columns = classes.columns.scaled(ratio)
    squares = variances * classes.counts[:, None]
    found = replace(classes, means=parts.means, squares=squares, within=within, columns=columns)
    return found, _batch_means(parts, groups) if combine == "worst" else []


def _regrouped(moments: Moments) -> Moments:
    """Return moments with the counts and weights of classes, and the scatter within groups as it is."""
    groups = moments.groups
    assert groups is not None  # noqa: S101  # the caller has looked
    weights = np.zeros(groups.n_classes)
    weights[groups.classes] = moments.cell_weights
    counts = np.bincount(groups.classes, moments.counts, groups.n_classes).astype(np.int64)
    measured = None if moments.cells_measured is None else groups.summed(moments.cells_measured)
    return replace(moments, counts=counts, cell_weights=weights, molecules=None, groups=None, cells_measured=measured)


def _ratio(after: FloatArray, before: FloatArray) -> FloatArray:
    """Return the ratio of deviations; 1 where a gene does not vary."""
    ratio = np.divide(after, before, out=np.ones_like(before), where=before > 0)
    return np.sqrt(ratio)


def _batch_means(parts: Components, groups: Groups) -> list[BatchMeans]:
    found = []
    for batch in range(groups.n_batches):
        here = np.flatnonzero(groups.batches == batch)
        if len(here) > 1:
            classes = groups.classes[here]
            found.append(BatchMeans(classes, parts.means[classes] + parts.own[here]))
    return found
