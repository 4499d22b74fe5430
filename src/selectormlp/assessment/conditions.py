"""Scores of a panel on disturbed cells, without some probes, and on cells as an assay would measure them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
import scipy.sparse as sp

from selectormlp.assessment.robustness import Tested, disturb
from selectormlp.errors import DataError, InputError
from selectormlp.evaluation import notes as warnings_of
from selectormlp.evaluation.cautions import LABELS_NOTE
from selectormlp.evaluation.counts import count_scale
from selectormlp.evaluation.label_test import LabelTest, judge_labels
from selectormlp.evaluation.measured import MeasuredScores, score_as_measured
from selectormlp.evaluation.published.scores import PublishedMeasures, measure_published
from selectormlp.evaluation.result import Evaluation
from selectormlp.evaluation.robustness import Plan
from selectormlp.panel.assay import Assay

logger = logging.getLogger(__name__)

N_ASSAYS = 5
"""Number of simulated assays, each with its own efficiencies."""

Found = TypeVar("Found")


def add_conditions(
    evaluation: Evaluation,
    tested: Tested,
    *,
    plan: Plan | None,
    harsh: bool,
    assay: Assay | None,
    count_split: bool = False,
    published: Mapping[str, Sequence[str]] | None = None,
) -> Evaluation:
    """Add the scores asked for. One that fails becomes a note, and the other results are kept."""
    notes: list[str] = []
    if plan is not None:
        found = _or_note("Robustness", lambda: disturb(tested, plan, harsh=harsh), notes)
        evaluation = replace(evaluation, robustness=found)
    if assay is not None:
        scores = _or_note("The panel as the assay would measure it", lambda: simulate(tested, assay), notes)
        evaluation = replace(evaluation, as_measured=scores)
    if count_split:
        test = _or_note("The labels on counts that had no part in them", lambda: split_labels(tested), notes)
        evaluation = replace(evaluation, label_test=test)
        notes += [] if test is None else label_notes(test)
    if published is not None:
        measures = _or_note("The published measures", lambda: publish(tested, published), notes)
        evaluation = replace(evaluation, published=measures)
        notes += [] if measures is None else measures.notes
    kept = evaluation.notes
    if evaluation.label_test is not None and evaluation.label_test.is_something and not evaluation.label_test.not_apart:
        kept = tuple(note for note in kept if note != LABELS_NOTE)  # this speaks against it
    return replace(evaluation, notes=(*kept, *notes))


def simulate(tested: Tested, assay: Assay) -> MeasuredScores:
    """Score the whole panel on the cells as sequenced, and as an assay would measure them.

    Raises
    ------
    DataError
        If the values are not counts, and counts cannot be recovered.
    """
    cells, genes = tested.cells, tested.genes
    scale = count_scale(cells)
    if scale is None:
        raise DataError("the values are neither counts nor log1p-normalised counts")
    logger.info("simulating the assay %r, %d draws", assay.name, N_ASSAYS)
    names = tuple(map(str, cells.genes[genes]))
    counts = scale.counts(cells.X[:, np.asarray(genes)])
    judging = tested.judging
    return score_as_measured(
        counts, cells.labels, tested.folds, judging.refit, assay, genes=names, n_draws=N_ASSAYS, seed=judging.seed
    )


def publish(tested: Tested, markers: Mapping[str, Sequence[str]]) -> PublishedMeasures:
    """Take the measures of Spapros, NS-Forest and geneBasis."""
    return measure_published(tested.cells, tested.genes, markers=markers or None, seed=tested.judging.seed)


def _or_note(what: str, measure: Callable[[], Found], notes: list[str]) -> Found | None:
    try:
        return measure()
    except (InputError, ValueError, ArithmeticError) as error:
        reason = " ".join(str(error).split())[:200]
        logger.warning("%s could not be measured (%s); all else was", what[0].lower() + what[1:], reason)
        notes.append(f"{what} could not be measured: {reason}.")
        return None


def split_labels(tested: Tested) -> LabelTest:
    """Test the labels on counts that had no part in them.

    Raises
    ------
    DataError
        If the values are not counts, and counts cannot be recovered.
    """
    cells = tested.cells
    scale = count_scale(cells)
    if scale is None:
        raise DataError("the values are neither counts nor log1p-normalised counts")
    counts = sp.csr_array(scale.counts(cells.X), dtype=np.float64)
    counts.data = np.rint(counts.data)
    return judge_labels(counts, cells.labels, cells.classes, seed=tested.judging.seed)


def label_notes(test: LabelTest) -> list[str]:
    """Return the results, one sentence each."""
    if not test.is_something:
        return [warnings_of.no_more_than_noise(test.score, test.limit)]
    found = (
        f"Count split: clusters of one part of the counts are predicted from the other with a balanced accuracy of "
        f"{test.score:.3f} (clusters of homogeneous cells: {test.null.mean():.3f}), so there is more than noise."
    )
    return [found, *([warnings_of.not_apart(test.not_apart)] if test.not_apart else [])]
