"""Evaluating a panel on an AnnData object."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from selectormlp.data.anndata_io import CellsSource, cells_from_adata, drop_unlisted, read_labels
from selectormlp.data.cells import Cells, IntArray
from selectormlp.data.hashing import hash_cells
from selectormlp.data.panel_io import gene_column
from selectormlp.errors import DataError, SettingsError, counted, nearest, quoted
from selectormlp.evaluation.curve import (
    MOST_CEILING_GENES,
    Curve,
    LevelOff,
    default_sizes,
    level_off,
    predict_folds,
    summarise,
    variable_orders,
)
from selectormlp.evaluation.expression import Expression, measure_expression
from selectormlp.evaluation.hierarchy import Hierarchy, find_parents, measure_hierarchy
from selectormlp.evaluation.intervals import METRICS, FloatArray, bootstrap_scores
from selectormlp.evaluation.refit import refitter_of
from selectormlp.evaluation.result import Evaluation, Splits
from selectormlp.evaluation.robustness import Plan, Robustness, measure_robustness
from selectormlp.evaluation.splits import BoolArray, Dropped, Folds, make_folds
from selectormlp.evaluation.unsupervised import measure_unsupervised
from selectormlp.panel.panel import Panel
from selectormlp.versions import package_versions
from selectormlp.workflow.panel_genes import match_genes
from selectormlp.workflow.panel_task import MOST_SEED, PanelSource
from selectormlp.workflow.reselection import Verdict, judge

if TYPE_CHECKING:
    from anndata import AnnData

logger = logging.getLogger(__name__)

MOST_TRAIN = 20_000
"""Cells that a classifier learns from in one split; with more, each fit of 100 genes takes several seconds."""

DONOR_NAMES = re.compile(
    r"(^|[^a-z])(donor|batch|sample|patient|individual|subject|specimen|library|replicate|orig[._]ident|mouse|animal)",
    re.IGNORECASE,
)
"""Columns of ``obs`` that are likely to hold donors, or what should be kept apart like them."""


@dataclass(frozen=True)
class Judging:
    """How panels are to be measured.

    Attributes
    ----------
    source
        Where to look in the object; ``label_key`` is not None.
    classifier
        See :func:`selectormlp.evaluation.refit.refitter_of`.
    n_splits, confidence, seed
        As :func:`selectormlp.evaluate` takes them.

    Raises
    ------
    SettingsError
        If one is out of range.
    """

    source: PanelSource
    classifier: Any = "logistic"
    n_splits: int = 5
    confidence: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        refitter_of(self.classifier)
        check_whole("n_splits", self.n_splits, 2)
        check_whole("seed", self.seed, 0, MOST_SEED)
        if not 0 < self.confidence < 1:
            raise SettingsError(
                f"confidence is {self.confidence!r}; expected a number above 0 and below 1, such as 0.95"
            )

    @property
    def classifier_name(self) -> str:
        """Name of the classifier."""
        return refitter_of(self.classifier)[0]

    def refit(self) -> Any:
        """Make an unfitted classifier."""
        return refitter_of(self.classifier, self.seed)[1]()


@dataclass(frozen=True)
class Extras:
    """What else to measure; as :func:`selectormlp.evaluate` takes it."""

    sizes: tuple[int, ...] | None = None
    coarse_key: str | None = None
    unsupervised: bool = True
    robustness: bool | Plan = False
    level_metric: str = "balanced_accuracy"
    level_distance: float = 0.02

    @property
    def plan(self) -> Plan | None:
        """How to disturb the cells; None: not."""
        return self.robustness if isinstance(self.robustness, Plan) else Plan() if self.robustness else None

    def __post_init__(self) -> None:
        if self.level_metric not in METRICS:
            raise SettingsError(f"level_metric is {self.level_metric!r}; {nearest(str(self.level_metric), METRICS)}")
        if not 0 <= self.level_distance < 1:
            raise SettingsError(f"level_distance is {self.level_distance!r}; expected a number from 0 to below 1")
        for size in self.sizes or ():
            check_whole("a size", size, 1)


def check_whole(name: str, value: object, least: int, most: int | None = None) -> None:
    """Refuse what is not a whole number in a range.

    Raises
    ------
    SettingsError
        With the range.
    """
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least or value > (most or value):
        limits = f"from {least} up" if most is None else f"from {least} to {most}"
        raise SettingsError(f"{name} is {value!r}; expected a whole number {limits}")


def read_for_judging(adata: AnnData, source: PanelSource) -> tuple[Cells, pd.Index[Any] | None]:
    """Read labelled cells, and second gene names where asked for.

    Raises
    ------
    DataError, SettingsError
        As :func:`selectormlp.data.anndata_io.cells_from_adata` does; and where there are fewer than two classes.
    """
    if source.label_key is None:
        raise SettingsError("no label column is named; give a column of obs with cell types as label_key")
    labelled = CellsSource(source.label_key, source.donor_key, source.layer, source.normalize, source.exclude_labels)
    cells = drop_unlisted(cells_from_adata(adata, labelled))
    present = np.unique(cells.labels)
    if len(present) < 2:
        raise DataError(
            f"all {cells.n_cells} labelled cells are of one class ({cells.classes[present[0]]!r}); at least 2 are "
            "needed: use another label column"
        )
    cells = replace(
        cells,
        labels=np.searchsorted(present, cells.labels).astype(np.int64),
        classes=tuple(cells.classes[code] for code in present),
    )
    key = source.gene_name_key
    return cells, None if key is None else gene_column(adata, key, cells.genes)


def unused_donors(adata: AnnData, source: PanelSource, also_known: Sequence[str | None] = ()) -> str | None:
    """Say which columns look like donors where none is used; None where there is nothing to say.

    A column does if its name says so (donor, batch, sample, patient, …) and it has two values or more that cells share.
    """
    if source.donor_key is not None:
        return None
    known = {source.label_key, *also_known}
    found = []
    for name in map(str, adata.obs.columns):
        if name in known or not DONOR_NAMES.search(name):
            continue
        n_values = adata.obs[name].nunique()
        if 2 <= n_values <= max(2, adata.n_obs // 5):
            found.append(f"{name!r} ({n_values} values)")
    if not found:
        return None
    return (
        f"obs has {', '.join(found[:3])}, which may be donors, and donors are not used: cells of one donor are on both "
        "sides of the splits, so the scores may be too good for new donors. Name the column as donor_key (--donor-key)."
    )


@dataclass(frozen=True, eq=False)
class Measured:
    """One set of genes, measured.

    Attributes
    ----------
    curve
        Its scores.
    draws
        Of the bootstrap, shape (n_metrics, n_draws, n_sizes).
    """

    curve: Curve
    draws: FloatArray


def measure(
    name: str, cells: Cells, folds: Folds, orders: Sequence[IntArray], sizes: IntArray, judging: Judging
) -> Measured:
    """Refit, predict and score one set of genes a split; see :func:`selectormlp.evaluation.curve.predict_folds`.

    Raises
    ------
    SettingsError
        If the classifier cannot be fitted or fails.
    """
    logger.info(
        "%s: refitting %s in %d splits at %s genes",
        name,
        judging.classifier_name,
        len(folds),
        ", ".join(map(str, sizes)),
    )
    true = cells.labels[folds.test_rows]
    try:
        predicted = predict_folds(cells.X, cells.labels, folds, orders, sizes, judging.refit)
    except ValueError as error:
        reason = " ".join(str(error).split())[:300]
        raise SettingsError(f"the classifier {judging.classifier_name!r} cannot be used here: {reason}") from error
    draws = bootstrap_scores(true, predicted, cells.n_classes, seed=judging.seed)
    curve = summarise(name, cells.classes, sizes, true, predicted, folds, draws=draws, confidence=judging.confidence)
    return Measured(curve, draws)


def fold_cells(cells: Cells, testable: BoolArray, judging: Judging) -> Folds:
    """Split cells as the settings say."""
    return make_folds(
        cells.labels,
        n_splits=judging.n_splits,
        donors=cells.donors,
        testable=testable,
        max_train=MOST_TRAIN,
        seed=judging.seed,
    )


def panel_orders(verdict: Verdict, genes: IntArray, cells: Cells, folds: Folds) -> list[IntArray]:
    """Give the genes of each split: the panel's, or those that its method chooses from the training cells."""
    recipe = verdict.recipe
    if recipe is None:
        return [genes] * len(folds)
    return [recipe.choose(cells.take(train)) for train in folds.train]


def describe_splits(cells: Cells, folds: Folds, judging: Judging) -> Splits:
    """Describe how cells were split."""
    return Splits(
        scheme=folds.scheme,
        n_splits=len(folds),
        n_cells=cells.n_cells,
        n_test=len(folds.test_rows),
        donor_key=judging.source.donor_key,
        n_donors=0 if cells.donors is None else len(np.unique(cells.donors)),
    )


def opening_notes(
    adata: AnnData, source: PanelSource, verdicts: Sequence[Verdict], coarse_key: str | None = None
) -> list[str]:
    """Say how panels are tested, and warn of scores that are too good."""
    notes = list(dict.fromkeys(verdict.note for verdict in verdicts))
    warnings = [verdict.note for verdict in verdicts if verdict.protocol == "optimistic"]
    donors = unused_donors(adata, source, [coarse_key])
    for warning in dict.fromkeys([*warnings, *([donors] if donors else [])]):
        logger.warning("%s", warning)
    return [*notes, *([donors] if donors else [])]


def split_notes(cells: Cells, folds: Folds) -> list[str]:
    """Say what is unusual about splits."""
    notes = [_dropped_note(cells, part) for part in folds.dropped]
    n_unlearned = folds.n_untested - sum(part.n_cells for part in folds.dropped)
    if n_unlearned:
        notes.append(
            f"{counted(n_unlearned, 'cell is', 'cells are')} not tested, since no cell of "
            f"{'its' if n_unlearned == 1 else 'their'} class was left to learn from."
        )
    if folds.dropped and n_unlearned:
        notes.append(f"In all, {folds.n_untested:,} cells are not tested.")
    if len(folds) == 1:
        notes.append("There is one split only, so no interval over splits (split_low and split_high are empty).")
    if max(len(train) for train in folds.train) >= MOST_TRAIN - cells.n_classes and cells.n_cells > MOST_TRAIN:
        notes.append(f"Classifiers learned from a random {MOST_TRAIN:,} cells in each split.")
    return notes


def _dropped_note(cells: Cells, part: Dropped) -> str:
    """Say which part of the cells could not be tested, and why."""
    n_donors = len(part.donors)
    what = "A part of the cells"
    if n_donors:
        what = f"Donor{'' if n_donors == 1 else 's'} {quoted(part.donors)}"
    classes = quoted(cells.classes[code] for code in part.learned)
    others = "other donors" if n_donors else "other cells"
    why = f"the {others} are all of one class ({classes})"
    if len(part.learned) != 1:
        why = f"the {others} hold none of {'its' if n_donors < 2 else 'their'} classes"
    return f"{what} could not be left out, since {why}: {counted(part.n_cells, 'cell is', 'cells are')} not tested."


def evaluate_task(adata: AnnData, panel: Panel, judging: Judging, extras: Extras) -> Evaluation:
    """Measure what a panel is worth; see :func:`selectormlp.evaluate`."""
    cells, aliases = read_for_judging(adata, judging.source)
    genes, unusable = match_genes(panel, cells.genes, aliases)
    sizes = _sizes(extras.sizes, len(genes))
    verdict = judge(panel, cells, str(judging.source.label_key), aliases)
    folds = fold_cells(cells, verdict.testable, judging)
    notes = [*opening_notes(adata, judging.source, [verdict], extras.coarse_key), *split_notes(cells, folds)]
    if not panel.nested and len(sizes) > 1:
        notes.append("The panel was chosen at its full size: its first genes are not the best panel of their number.")
    found = measure("panel", cells, folds, panel_orders(verdict, genes, cells, folds), sizes, judging)
    rng = np.random.default_rng(judging.seed)
    shuffled = [rng.permutation(cells.n_genes)[: sizes[-1]] for _ in range(len(folds))]
    random = measure("random", cells, folds, shuffled, sizes, judging)
    everything = variable_orders(cells.X, folds)
    ceiling = measure("all genes", cells, folds, everything, np.array([len(everything[0])]), judging)
    if cells.n_genes > MOST_CEILING_GENES:
        notes.append(f"All genes: the {MOST_CEILING_GENES:,} of most variance of {cells.n_genes:,}.")
    return Evaluation(
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
        level_off=_level_off(found, ceiling, extras, judging.confidence),
        unsupervised=measure_unsupervised(cells, genes, folds, seed=judging.seed) if extras.unsupervised else None,
        hierarchy=_hierarchy(adata, cells, extras.coarse_key, found.curve),
        robustness=_robustness(cells, genes, folds, judging, extras.plan, verdict) if extras.plan else None,
        stability=None,
        seed=judging.seed,
        versions=package_versions(),
        data_hash=hash_cells(cells),
    )


def expression_task(adata: AnnData, panel: Panel, source: PanelSource) -> Expression:
    """Average a panel's genes over the cells of each type; see :func:`selectormlp.expression`."""
    cells, aliases = read_for_judging(adata, source)
    return measure_expression(cells, match_genes(panel, cells.genes, aliases)[0])


def robustness_task(adata: AnnData, panel: Panel, judging: Judging, plan: Plan) -> Robustness:
    """Disturb the cells of an object; see :func:`selectormlp.robustness`."""
    cells, aliases = read_for_judging(adata, judging.source)
    genes, _ = match_genes(panel, cells.genes, aliases)
    verdict = judge(panel, cells, str(judging.source.label_key), aliases)
    return _robustness(cells, genes, fold_cells(cells, verdict.testable, judging), judging, plan, verdict)


def _sizes(wanted: tuple[int, ...] | None, n_genes: int) -> IntArray:
    if wanted is None:
        return default_sizes(n_genes)
    above = [size for size in wanted if size > n_genes]
    if above:
        raise SettingsError(f"sizes hold {above[0]}, and the panel has {n_genes} usable genes; expected 1 to {n_genes}")
    return np.array(sorted({*map(int, wanted), n_genes}), dtype=np.int64)


def _level_off(found: Measured, ceiling: Measured, extras: Extras, confidence: float) -> LevelOff:
    place = METRICS.index(extras.level_metric)
    return level_off(
        found.curve.sizes,
        found.curve.metric(extras.level_metric).value,
        float(ceiling.curve.metric(extras.level_metric).value[0]),
        found.draws[place],
        ceiling.draws[place][:, 0],
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
