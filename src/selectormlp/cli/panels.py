"""Commands that choose, extend and explain panels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from selectormlp.cli import options as opt
from selectormlp.cli.flags import command_of, needed
from selectormlp.cli.settings import ConfigFile, PrintConfig, print_settings, requested, settings_from
from selectormlp.selection.request import Choice, ExplainRequest, ExtendRequest, SelectRequest

AnyChoice = TypeVar("AnyChoice", bound=Choice)


@command_of(SelectRequest)
def select(
    ctx: typer.Context,
    given: dict[str, Any],
    out: opt.Out,
    report: Annotated[bool, typer.Option("--report", help="Write report.html to the folder too.")] = False,
    config: ConfigFile = None,
    print_config: PrintConfig = False,
    quiet: opt.Quiet = False,
) -> None:
    """Choose a panel of exactly n genes, and write panel.csv, panel.json, genes.txt and settings.json."""
    from selectormlp.cli.running import panel_files, select_panel
    from selectormlp.cli.terminal import set_up_log
    from selectormlp.errors import SettingsError
    from selectormlp.files import check_files
    from selectormlp.selection.repeat import with_defaults

    check_files(*panel_files(out, report=report))
    progress = set_up_log(quiet=quiet)
    settings = _choice(SelectRequest, ctx, config, given)
    if report and settings.label_key is None:
        raise SettingsError("a report needs cell types to test the panel on; name their column with --label-key")
    if print_config:
        print_settings(with_defaults(settings))
        return
    select_panel(settings, out, report=report, progress=progress)


@command_of(ExtendRequest)
def extend(
    ctx: typer.Context,
    given: dict[str, Any],
    out: opt.Out,
    config: ConfigFile = None,
    print_config: PrintConfig = False,
    quiet: opt.Quiet = False,
) -> None:
    """Add genes to an existing panel, each with its gain, and write the whole panel and settings.json."""
    from selectormlp.cli.running import extend_panel, panel_files
    from selectormlp.cli.terminal import set_up_log
    from selectormlp.files import check_files
    from selectormlp.selection.repeat import check_other_folder, with_defaults

    check_files(*panel_files(out))
    progress = set_up_log(quiet=quiet)
    settings = _choice(ExtendRequest, ctx, config, given)
    check_other_folder(settings, out)
    if print_config:
        print_settings(with_defaults(settings))
        return
    extend_panel(settings, out, progress=progress)


@command_of(ExplainRequest)
def explain(
    ctx: typer.Context,
    given: dict[str, Any],
    out: opt.Out,
    config: ConfigFile = None,
    print_config: PrintConfig = False,
    quiet: opt.Quiet = False,
) -> None:
    """Explain each gene: what it marks and separates, the loss without it, and its best substitute."""
    from selectormlp.cli.running import read_some
    from selectormlp.cli.terminal import print_explanation, print_files, set_up_log
    from selectormlp.files import check_folders
    from selectormlp.panel.constraints import Allowed, Constraints
    from selectormlp.panel.storage import write_explanation
    from selectormlp.panel.vendors import read_panel
    from selectormlp.selection.explain import explain_genes

    check_folders(out)
    set_up_log(quiet=quiet)
    request = requested(ExplainRequest, ctx, config, given, print_config=print_config)
    existing = read_panel(str(request.panel))
    wanted = Constraints(**{name: getattr(request, name) for name in Allowed.model_fields})
    explanation = explain_genes(read_some(request), existing, request, wanted, request.assay)
    file = write_explanation(explanation, out)
    print_explanation(explanation)
    print_files([file])


def _choice(kind: type[AnyChoice], ctx: typer.Context, config: Path | None, given: dict[str, Any]) -> AnyChoice:
    """Read the settings file, if any, and apply flags."""
    from selectormlp.selection.repeat import check_reading

    if given.get("dask_scheduler") is not None:
        given = {**given, "lazy": True}
    settings = settings_from(kind, config, given)
    needed(ctx, settings)
    check_reading(settings)
    return settings
