"""The commands that choose, extend and explain panels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from selectormlp.cli import options as opt

SAME_NAME = (
    "label_key",
    "method",
    "layer",
    "donor_key",
    "normalize",
    "budget",
    "min_mean",
    "max_mean",
    "min_markers_per_type",
    "ignore_unknown",
    "gene_name_key",
    "gene_id_key",
    "target_layer",
    "min_recall",
    "max_minutes",
)
"""Flags that the façade takes as they are."""


def select(
    data: opt.DataFiles,
    size: Annotated[int, typer.Option(min=1, help="Number of genes.", show_default=False)],
    out: opt.Out,
    label_key: opt.LabelKeyIfNeeded = None,
    method: opt.MethodName = "auto",
    layer: opt.Layer = None,
    donor_key: opt.MethodDonorKey = None,
    normalize: opt.Normalize = "auto",
    exclude_label: opt.ExcludeLabel = None,
    must_have: opt.MustHave = None,
    must_have_file: opt.MustHaveFile = None,
    forbid: opt.Forbid = None,
    forbid_file: opt.ForbidFile = None,
    candidates: opt.Candidates = None,
    costs: opt.Costs = None,
    budget: opt.Budget = None,
    min_mean: opt.MinMean = None,
    max_mean: opt.MaxMean = None,
    min_markers_per_type: opt.MinMarkers = 0,
    ignore_unknown: opt.IgnoreUnknown = False,
    gene_name_key: opt.GeneNameKey = None,
    gene_id_key: opt.GeneIdKey = None,
    target_layer: opt.TargetLayer = None,
    min_recall: opt.MinRecall = None,
    max_minutes: opt.MaxMinutes = None,
    report: Annotated[bool, typer.Option("--report", help="Write report.html to the folder too.")] = False,
    lazy: opt.Lazy = False,
    dask_scheduler: opt.DaskScheduler = None,
    seed: opt.SeedFlag = None,
    quiet: opt.Quiet = False,
) -> None:
    """Choose a panel of exactly so many genes; panel.csv, panel.json and genes.txt go to the folder."""
    from selectormlp.api import select as select_genes
    from selectormlp.errors import SettingsError
    from selectormlp.files import check_files

    check_files(*_files(out, report=report))
    if report and label_key is None:
        raise SettingsError("a report needs cell types to test the panel on; name their column with --label-key")
    lazy = lazy or dask_scheduler is not None
    if report and lazy:
        raise SettingsError(
            "a report is made of cells in memory; leave --report out, and make one of a part of the cells with "
            "'selectormlp report'"
        )
    if len(data) > 1 and not lazy:
        raise SettingsError(f"{len(data)} files are named; several are read only with --lazy, from disk")
    if lazy:
        given = _arguments(locals())
        _write(select_genes(data, n_genes=size, dask_scheduler=dask_scheduler, **given), out)
        return
    adata, given = _read({**locals(), "data": data[0]})
    chosen = select_genes(adata, n_genes=size, **given)
    _write(chosen, out, page=_report(adata, chosen, out, data[0], given) if report else None)


def extend(
    data: opt.Data,
    panel: opt.PanelFile,
    add: Annotated[int, typer.Option(min=1, help="Number of genes to add.", show_default=False)],
    out: opt.Out,
    label_key: opt.LabelKeyIfNeeded = None,
    method: opt.MethodName = "auto",
    layer: opt.Layer = None,
    donor_key: opt.MethodDonorKey = None,
    normalize: opt.Normalize = "auto",
    exclude_label: opt.ExcludeLabel = None,
    must_have: opt.MustHave = None,
    must_have_file: opt.MustHaveFile = None,
    forbid: opt.Forbid = None,
    forbid_file: opt.ForbidFile = None,
    candidates: opt.Candidates = None,
    costs: opt.Costs = None,
    budget: opt.Budget = None,
    min_mean: opt.MinMean = None,
    max_mean: opt.MaxMean = None,
    min_markers_per_type: opt.MinMarkers = 0,
    ignore_unknown: opt.IgnoreUnknown = False,
    gene_name_key: opt.GeneNameKey = None,
    gene_id_key: opt.GeneIdKey = None,
    target_layer: opt.TargetLayer = None,
    min_recall: opt.MinRecall = None,
    max_minutes: opt.MaxMinutes = None,
    seed: opt.SeedFlag = None,
    quiet: opt.Quiet = False,
) -> None:
    """Add genes to an existing panel, each with its gain; the whole panel goes to the folder."""
    from selectormlp.api import extend as extend_genes
    from selectormlp.files import check_files
    from selectormlp.panel.storage import read_panel

    check_files(*_files(out))
    existing = read_panel(panel)
    adata, given = _read(locals())
    _write(extend_genes(adata, existing, n_new=add, **given), out, n_known=len(existing))


def explain(
    data: opt.Data,
    panel: opt.PanelFile,
    label_key: opt.LabelKey,
    out: opt.Out,
    layer: opt.Layer = None,
    normalize: opt.Normalize = "auto",
    exclude_label: opt.ExcludeLabel = None,
    forbid: opt.Forbid = None,
    forbid_file: opt.ForbidFile = None,
    candidates: opt.Candidates = None,
    ignore_unknown: opt.IgnoreUnknown = False,
    gene_name_key: opt.GeneNameKey = None,
    quiet: opt.Quiet = False,
) -> None:
    """Say of each gene what it marks and separates, what is lost without it, and what would replace it."""
    from selectormlp.api import explain as explain_genes
    from selectormlp.cli.terminal import print_explanation, print_files
    from selectormlp.files import check_folders
    from selectormlp.panel.storage import read_panel, write_explanation

    check_folders(out)
    existing = read_panel(panel)
    adata, given = _read(locals())
    explanation = explain_genes(adata, existing, **given)
    file = write_explanation(explanation, out)
    print_explanation(explanation)
    print_files([file])


def _read(flags: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Set up the log, read the files that flags name, and turn the rest into arguments of the façade."""
    from selectormlp.data.anndata_files import read_adata

    given = _arguments(flags)
    return read_adata(flags["data"]), given


def _arguments(flags: dict[str, Any]) -> dict[str, Any]:
    """Set up the log, and turn flags, and the files of genes that they name, into arguments of the façade."""
    from selectormlp.cli.terminal import set_up_log
    from selectormlp.panel.storage import read_costs, read_panel

    progress = set_up_log(quiet=flags["quiet"])

    def genes_of(name: str) -> tuple[str, ...]:
        return () if flags.get(name) is None else read_panel(flags[name]).genes

    given = {name: flags[name] for name in SAME_NAME if name in flags}
    given["exclude_labels"] = flags["exclude_label"] or ()
    given["forbidden"] = (*(flags["forbid"] or ()), *genes_of("forbid_file"))
    given["candidates"] = None if flags["candidates"] is None else genes_of("candidates")
    if "size" in flags or "add" in flags:
        given["must_have"] = (*(flags["must_have"] or ()), *genes_of("must_have_file"))
        given["costs"] = None if flags["costs"] is None else read_costs(flags["costs"])
        given["seed"] = flags["seed"] or 0
        given["progress"] = progress
    return given


def _report(adata: Any, panel: Any, out: Path, data: Path, given: dict[str, Any]) -> Path:
    from selectormlp.api_report import report
    from selectormlp.cli.report import command_line

    names = ("label_key", "donor_key", "layer", "normalize", "exclude_labels", "gene_name_key", "seed")
    panel.write(out)  # kept whatever becomes of the report
    same = {name: given[name] for name in names}
    return report(adata, panel, out, **same, data_name=data.name, command=command_line())


def _write(panel: Any, out: Path, *, n_known: int = 0, page: Path | None = None) -> None:
    from selectormlp.cli.terminal import print_files, print_panel

    panel.write(out)
    print_panel(panel, n_known=n_known)
    files = _files(out)
    print_files(files if page is None else [*files, page])


def _files(out: Path, *, report: bool = False) -> list[Path]:
    """Return the files that go to the folder of a panel."""
    from selectormlp.panel.storage import CSV_NAME, JSON_NAME, LIST_NAME

    return [out / name for name in (CSV_NAME, JSON_NAME, LIST_NAME, *(["report.html"] if report else []))]
