"""What is left of a panel's accuracy when the assay is worse than the data."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Unpack

from anndata import AnnData

from selectormlp.assessment.genes import match_genes
from selectormlp.assessment.keywords import RobustnessOptions
from selectormlp.assessment.measure import Judging, fold_cells, judging_of, read_for_judging
from selectormlp.assessment.protocol import Verdict, judge
from selectormlp.assessment.request import RobustnessRequest
from selectormlp.config.keywords import only_keywords
from selectormlp.data.cells import Cells, IntArray
from selectormlp.evaluation.harsh import HARSH
from selectormlp.evaluation.lost_probes import lose_each_probe
from selectormlp.evaluation.robustness import Plan, Robustness, measure_robustness
from selectormlp.evaluation.splits import Folds
from selectormlp.panel.given import PanelLike, as_panel
from selectormlp.panel.panel import Panel
from selectormlp.progress import showing

logger = logging.getLogger(__name__)


def robustness(
    adata: AnnData,
    panel: PanelLike,
    *,
    label_key: str,
    donor_key: str | None = None,
    thinning: Sequence[float] = (0.5, 0.2),
    failures: Sequence[float] = (0.05, 0.1),
    gains: Sequence[float] = (0.5,),
    n_draws: int = 2,
    classifier: Any = "logistic",
    seed: int = 0,
    progress: bool = True,
    **more: Unpack[RobustnessOptions],
) -> Robustness:
    """Measure a panel's accuracy on cells disturbed as by a worse assay.

    Parameters
    ----------
    adata, panel, label_key, donor_key, classifier, seed
        As in :func:`evaluate`.
    thinning
        Shares of the counts that are kept, each count by chance, between 0 and 1.
    failures
        Shares of the panel's genes that read zero, drawn at random.
    gains
        Standard deviations of the natural logarithm of a factor for each gene.
    n_draws
        Draws of what is random.
    progress
        Whether to show progress of what takes more than a second, on a terminal or in a notebook.
    more
        ``layer``, ``n_splits``, ``normalize``, ``exclude_labels`` and ``gene_name_key``, as in :func:`evaluate`;
        ``harsh=True`` disturbs the cells as harshly as real assays do (in place of the options above) and loses each
        probe in turn.

    Raises
    ------
    PanelError, SettingsError, DataError
        As in :func:`evaluate`.

    Examples
    --------
    >>> from selectormlp.data.datasets import pbmc68k
    >>> found = robustness(pbmc68k(), ["CD79A", "NKG7", "CST3"], label_key="bulk_labels", n_draws=1, failures=[0.4])
    >>> [one.kind for one in found.disturbances][-3:]
    ['probes failed', 'gain', 'binarised']
    """
    request = RobustnessRequest(
        label_key=label_key,
        donor_key=donor_key,
        classifier=classifier,
        seed=seed,
        **only_keywords(RobustnessRequest, more),
    )
    plan = HARSH if request.harsh else Plan(tuple(thinning), tuple(failures), tuple(gains), n_draws)
    with showing(progress):
        return robustness_task(adata, as_panel(panel), judging_of(request), plan, harsh=request.harsh)


def robustness_task(adata: AnnData, panel: Panel, judging: Judging, plan: Plan, *, harsh: bool = False) -> Robustness:
    """Disturb the cells of an object; see :func:`selectormlp.robustness`."""
    cells, aliases = read_for_judging(adata, judging.source)
    genes, _ = match_genes(panel, cells.genes, aliases)
    verdict = judge(panel, cells, str(judging.source.label_key), aliases)
    tested = Tested(cells, genes, fold_cells(cells, verdict.testable, judging), judging, verdict)
    return disturb(tested, plan, harsh=harsh)


@dataclass(frozen=True, eq=False)
class Tested:
    """A panel, the cells that it is tested on, and how."""

    cells: Cells
    genes: IntArray
    folds: Folds
    judging: Judging
    verdict: Verdict


def disturb(tested: Tested, plan: Plan, *, harsh: bool = False) -> Robustness:
    """Disturb the cells, and with ``harsh`` drop each probe in turn; add a note if they were learned from."""
    logger.info("disturbing the cells")
    cells, genes, folds, judging = tested.cells, tested.genes, tested.folds, tested.judging
    found = measure_robustness(cells.X, cells.labels, genes, folds, judging.refit, plan, seed=judging.seed)
    if harsh and len(genes) > 1:
        logger.info("losing each of %d probes in turn", len(genes))
        names = tuple(map(str, cells.genes[genes]))
        found = replace(found, probes=lose_each_probe(cells.X, cells.labels, genes, folds, judging.refit, names))
    elif harsh:
        found = replace(found, notes=(*found.notes, "probes were not lost in turn: the panel has one gene"))
    if tested.verdict.protocol in ("external", "other cells"):
        return found
    note = "The panel was learned on the cells tested: compare the lines with each other, not with other data."
    return replace(found, notes=(*found.notes, note))
