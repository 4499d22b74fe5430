"""Moments of each class in each batch, and what they say of a batch that is not yet seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from selectormlp.data.cells import UNKNOWN_CLASS, IntArray
from selectormlp.errors import SettingsError, quoted
from selectormlp.moments.components import Components, variance_components
from selectormlp.moments.moments import CountMoments, FloatArray, Moments, add_outer

Combine = Literal["new-study", "corrected", "worst"]
"""How batches are combined: for a batch not yet seen, within batches only, or by the worst batch of each pair."""

COMBINES: tuple[str, ...] = get_args(Combine)


@dataclass(frozen=True, eq=False)
class Groups:
    """Groups of cells: those of one class in one batch, as far as there are any.

    Moments of groups are computed like moments of classes, a group being a class, and so they add up over files,
    chunks, workers and a GPU in the same way.

    Attributes
    ----------
    classes, batches
        Class and batch code of each group, shape (n_groups,).
    n_classes, n_batches
        Number of classes, with or without cells, and of batches.
    """

    classes: IntArray
    batches: IntArray
    n_classes: int
    n_batches: int

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def components(self) -> IntArray:
        """Component of each batch, shape (n_batches,); batches that share a class, directly or by others, are one."""
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import connected_components

        size = self.n_classes + self.n_batches
        edges = csr_array((np.ones(len(self)), (self.classes, self.n_classes + self.batches)), (size, size))
        labels = connected_components(edges, directed=False)[1][self.n_classes :]
        return np.unique(labels, return_inverse=True)[1].astype(np.int64)

    @property
    def can_be_combined(self) -> bool:
        """Whether there is anything to combine: a class that is in two batches."""
        return len(self) > len(np.unique(self.classes))

    def of_cells(self, codes: IntArray, batches: IntArray) -> IntArray:
        """Return the group of each cell, shape (n_cells,); ``UNKNOWN_CLASS`` where a cell is of none."""
        place = np.full((self.n_classes, self.n_batches), UNKNOWN_CLASS)
        place[self.classes, self.batches] = np.arange(len(self))
        return np.where(codes >= 0, place[codes, batches], UNKNOWN_CLASS)


def groups_of(codes: IntArray, batches: IntArray, n_classes: int) -> Groups:
    """Find the groups that cells form.

    Parameters
    ----------
    codes, batches
        Class and batch code of each cell, shape (n_cells,); cells of a negative class take no part.
    n_classes
        Number of classes.

    Examples
    --------
    >>> groups = groups_of(np.array([0, 0, 1, -1]), np.array([0, 1, 0, 1]), 2)
    >>> groups.classes, groups.batches
    (array([0, 0, 1]), array([0, 1, 0]))
    """
    n_batches = int(batches.max(initial=-1)) + 1
    known = codes >= 0
    classes, found = np.divmod(np.unique(codes[known] * max(1, n_batches) + batches[known]), max(1, n_batches))
    return Groups(classes, found, n_classes, n_batches)


@dataclass(frozen=True, eq=False)
class BatchMeans:
    """Means of the classes of one batch, its level taken out.

    Attributes
    ----------
    classes
        Codes of the classes, shape (n_present,).
    means
        Shape (n_present, n_genes).
    """

    classes: IntArray
    means: FloatArray


def pooled(moments: Moments, groups: Groups) -> Moments:
    """Return the moments of classes from those of groups: what they are where batches are not told apart.

    The within-class scatter of ``moments`` is reused for the result.
    """
    whole = _regrouped(moments, groups)
    shares = moments.counts / np.maximum(whole.counts, 1)[groups.classes]
    means = _over_groups(shares[:, None] * moments.means, groups)
    apart = moments.means - means[groups.classes]
    squares = molecules = None
    if moments.squares is not None:
        squares = _over_groups(moments.squares + moments.counts[:, None] * apart**2, groups)
    if moments.molecules is not None:
        found = moments.molecules
        levels = _over_groups(shares[:, None] * found.means, groups)
        spread = moments.counts[:, None] * (found.means - levels[groups.classes]) ** 2
        molecules = CountMoments(levels, _over_groups(found.squares + spread, groups), found.absolute)
    if moments.within is not None:
        add_outer(moments.within, apart, moments.cell_weights * moments.counts)
    return replace(whole, means=means, squares=squares, molecules=molecules)


def combined(moments: Moments, groups: Groups, combine: Combine = "new-study") -> tuple[Moments, list[BatchMeans]]:
    """Combine the moments of groups into those of classes, so that a batch is not taken for a class.

    The gap between two classes is averaged over gaps within batches: a batch's own level cancels, however its cells are
    divided among classes. What is left between batches counts as variance. For a batch not yet seen (``new-study``),

        D² = ḡ² / (s_within + s_shift + τ²) ,

    with s_shift the variance of a gene's level between batches and τ² the variance of the gap between batches, both
    without what sampling of cells explains. ``corrected`` is for panels whose data will be corrected for batches:
    s_within alone. ``worst`` keeps, for each pair, the batch in which it is least apart. Correlations between genes are
    those over all batches together, and for ``corrected`` those within batches.

    Parameters
    ----------
    moments
        Of groups, with the within-class scatter, which is reused; a cell weighs as those of its class.
    groups
        Which groups.
    combine
        How.

    Returns
    -------
    Moments of the classes; and, for ``worst``, the means in each batch, their gaps drawn to the mean gap as far as
    sampling explains the difference.

    Raises
    ------
    SettingsError
        If ``combine`` is none of the three.
    DataError
        If there is no within-class scatter.

    Notes
    -----
    If no class is in two batches, nothing tells batch from class, and classes are pooled.
    """
    if combine not in COMBINES:
        raise SettingsError(f"combine={combine!r}; expected one of {quoted(COMBINES)}")
    if not groups.can_be_combined:
        return pooled(moments, groups), []
    parts = variance_components(moments, groups.classes, groups.batches, groups.components)
    classes = _regrouped(moments, groups) if combine == "corrected" else pooled(moments, groups)
    variances = parts.within.copy()
    if combine != "corrected":
        variances += parts.shift
    if combine == "new-study":
        variances += 2.0 * parts.interaction  # τ² of a pair is the sum of its two: the mean of twice each
    ratio = _ratio(classes.class_weights @ variances, classes.within_variances())
    within = classes.within
    assert within is not None  # noqa: S101  # within_variances has refused it
    within *= ratio[:, None]
    within *= ratio
    found = replace(classes, means=parts.means, squares=variances * classes.counts[:, None])
    return found, _batch_means(parts, groups) if combine == "worst" else []


def _regrouped(moments: Moments, groups: Groups) -> Moments:
    """Return moments with the counts and weights of classes, and the scatter within groups as it is."""
    weights = np.zeros(groups.n_classes)
    weights[groups.classes] = moments.cell_weights
    counts = np.bincount(groups.classes, moments.counts, groups.n_classes).astype(np.int64)
    return replace(moments, counts=counts, cell_weights=weights, molecules=None)


def _ratio(after: FloatArray, before: FloatArray) -> FloatArray:
    """Return the ratio of deviations; 1 where a gene does not vary."""
    ratio = np.divide(after, before, out=np.ones_like(before), where=before > 0)
    return np.sqrt(ratio)


def _over_groups(values: FloatArray, groups: Groups) -> FloatArray:
    """Sum values of groups over the groups of each class, shape (n_classes, n_genes)."""
    sums = np.zeros((groups.n_classes, values.shape[1]))
    np.add.at(sums, groups.classes, values)
    return sums


def _batch_means(parts: Components, groups: Groups) -> list[BatchMeans]:
    found = []
    for batch in range(groups.n_batches):
        here = np.flatnonzero(groups.batches == batch)
        if len(here) > 1:
            classes = groups.classes[here]
            found.append(BatchMeans(classes, parts.means[classes] + parts.own[here]))
    return found
