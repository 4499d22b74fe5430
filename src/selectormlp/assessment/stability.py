"""Choosing panels again and again on an AnnData object."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np
from anndata import AnnData

from selectormlp.assessment.keywords import StabilityOptions
from selectormlp.assessment.request import StabilityRequest
from selectormlp.config.keywords import only_keywords
from selectormlp.config.model import MAX_SEED, check_whole
from selectormlp.data.anndata_io import cells_from_adata, drop_unlisted
from selectormlp.data.cells import Cells, IntArray
from selectormlp.data.panel_io import unlabelled_cells
from selectormlp.data.source import Source
from selectormlp.data.subsample import subsample
from selectormlp.data.symbols import named_by_symbol, other_names
from selectormlp.errors import SettingsError, nearest
from selectormlp.evaluation.stability import Stability, summarise_stability
from selectormlp.panel.constraints import Constraints
from selectormlp.panel.given import PanelLike, as_panel
from selectormlp.panel.panel import Panel
from selectormlp.progress import showing, track
from selectormlp.selection.recipe import Recipe, named_batches, require_recipe
from selectormlp.selectors.registry import find_method
from selectormlp.values import settle

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


def stability(
    adata: AnnData,
    *,
    label_key: str | None,
    panel: PanelLike | None = None,
    method: Any = None,
    n_genes: int | None = None,
    donor_key: str | None = None,
    layer: str | None = None,
    over: Sequence[str] = SOURCES,
    n_repeats: int = 10,
    seed: int = 0,
    progress: bool = True,
    **more: Unpack[StabilityOptions],
) -> Stability:
    """Measure how often a method chooses each gene again.

    Parameters
    ----------
    adata
        Cells × genes; not altered.
    label_key, donor_key, layer
        As in :func:`selectormlp.select`.
    panel
        A panel of ours: its method, settings, constraints and size are used.
    method, n_genes
        Instead of a panel: as in :func:`selectormlp.select`.
    over
        What to vary: ``"seeds"`` (all cells, another seed), ``"subsamples"`` (a share of each class's cells),
        ``"donors"`` (each donor and each batch left out once; passed over without ``donor_key`` and ``batch_key``).
    n_repeats
        Repetitions over seeds and over subsamples, 2 or more.
    seed
        Seed; the same seed gives the same result.
    progress
        Whether to show progress of what takes more than a second, on a terminal or in a notebook.
    more
        Further options by name, with types in :class:`selectormlp.assessment.keywords.StabilityOptions`:
        ``normalize``, ``exclude_labels``, ``gene_name_key`` and ``options`` as in :func:`selectormlp.select`;
        ``fraction``, the share of each class's cells in a subsample, between 0 and 1; ``min_correlation``, the
        absolute Spearman correlation from which two genes are treated as interchangeable; ``confidence`` of intervals.

    Raises
    ------
    PanelError
        If the panel's method cannot be run again.
    SettingsError, DataError
        As in :func:`selectormlp.select`.

    Examples
    --------
    >>> from selectormlp.data.datasets import pbmc68k
    >>> found = stability(pbmc68k(), label_key="bulk_labels", method="discriminant", n_genes=5, n_repeats=2)
    >>> found.overlaps[0].source, found.overlaps[0].n_panels
    ('subsamples', 2)
    """
    request = StabilityRequest(
        label_key=label_key,
        method=method,
        n_genes=n_genes,
        donor_key=donor_key,
        layer=layer,
        over=source_of(over),
        n_repeats=n_repeats,
        seed=seed,
        **only_keywords(StabilityRequest, more),
    )
    repetition = Repetition(
        request.over, request.n_repeats, request.fraction, request.min_correlation, request.confidence, request.seed
    )
    given = None if panel is None else as_panel(panel)
    with showing(progress):
        return stability_task(adata, request, given, method, n_genes, request.options, repetition)


def stability_task(
    adata: AnnData,
    source: Source,
    panel: Panel | None,
    method: Any,
    n_genes: int | None,
    options: Mapping[str, Any],
    repetition: Repetition,
) -> Stability:
    """Choose panels again and again; see :func:`selectormlp.stability`."""
    if (panel is None) == (method is None):
        raise SettingsError("give either a panel, or a method and a size (n_genes)")
    cells = named_by_symbol(_read(adata, source), adata, source.gene_name_key)
    aliases = other_names(adata, cells.genes, source.gene_name_key)
    if panel is not None:
        recipe = require_recipe(panel, source.label_key, aliases, adata)
    else:
        if n_genes is None:
            raise SettingsError("a method needs a size for its panels; give n_genes")
        check_whole("n_genes", n_genes, least=1)
        recipe = Recipe(method, n_genes, options, Constraints(), repetition.seed, batches=named_batches(cells))
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
    method = find_method(recipe.method)
    reference = recipe.choose(cells)
    rng = np.random.default_rng(repetition.seed)
    panels: list[IntArray] = []
    sources: list[str] = []
    notes = []
    for source in dict.fromkeys(repetition.over):
        found: list[IntArray] = []
        if source == "seeds" and not method.draws:
            notes.append(f"seeds were not varied: {method.name!r} draws nothing, and gives the same panel with each")
        elif source == "seeds":
            seeds = rng.integers(0, MAX_SEED, repetition.n_repeats).tolist()
            found = [recipe.choose(cells, seed) for seed in track(seeds, "choosing again with other seeds")]
        elif source == "subsamples":
            times = track(range(repetition.n_repeats), "choosing again from part of the cells")
            found = [recipe.choose(cells.take(subsample(cells.labels, rng, share=repetition.fraction))) for _ in times]
        else:
            if cells.donors is None and cells.batches is None:
                notes.append("donors were not varied: no donor column is named")
            for kind, unit, units in (("donors", "donor", cells.donors), ("batches", "batch", cells.batches)):
                each = track([] if units is None else np.unique(units).tolist(), f"choosing again without one {unit}")
                found = [recipe.choose(cells.take(units != one)) for one in each]
                panels += found
                sources += [kind] * len(found)
            continue
        panels += found
        sources += [source] * len(found)
    for note in notes:
        logger.info("%s", note)
    if not panels:
        raise SettingsError(f"there is nothing to vary ({'; '.join(notes)}); add 'subsamples'")
    return summarise_stability(
        method.name,
        cells.genes[reference].tolist(),
        [cells.genes[columns].tolist() for columns in panels],
        sources,
        cells,
        min_correlation=repetition.min_correlation,
        confidence=repetition.confidence,
        notes=notes,
    )


def _read(adata: AnnData, source: Source) -> Cells:
    if source.label_key is None:
        return unlabelled_cells(
            adata,
            layer=source.layer,
            normalize=source.normalize,
            donor_key=source.donor_key,
            batch_key=source.batch_key,
        )
    return drop_unlisted(cells_from_adata(adata, source.labelled()))


def source_of(names: Sequence[str]) -> tuple[str, ...]:
    """Return what to vary as a tuple; a single name becomes a tuple of one."""
    return (names,) if isinstance(names, str) else tuple(names)
