"""The report of a run: a panel beside its models, measured and written as one page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from selectormlp.assessment.judging import Judging, read_for_judging
from selectormlp.assessment.reporting import N_SPLITS, Reporting, report_task
from selectormlp.panel.constraints import Constraints
from selectormlp.panel.panel import Panel
from selectormlp.pipeline.settings import RunSettings
from selectormlp.selection.panels import select_task
from selectormlp.selection.task import PanelSource, PanelTask

if TYPE_CHECKING:
    from anndata import AnnData

    from selectormlp.data.anndata_io import CellsSource
    from selectormlp.pipeline.run import RunReport


def report_on_run(
    adata: AnnData,
    source: CellsSource,
    out: Path,
    run: RunReport,
    settings: RunSettings,
    *,
    n_genes: int,
    data_name: str,
    command: str,
) -> Path:
    """Choose a panel beside the models of a run, and write both and the report to the run's folder.

    Parameters
    ----------
    adata, source, out, run, settings
        Of the run. The first of its methods chooses the panel, ``discriminant`` where it names none.
    n_genes
        Size of the panel; less where the data have fewer genes.
    data_name, command
        See :class:`Reporting`.

    Returns
    -------
    The page.
    """
    method = settings.methods[0] if settings.methods else "discriminant"
    place = PanelSource(source.label_key, source.donor_key, source.layer, source.normalize, source.exclude_labels)
    seed = settings.training.seed
    panel = choose_panel(adata, PanelTask(place, Constraints(), method, {}, seed), n_genes)
    panel.write(out / "panel")
    judging = Judging(place, n_splits=N_SPLITS, seed=seed)
    task = Reporting(judging, data_name=data_name, command=command, masked=run.masked)
    return report_task(adata, panel, task, out)


def choose_panel(adata: AnnData, task: PanelTask, n_genes: int) -> Panel:
    """Choose a panel of at most as many genes as there are, leaving the object as it is."""
    known = len(read_for_judging(adata, task.source)[0].genes)
    return select_task(adata.copy(), task, min(n_genes, known))
