"""Findings as plain text: what stands at the top of a report, what it warns of, how to repeat it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from selectormlp.errors import InputError, counted
from selectormlp.evaluation.notes import cautions_of
from selectormlp.evaluation.stability import Stability
from selectormlp.panel.assay import assumption, find_assay
from selectormlp.panel.constraints import Constraints
from selectormlp.panel.provenance import Provenance
from selectormlp.reports import ordering
from selectormlp.reports.findings import Findings
from selectormlp.reports.tables import (
    Table,
    assay_table,
    csv_of,
    level_table,
    panel_table,
    robustness_table,
    score_table,
    stability_table,
    type_table,
)

UNATTAINABLE = 0.5
"""Recall of a type, with all genes too, below which it is said not to be attainable: most of its cells are wrong."""

LOST = 0.2
"""Recall that a type loses against all genes from which the panel is said to be weak on it."""

FEW_CELLS = 20
"""Test cells of a type below which its recall says little: the interval is then wider than ± 0.2 at 0.5."""

REDUNDANT = 0.8
"""Genes of a panel with this Spearman correlation or more are reported as redundant."""

LEAST_PANELS = 10
"""Repetitions from which genes that replace each other are named: of fewer, most pairs that differ do so by chance."""

MAX_NAMED = 12


@dataclass(frozen=True)
class Warned:
    """Something to know before the panel is used: a short name, a sentence, and what it is about."""

    what: str
    text: str


@dataclass(frozen=True)
class KeyFigure:
    """A number at the top of the page."""

    value: str
    label: str


@dataclass(frozen=True)
class Content:
    """All text of a report."""

    title: str
    key_figures: tuple[KeyFigure, ...]
    warnings: tuple[Warned, ...]
    asked: tuple[tuple[str, str], ...]
    data: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    panel: Table
    panel_csv: str
    scores: Table
    types: Table
    levels: Table | None
    robustness: Table | None
    assay: Table | None
    stability: Table | None
    groups: tuple[str, ...]
    order: Table | None
    order_problems: tuple[str, ...]
    limits: Table | None
    prices: Table | None
    settings: str
    versions: tuple[tuple[str, str], ...]
    command: str


def summarise_findings(found: Findings) -> Content:
    """Turn findings into plain text and tables."""
    panel = panel_table(found)
    stability = found.evaluation.stability
    return Content(
        title=found.title,
        key_figures=_key_figures(found),
        warnings=_warnings(found),
        asked=_asked(found),
        data=_data(found),
        notes=tuple(dict.fromkeys((*found.evaluation.notes, *found.notes, *_robustness_notes(found)))),
        panel=panel,
        panel_csv=csv_of(panel),
        scores=score_table(found),
        types=type_table(found),
        levels=level_table(found),
        robustness=robustness_table(found),
        assay=assay_table(found),
        stability=stability_table(found),
        groups=_groups(stability),
        order=ordering.gene_table(found),
        order_problems=tuple(ordering.problems(found)),
        limits=ordering.limit_table(found),
        prices=ordering.price_table(found),
        settings=json.dumps(found.panel.provenance.settings, indent=1, ensure_ascii=False),
        versions=_versions(found),
        command=found.command,
    )


def _groups(stability: Stability | None) -> tuple[str, ...]:
    """List genes that replace each other, where there are panels enough to tell."""
    if stability is None or len(stability.panels) < LEAST_PANELS:
        return ()
    return tuple(", ".join(group.genes) for group in stability.groups)


def _robustness_notes(found: Findings) -> tuple[str, ...]:
    return (
        ()
        if found.evaluation.robustness is None
        else tuple(map("Robustness: {}".format, found.evaluation.robustness.notes))
    )


def _key_figures(found: Findings) -> tuple[KeyFigure, ...]:
    evaluation = found.evaluation
    score, roof = evaluation.curve.balanced_accuracy, evaluation.ceiling
    floor = evaluation.random.balanced_accuracy.value[-1]
    level = evaluation.level_off
    low, high = evaluation.interval(score)
    whom = ", for new donors" if evaluation.for_new_donors else ""
    figures = [
        KeyFigure(f"{len(evaluation.genes):,}", "genes"),
        KeyFigure(f"{score.value[-1]:.3f}", f"balanced accuracy (95 % interval{whom} {low[-1]:.3f} to {high[-1]:.3f})"),
    ]
    if evaluation.alone is not None:
        own = evaluation.alone.balanced_accuracy
        low, high = evaluation.interval(own)
        figures.append(
            KeyFigure(
                f"{own.value[-1]:.3f}",
                f"balanced accuracy by the panel's own counts, as a targeted assay has it ({low[-1]:.3f} to "
                f"{high[-1]:.3f})",
            )
        )
    figures += [
        KeyFigure(f"{evaluation.curve.accuracy.value[-1]:.3f}", "of the test cells right"),
        KeyFigure(f"{roof.balanced_accuracy.value[0]:.3f}", f"balanced accuracy of all genes ({roof.sizes[0]:,})"),
        KeyFigure(f"{floor:.3f}", "balanced accuracy of as many random genes"),
    ]
    if level.size is not None:
        text = f"genes are within {level.distance:g} of the best size measured"
        figures.append(KeyFigure(f"{level.size:,}", text))
    elif len(evaluation.curve.sizes) > 1:
        text = "no smaller size measured is as good, so the curve still rises at the whole panel"
        figures.append(KeyFigure("–", text))
    return tuple(figures)


def _warnings(found: Findings) -> tuple[Warned, ...]:
    evaluation = found.evaluation
    warnings = [Warned(caution.kind.value, caution) for caution in cautions_of(evaluation.notes)]
    if evaluation.unusable:
        names = [
            gene.name + (f" (near: {', '.join(gene.suggestions)})" if gene.suggestions else "")
            for gene in evaluation.unusable
        ]
        text = f"{len(names)} of the {len(found.panel)} genes of the panel are not in the data and were not tested: "
        warnings.append(Warned("Genes not found", f"{text}{_listed(names, '; ')}."))
    warnings += _type_warnings(found)
    pairs = found.redundancy.pairs(REDUNDANT)
    if pairs:
        named = [f"{first} and {second} ({value:.2f})" for first, second, value in pairs]
        text = f"Correlated by {REDUNDANT:g} or more (Spearman): {_listed(named, '; ')}."
        warnings.append(Warned("Redundant genes", text))
    return tuple(warnings)


def _type_warnings(found: Findings) -> list[Warned]:
    evaluation = found.evaluation
    recall, roof = evaluation.curve.recalls[-1], evaluation.ceiling.recalls[-1]
    tested = evaluation.curve.confusions[-1].sum(axis=1)
    names = np.array(evaluation.classes, dtype=object)
    best = np.fmax(recall, roof)
    shares = [f"{name} ({value:.2f})" for name, value in zip(names, best, strict=True)]
    lost = [f"{name} ({own:.2f} of {all_:.2f})" for name, own, all_ in zip(names, recall, roof, strict=True)]
    few = [f"{name} ({count})" for name, count in zip(names, tested, strict=True)]
    return [
        Warned(what, f"{text}: {_listed([listed[code] for code in np.flatnonzero(mask)], ', ')}.")
        for what, text, mask, listed in (
            (
                "Types not attainable",
                "Neither the panel nor all genes get half of the cells of these types right (recall)",
                best < UNATTAINABLE,
                shares,
            ),
            (
                "Weak types",
                "All genes do better on these types (recall, panel of all genes)",
                roof - recall > LOST,
                lost,
            ),
            (
                "Few cells",
                f"These types have fewer than {FEW_CELLS} test cells, so that their recall says little (cells)",
                tested < FEW_CELLS,
                few,
            ),
        )
        if mask.any()
    ]


def _listed(names: list[str], mark: str) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return mark.join(names[:MAX_NAMED]) + more


PROTOCOLS = {
    "external": "the list, on all cells (the list names no cells that it was learned on)",
    "other cells": "the list, on cells that it was not learned on",
    "reselected": "the method: it chose again from the training cells of each split",
    "optimistic": "the list, on cells that it was learned on; scores are too good",
}


def _asked(found: Findings) -> tuple[tuple[str, str], ...]:
    origin, evaluation = found.panel.provenance, found.evaluation
    splits, taken = evaluation.splits, origin.taken
    units = "batches" if splits.scheme == "leave one batch out" else "donors"
    donors = f", {splits.n_donors} {units} kept apart" if splits.n_donors else ""
    asked = [
        ("Genes", f"{len(found.panel):,}"),
        ("Chosen by", origin.method if taken is None else f"{taken.method}, which auto took: {taken.reason}"),
        ("Assumes", assumption(_assay_of(origin))),
        *_batches_of(origin),
        ("Cell types", f"{evaluation.label_key} ({counted(len(evaluation.classes), 'type')})"),
        ("Tested", PROTOCOLS[evaluation.protocol]),
        ("Classifier", f"{evaluation.classifier}, refitted on the panel's genes"),
        ("Splits", f"{splits.n_splits} ({splits.scheme}{donors}), {splits.n_test:,} test cells"),
    ]
    usual = Constraints().model_dump(mode="json")
    for name, value in origin.settings.get("constraints", {}).items():
        if value != usual.get(name):
            asked.append((name.replace("_", " ").capitalize(), _said(value)))
    return tuple(asked)


def _batches_of(origin: Provenance) -> list[tuple[str, str]]:
    """Describe which batches were used, and how they were combined."""
    key, selector = origin.settings.get("batch_key"), origin.settings.get("selector")
    if not isinstance(key, str):
        return []
    combine = selector.get("combine") if isinstance(selector, dict) else None
    return [("Batches", f"{key} ({combine})" if isinstance(combine, str) else key)]


def _assay_of(origin: Provenance) -> Any:
    """Return the assay that a panel was chosen for; what cannot be read counts as ``sequencing``."""
    selector = origin.settings.get("selector")
    recorded = selector.get("assay") if isinstance(selector, dict) else None
    try:
        return "sequencing" if recorded is None else find_assay(recorded)
    except InputError:
        return "sequencing"


def _said(value: object) -> str:
    if isinstance(value, list):
        return _listed([str(item) for item in value], ", ")
    if isinstance(value, dict):
        return _listed([f"{name}: {item}" for name, item in value.items()], ", ")
    return str(value)


def _data(found: Findings) -> tuple[tuple[str, str], ...]:
    splits = found.evaluation.splits
    return (*found.data, ("Cells that take part", f"{splits.n_cells:,}"), ("Donors", splits.donor_key or "not used"))


def _versions(found: Findings) -> tuple[tuple[str, str], ...]:
    evaluation, origin = found.evaluation, found.panel.provenance
    learned = {} if origin.seed is None else {"seed of the selection": str(origin.seed)}
    hashes = {} if origin.data_hash is None else {"hash of the cells learned from": origin.data_hash}
    return tuple(
        {
            **learned,
            "seed of the report": str(evaluation.seed),
            **hashes,
            "hash of the cells tested": evaluation.data_hash,
            **evaluation.versions,
        }.items()
    )
