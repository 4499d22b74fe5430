"""Detect ambient RNA, cell types that may be one type, and types found in one donor only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp

from selectormlp.data.cell_batches import lone_type_notes
from selectormlp.data.cells import Cells, FloatArray, IntArray
from selectormlp.data.count_scale import CountScale
from selectormlp.evaluation import notes
from selectormlp.evaluation.curve import Curve
from selectormlp.evaluation.notes import Caution, Kind

SEEN = 0.05
"""Share of the cells of a type that must show a gene for the type to count as having it."""

NEARLY_ALL = 0.9
"""Share of the types that must have a gene for it to be everywhere."""

ABUNDANT = 5.0
"""Counts of 10,000, over all cells, from which a gene is abundant enough to be found in any droplet."""

PEAK = 10.0
"""How many times its median over types the mean of a type must be to be very high."""

COMMON = 0.8
"""A gene expressed in at least this share of the cells of nearly all types counts as expressed everywhere."""

CONFUSED = 0.5
"""Two types are reported as hard to tell apart if the shares of their cells predicted as the other type add up to this
or more (1 is chance)."""

LEAST_TESTED = 10
"""Minimum number of test cells of each of the two types."""

LABELS_NOTE = (
    "Scores show how well the genes predict the labels. If the labels come from clustering the same counts, they are "
    "not independent of the genes, and all scores are too good."
)
"""A note in every evaluation: the origin of labels cannot be detected."""


def ambient_genes(cells: Cells, columns: IntArray, scale: CountScale) -> tuple[IntArray, IntArray]:
    """Find genes of a panel that are everywhere: as ambient RNA from a few types, or in nearly every cell.

    Parameters
    ----------
    cells
        Labelled cells; values are log1p-normalised counts.
    columns
        The panel's genes.
    scale
        Turns the values to counts.

    Returns
    -------
    Of the columns, those that nearly all types show at a low level and a few types at one that is ten times or more as
    high, while they are abundant over all cells (what leaks from the few is found in every droplet, as haemoglobin of
    broken red cells is); and those that most cells of nearly all types show (as ribosomal proteins are).
    """
    known = np.flatnonzero(cells.labels >= 0)
    few = sp.csr_array(cells.X[known][:, columns], dtype=np.float64)
    counts = few.copy()
    counts.data = np.expm1(few.data) / np.repeat(scale.unit[known], np.diff(few.indptr))
    per_10k = few.copy()
    per_10k.data = np.expm1(few.data)
    totals = cells.class_counts()
    present = np.flatnonzero(totals)
    place = np.searchsorted(present, cells.labels[known])
    shape = (len(present), len(known))
    of_class = sp.csr_array((1 / totals[present][place], (place, np.arange(len(known)))), shape=shape)
    means: FloatArray = (of_class @ per_10k).toarray()
    shares: FloatArray = (of_class @ (counts > 0).astype(np.float64)).toarray()
    overall: FloatArray = np.asarray(per_10k.mean(axis=0)).ravel()
    everywhere = (shares >= SEEN).mean(axis=0) >= NEARLY_ALL
    middle = np.median(means, axis=0)
    high = means >= PEAK * np.maximum(middle, np.finfo(np.float64).tiny)
    ambient = everywhere & (overall >= ABUNDANT) & high.any(axis=0) & (high.mean(axis=0) <= 0.25)
    common = (shares >= COMMON).mean(axis=0) >= NEARLY_ALL
    return columns[ambient], columns[common & ~ambient]


def ambient_notes(cells: Cells, columns: IntArray, scale: CountScale | None) -> list[Caution]:
    """Warn of such genes, one note per kind. Needs values that come from counts, and at least four types."""
    if scale is None or len(np.unique(cells.labels[cells.labels >= 0])) < 4:
        return []
    ambient, common = ambient_genes(cells, columns, scale)
    return [
        warn(cells.genes[columns].astype(str).tolist())
        for warn, columns in ((notes.ambient_genes, ambient), (notes.genes_everywhere, common))
        if len(columns)
    ]


def hardly_apart(curves: Sequence[Curve]) -> list[tuple[str, str, float]]:
    """List pairs of types that no set of genes tells apart: possibly parts of one type that were clustered too finely.

    Parameters
    ----------
    curves
        Of which the last size counts: the panel and all genes.

    Returns
    -------
    Names, and the share taken for each other (both ways added) where it is least, the largest first.
    """
    shares = []
    for curve in curves:
        counts = curve.confusions[-1]
        errors = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        shares.append(errors + errors.T)
    least = np.min(shares, axis=0)
    tested = curves[0].confusions[-1].sum(axis=1) >= LEAST_TESTED
    names = curves[0].classes
    first, second = np.triu_indices(len(names), 1)
    found = [
        (names[a], names[b], float(least[a, b]))
        for a, b in zip(first, second, strict=True)
        if tested[a] and tested[b] and least[a, b] >= CONFUSED
    ]
    return sorted(found, key=lambda pair: -pair[2])


def apart_notes(curves: Sequence[Curve]) -> list[Caution]:
    """Warn of types that may be one."""
    pairs = hardly_apart(curves)
    return [notes.hardly_apart(pairs)] if pairs else []


def donor_notes(cells: Cells) -> list[Caution]:
    """Warn of types found in one donor, or one batch, only."""
    return [Caution(Kind.ONE_DONOR, note) for note in lone_type_notes(cells)]
