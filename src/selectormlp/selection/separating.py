"""Moments by which panels are explained and priced."""

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
    """Weigh cells by the importance of their classes, shape (n_classes,); labels that the cells lack do not count."""
    return balanced_cell_weights(cells.class_counts(), settings.importance(cells.classes))


def moments_for(
    cells: Cells, settings: SeparationSettings, whole: Cells | StoredCells, n_genes: int | None = None
) -> Moments:
    """Compute what separation is measured from: of genes as on or off, and of counts, where the settings ask for it.

    Parameters
    ----------
    cells
        Labelled. With batches, moments are those of groups, of one type in one batch each.
    settings
        Those of the choice.
    whole
        The same cells with all genes, by which counts are recovered from values in memory; on disk, cells that were
        read from counts know their totals. Otherwise expm1 of the values stands for counts, and the log says so.
    n_genes
        Genes of which covariances with the others are needed; None: all.
    """
    counts = None
    if settings.needs_counts:
        known = cells if cells.totals is not None else whole
        scale = count_scale(known) if isinstance(known, Cells) else None
        counts = None if scale is None else scale.counts(cells.X)
        if counts is None:
            logger.info("the values hold no counts: expm1 of them stands for counts, one total for all cells")
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
