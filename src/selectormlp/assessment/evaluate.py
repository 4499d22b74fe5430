"""Evaluating a panel on an AnnData object."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Unpack

import numpy as np
from anndata import AnnData

from selectormlp.assessment.conditions import add_conditions
from selectormlp.assessment.elsewhere import check_no_measured, match_technologies, score_measured
from selectormlp.assessment.genes import match_genes
from selectormlp.assessment.keywords import EvaluateOptions
from selectormlp.assessment.levels import coarsest, find_levels
from selectormlp.assessment.measure import (
    Judging,
    Measured,
    describe_splits,
    fold_cells,
    judging_of,
    measure,
    measure_alone,
    panel_orders,
    read_for_judging,
)
from selectormlp.assessment.protocol import judge
from selectormlp.assessment.request import EvaluateRequest
from selectormlp.assessment.robustness import Tested
from selectormlp.assessment.split_notes import opening_notes, split_notes
from selectormlp.assessment.stability import Repetition, stability_task
from selectormlp.config.keywords import only_keywords
from selectormlp.config.model import check_whole
from selectormlp.data.cells import Cells, IntArray
from selectormlp.data.hashing import hash_cells
from selectormlp.errors import SettingsError, nearest
from selectormlp.evaluation.cautions import LABELS_NOTE, ambient_notes, apart_notes
from selectormlp.evaluation.counts import count_scale
from selectormlp.evaluation.curve import (
    MAX_CEILING_GENES,
    Curve,
    LevelOff,
    default_sizes,
    level_off,
    variable_orders,
)
from selectormlp.evaluation.harsh import HARSH
from selectormlp.evaluation.intervals import METRICS
from selectormlp.evaluation.published.correlation import marker_lists
from selectormlp.evaluation.result import Evaluation
from selectormlp.evaluation.robustness import Plan
from selectormlp.evaluation.splits import Folds
from selectormlp.evaluation.unsupervised import measure_unsupervised
from selectormlp.panel.assay import Assay, find_assay
from selectormlp.panel.given import PanelLike, as_panel
from selectormlp.panel.panel import Panel
from selectormlp.progress import showing
from selectormlp.selection.recipe import require_recipe, shared_choices
from selectormlp.values import settle
from selectormlp.versions import package_versions

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Extras:
    """What else to measure; as :func:`selectormlp.evaluate` takes it."""

    sizes: tuple[int, ...] | None = None
    coarse_key: str | None = None
    unsupervised: bool = True
    robustness: bool | Plan = False
    level_metric: str = "balanced_accuracy"
    level_distance: float = 0.02
    more_sizes: tuple[int, ...] = ()
    harsh: bool = False
    assay: Assay | None = None
    count_split: bool = False
    markers: Mapping[str, Sequence[str]] | None = None
    """Of the published measures; empty: those that the cells give; None: they are not taken."""

    @property
    def plan(self) -> Plan | None:
        """How to disturb the cells; None: not."""
        if self.harsh:
            return HARSH
        return self.robustness if isinstance(self.robustness, Plan) else Plan() if self.robustness else None

    def __post_init__(self) -> None:
        settle(self)
        if self.level_metric not in METRICS:
            raise SettingsError(f"level_metric is {self.level_metric!r}; {nearest(str(self.level_metric), METRICS)}")
        if not 0 <= self.level_distance < 1:
            raise SettingsError(f"level_distance is {self.level_distance!r}; expected a number from 0 to below 1")
        for size in (*(self.sizes or ()), *self.more_sizes):
            check_whole("a size", size, least=1)


def evaluate(
    adata: AnnData,
    panel: PanelLike,
    *,
    label_key: str | Sequence[str],
    donor_key: str | None = None,
    layer: str | None = None,
    sizes: Sequence[int] | None = None,
    classifier: Any = "logistic",
    n_splits: int = 5,
    measured: AnnData | None = None,
    seed: int = 0,
    progress: bool = True,
    **more: Unpack[EvaluateOptions],
) -> Evaluation:
    """Measure what a panel is worth: scores of refitted classifiers on cells that nothing was learned from.

    Parameters
    ----------
    adata
        Cells × genes; not altered.
    panel
        A :class:`Panel`, a file that holds one (JSON, CSV, TSV, text), or a list of genes. Names that the data lack
        are left out, with a warning, and named in the result. If the panel knows the cells that it was learned on,
        the others are tested where they are enough; else its method chooses again in each split, if it can be run
        again; else the result says that it is optimistic.
    label_key
        Column of ``obs`` with the cell type; cells without a label take no part. Or several columns, from coarse to
        fine: the last holds the types, and the panel is scored at each level.
    donor_key
        Column of ``obs`` with the donor: no donor is on both sides of a split (one is left out at a time where there
        are at most ``n_splits``).
    layer
        Layer to read instead of ``X``.
    sizes
        Numbers of genes to measure at, each the first genes of the panel; by default 5, 10, 25, 50, 100, 200, 400, …
        as far as the panel goes, and the whole panel.
    classifier
        ``"logistic"``, ``"knn"``, ``"forest"``, ``"network"``, or an unfitted scikit-learn classifier (a pipeline).
    n_splits
        Number of splits, 2 or more; each test cell is tested once.
    measured
        Cells that another technology measured, counts in ``X``: the panel is scored on them too, by classifiers that
        are refitted there and by classifiers that learned here.
    seed
        Seed; the same seed gives the same result.
    progress
        Whether to show progress of what takes more than a second, on a terminal or in a notebook.
    more
        Further options by name, with types in :class:`selectormlp.assessment.keywords.EvaluateOptions`:
        ``normalize``, ``exclude_labels`` and ``gene_name_key`` as in :func:`selectormlp.select`; ``coarse_key``, a
        column of ``obs`` with a coarse label above ``label_key`` (scores at both levels); ``unsupervised=False`` leaves
        out what is measured without labels; ``robustness=True`` disturbs the cells, see :func:`robustness`;
        ``n_stability``, how often to choose again by the panel's method from part of the cells (and with other seeds,
        and without one donor at a time), see :func:`stability`; ``confidence`` of intervals;
        ``more_sizes`` to measure at; ``level_metric`` and ``level_distance`` (the curve levels off at the first size
        whose score is within this distance of the best size measured); ``measured_label_key``, the label column of
        ``measured``, and ``label_map``, a table of labels that mean the same; ``measures=True`` takes the measures of
        Spapros, NS-Forest and geneBasis too, with known ``markers`` of types where given; ``harsh=True`` disturbs the
        cells as harshly as real assays do, and loses each probe in turn; ``assay`` scores the panel as an assay would
        measure it.

    Returns
    -------
    All of it.

    Raises
    ------
    PanelError
        If the panel is not usable, or none of its genes is in the data.
    SettingsError
        If a parameter is out of range.
    DataError
        If a column or layer is absent, or there are too few cells, classes or donors.

    Examples
    --------
    >>> from selectormlp.data.datasets import pbmc68k
    >>> found = evaluate(pbmc68k(), ["CD79A", "NKG7", "CST3"], label_key="bulk_labels", unsupervised=False)
    >>> found.curve.sizes, bool(found.curve.accuracy.value[-1] > found.random.accuracy.value[-1])
    (array([3]), True)
    """
    request = EvaluateRequest(
        label_key=label_key,
        donor_key=donor_key,
        layer=layer,
        sizes=sizes,
        classifier=classifier,
        n_splits=n_splits,
        seed=seed,
        **only_keywords(EvaluateRequest, more),
    )
    with showing(progress):
        return evaluate_by(adata, as_panel(panel), request, measured)


def evaluate_by(adata: AnnData, panel: Panel, request: EvaluateRequest, measured: AnnData | None = None) -> Evaluation:
    """Measure what a panel is worth as a request says; see :func:`evaluate`."""
    if measured is None:
        check_no_measured(request)
        return _evaluate_here(adata, panel, request)
    judging = judging_of(request)
    matched = match_technologies(adata, measured, panel, request)  # before the long part
    sizes = None if request.sizes is None else (*request.sizes, *request.more_sizes)
    found = _evaluate_here(adata, panel, request)
    return replace(found, elsewhere=score_measured(matched, sizes, judging))


def _evaluate_here(adata: AnnData, panel: Panel, request: EvaluateRequest) -> Evaluation:
    judging = judging_of(request)
    markers = marker_lists(request.markers)
    if markers and not request.measures:
        raise SettingsError("markers are given without measures, so they would change nothing; ask for both")
    extras = Extras(
        request.sizes,
        request.coarse_key,
        request.unsupervised,
        request.robustness,
        request.level_metric,
        request.level_distance,
        request.more_sizes,
        request.harsh,
        None if request.assay is None else find_assay(request.assay),
        request.count_split,
        markers if request.measures else None,
    )
    if not request.n_stability:
        return evaluate_task(adata, panel, judging, extras)
    require_recipe(panel, request.label_key, adata=adata)  # before the long part
    repetition = Repetition(n_repeats=request.n_stability, confidence=request.confidence, seed=request.seed)
    with shared_choices():
        found = evaluate_task(adata, panel, judging, extras)
        return replace(found, stability=stability_task(adata, request, panel, None, None, {}, repetition))


def evaluate_task(adata: AnnData, panel: Panel, judging: Judging, extras: Extras) -> Evaluation:
    """Measure what a panel is worth; see :func:`selectormlp.evaluate`."""
    cells, aliases = read_for_judging(adata, judging.source)
    genes, unusable = match_genes(panel, cells.genes, aliases)
    sizes = _sizes(extras.sizes, extras.more_sizes, len(genes))
    levels = find_levels(adata, cells, judging.source, extras.coarse_key)
    verdict = judge(panel, cells, str(judging.source.label_key), aliases, adata)
    folds = fold_cells(cells, verdict.testable, judging)
    notes = [*opening_notes(adata, judging.source, [verdict], extras.coarse_key), *split_notes(cells, folds)]
    if not panel.nested and len(sizes) > 1:
        notes.append("The panel was chosen at its full size: its first genes are not the best panel of their number.")
    orders = panel_orders(verdict, genes, cells, folds)
    found = measure("panel", cells, folds, orders, sizes, judging, levels=levels)
    alone, note = measure_alone(cells, folds, orders, sizes, judging)
    notes.append(note)
    random, ceiling = _floor_and_ceiling(cells, folds, sizes, judging)
    notes += [*apart_notes([found.curve, ceiling]), *ambient_notes(cells, genes, count_scale(cells)), LABELS_NOTE]
    notes += _ceiling_notes(cells)
    evaluation = Evaluation(
        label_key=str(judging.source.label_key),
        classifier=judging.classifier_name,
        genes=tuple(map(str, cells.genes[genes])),
        unusable=unusable,
        classes=cells.classes,
        protocol=verdict.protocol,
        optimistic=verdict.protocol == "optimistic",
        notes=tuple(notes),
        splits=describe_splits(cells, folds, judging),
        curve=found.curve,
        random=random,
        ceiling=ceiling,
        alone=alone,
        level_off=_level_off(found, extras, judging.confidence),
        unsupervised=measure_unsupervised(cells, genes, folds, seed=judging.seed) if extras.unsupervised else None,
        hierarchy=coarsest(found.levels, found.curve),
        robustness=None,
        stability=None,
        seed=judging.seed,
        versions=package_versions(),
        data_hash=hash_cells(cells),
        levels=found.levels,
    )
    return add_conditions(
        evaluation,
        Tested(cells, genes, folds, judging, verdict),
        plan=extras.plan,
        harsh=extras.harsh,
        assay=extras.assay,
        count_split=extras.count_split,
        published=extras.markers,
    )


def _ceiling_notes(cells: Cells) -> list[str]:
    """Say so where not all genes are the ceiling."""
    if cells.n_genes <= MAX_CEILING_GENES:
        return []
    return [f"All genes: the {MAX_CEILING_GENES:,} of most variance of {cells.n_genes:,}."]


def _floor_and_ceiling(cells: Cells, folds: Folds, sizes: IntArray, judging: Judging) -> tuple[Curve, Curve]:
    """Measure random panels of the same sizes, and all genes."""
    rng = np.random.default_rng(judging.seed)
    shuffled = [rng.permutation(cells.n_genes)[: sizes[-1]] for _ in range(len(folds))]
    everything = variable_orders(cells.X, folds)
    return (
        measure("random", cells, folds, shuffled, sizes, judging).curve,
        measure("all genes", cells, folds, everything, np.array([len(everything[0])]), judging).curve,
    )


def _sizes(wanted: tuple[int, ...] | None, more: tuple[int, ...], n_genes: int) -> IntArray:
    given = default_sizes(n_genes).tolist() if wanted is None else wanted
    sizes = [int(size) for size in (*given, *more)]
    if max(sizes, default=0) > n_genes:
        raise SettingsError(
            f"sizes hold {max(sizes)}, and the panel has {n_genes} usable genes; expected 1 to {n_genes}"
        )
    return np.array(sorted({*sizes, n_genes}), dtype=np.int64)


def _level_off(found: Measured, extras: Extras, confidence: float) -> LevelOff:
    return level_off(
        found.curve.sizes,
        found.curve.metric(extras.level_metric).value,
        found.draws[METRICS.index(extras.level_metric)],
        metric=extras.level_metric,
        distance=extras.level_distance,
        confidence=confidence,
    )
