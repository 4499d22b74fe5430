"""Scores of a panel on disturbed cells, without some probes, and on cells as an assay would measure them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import numpy as np

from selectormlp.assessment.robustness import Tested, disturb
from selectormlp.errors import DataError, InputError
from selectormlp.evaluation.counts import count_scale
from selectormlp.evaluation.measured import MeasuredScores, score_as_measured
from selectormlp.evaluation.result import Evaluation
from selectormlp.evaluation.robustness import Plan
from selectormlp.panel.assay import Assay

logger = logging.getLogger(__name__)

N_ASSAYS = 5
"""Number of simulated assays, each with its own efficiencies."""

Found = TypeVar("Found")


def add_conditions(
    evaluation: Evaluation, tested: Tested, *, plan: Plan | None, harsh: bool, assay: Assay | None
) -> Evaluation:
    """Add the scores asked for. One that fails becomes a note, and the other results are kept."""
    notes: list[str] = []
    if plan is not None:
        found = _or_note("Robustness", lambda: disturb(tested, plan, harsh=harsh), notes)
        evaluation = replace(evaluation, robustness=found)
    if assay is not None:
        scores = _or_note("The panel as the assay would measure it", lambda: simulate(tested, assay), notes)
        evaluation = replace(evaluation, as_measured=scores)
    return replace(evaluation, notes=(*evaluation.notes, *notes))


def simulate(tested: Tested, assay: Assay) -> MeasuredScores:
    """Score the whole panel on the cells as sequenced, and as an assay would measure them.

    Raises
    ------
    DataError
        If the values are no counts and come from none.
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


def _or_note(what: str, measure: Callable[[], Found], notes: list[str]) -> Found | None:
    try:
        return measure()
    except (InputError, ValueError, ArithmeticError) as error:
        reason = " ".join(str(error).split())[:200]
        logger.warning("%s could not be measured (%s); all else was", what[0].lower() + what[1:], reason)
        notes.append(f"{what} could not be measured: {reason}.")
        return None
