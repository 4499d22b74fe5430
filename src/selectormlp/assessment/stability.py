"""Choosing panels again and again on an AnnData object."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from selectormlp.config.model import MAX_SEED, check_whole
from selectormlp.data.anndata_io import cells_from_adata, drop_unlisted
from selectormlp.data.cells import Cells, IntArray
from selectormlp.data.panel_io import unlabelled_cells
from selectormlp.data.source import Source
from selectormlp.data.symbols import named_by_symbol, other_names
from selectormlp.errors import SettingsError, nearest
from selectormlp.evaluation.stability import Stability, summarise_stability
from selectormlp.panel.constraints import Constraints
from selectormlp.panel.panel import Panel
from selectormlp.selection.recipe import Recipe, require_recipe
from selectormlp.selectors.registry import find_method
from selectormlp.values import settle

if TYPE_CHECKING:
    from anndata import AnnData

logger = logging.getLogger(__name__)

SOURCES = ("seeds", "subsamples", "donors")


@dataclass(frozen=True)
class Repetition:
    """What to vary; as :func:`selectormlp.stability` takes it.

    Raises
    ------
    SettingsError
        If a value is out of range.
    """

    over: tuple[str, ...] = SOURCES
    n_repeats: int = 10
    fraction: float = 0.8
    min_correlation: float = 0.3
    confidence: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        for name in self.over:
            if name not in SOURCES:
                raise SettingsError(f"over holds {name!r}; {nearest(str(name), SOURCES)}")
        settle(self)
        check_whole("n_repeats", self.n_repeats, least=2)
        check_whole("seed", self.seed, least=0, most=MAX_SEED)
        for what in ("fraction", "min_correlation", "confidence"):
            if not 0 < getattr(self, what) < 1:
                raise SettingsError(f"{what} is {getattr(self, what)!r}; expected a number above 0 and below 1")


def stability_task(
    adata: AnnData,
    source: Source,
    panel: Panel | None,
    method: str | None,
    n_genes: int | None,
    options: Mapping[str, Any],
    repetition: Repetition,
) -> Stability:
    """Choose panels again and again; see :func:`selectormlp.stability`."""
    if (panel is None) == (method is None):
        raise SettingsError("give a panel, or a method and a size (n_genes), not both and not neither")
    cells = named_by_symbol(_read(adata, source), adata, source.gene_name_key)
    aliases = other_names(adata, cells.genes, source.gene_name_key)
    if panel is not None:
        recipe = require_recipe(panel, source.label_key, aliases)
    else:
        if n_genes is None:
            raise SettingsError("a method needs a size for its panels; give n_genes")
        check_whole("n_genes", n_genes, least=1)
        recipe = Recipe(str(method), n_genes, options, Constraints(), repetition.seed)
    return repeat(cells, recipe, repetition)


def repeat(cells: Cells, recipe: Recipe, repetition: Repetition) -> Stability:
    """Choose panels from the same cells with other seeds, from part of them, and without one donor at a time.

    Parameters
    ----------
    cells
        Cells, with donors where these are to be left out.
    recipe
        How to choose.
    repetition
        What to vary.

    Raises
    ------
    SettingsError
        If there is nothing to vary.
    """
    reference = recipe.choose(cells)
    rng = np.random.default_rng(repetition.seed)
    panels: list[IntArray] = []
    sources: list[str] = []
    notes = []
    for source in dict.fromkeys(repetition.over):
        found: list[IntArray] = []
        if source == "seeds" and "random_state" not in find_method(recipe.method).make().get_params(deep=False):
            notes.append(f"seeds were not varied: {recipe.method!r} draws nothing, and gives the same panel with each")
        elif source == "seeds":
            found = [recipe.choose(cells, int(seed)) for seed in rng.integers(0, MAX_SEED, repetition.n_repeats)]
        elif source == "subsamples":
            parts = (_subsample(cells, repetition.fraction, rng) for _ in range(repetition.n_repeats))
            found = [recipe.choose(cells.take(rows)) for rows in parts]
        elif cells.donors is None:
            notes.append("donors were not varied: no donor column is named")
        else:
            found = [recipe.choose(cells.take(cells.donors != donor)) for donor in np.unique(cells.donors)]
        panels += found
        sources += [source] * len(found)
    for note in notes:
        logger.info("%s", note)
    if not panels:
        raise SettingsError(f"there is nothing to vary ({'; '.join(notes)}); add 'subsamples'")
    return summarise_stability(
        recipe.method,
        cells.genes[reference].tolist(),
        [cells.genes[columns].tolist() for columns in panels],
        sources,
        cells,
        min_correlation=repetition.min_correlation,
        confidence=repetition.confidence,
        notes=notes,
    )


def _subsample(cells: Cells, fraction: float, rng: np.random.Generator) -> IntArray:
    """Draw this share of each class's cells, at least one, without replacement."""
    kept = []
    for label in np.unique(cells.labels):
        rows = np.flatnonzero(cells.labels == label)
        kept.append(rng.choice(rows, max(1, round(fraction * len(rows))), replace=False))
    return np.sort(np.concatenate(kept))


def _read(adata: AnnData, source: Source) -> Cells:
    if source.label_key is None:
        return unlabelled_cells(adata, layer=source.layer, normalize=source.normalize, donor_key=source.donor_key)
    return drop_unlisted(cells_from_adata(adata, source.labelled()))


def source_of(names: Sequence[str]) -> tuple[str, ...]:
    """Return what to vary as a tuple; a single name stands for a list of one."""
    return (names,) if isinstance(names, str) else tuple(names)
