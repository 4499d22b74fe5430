"""Evaluating a panel on an AnnData object."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from selectormlp.assessment.genes import match_genes
from selectormlp.assessment.judging import (
    Judging,
    Measured,
    describe_splits,
    fold_cells,
    measure,
    measure_alone,
    opening_notes,
    panel_orders,
    read_for_judging,
    split_notes,
)
from selectormlp.assessment.protocol import Verdict, judge
from selectormlp.config.model import check_whole
from selectormlp.data.anndata_io import read_labels
from selectormlp.data.cells import Cells, IntArray
from selectormlp.data.hashing import hash_cells
from selectormlp.data.source import Source
from selectormlp.errors import DataError, InputError, SettingsError, counted, nearest
from selectormlp.evaluation.cautions import LABELS_NOTE, ambient_notes, apart_notes
from selectormlp.evaluation.counts import count_scale
from selectormlp.evaluation.curve import (
    MOST_CEILING_GENES,
    Curve,
    LevelOff,
    default_sizes,
    level_off,
    variable_orders,
)
from selectormlp.evaluation.expression import Expression, measure_expression
from selectormlp.evaluation.hierarchy import Hierarchy, find_parents, measure_hierarchy
from selectormlp.evaluation.intervals import METRICS
from selectormlp.evaluation.result import Evaluation
from selectormlp.evaluation.robustness import Plan, Robustness, measure_robustness
from selectormlp.evaluation.splits import Folds
from selectormlp.evaluation.unsupervised import measure_unsupervised
from selectormlp.panel.panel import Panel
from selectormlp.values import settle
from selectormlp.versions import package_versions

if TYPE_CHECKING:
    from anndata import AnnData

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

    @property
    def plan(self) -> Plan | None:
        """How to disturb the cells; None: not."""
        return self.robustness if isinstance(self.robustness, Plan) else Plan() if self.robustness else None

    def __post_init__(self) -> None:
        settle(self)
        if self.level_metric not in METRICS:
            raise SettingsError(f"level_metric is {self.level_metric!r}; {nearest(str(self.level_metric), METRICS)}")
        if not 0 <= self.level_distance < 1:
            raise SettingsError(f"level_distance is {self.level_distance!r}; expected a number from 0 to below 1")
        for size in (*(self.sizes or ()), *self.more_sizes):
            check_whole("a size", size, least=1)


def evaluate_task(adata: AnnData, panel: Panel, judging: Judging, extras: Extras) -> Evaluation:
    """Measure what a panel is worth; see :func:`selectormlp.evaluate`."""
    cells, aliases = read_for_judging(adata, judging.source)
    genes, unusable = match_genes(panel, cells.genes, aliases)
    sizes = _sizes(extras.sizes, extras.more_sizes, len(genes))
    verdict = judge(panel, cells, str(judging.source.label_key), aliases)
    folds = fold_cells(cells, verdict.testable, judging)
    notes = [*opening_notes(adata, judging.source, [verdict], extras.coarse_key), *split_notes(cells, folds)]
    if not panel.nested and len(sizes) > 1:
        notes.append("The panel was chosen at its full size: its first genes are not the best panel of their number.")
    orders = panel_orders(verdict, genes, cells, folds)
    found = measure("panel", cells, folds, orders, sizes, judging)
    alone, note = measure_alone(cells, folds, orders, sizes, judging)
    notes.append(note)
    rng = np.random.default_rng(judging.seed)
    shuffled = [rng.permutation(cells.n_genes)[: sizes[-1]] for _ in range(len(folds))]
    random = measure("random", cells, folds, shuffled, sizes, judging)
    everything = variable_orders(cells.X, folds)
    ceiling = measure("all genes", cells, folds, everything, np.array([len(everything[0])]), judging)
    notes += [*apart_notes([found.curve, ceiling.curve]), *ambient_notes(cells, genes, count_scale(cells)), LABELS_NOTE]
    if cells.n_genes > MOST_CEILING_GENES:
        notes.append(f"All genes: the {MOST_CEILING_GENES:,} of most variance of {cells.n_genes:,}.")
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
        random=random.curve,
        ceiling=ceiling.curve,
        alone=alone,
        level_off=_level_off(found, extras, judging.confidence),
        unsupervised=measure_unsupervised(cells, genes, folds, seed=judging.seed) if extras.unsupervised else None,
        hierarchy=_hierarchy(adata, cells, extras.coarse_key, found.curve),
        robustness=None,
        stability=None,
        seed=judging.seed,
        versions=package_versions(),
        data_hash=hash_cells(cells),
    )
    if extras.plan is None:
        return evaluation
    return _with_robustness(evaluation, cells, genes, folds, judging, extras.plan, verdict)


def _with_robustness(
    evaluation: Evaluation,
    cells: Cells,
    genes: IntArray,
    folds: Folds,
    judging: Judging,
    plan: Plan,
    verdict: Verdict,
) -> Evaluation:
    """Add what is left of the scores under disturbance; where that fails, say so, and keep what was measured before."""
    try:
        robustness = _robustness(cells, genes, folds, judging, plan, verdict)
    except (InputError, ValueError, ArithmeticError) as error:
        reason = " ".join(str(error).split())[:200]
        logger.warning("robustness could not be measured (%s); all else was", reason)
        return replace(evaluation, notes=(*evaluation.notes, f"Robustness could not be measured: {reason}."))
    return replace(evaluation, robustness=robustness)


def expression_task(adata: AnnData, panel: Panel, source: Source) -> Expression:
    """Average a panel's genes over the cells of each type; see :func:`selectormlp.expression`."""
    cells, aliases = read_for_judging(adata, source)
    return measure_expression(cells, match_genes(panel, cells.genes, aliases)[0])


def robustness_task(adata: AnnData, panel: Panel, judging: Judging, plan: Plan) -> Robustness:
    """Disturb the cells of an object; see :func:`selectormlp.robustness`."""
    cells, aliases = read_for_judging(adata, judging.source)
    genes, _ = match_genes(panel, cells.genes, aliases)
    verdict = judge(panel, cells, str(judging.source.label_key), aliases)
    return _robustness(cells, genes, fold_cells(cells, verdict.testable, judging), judging, plan, verdict)


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


def _robustness(
    cells: Cells, genes: IntArray, folds: Folds, judging: Judging, plan: Plan, verdict: Verdict
) -> Robustness:
    logger.info("disturbing the cells")
    found = measure_robustness(cells.X, cells.labels, genes, folds, judging.refit, plan, seed=judging.seed)
    if verdict.protocol in ("external", "other cells"):
        return found
    note = "The panel was learned on the cells tested: compare the lines with each other, not with other data."
    return replace(found, notes=(*found.notes, note))


def _hierarchy(adata: AnnData, cells: Cells, coarse_key: str | None, curve: Curve) -> Hierarchy | None:
    if coarse_key is None:
        return None
    _, labels = read_labels(adata, coarse_key)
    codes = np.asarray(labels.cat.codes.reindex(cells.names, fill_value=-1), dtype=np.int64)
    parents, n_apart = find_parents(cells.labels, codes, cells.n_classes)
    orphans = [name for name, parent in zip(cells.classes, parents, strict=True) if parent < 0]
    if orphans:
        raise DataError(
            f"no cell of {orphans[0]!r} ({len(orphans)} such classes) has a label in {coarse_key!r}; fill the column"
        )
    if n_apart.any():
        worst = int(n_apart.argmax())
        logger.warning(
            "%s of %s another coarse label than most of their class (most: %r); each class counts as that of most of "
            "its cells",
            counted(int(n_apart.sum()), "cell", "cells"),
            counted(int((n_apart > 0).sum()), "class has", "classes have"),
            cells.classes[worst],
        )
    return measure_hierarchy(coarse_key, tuple(labels.cat.categories), parents, curve.sizes, curve.confusions)
