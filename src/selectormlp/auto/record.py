"""What a panel keeps of the choice among methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from selectormlp.auto.contenders import SEQUENCING, takes
from selectormlp.auto.trials import Trial
from selectormlp.moments.batches import COMBINES
from selectormlp.panel.assay import ASSAYS, Assay, find_assay
from selectormlp.selectors.base import GeneSelector
from selectormlp.selectors.estimators import EstimatorSelector, description_of
from selectormlp.selectors.registry import Method


def record_of(
    trials: Sequence[Trial],
    n_attempts: int,
    assay: Assay | str | Mapping[str, Any],
    choice: Mapping[str, Any],
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """Return parameters by which a second run repeats the first, on a slower machine too, and what was found.

    Parameters
    ----------
    trials
        What was tried.
    n_attempts
        How often classes were made to count more.
    assay
        What will measure the panel.
    choice
        ``method``, ``options`` and ``reason`` of the choice.
    options
        Those of the method that chose, as they were given.
    """
    tried = {trial.method: dict(trial.options) for trial in trials if not trial.raises}
    return {
        **_named_assay(assay),
        "contenders": tried or {choice["method"]: dict(options)},
        "max_minutes": None,
        "memory": None,
        "max_attempts": n_attempts,
        "choice": {**choice, "trials": [trial.as_record() for trial in trials]},
    }


def options_taken(
    method: Method,
    options: Mapping[str, Any],
    assay: Assay | str | Mapping[str, Any],
    combine: str,
    selector: GeneSelector,
) -> dict[str, Any]:
    """Return options with which the method that chose can choose again; of an estimator, its class and parameters."""
    taken: dict[str, Any] = {}
    if assay != SEQUENCING and takes(method, "assay"):
        taken = _named_assay(assay) or {"assay": assay}
    if combine != COMBINES[0] and takes(method, "combine"):
        taken["combine"] = combine
    if not method.is_registered:
        estimator = selector.estimator if isinstance(selector, EstimatorSelector) else selector
        taken["estimator"] = description_of(estimator)
    return {**taken, **options}


def _named_assay(assay: Assay | str | Mapping[str, Any]) -> dict[str, Any]:
    """Return an assay that has no name of ours, in full."""
    if isinstance(assay, str) and assay in ASSAYS:
        return {}
    return {"assay": find_assay(assay).model_dump(mode="json")}
