"""The program, its commands and exit codes."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from importlib.metadata import version
from typing import Annotated, Any

import typer

from selectormlp.cli import evaluation, panels, published
from selectormlp.cli import report as reports
from selectormlp.cli import settings as settings_commands
from selectormlp.cli.failures import INTERRUPTED, REFUSED, exit_code, refuse
from selectormlp.cli.levels import LevelsCommand
from selectormlp.cli.options import DataFiles, Layer, Normalize, Quiet
from selectormlp.cli.settings import UsageError
from selectormlp.cli.short_memory import check_memory_limits
from selectormlp.cli.stopping import watch_signals
from selectormlp.cli.streams import tolerant_streams
from selectormlp.errors import nearest

app = typer.Typer(
    name="selectormlp",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"selectormlp {version('selectormlp')}")
        raise typer.Exit


@app.callback()
def selectormlp(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Choose the genes that tell cell types apart."""


app.command("split_data", epilog="Example: `selectormlp split_data --config configs/split_data.json`")(
    published.split_data
)
app.command(epilog="Example: `selectormlp train --config configs/train.json --model_type svm`")(published.train)
app.command(
    "feature_selection",
    epilog="Example: `selectormlp feature_selection --model_path trained_models/SVM_best_model.skops`",
)(published.feature_selection)
app.command(epilog="Example: `selectormlp run cells.h5ad --label-key cell_type --out results`")(published.run)
app.command(epilog="Example: `selectormlp demo --out demo_results`")(published.demo)


@app.command(epilog="Example: `selectormlp inspect atlas.h5ad --label-key cell_type --donor-key donor`")
def inspect(
    data: DataFiles,
    label_key: Annotated[str | None, typer.Option(help="Column of obs with the cell type.")] = None,
    donor_key: Annotated[str | None, typer.Option(help="Column of obs with the donor.")] = None,
    layer: Layer = None,
    normalize: Normalize = "auto",
    quiet: Quiet = False,
) -> None:
    """Show what files hold, estimate memory and time for working on them, and give advice."""
    from selectormlp.cli.terminal import print_inspection, set_up_log
    from selectormlp.selection.inspect import inspect_files

    set_up_log(quiet=quiet)
    print_inspection(
        inspect_files(data, label_key=label_key, donor_key=donor_key, layer=layer, normalize=normalize)  # type: ignore[arg-type]
    )


app.command(
    cls=LevelsCommand,
    epilog="Example: `selectormlp select cells.h5ad --label-key cell_type --n-genes 100 --must-have CD3E "
    "--forbid 'MT-*' --out panel`",
)(panels.select)
app.command(
    cls=LevelsCommand,
    epilog="Example: `selectormlp extend cells.h5ad --panel panel/panel.json --n-new 20 --label-key cell_type "
    "--out larger`",
)(panels.extend)
app.command(
    cls=LevelsCommand,
    epilog="Example: `selectormlp explain cells.h5ad --panel panel/panel.json --label-key cell_type --out panel`",
)(panels.explain)
app.command(
    cls=LevelsCommand,
    epilog="Example: `selectormlp evaluate cells.h5ad --label-key cell_type --donor-key donor --panel my_genes.csv "
    "--out evaluation --model classifier.safetensors`",
)(evaluation.evaluate)
app.command(
    cls=LevelsCommand,
    epilog="Example: `selectormlp compare cells.h5ad --label-key cell_type --panel mine.csv --panel theirs.csv "
    "--method discriminant --size 50 --out comparison`",
)(evaluation.compare)
app.command(
    cls=LevelsCommand,
    epilog="Example: `selectormlp report cells.h5ad --label-key cell_type --donor-key donor --panel panel/panel.json "
    "--out report.html`",
)(reports.report)
app.command(epilog="Example: `selectormlp predict new.h5ad --model classifier.safetensors --out predictions`")(
    evaluation.predict
)
app.command(epilog="Example: `selectormlp schema train --out schemas`")(settings_commands.schema)
app.command(epilog="Example: `selectormlp rerun panel --out panel_again`")(settings_commands.rerun)


def main() -> None:
    """Run a command and exit with its code.

    0: success; 1: ``rerun`` found a different result; 2: input or settings were refused; 70: internal error; 130:
    Ctrl-C. A failure prints one line on standard error.
    """
    code = exit_code(_in_streams)
    sys.exit(code)


def _in_streams() -> int:
    with tolerant_streams():
        return exit_code(_command)


def _command() -> int | None:
    watch_signals()
    too_small = check_memory_limits()
    if too_small is not None:
        return refuse(too_small)
    try:
        code: int | None = app(standalone_mode=False, prog_name="selectormlp")
    except UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()
            return REFUSED
        return refuse(_usage(error))
    if code == INTERRUPTED:  # typer returns this silently on Ctrl-C
        raise KeyboardInterrupt
    return code


def _long_options(command: Any, context: Any) -> list[str]:
    return [name for parameter in command.get_params(context) for name in parameter.opts if name.startswith("--")]


def _usage(error: Any) -> str:
    """Describe a usage error, with the nearest names and the help command."""
    context = error.ctx
    if hasattr(error, "possibilities") and context is not None:
        known = _long_options(context.command, context)
        others = {} if context.parent is None else context.parent.command.commands
        having = [name for name, command in others.items() if error.option_name in _long_options(command, context)]
        if having and not get_close_matches(error.option_name, known, cutoff=0.8):
            commands = " or ".join(f"'selectormlp {name}'" for name in having[:3])
            return f"no such option {error.option_name!r} in 'selectormlp {context.info_name}'; use {commands}"
        return f"no such option {error.option_name!r}; {nearest(error.option_name, known)}"
    text = " ".join(error.format_message().split()).rstrip(".")
    text = text[:1].lower() + text[1:]
    details = getattr(error.__cause__, "errors", None)  # from validating a value's type and range
    if details is not None and error.param is not None:
        first = details()[0]
        reason = first["msg"].removeprefix("Value error, ").rstrip(".")
        text = f"{' / '.join(error.param.opts)} is {first['input']!r}; {reason[:1].lower()}{reason[1:]}"
    return text if context is None or text.endswith("?") else f"{text}; see '{context.command_path} --help'"
