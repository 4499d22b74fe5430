"""The commands that choose, extend and explain panels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from selectormlp.cli import options as opt
from selectormlp.cli.settings import PrintConfig, given_flags, print_settings, require

if TYPE_CHECKING:
    from selectormlp.selection.settings import SelectSettings

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
    ctx: typer.Context,
    out: opt.Out,
    data: opt.DataFilesIfNeeded = None,
    size: Annotated[int | None, typer.Option(min=1, help="Number of genes.", show_default=False)] = None,
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
    config: Annotated[
        Path | None, typer.Option(help="Settings file (JSON, YAML or TOML); flags override it.", show_default=False)
    ] = None,
    print_config: PrintConfig = False,
    lazy: opt.Lazy = False,
    dask_scheduler: opt.DaskScheduler = None,
    seed: opt.SeedFlag = None,
    quiet: opt.Quiet = False,
) -> None:
    """Choose a panel of exactly so many genes; panel.csv, .json, genes.txt and settings.json go to the folder."""
    from selectormlp.cli.running import choose_panel, panel_files
    from selectormlp.errors import SettingsError
    from selectormlp.files import check_files
    from selectormlp.selection.settings import check_reading, with_defaults

    check_files(*panel_files(out, settings=True, report=report))
    settings, progress = _select_settings(ctx, locals())
    if report and settings.label_key is None:
        raise SettingsError("a report needs cell types to test the panel on; name their column with --label-key")
    check_reading(settings)
    if print_config:
        print_settings(with_defaults(settings))
        return
    choose_panel(settings, out, report=report, progress=progress)


def _select_settings(ctx: typer.Context, flags: dict[str, Any]) -> tuple[SelectSettings, bool]:
    """Read the settings file, where there is one, and put in what flags say; say whether to draw progress."""
    from selectormlp.config.files import changed, read_settings
    from selectormlp.selection.settings import SelectSettings

    settings = SelectSettings() if flags["config"] is None else read_settings(SelectSettings, flags["config"])
    given = given_flags(ctx)
    arguments = _arguments(flags)
    update = {name: arguments[name] for name in SAME_NAME if name in given and name in SelectSettings.model_fields}
    update |= {new: arguments[new] for old, new in RENAMED.items() if old in given}
    update |= {"n_genes": flags["size"], "data": tuple(flags["data"] or ()) or None}
    update["dask_scheduler"] = flags["dask_scheduler"]
    update["lazy"] = flags["lazy"] or flags["dask_scheduler"] is not None or None
    options = {name: flags[name] for name in ("min_recall", "max_minutes") if name in given}
    settings = changed(settings, **update, options={**settings.options, **options})
    require(ctx, "argument 'DATA...'", settings.data)
    require(ctx, "option '--size'", settings.n_genes)
    return settings, arguments["progress"]


RENAMED = {
    "exclude_label": "exclude_labels",
    "forbid": "forbidden",
    "forbid_file": "forbidden",
    "candidates": "candidates",
    "must_have": "must_have",
    "must_have_file": "must_have",
    "costs": "costs",
    "seed": "seed",
}
"""Flags of ``select`` and the settings that they are for."""


def extend(
    data: opt.DataFiles,
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
    lazy: opt.Lazy = False,
    dask_scheduler: opt.DaskScheduler = None,
    seed: opt.SeedFlag = None,
    quiet: opt.Quiet = False,
) -> None:
    """Add genes to an existing panel, each with its gain; the whole panel goes to the folder."""
    from selectormlp.api import extend as extend_genes
    from selectormlp.cli.running import panel_files, read_or_leave
    from selectormlp.cli.terminal import print_files, print_panel
    from selectormlp.config.files import SETTINGS_NAME
    from selectormlp.errors import OutputError
    from selectormlp.files import check_files
    from selectormlp.panel.storage import PANEL_NAME, read_panel
    from selectormlp.results import whole_result

    check_files(*panel_files(out))
    if (out / SETTINGS_NAME).exists():
        raise OutputError(
            f"{str(out)!r} holds {SETTINGS_NAME!r}, which repeats the panel that is there; name another folder"
        )
    existing = read_panel(panel)
    given = _arguments(locals())
    with whole_result(out, PANEL_NAME):
        adata = read_or_leave(data, lazy=lazy or dask_scheduler is not None)
        larger = extend_genes(adata, existing, n_new=add, **given, dask_scheduler=dask_scheduler)
        larger.write(out)
    print_panel(larger, n_known=len(existing))
    print_files(panel_files(out))


def explain(
    data: opt.SampledFiles,
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
    cells_per_type: opt.CellsPerType = None,
    quiet: opt.Quiet = False,
) -> None:
    """Say of each gene what it marks and separates, what is lost without it, and what would replace it."""
    from selectormlp.api import explain as explain_genes
    from selectormlp.cli.running import read_some
    from selectormlp.cli.terminal import print_explanation, print_files
    from selectormlp.files import check_folders
    from selectormlp.panel.storage import read_panel, write_explanation

    check_folders(out)
    existing = read_panel(panel)
    given = _arguments(flags := locals())
    adata = read_some(flags)
    explanation = explain_genes(adata, existing, **given)
    file = write_explanation(explanation, out)
    print_explanation(explanation)
    print_files([file])


def _arguments(flags: dict[str, Any]) -> dict[str, Any]:
    """Set up the log, and turn flags, and the files of genes that they name, into arguments of the façade."""
    from selectormlp.cli.terminal import set_up_log
    from selectormlp.panel.storage import read_costs, read_panel

    progress = set_up_log(quiet=flags["quiet"])

    def genes_of(name: str) -> tuple[str, ...]:
        return () if flags.get(name) is None else read_panel(flags[name]).genes

    given = {name: flags[name] for name in SAME_NAME if name in flags}
    given["exclude_labels"] = tuple(flags["exclude_label"] or ())
    given["forbidden"] = (*_names(flags["forbid"]), *genes_of("forbid_file"))
    given["candidates"] = None if flags["candidates"] is None else genes_of("candidates")
    if "size" in flags or "add" in flags:
        given["must_have"] = (*_names(flags["must_have"]), *genes_of("must_have_file"))
        given["costs"] = None if flags["costs"] is None else read_costs(flags["costs"])
        given["seed"] = flags["seed"] or 0
        given["progress"] = progress
    return given


def _names(given: list[str] | None) -> list[str]:
    """Take names apart that were given with commas between them."""
    return [name.strip() for text in given or () for name in text.split(",") if name.strip()]
