"""Command that writes the report of a panel."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from selectormlp.assessment.request import ReportRequest
from selectormlp.cli import options as opt
from selectormlp.cli.flags import command_of
from selectormlp.cli.settings import ConfigFile, PrintConfig, requested


@command_of(ReportRequest)
def report(
    ctx: typer.Context,
    given: dict[str, Any],
    out: Annotated[Path, typer.Option(help="File that ends in .html, or folder for report.html.", show_default=False)],
    config: ConfigFile = None,
    print_config: PrintConfig = False,
    quiet: opt.Quiet = False,
) -> None:
    """Write one HTML file about a panel: its genes, the reason for each, and its scores."""
    from selectormlp.cli.measuring import report_panel
    from selectormlp.cli.terminal import command_line, set_up_log

    request = requested(ReportRequest, ctx, config, given, print_config=print_config)
    set_up_log(quiet=quiet)
    named = {"data_name": ", ".join(place.name for place in request.data), "source_command": command_line()}
    report_panel(request.model_copy(update={name: getattr(request, name) or text for name, text in named.items()}), out)
