"""Decide which cells a panel can be tested on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from selectormlp.data.cells import BoolArray, Cells
from selectormlp.data.fingerprints import Fingerprints, known_cells
from selectormlp.data.hashing import hash_cells
from selectormlp.errors import counted
from selectormlp.evaluation import notes
from selectormlp.evaluation.result import Protocol
from selectormlp.panel.panel import Panel
from selectormlp.selection.recipe import Recipe, recipe_of

if TYPE_CHECKING:
    from anndata import AnnData

LEAST_TESTED = 100
"""Minimum number of unseen cells for testing a panel on them: accuracy is then known to ± 0.1."""

LEAST_CLASSES = 0.5
"""Minimum share of the classes that the unseen cells must contain."""


@dataclass(frozen=True, eq=False)
class Verdict:
    """How a panel can be tested on some cells.

    Attributes
    ----------
    protocol
        See :class:`selectormlp.evaluation.result.Evaluation`.
    testable
        Which cells may be tested, shape (n_cells,).
    recipe
        How to choose again in each split; None if that is not needed.
    note
        A sentence about it.
    """

    protocol: Protocol
    testable: BoolArray
    recipe: Recipe | None
    note: str


def judge(
    panel: Panel,
    cells: Cells,
    label_key: str,
    aliases: pd.Index[str] | None = None,
    adata: AnnData | None = None,
) -> Verdict:
    """Decide how a panel can be tested fairly.

    Parameters
    ----------
    panel
        The panel.
    cells
        Labelled cells, with donors where these are to be kept apart.
    label_key
        Their label column.
    aliases, adata
        See :func:`selectormlp.selection.recipe.recipe_of`.

    Notes
    -----
    Cells are known by what they express, see :func:`selectormlp.data.fingerprints.known_cells`, and all of them by
    their hash; for panels of older releases by name. Where donors are given, a cell counts as seen if any cell
    of its donor was.
    """
    everything = np.ones(cells.n_cells, dtype=np.bool_)
    if not panel.provenance.cells:
        note = "The panel names no cells that it was learned on: the scores are fair if it was learned on others."
        return Verdict("external", everything, None, note)
    prints = panel.provenance.fingerprints
    learned = known_cells(cells, panel.provenance.cells, Fingerprints.from_text(prints) if prints else None)
    if not learned.any() and panel.provenance.data_hash == hash_cells(cells):
        learned = everything  # the same cells under other names
    if not learned.any():
        return Verdict("other cells", everything, None, "The panel was learned on none of these cells.")
    unseen = ~learned
    units = [each for each in (cells.donors, cells.batches) if each is not None]
    for each in units:
        unseen &= ~np.isin(each, np.unique(each[learned]))
    n_learned = f"{learned.sum():,} of these {cells.n_cells:,} cells"
    whose = "" if not units else " of other donors" if cells.batches is None else " of other batches"
    if _enough(unseen, cells):
        note = f"The panel was learned on {n_learned}; it is tested on the others{whose} only."
        return Verdict("other cells", unseen, None, note)
    recipe = recipe_of(panel, label_key, aliases, adata)
    if isinstance(recipe, Recipe):
        n_genes = counted(recipe.n_genes, "gene", "genes")
        tried = "" if panel.provenance.taken is None else " (the method that 'auto' took on all cells)"
        note = (
            f"The panel was learned on {n_learned}, which leaves too few{whose} to test it on. So in each "
            f"split, {recipe.method!r}{tried} chose {n_genes} again from the training cells. The scores are of the "
            "method, not of this list."
        )
        return Verdict("reselected", everything, recipe, note)
    if units and _enough(~learned, cells):
        return Verdict("optimistic", ~learned, None, notes.known_donors(recipe))
    return Verdict("optimistic", everything, None, notes.known_cells(int(learned.sum()), cells.n_cells, recipe))


def _enough(mask: BoolArray, cells: Cells) -> bool:
    """Return whether there are enough cells, of enough classes, to test on."""
    all_classes = len(np.unique(cells.labels))
    n_classes = len(np.unique(cells.labels[mask]))
    return bool(mask.sum() >= LEAST_TESTED and n_classes >= max(2, LEAST_CLASSES * all_classes))
