"""The report of a run: a panel beside its models, measured and written as one page."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from selectormlp.assessment.measure import Judging, read_for_judging
from selectormlp.assessment.report import Reporting, report_task
from selectormlp.assessment.request import N_SPLITS
from selectormlp.data.source import Source
from selectormlp.pipeline.run_settings import RunSettings
from selectormlp.selection.request import SelectRequest
from selectormlp.selection.select import choose_panel

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
    place = Source(**asdict(source))
    seed = settings.training.seed
    known = len(read_for_judging(adata, place)[0].genes)
    request = SelectRequest(**asdict(source), method=method, seed=seed, n_genes=min(n_genes, known))
    panel = choose_panel(adata.copy(), request)
    panel.write(out / "panel")
    judging = Judging(place, n_splits=N_SPLITS, seed=seed)
    task = Reporting(judging, data_name=data_name, command=command, masked=run.masked)
    return report_task(adata, panel, task, out)
