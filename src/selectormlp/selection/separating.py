"""Moments for explaining and pricing panels."""

from __future__ import annotations

import logging

import numpy as np

from selectormlp.data.cells import Cells, FloatArray
from selectormlp.data.stored import StoredCells
from selectormlp.evaluation.counts import count_scale
from selectormlp.moments.columns import moments_for_choice
from selectormlp.moments.groups import groups_of
from selectormlp.moments.moments import Moments
from selectormlp.moments.stream import balanced_cell_weights
from selectormlp.panel.separation import SeparationSettings
from selectormlp.selectors.binarize import binarized, gene_thresholds

logger = logging.getLogger(__name__)


def cell_weights_of(cells: Cells, settings: SeparationSettings) -> FloatArray:
    """Return cell weights from the importance of classes, shape (n_classes,); labels without cells are ignored."""
    return balanced_cell_weights(cells.class_counts(), settings.importance(cells.classes))


def moments_for(
    cells: Cells, settings: SeparationSettings, whole: Cells | StoredCells, n_genes: int | None = None
) -> Moments:
    """Compute the moments from which separation is measured: of genes as on or off, and of counts, if requested.

    Parameters
    ----------
    cells
        Labelled cells. With batches, moments are of groups (one type in one batch each).
    settings
        Settings of the choice.
    whole
        The same cells with all genes, to recover counts from values in memory; cells on disk that hold counts know
        their totals. Otherwise expm1 of the values is used instead of counts, with a log message.
    n_genes
        Number of genes whose covariances with the others are needed; None: all.
    """
    counts = None
    if settings.needs_counts:
        known = cells if cells.totals is not None else whole
        scale = count_scale(known) if isinstance(known, Cells) else None
        counts = None if scale is None else scale.counts(cells.X)
        if counts is None:
            logger.info("the values are not counts: expm1 of them is used instead, with the same total for all cells")
    X = cells.X if settings.on_off is None else binarized(cells.X, gene_thresholds(cells.X, **settings.on_off))
    codes, weights = cells.labels, cell_weights_of(cells, settings)
    groups = None
    if cells.batches is not None:
        batches = np.unique(cells.batches, return_inverse=True)[1]
        groups = groups_of(codes, batches, cells.n_classes)
        codes, weights = groups.of_cells(codes, batches), weights[groups.classes]
    n_chosen = cells.n_genes if n_genes is None else n_genes
    kept = {"molecules": settings.needs_counts, "counts": counts}
    moments = moments_for_choice(X, codes, n_chosen, cell_weights=weights, **kept)
    return moments if groups is None else groups.mark(moments)
