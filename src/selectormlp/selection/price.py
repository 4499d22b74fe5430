"""Price of each constraint: separation of types by the panel, and by the panel chosen without the constraint."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from selectormlp.data.cells import Cells
from selectormlp.data.stored import StoredCells
from selectormlp.errors import SettingsError
from selectormlp.panel.choose import choose
from selectormlp.panel.constraints import Constraints
from selectormlp.panel.panel import Panel
from selectormlp.panel.provenance import Provenance
from selectormlp.panel.resolution import OWNED_PREFERENCE
from selectormlp.panel.separation import SeparationSettings, measure_separation, settings_of
from selectormlp.selection.reading import Opened
from selectormlp.selection.request import Choice
from selectormlp.selection.separating import moments_for
from selectormlp.selection.steps import How, Ranked, in_memory, rank, rules_beside
from selectormlp.selectors.registry import find_method

logger = logging.getLogger(__name__)

NO_CONSTRAINTS = ("ignore_unknown", "gene_table", "min_marker_auc", "crowding_quantile", "costs")
"""Fields of :class:`Constraints` that exclude no gene by themselves."""

PRIORITIES = "priority"
"""Name under which the price lists the gene table's column of priorities."""

N_FOLDS = 3
"""Number of splits on which accuracies are compared."""

WITH_IT: dict[str, dict[str, Any]] = {"budget": {"costs": {}}}
"""Fields that are only valid together with another one, and are removed with it."""


def price_limits(
    found: Opened, request: Choice, how: How, ranked: Ranked, n_genes: int, *, panel: Panel | None = None
) -> dict[str, Any]:
    """Choose again without each constraint, and compare how well the panels separate the types.

    Parameters
    ----------
    found
        The cells.
    request
        The request.
    how
        Method and settings of the ranking.
    ranked
        The ranking under all constraints.
    n_genes
        Size of the panel.
    panel
        Panel being extended, whose genes always stay.

    Returns
    -------
    ``limit_price``: a list of ``without`` (the constraint, ``""`` for all of them kept), ``criterion`` (mean over
    pairs of types of 1 / (1 + D²), or what the method has instead; lower is better), ``price`` (by how much it falls
    without the constraint), ``n_changed`` (genes that would be others) and, if the request asks for it, ``accuracy``
    (see :func:`_accuracies`). Empty unless the request asks for it.

    Notes
    -----
    All panels are measured on the same cells with the settings of the choice. A price is never below 0: the panel
    itself may be chosen without the constraint too, and stands where the method finds none that is better.
    """
    if not (request.price or request.price_accuracy):
        return {}
    how = _decided(how, ranked)
    panels = {"": _genes(ranked, n_genes)}
    names = [
        *loosened(request.constraints),
        *([(PRIORITIES, request.constraints)] if _prefers(request, ranked) else []),
    ]
    for name, constraints in names:
        logger.info("choosing without %s, to say what it costs", name)
        rules = found.resolve(request, constraints, workers=how.workers)
        if name == PRIORITIES:
            rules = replace(rules, priorities=None)
        rules = rules.restricted() if panel is None else rules_beside(panel, rules, request)
        try:
            panels[name] = _genes(rank(found.cells, rules, how, n_genes), n_genes)
        except SettingsError as error:  # for example where other constraints depend on this one
            logger.warning("without %s there is no panel to compare with: %s", name, error)
    recorded = {"selector": ranked.ranking.settings, "batch_key": found.batch_key}
    settings = replace(settings_of(Provenance(ranked.ranking.method, recorded)), mistakes=how.mistakes)
    return {"limit_price": _compared(panels, found, settings, request)}


def _prefers(request: Choice, ranked: Ranked) -> bool:
    """Return whether the gene table has priorities; those of owned genes only belong to ``owned``."""
    given = ranked.rules.priorities
    even = {1.0, OWNED_PREFERENCE} if request.owned else {1.0}
    return given is not None and not set(np.unique(given)) <= even


def loosened(constraints: Constraints) -> Iterator[tuple[str, Constraints]]:
    """Yield each constraint that is set, with the constraints without it; named sets one at a time.

    Examples
    --------
    >>> given = Constraints(must_have=["CD3E"], gene_sets={"B": ["MS4A1"], "T": ["CD3D"]})
    >>> [name for name, _ in loosened(given)]
    ['must_have', 'gene_sets: B', 'gene_sets: T']
    """
    fields = type(constraints).model_fields
    usual = {name: field.get_default(call_default_factory=True) for name, field in fields.items()}
    for name in fields:
        value = getattr(constraints, name)
        if name in NO_CONSTRAINTS or value == usual[name]:
            continue
        if name == "gene_sets":
            for one in value:
                rest = {other: genes for other, genes in value.items() if other != one}
                yield f"gene_sets: {one}", constraints.model_copy(update={"gene_sets": rest})
            continue
        yield name, constraints.model_copy(update={name: usual[name], **WITH_IT.get(name, {})})


def _decided(how: How, ranked: Ranked) -> How:
    """Replace ``auto`` by the method that it chose."""
    taken = ranked.ranking.settings.get("choice")
    if taken is None:
        return how
    return replace(how, method=find_method(taken["method"]), options=taken["options"])


def _genes(ranked: Ranked, n_genes: int) -> pd.Index[str]:
    chosen = choose(ranked.ranking.order, ranked.rules, n_genes, ranked.markers)
    return ranked.rules.genes[chosen.positions]


def _compared(
    panels: dict[str, pd.Index[str]], found: Opened, settings: SeparationSettings, request: Choice
) -> list[dict[str, Any]]:
    """Measure all panels on the same cells."""
    union = pd.Index(np.unique(np.concatenate(list(panels.values()))))
    cells = in_memory(found.cells.take_genes(union), "the price of constraints", request.seed)
    criteria = {name: _criterion(cells, genes, settings, found.cells) for name, genes in panels.items()}
    worse = [name for name, criterion in criteria.items() if criterion > criteria[""]]
    panels = {**panels, **dict.fromkeys(worse, panels[""])}
    criteria = {**criteria, **dict.fromkeys(worse, criteria[""])}
    accuracies = _accuracies(cells, panels, request.seed) if request.price_accuracy else {}
    held = set(panels[""])
    return [
        {
            "without": name,
            "criterion": criterion,
            "price": criteria[""] - criterion,
            "n_changed": len(held - set(panels[name])),
            **({"accuracy": accuracies[name]} if accuracies else {}),
        }
        for name, criterion in criteria.items()
    ]


def _accuracies(cells: Cells, panels: dict[str, pd.Index[str]], seed: int) -> dict[str, float]:
    """Return the balanced accuracy of logistic regression on each panel, on the same three splits.

    Donors stay on one side where they are named. The cells are those that the panels were chosen on: differences tell
    more than the values.
    """
    from selectormlp.evaluation.refit import make_classifier, refit_predict  # loads scikit-learn
    from selectormlp.evaluation.splits import make_folds

    cells = cells.take(cells.labels >= 0)
    folds = make_folds(cells.labels, n_splits=N_FOLDS, donors=cells.donors, seed=seed)
    found: dict[str, float] = {}
    for name, genes in panels.items():
        X = cells.take_genes(genes).X
        scores = []
        for train, test in folds:
            predicted = refit_predict(make_classifier("logistic", seed), X[train], cells.labels[train], X[test])
            hits = pd.Series(predicted == cells.labels[test])
            scores.append(hits.groupby(cells.labels[test]).mean().mean())
        found[name] = float(np.mean(scores))
    return found


def _criterion(cells: Cells, genes: pd.Index[str], settings: SeparationSettings, whole: Cells | StoredCells) -> float:
    moments = moments_for(cells.take_genes(genes), settings, whole)
    everything, settings = np.arange(len(genes)), settings.for_classes(cells.classes)
    return measure_separation(moments, everything, everything[:0], settings, genes=genes.tolist()).criterion
