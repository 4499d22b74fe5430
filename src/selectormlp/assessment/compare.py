"""Panels and methods side by side on an AnnData object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np
import pandas as pd
from anndata import AnnData

from selectormlp.assessment.genes import match_genes
from selectormlp.assessment.keywords import CompareOptions
from selectormlp.assessment.levels import find_levels
from selectormlp.assessment.measure import (
    Judging,
    describe_splits,
    fold_cells,
    judging_of,
    measure,
    measure_alone,
    panel_orders,
    read_for_judging,
)
from selectormlp.assessment.protocol import Verdict, judge
from selectormlp.assessment.request import CompareRequest
from selectormlp.assessment.split_notes import opening_notes, split_notes
from selectormlp.config.keywords import only_keywords
from selectormlp.config.model import check_whole
from selectormlp.data.cells import BoolArray, Cells, IntArray
from selectormlp.errors import DataError, SettingsError, counted
from selectormlp.evaluation.compare import ComparedPanel, Comparison, measure_overlap, paired_differences
from selectormlp.evaluation.result import UnusableGene
from selectormlp.panel.constraints import Constraints
from selectormlp.panel.given import PanelLike, named_panels
from selectormlp.panel.panel import Panel
from selectormlp.progress import showing, track
from selectormlp.selection.recipe import Recipe, named_batches
from selectormlp.selectors.registry import find_method


@dataclass(frozen=True, eq=False)
class Contender:
    """A panel or method in the comparison: its genes, and how it can be tested."""

    name: str
    genes: IntArray
    unusable: tuple[UnusableGene, ...]
    verdict: Verdict


def compare(
    adata: AnnData,
    panels: Mapping[str, PanelLike] | Sequence[PanelLike],
    *,
    label_key: str | Sequence[str],
    methods: Sequence[Any] = (),
    n_genes: int | None = None,
    donor_key: str | None = None,
    layer: str | None = None,
    classifier: Any = "logistic",
    n_splits: int = 5,
    seed: int = 0,
    progress: bool = True,
    **more: Unpack[CompareOptions],
) -> Comparison:
    """Measure panels, and methods, side by side on the same splits and the same test cells.

    Parameters
    ----------
    adata
        Cells × genes; not altered.
    panels
        By name; or in a list, then named after their files or ``panel 1``, ``panel 2``, …. May be empty if there are
        methods.
    label_key, donor_key, layer, classifier, n_splits, seed
        As in :func:`evaluate`; with several label columns, panels are compared at each level too.
    methods
        Methods of :func:`selectormlp.select`, or estimators, to compare with; each chooses again in each split, for the
        types, whatever levels are named above them.
    n_genes
        Size of their panels; by default that of the largest panel given.
    progress
        Whether to show progress of what takes more than a second, on a terminal or in a notebook.
    more
        ``sizes``, smaller ones to measure at too (by default each panel is measured whole only); ``normalize``,
        ``exclude_labels``, ``gene_name_key`` and ``confidence``, as in :func:`evaluate`.

    Returns
    -------
    Scores, paired differences with intervals, and overlaps.

    Raises
    ------
    PanelError, SettingsError, DataError
        As in :func:`evaluate`; and if there is nothing to compare.

    Examples
    --------
    >>> from selectormlp.data.datasets import pbmc68k
    >>> panels = {"mine": ["CD79A", "NKG7", "CST3"], "theirs": ["CD79A", "CD3D"]}
    >>> found = compare(pbmc68k(), panels, label_key="bulk_labels")
    >>> found.to_frame()[["panel", "n_genes"]].to_numpy().tolist(), float(found.jaccard[0, 1])
    ([['mine', 3], ['theirs', 2]], 0.25)
    """
    request = CompareRequest(
        label_key=label_key,
        n_genes=n_genes,
        donor_key=donor_key,
        layer=layer,
        classifier=classifier,
        n_splits=n_splits,
        seed=seed,
        **only_keywords(CompareRequest, more),
    )
    with showing(progress):
        return compare_task(adata, named_panels(panels), methods, n_genes, request.sizes, judging_of(request))


def compare_task(
    adata: AnnData,
    panels: Mapping[str, Panel],
    methods: Sequence[Any],
    n_genes: int | None,
    sizes: Sequence[int],
    judging: Judging,
) -> Comparison:
    """Measure panels and methods side by side; see :func:`selectormlp.compare`."""
    _check(panels, methods, n_genes, sizes)
    cells, aliases = read_for_judging(adata, judging.source)
    contenders = [_enter(name, panel, adata, cells, judging, aliases) for name, panel in panels.items()]
    size = n_genes or max(len(found.genes) for found in contenders)
    contenders += [_enter_method(method, size, cells, panels, judging) for method in methods]
    verdicts = [found.verdict for found in contenders]
    folds = fold_cells(cells, _testable_by_all(verdicts), judging)
    notes = [*opening_notes(adata, judging.source, verdicts), *split_notes(cells, folds)]
    levels = find_levels(adata, cells, judging.source)
    compared, draws, level_draws, missing = [], [], [], ""
    for found in track(contenders, "measuring panels"):
        steps = [step for step in sizes if step < len(found.genes)]
        orders = panel_orders(found.verdict, found.genes, cells, folds)
        reached = np.array(sorted({*steps, len(found.genes)}), dtype=np.int64)
        measured = measure(found.name, cells, folds, orders, reached, judging, levels=levels)
        alone, missing = measure_alone(cells, folds, orders, reached[-1:], judging)
        genes = tuple(map(str, cells.genes[found.genes]))
        protocol = found.verdict.protocol
        compared.append(
            ComparedPanel(found.name, genes, found.unusable, protocol, measured.curve, alone, measured.levels)
        )
        draws.append(measured.draws[:, :, -1])
        level_draws.append([drawn[:, :, -1] for drawn in measured.level_draws])
    if any(panel.alone is None for panel in compared):
        notes.append(missing)
    shared, alike = measure_overlap([panel.genes for panel in compared])
    return Comparison(
        label_key=str(judging.source.label_key),
        classifier=judging.classifier_name,
        panels=tuple(compared),
        differences=paired_differences(compared, draws, folds, judging.confidence, level_draws=level_draws),
        shared=shared,
        jaccard=alike,
        splits=describe_splits(cells, folds, judging),
        notes=tuple(notes),
        seed=judging.seed,
    )


def _testable_by_all(verdicts: Sequence[Verdict]) -> BoolArray:
    """Return which cells none of the panels was learned on, shape (n_cells,)."""
    testable: BoolArray = np.logical_and.reduce([verdict.testable for verdict in verdicts])
    if not testable.any():
        raise DataError(
            "every cell was used to learn one of the panels, so none is left to test them on; compare panels that "
            "were learned on the same part of the cells, or fewer panels"
        )
    return testable


def _check(panels: Mapping[str, Panel], methods: Sequence[Any], n_genes: int | None, sizes: Sequence[int]) -> None:
    if not panels and not methods:
        raise SettingsError("there is nothing to compare; give panels, methods, or both")
    if n_genes is not None:
        check_whole("n_genes", n_genes, least=1)
    elif not panels:
        raise SettingsError("methods alone need a size for their panels; give n_genes (--size)")
    for size in sizes:
        check_whole("a size", size, least=1)
    names = [find_method(method).name for method in methods]
    if len(set(names)) < len(names):
        raise SettingsError("a method is listed twice; list each once")


def _enter(
    name: str, panel: Panel, adata: AnnData, cells: Cells, judging: Judging, aliases: pd.Index[str] | None
) -> Contender:
    genes, unusable = match_genes(panel, cells.genes, aliases)
    return Contender(name, genes, unusable, judge(panel, cells, str(judging.source.label_key), aliases, adata))


def _enter_method(method: Any, n_genes: int, cells: Cells, panels: Mapping[str, Panel], judging: Judging) -> Contender:
    if n_genes > cells.n_genes:
        raise SettingsError(f"panels of {counted(n_genes, 'gene')} from data of {cells.n_genes}; expected no more")
    recipe = Recipe(method, n_genes, {}, Constraints(), judging.seed, batches=named_batches(cells))
    everything = np.ones(cells.n_cells, dtype=np.bool_)
    name = find_method(method).name
    note = f"{name!r} chose {counted(n_genes, 'gene')} again from the training cells of each split."
    name = f"{name} (method)" if name in panels else name
    return Contender(name, recipe.choose(cells), (), Verdict("reselected", everything, recipe, note))
