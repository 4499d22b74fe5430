"""Measuring all that a report shows of a panel."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import pandas as pd
from anndata import AnnData

from selectormlp.assessment.evaluate import Extras, evaluate_task
from selectormlp.assessment.genes import match_genes
from selectormlp.assessment.keywords import ReportOptions
from selectormlp.assessment.measure import Judging, judging_of, read_for_judging
from selectormlp.assessment.request import N_SPLITS, ReportRequest
from selectormlp.assessment.stability import Repetition, repeat
from selectormlp.config.keywords import only_keywords
from selectormlp.config.model import check_whole
from selectormlp.errors import InputError, counted
from selectormlp.evaluation.expression import measure_expression
from selectormlp.evaluation.redundancy import measure_redundancy
from selectormlp.evaluation.robustness import Plan
from selectormlp.evaluation.stability import Stability
from selectormlp.panel.assay import Assay, find_assay
from selectormlp.panel.constraints import Constraints
from selectormlp.panel.given import PanelLike, as_panel
from selectormlp.panel.panel import Panel
from selectormlp.progress import showing
from selectormlp.reports import Findings, check_place, write_report
from selectormlp.selection.explain import explain_genes
from selectormlp.selection.recipe import recipe_of, shared_choices

logger = logging.getLogger(__name__)

SIZES = (10, 25, 50, 100, 200, 400, 800)
"""Sizes measured, beside the whole panel."""

PLAN = Plan(thinning=(0.5, 0.2), failures=(0.1,), gains=(), n_draws=1)
"""How cells are disturbed: the assays that see fewer counts, and probes that fail."""

MAX_DONORS = 8
"""With up to this many donors, stability is also measured by leaving out each donor once."""


@dataclass(frozen=True, eq=False)
class Reporting:
    """Settings of a report, and descriptions of the data that it shows.

    Attributes
    ----------
    judging
        How panels are measured.
    sizes
        Numbers of genes to measure at; None for :data:`SIZES`.
    more_sizes
        Further ones.
    harsh
        Whether to disturb them harshly, and to lose each probe in turn.
    assay
        As which the panel is scored too, or None.
    coarse_key
        Column of a coarse label above the other, or None.
    robustness
        Whether to disturb cells.
    n_stability
        How often to choose again from part of the cells; 0: not.
    title, data_name, command
        Of the page; where the cells come from; the command line that repeats it.
    masked
        See :class:`selectormlp.reports.Findings`.

    Raises
    ------
    SettingsError
        If ``n_stability`` is 1 or below 0.
    """

    judging: Judging
    sizes: tuple[int, ...] | None = None
    coarse_key: str | None = None
    robustness: bool = True
    n_stability: int = 4
    title: str = ""
    data_name: str = ""
    command: str = ""
    masked: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    more_sizes: tuple[int, ...] = ()
    harsh: bool = False
    assay: Assay | None = None

    def __post_init__(self) -> None:
        if self.n_stability:
            check_whole("n_stability", self.n_stability, least=2)


def report(
    adata: AnnData,
    panel: PanelLike,
    out: Path | str,
    *,
    label_key: str | Sequence[str],
    donor_key: str | None = None,
    layer: str | None = None,
    classifier: Any = "logistic",
    n_splits: int = N_SPLITS,
    command: str = "",
    seed: int = 0,
    progress: bool = True,
    **more: Unpack[ReportOptions],
) -> Path:
    """Evaluate a panel and write the results as one HTML file.

    Parameters
    ----------
    adata, panel, label_key, donor_key, layer, classifier, seed
        As in :func:`selectormlp.evaluate`.
    out
        A file that ends in ``.html``, or a folder for ``report.html``.
    n_splits
        Splits; each cell is tested once.
    command
        The command that repeats the page, shown on it.
    progress
        Whether to show progress of what takes more than a second, on a terminal or in a notebook.
    more
        Further options by name, with types in :class:`selectormlp.assessment.keywords.ReportOptions`:
        ``normalize``, ``exclude_labels``, ``gene_name_key`` and ``coarse_key`` as in :func:`selectormlp.evaluate`;
        ``sizes`` to measure at (numbers of genes; by default 10, 25, 50, 100, … and the whole panel);
        ``n_stability``, how often to choose again from 80 % of the cells (and without one donor, where there are up to
        eight), if the panel is one of ours (0: not); ``robustness=False`` neither thins the counts nor lets probes
        fail; ``harsh=True`` does so as harshly as real assays, and loses each probe in turn; ``assay`` scores the panel
        as an assay would measure it, beside as sequenced; ``title`` of the page, and ``data_name``, where its cells
        come from.

    Returns
    -------
    The file.

    Raises
    ------
    PanelError, SettingsError, DataError
        As in :func:`selectormlp.evaluate`.
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> from selectormlp.data.datasets import pbmc68k
    >>> genes = ["CD79A", "NKG7", "CST3"]
    >>> report(pbmc68k(), genes, mkdtemp(), label_key="bulk_labels", robustness=False).name
    'report.html'
    """
    request = ReportRequest(
        label_key=label_key,
        donor_key=donor_key,
        layer=layer,
        classifier=classifier,
        n_splits=n_splits,
        source_command=command,
        seed=seed,
        **only_keywords(ReportRequest, more),
    )
    with showing(progress):
        return report_by(adata, as_panel(panel), request, out)


def report_by(adata: AnnData, panel: Panel, request: ReportRequest, out: Path | str) -> Path:
    """Measure a panel and write its report as a request says; see :func:`report`."""
    task = Reporting(
        judging_of(request),
        request.sizes,
        request.coarse_key,
        request.robustness,
        request.n_stability,
        request.title,
        request.data_name,
        request.source_command,
        more_sizes=request.more_sizes,
        harsh=request.harsh,
        assay=None if request.assay is None else find_assay(request.assay),
    )
    return report_task(adata, panel, task, out)


def report_task(adata: AnnData, panel: Panel, task: Reporting, place: Path | str) -> Path:
    """Measure a panel and write its report; see :func:`selectormlp.report`."""
    check_place(place)
    with shared_choices():
        found = find_out(adata, panel, task)
    return write_report(found, place)


def find_out(adata: AnnData, panel: Panel, task: Reporting) -> Findings:
    """Measure all that a report shows.

    Raises
    ------
    PanelError, SettingsError, DataError
        As :func:`selectormlp.evaluate` does.
    """
    judging = task.judging
    source = judging.source
    cells, aliases = read_for_judging(adata, source)
    columns, _ = match_genes(panel, cells.genes, aliases, warn=False)
    sizes = task.sizes or tuple(size for size in SIZES if size < len(columns))
    robustness = PLAN if task.robustness else False
    extras = Extras(
        sizes,
        task.coarse_key,
        unsupervised=False,
        robustness=robustness,
        more_sizes=task.more_sizes,
        harsh=task.harsh,
        assay=task.assay,
    )
    evaluation = evaluate_task(adata, panel, judging, extras)
    logger.info("explaining the genes")
    usable = Panel(evaluation.genes, provenance=panel.provenance)
    explanation = explain_genes(
        adata, usable, source.model_copy(update={"batch_key": None}), Constraints(ignore_unknown=True)
    )
    notes: list[str] = []
    if task.n_stability:
        found = _stability_or_why_not(adata, panel, task)
        notes += [found] if isinstance(found, str) else found.notes
        evaluation = replace(evaluation, stability=None if isinstance(found, str) else found)
    name = task.data_name or "an AnnData object"
    return Findings(
        panel=panel,
        evaluation=evaluation,
        explanation=explanation,
        expression=measure_expression(cells, columns),
        redundancy=measure_redundancy(cells, columns, seed=judging.seed),
        data=(("Source", name), ("Cells", f"{adata.n_obs:,}"), ("Genes", f"{cells.n_genes:,}")),
        notes=tuple(notes),
        command=task.command,
        masked=task.masked,
        title=task.title or f"Panel of {counted(len(panel), 'gene')} for {source.label_key} in {name}",
    )


def _stability_or_why_not(adata: AnnData, panel: Panel, task: Reporting) -> Stability | str:
    """Measure stability; return the reason if that fails, so that other results are kept."""
    try:
        return _stability(adata, panel, task)
    except (InputError, ValueError, ArithmeticError) as error:
        reason = " ".join(str(error).split())[:200]
        logger.warning("stability could not be measured (%s); all else was", reason)
        return f"Stability could not be measured: {reason}."


def _stability(adata: AnnData, panel: Panel, task: Reporting) -> Stability | str:
    """Measure stability, or return why it cannot be measured."""
    source = task.judging.source
    cells, aliases = read_for_judging(adata, source)
    recipe = recipe_of(panel, source.label_key, aliases, adata)
    if isinstance(recipe, str):
        return f"Stability was not measured: {recipe}."
    over = ["subsamples"]
    if cells.donors is not None and 2 < len(np.unique(cells.donors)) <= MAX_DONORS:
        over.append("donors")
    logger.info("choosing %s again from part of the cells", counted(task.n_stability, "panel"))
    repetition = Repetition(tuple(over), task.n_stability, confidence=task.judging.confidence, seed=task.judging.seed)
    return repeat(cells, recipe, repetition)
