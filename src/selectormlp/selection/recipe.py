"""Choosing a panel anew by its own method, and deciding how it can be tested fairly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from selectormlp.data.cells import Cells, IntArray
from selectormlp.data.fingerprints import Fingerprints, known_cells
from selectormlp.data.hashing import hash_cells
from selectormlp.errors import InputError, PanelError, counted
from selectormlp.evaluation.result import Protocol
from selectormlp.evaluation.splits import BoolArray
from selectormlp.panel.choose import choose
from selectormlp.panel.constraints import Constraints
from selectormlp.panel.markers import measure_markers
from selectormlp.panel.panel import Panel
from selectormlp.selection.ranking import SET_HERE, UNTRUSTED, rank_genes
from selectormlp.selectors.registry import METHODS

LEAST_TESTED = 100
"""Cells that a panel was not learned on, from which they are enough to test it: accuracy is then good to ± 0.1."""

LEAST_CLASSES = 0.5
"""Share of the classes that they must hold."""


@dataclass(frozen=True, eq=False)
class Recipe:
    """How a panel was chosen, so that it can be done again.

    Attributes
    ----------
    method, options, seed
        As :func:`selectormlp.selection.ranking.rank_genes` takes them.
    constraints
        What the panel obeys.
    n_genes
        Its size.
    aliases
        Second gene names of the data that the constraints may use, or None.
    """

    method: str
    n_genes: int
    options: Mapping[str, Any]
    constraints: Constraints
    seed: int
    aliases: pd.Index[str] | None = None

    def choose(self, cells: Cells, seed: int | None = None) -> IntArray:
        """Choose a panel from some cells.

        Parameters
        ----------
        cells
            All their genes.
        seed
            Instead of the recipe's.

        Returns
        -------
        Columns, in order, shape (n_genes,).

        Raises
        ------
        SettingsError, DataError
            If these cells allow no such panel.
        """
        wanted = self.constraints
        bounded = wanted.min_mean is not None or wanted.max_mean is not None
        means = np.asarray(cells.X.mean(axis=0, dtype=np.float64)).ravel() if bounded else None
        rules = wanted.resolve(
            cells.genes, n_genes=self.n_genes, aliases=self.aliases, mean_expression=means
        ).restricted()
        few = cells.take_genes(rules.genes)
        markers = measure_markers(few) if rules.min_markers_per_type else None
        ranking = rank_genes(
            few,
            self.method,
            n_genes=self.n_genes,
            must_have=rules.must_have.tolist(),
            options=self.options,
            seed=self.seed if seed is None else seed,
        )
        choice = choose(ranking.order, rules, self.n_genes, markers)
        return cells.genes.get_indexer(rules.genes[choice.positions]).astype(np.int64)


def recipe_of(panel: Panel, label_key: str | None, aliases: pd.Index[str] | None = None) -> Recipe | str:
    """Read from a panel's provenance how it was chosen.

    Parameters
    ----------
    panel
        The panel.
    label_key
        The label column at hand.
    aliases
        See :class:`Recipe`.

    Returns
    -------
    The recipe; or a phrase that says why there is none. That of a panel by ``auto`` is the method that it took, with
    its options: that this was chosen among a few with a view to all cells is left out of account.

    Examples
    --------
    >>> recipe_of(Panel(("CD3E",)), "cell_type")
    "the method 'given' cannot be run again"
    """
    origin = panel.provenance
    taken = origin.taken  # by 'auto'; to try all its contenders in each split would take as many times as long
    method, selector = (taken.method, taken.options) if taken else (origin.method, origin.settings.get("selector"))
    found = METHODS.get(method)
    if found is None:
        return f"the method {method!r} cannot be run again"
    size = origin.settings.get("n_genes")
    if not isinstance(size, int) or size < len(panel) or (size > len(panel) and not panel.nested):
        return "it was chosen in several steps, extended or cut"
    if found.needs_labels and origin.label_key != label_key:
        return f"it was chosen for other labels ({origin.label_key!r})"
    known = set(found.make().get_params(deep=False)) - {*SET_HERE, *UNTRUSTED, *found.settings}
    try:
        constraints = Constraints(**origin.settings.get("constraints", {}))
    except (TypeError, InputError) as error:
        return f"its constraints cannot be read ({error})"
    given = selector if isinstance(selector, Mapping) else {}
    options = {name: value for name, value in given.items() if name in known}
    return Recipe(method, len(panel), options, constraints, origin.seed or 0, aliases)


def require_recipe(panel: Panel, label_key: str | None, aliases: pd.Index[str] | None = None) -> Recipe:
    """Read from a panel's provenance how it was chosen; see :func:`recipe_of`.

    Raises
    ------
    PanelError
        If it cannot be chosen again.
    """
    recipe = recipe_of(panel, label_key, aliases)
    if isinstance(recipe, str):
        raise PanelError(f"the panel cannot be chosen again: {recipe}; name a method and a size instead")
    return recipe


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
        How to choose anew in each split, where that is needed.
    note
        A sentence about it.
    """

    protocol: Protocol
    testable: BoolArray
    recipe: Recipe | None
    note: str


def judge(panel: Panel, cells: Cells, label_key: str, aliases: pd.Index[str] | None = None) -> Verdict:
    """Decide how a panel can be tested fairly.

    Parameters
    ----------
    panel
        The panel.
    cells
        Labelled cells, with donors where these are to be kept apart.
    label_key
        Their label column.
    aliases
        See :class:`Recipe`.

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
    if cells.donors is not None:
        unseen &= ~np.isin(cells.donors, np.unique(cells.donors[learned]))
    n_learned = f"{learned.sum():,} of these {cells.n_cells:,} cells"
    whose = "" if cells.donors is None else " of other donors"
    if _enough(unseen, cells):
        note = f"The panel was learned on {n_learned}; it is tested on the others{whose} only."
        return Verdict("other cells", unseen, None, note)
    recipe = recipe_of(panel, label_key, aliases)
    if isinstance(recipe, Recipe):
        n_genes = counted(recipe.n_genes, "gene", "genes")
        tried = "" if panel.provenance.taken is None else ", which 'auto' had taken on all of these cells,"
        note = (
            f"The panel was learned on {n_learned}, which leaves too few{whose} to test it on: in each split "
            f"{recipe.method!r}{tried} chose {n_genes} anew from the training cells. The scores are those of the "
            "method, not of this very list."
        )
        return Verdict("reselected", everything, recipe, note)
    if cells.donors is not None and _enough(~learned, cells):
        note = (
            "OPTIMISTIC: the panel is tested on cells that it was not learned on, but it was learned on other cells of "
            f"their donors, and {recipe}."
        )
        return Verdict("optimistic", ~learned, None, note)
    note = (
        f"OPTIMISTIC: the panel was learned on {n_learned}, which leaves too few to test it on, and {recipe}. Test it "
        "on other cells, or test a panel that was chosen from part of these."
    )
    return Verdict("optimistic", everything, None, note)


def _enough(mask: BoolArray, cells: Cells) -> bool:
    """Say whether cells are enough to test on: in number, and in the classes that they hold."""
    all_classes = len(np.unique(cells.labels))
    n_classes = len(np.unique(cells.labels[mask]))
    return bool(mask.sum() >= LEAST_TESTED and n_classes >= max(2, LEAST_CLASSES * all_classes))
