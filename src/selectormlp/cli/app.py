"""The commands."""

from __future__ import annotations

import sys
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from selectormlp.cli import evaluation, panels
from selectormlp.cli import report as reports
from selectormlp.cli import settings as settings_commands
from selectormlp.cli.failures import INTERRUPTED, REFUSED, exit_code, refuse
from selectormlp.cli.options import DataFiles, ExcludeLabel, Layer, Normalize, Out, Quiet, SeedFlag
from selectormlp.cli.settings import PrintConfig, UsageError, given_flags, print_settings, require
from selectormlp.cli.short_memory import check_memory_limits
from selectormlp.cli.stopping import watch_signals
from selectormlp.cli.streams import tolerant_streams
from selectormlp.errors import nearest

if TYPE_CHECKING:
    from selectormlp.pipeline.settings import RunSettings

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


class ModelType(StrEnum):
    """Kinds of model."""

    selector_mlp = "selector_mlp"
    mlp = "mlp"
    svm = "svm"


def _config(default: str) -> Any:
    return typer.Option(
        "--config", help=f"Settings file (JSON, YAML or TOML). [default: {default}]", show_default=False
    )


@app.command("split_data", epilog="Example: `selectormlp split_data --config configs/split_data.json`")
def split_data(
    config: Annotated[Path, _config("configs/split_data.json")] = Path("configs/split_data.json"),
    print_config: PrintConfig = False,
    seed: SeedFlag = None,
    quiet: Quiet = False,
) -> None:
    """Split an AnnData file into training, validation and test files, class by class."""
    from selectormlp.cli.terminal import print_files, print_split, set_up_log
    from selectormlp.config.files import changed, read_settings
    from selectormlp.pipeline.settings import SplitSettings
    from selectormlp.pipeline.split import split_file
    from selectormlp.progress import showing, step

    progress = set_up_log(quiet=quiet)
    settings = changed(read_settings(SplitSettings, config), shuffle_seed=seed)
    if print_config:
        print_settings(settings)
        return
    with showing(progress), step("splitting"):
        report = split_file(settings)
    print_split(report.cells)
    print_files(report.files)


@app.command(epilog="Example: `selectormlp train --config configs/train.json --model_type svm`")
def train(
    ctx: typer.Context,
    config: Annotated[Path, _config("configs/train.json")] = Path("configs/train.json"),
    model_type: Annotated[
        ModelType, typer.Option("--model_type", "--model-type", help="Kind of model.")
    ] = ModelType.selector_mlp,
    restart: Annotated[
        bool, typer.Option("--restart", help="Continue the run that `checkpoint.restart_run` names.")
    ] = False,
    lazy: Annotated[
        bool | None,
        typer.Option("--lazy/--in-memory", help="Leave the cells on disk. [default: where the split is an index]"),
    ] = None,
    devices: Annotated[
        int | None, typer.Option(min=1, help="GPUs of each machine or, on a CPU, processes.", show_default=False)
    ] = None,
    num_nodes: Annotated[int | None, typer.Option(min=1, help="Machines.", show_default=False)] = None,
    strategy: Annotated[
        str | None, typer.Option(help="auto, or ddp (each process holds the network).", show_default=False)
    ] = None,
    memory_gb: Annotated[
        float | None,
        typer.Option(help="Most GB of a GPU that the cells may take, to stay there. [default: half of it]"),
    ] = None,
    print_config: PrintConfig = False,
    seed: SeedFlag = None,
    quiet: Quiet = False,
) -> None:
    """Train a model on the training file; the best epoch on the validation file is kept."""
    from selectormlp.cli import running
    from selectormlp.cli.terminal import set_up_log
    from selectormlp.config.files import changed, read_settings
    from selectormlp.networks.placement import is_writer
    from selectormlp.pipeline.settings import TrainSettings

    progress = set_up_log(quiet=quiet, errors_only=not is_writer())
    settings = changed(
        read_settings(TrainSettings, config),
        model_type=model_type.value if "model_type" in given_flags(ctx) else None,
        restart=restart or None,
        data={"lazy": lazy},
        training={
            "seed": seed,
            "devices": devices,
            "num_nodes": num_nodes,
            "strategy": strategy,
            "memory_gb": memory_gb,
        },
    )
    if print_config:
        print_settings(settings)
        return
    running.train(settings, progress=progress)


@app.command(
    "feature_selection",
    epilog="Example: `selectormlp feature_selection --model_path trained_models/SVM_best_model.skops`",
)
def feature_selection(
    config: Annotated[Path, _config("configs/feature_selection.json")] = Path("configs/feature_selection.json"),
    model_path: Annotated[
        Path | None,
        typer.Option("--model_path", "--model-path", help="Saved model or checkpoint; overrides the settings file."),
    ] = None,
    model_type: Annotated[
        ModelType | None,
        typer.Option("--model_type", "--model-type", help="Kind of model expected. [default: what the file holds]"),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="Method of `selectormlp select` that ranks the genes, learned from the file `train_input`. "
            "[default: the model's own ranking]",
            show_default=False,
        ),
    ] = None,
    lazy: Annotated[
        bool | None,
        typer.Option("--lazy/--in-memory", help="Leave the cells on disk. [default: where the split is an index]"),
    ] = None,
    print_config: PrintConfig = False,
    seed: SeedFlag = None,
    quiet: Quiet = False,
) -> None:
    """Rank the genes of a trained model and show how accuracy falls as genes are masked."""
    from selectormlp.cli.terminal import print_files, set_up_log
    from selectormlp.config.files import changed, read_settings
    from selectormlp.pipeline.masking import select_features_from_files
    from selectormlp.pipeline.settings import FeatureSelectionSettings

    progress = set_up_log(quiet=quiet)
    settings = read_settings(FeatureSelectionSettings, config)
    settings = changed(settings, model_path=model_path, method=method, seed=seed, lazy=lazy)
    if print_config:
        print_settings(settings)
        return
    report = select_features_from_files(settings, model_type.value if model_type else None, progress=progress)
    print_files(report.files)


@app.command(epilog="Example: `selectormlp run cells.h5ad --label-key cell_type --out results`")
def run(
    ctx: typer.Context,
    out: Out,
    data: Annotated[
        Path | None,
        typer.Argument(
            help="AnnData: h5ad, gzipped h5ad or zarr. Or in the file of --config.", metavar="DATA", show_default=False
        ),
    ] = None,
    label_key: Annotated[
        str | None,
        typer.Option(help="Column of obs with the cell type. Or in the file of --config.", show_default=False),
    ] = None,
    donor_key: Annotated[
        str | None, typer.Option(help="Column of obs with the donor: no donor lies on two sides of the split.")
    ] = None,
    layer: Layer = None,
    normalize: Normalize = "auto",
    exclude_label: ExcludeLabel = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="Method of `selectormlp select`: the MLP is masked in its order too; may be repeated.",
            show_default=False,
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Settings file (JSON, YAML or TOML); what it leaves out adapts to the data.")
    ] = None,
    print_config: PrintConfig = False,
    report: Annotated[
        bool, typer.Option("--report", help="Write report.html too, of a panel by the first --method, or discriminant.")
    ] = False,
    report_size: Annotated[int, typer.Option(min=1, help="Genes of that panel.")] = 50,
    seed: SeedFlag = None,
    quiet: Quiet = False,
) -> None:
    """Split, train SelectorMLP, MLP and SVM, rank and mask their genes, all in one go."""
    from selectormlp.cli.terminal import set_up_log
    from selectormlp.config.files import changed, read_settings
    from selectormlp.files import check_folders
    from selectormlp.pipeline.settings import RunSettings

    progress = set_up_log(quiet=quiet)
    settings = RunSettings() if config is None else read_settings(RunSettings, config)
    given = given_flags(ctx)
    cells = {name: value for name, value in (("layer", layer), ("normalize", normalize)) if name in given}
    if data is not None:
        settings = settings.model_copy(update={"cells": settings.cells.model_copy(update={"dataset": None})})
    settings = changed(
        settings,
        cells={
            **cells,
            "adata_path": data,
            "label_key": label_key,
            "donor_key": donor_key,
            "exclude_labels": tuple(exclude_label or ()) or None,
        },
        methods=tuple(method or ()) or None,
        report_size=report_size if report else None,
        training={"seed": seed},
        masking={"seed": seed},
    )
    require(ctx, "argument 'DATA'", settings.cells.adata_path or settings.cells.dataset)
    require(ctx, "option '--label-key'", settings.cells.label_key)
    check_folders(out, *([out / "panel"] if settings.report_size else []))
    _run(settings, out, progress=progress, print_config=print_config)


@app.command(epilog="Example: `selectormlp demo --out demo_results`")
def demo(
    out: Annotated[Path, typer.Option(help="Folder for all results.")] = Path("demo_results"),
    seed: SeedFlag = None,
    quiet: Quiet = False,
) -> None:
    """Run everything, the report too, on 700 blood cells of 10 types that scanpy ships (`pbmc68k_reduced`)."""
    from selectormlp.cli.terminal import set_up_log
    from selectormlp.config.files import changed
    from selectormlp.files import check_folders
    from selectormlp.pipeline.settings import CellsSettings, RunSettings

    progress = set_up_log(quiet=quiet)
    check_folders(out, out / "panel")
    cells = CellsSettings(dataset="pbmc68k", label_key="bulk_labels")
    settings = changed(RunSettings(cells=cells, report_size=25), training={"seed": seed}, masking={"seed": seed})
    _run(settings, out, progress=progress)


@app.command(epilog="Example: `selectormlp inspect atlas.h5ad --label-key cell_type --donor-key donor`")
def inspect(
    data: DataFiles,
    label_key: Annotated[str | None, typer.Option(help="Column of obs with the cell type.")] = None,
    donor_key: Annotated[str | None, typer.Option(help="Column of obs with the donor.")] = None,
    layer: Layer = None,
    normalize: Normalize = "auto",
    quiet: Quiet = False,
) -> None:
    """Say what files hold, what memory and time working on them will take, and what to do about it."""
    from selectormlp.cli.terminal import print_inspection, set_up_log
    from selectormlp.selection.inspect import inspect_files

    set_up_log(quiet=quiet)
    print_inspection(
        inspect_files(data, label_key=label_key, donor_key=donor_key, layer=layer, normalize=normalize)  # type: ignore[arg-type]
    )


app.command(
    epilog="Example: `selectormlp select cells.h5ad --label-key cell_type --n-genes 100 --must-have CD3E "
    "--forbid 'MT-*' --out panel`"
)(panels.select)
app.command(
    epilog="Example: `selectormlp extend cells.h5ad --panel panel/panel.json --n-new 20 --label-key cell_type "
    "--out larger`"
)(panels.extend)
app.command(
    epilog="Example: `selectormlp explain cells.h5ad --panel panel/panel.json --label-key cell_type --out panel`"
)(panels.explain)
app.command(
    epilog="Example: `selectormlp evaluate cells.h5ad --label-key cell_type --donor-key donor --panel my_genes.csv "
    "--out evaluation --model classifier.safetensors`"
)(evaluation.evaluate)
app.command(
    epilog="Example: `selectormlp compare cells.h5ad --label-key cell_type --panel mine.csv --panel theirs.csv "
    "--method discriminant --size 50 --out comparison`"
)(evaluation.compare)
app.command(
    epilog="Example: `selectormlp report cells.h5ad --label-key cell_type --donor-key donor --panel panel/panel.json "
    "--out report.html`"
)(reports.report)
app.command(epilog="Example: `selectormlp predict new.h5ad --model classifier.safetensors --out predictions`")(
    evaluation.predict
)
app.command(epilog="Example: `selectormlp schema train --out schemas`")(settings_commands.schema)
app.command(epilog="Example: `selectormlp rerun panel --out panel_again`")(settings_commands.rerun)


def _run(settings: RunSettings, out: Path, *, progress: bool, print_config: bool = False) -> None:
    from selectormlp.cli import running
    from selectormlp.pipeline.run import plan_run

    if print_config:
        print_settings(plan_run(*running.read_cells(settings), settings)[1])
        return
    running.run(settings, out, progress=progress)


def main() -> None:
    """Run a command and leave with its exit code.

    0 is success, 1 says that ``rerun`` found another result, 2 that input or settings were refused, 70 an error that
    nobody thought of, and 130 Ctrl-C. A failure is one line on the standard error.
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
    if code == INTERRUPTED:  # what typer makes of Ctrl-C, in silence
        raise KeyboardInterrupt
    return code


def _usage(error: Any) -> str:
    """Say what is wrong with the words of a command, which names come nearest, and where the help is."""
    context = error.ctx
    if hasattr(error, "possibilities") and context is not None:
        known = [
            name
            for parameter in context.command.get_params(context)
            for name in parameter.opts
            if name.startswith("--")
        ]
        return f"no such option {error.option_name!r}; {nearest(error.option_name, known)}"
    text = " ".join(error.format_message().split()).rstrip(".")
    text = text[:1].lower() + text[1:]
    details = getattr(error.__cause__, "errors", None)  # of the check of a value's type and range
    if details is not None and error.param is not None:
        first = details()[0]
        reason = first["msg"].removeprefix("Value error, ").rstrip(".")
        text = f"{' / '.join(error.param.opts)} is {first['input']!r}; {reason[:1].lower()}{reason[1:]}"
    return text if context is None or text.endswith("?") else f"{text}; see '{context.command_path} --help'"
