"""Commands of the published program: split, train, mask, or all in one run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from selectormlp.cli import options as opt
from selectormlp.cli.flags import command_of, needed
from selectormlp.cli.settings import PrintConfig, print_settings, require
from selectormlp.pipeline.run_settings import CellsSettings, RunSettings
from selectormlp.pipeline.settings import FeatureSelectionSettings, ModelType, SplitSettings, TrainSettings

if TYPE_CHECKING:
    from selectormlp.config.model import AnySettings


def _config(default: str) -> Any:
    return typer.Option(
        "--config", help=f"Settings file (JSON, YAML or TOML). [default: {default}]", show_default=False
    )


def _settings(kind: type[AnySettings], config: Path, given: dict[str, Any], *, print_config: bool) -> AnySettings:
    """Read a settings file, apply flags, and with ``--print-config`` print the result and exit."""
    from selectormlp.config.files import changed, read_settings

    settings = changed(read_settings(kind, config), **given)
    if print_config:
        print_settings(settings)
        raise typer.Exit
    return settings


@command_of(SplitSettings)
def split_data(
    given: dict[str, Any],
    config: Annotated[Path, _config("configs/split_data.json")] = Path("configs/split_data.json"),
    print_config: PrintConfig = False,
    quiet: opt.Quiet = False,
) -> None:
    """Split an AnnData file into training, validation and test files, class by class."""
    from selectormlp.cli.terminal import print_files, print_split, set_up_log
    from selectormlp.pipeline.split import split_file
    from selectormlp.progress import showing, step

    progress = set_up_log(quiet=quiet)
    settings = _settings(SplitSettings, config, given, print_config=print_config)
    with showing(progress), step("splitting"):
        report = split_file(settings)
    print_split(report.cells)
    print_files(report.files)


@command_of(TrainSettings)
def train(
    given: dict[str, Any],
    config: Annotated[Path, _config("configs/train.json")] = Path("configs/train.json"),
    print_config: PrintConfig = False,
    quiet: opt.Quiet = False,
) -> None:
    """Train a model on the training file; the best epoch on the validation file is kept."""
    from selectormlp.cli import running
    from selectormlp.cli.terminal import set_up_log
    from selectormlp.networks.placement import is_writer

    progress = set_up_log(quiet=quiet, errors_only=not is_writer())
    running.train(_settings(TrainSettings, config, given, print_config=print_config), progress=progress)


@command_of(FeatureSelectionSettings)
def feature_selection(
    given: dict[str, Any],
    config: Annotated[Path, _config("configs/feature_selection.json")] = Path("configs/feature_selection.json"),
    model_type: Annotated[
        ModelType | None,
        typer.Option("--model_type", "--model-type", help="Kind of model expected. [default: what the file holds]"),
    ] = None,
    print_config: PrintConfig = False,
    quiet: opt.Quiet = False,
) -> None:
    """Rank the genes of a trained model and show how accuracy falls as genes are masked."""
    from selectormlp.cli.terminal import print_files, set_up_log
    from selectormlp.pipeline.masking import select_features_from_files

    progress = set_up_log(quiet=quiet)
    settings = _settings(FeatureSelectionSettings, config, given, print_config=print_config)
    report = select_features_from_files(settings, model_type, progress=progress)
    print_files(report.files)


@command_of(RunSettings)
def run(
    ctx: typer.Context,
    given: dict[str, Any],
    out: opt.Out,
    config: Annotated[
        Path | None, typer.Option(help="Settings file (JSON, YAML or TOML); omitted settings adapt to the data.")
    ] = None,
    print_config: PrintConfig = False,
    report: Annotated[
        bool,
        typer.Option("--report", help="Also write report.html of a panel by the first --method, or discriminant."),
    ] = False,
    report_size: Annotated[int, typer.Option(min=1, help="Number of genes of that panel.")] = 50,
    seed: opt.SeedFlag = None,
    quiet: opt.Quiet = False,
) -> None:
    """Split, train SelectorMLP, MLP and SVM, and rank and mask their genes, in one run."""
    from selectormlp.cli.terminal import set_up_log
    from selectormlp.config.files import changed, read_settings
    from selectormlp.files import check_folders

    progress = set_up_log(quiet=quiet)
    settings = RunSettings() if config is None else read_settings(RunSettings, config)
    if "adata_path" in given.get("cells", {}):
        settings = settings.model_copy(update={"cells": settings.cells.model_copy(update={"dataset": None})})
    settings = changed(
        settings, **given, report_size=report_size if report else None, training={"seed": seed}, masking={"seed": seed}
    )
    require(ctx, "argument 'DATA'", settings.cells.adata_path or settings.cells.dataset)
    needed(ctx, settings)
    check_folders(out, *([out / "panel"] if settings.report_size else []))
    _run(settings, out, progress=progress, print_config=print_config)


def demo(
    out: Annotated[Path, typer.Option(help="Folder for all results.")] = Path("demo_results"),
    seed: opt.SeedFlag = None,
    quiet: opt.Quiet = False,
) -> None:
    """Run everything, including the report, on scanpy's 700 blood cells of 10 types (`pbmc68k_reduced`)."""
    from selectormlp.cli.terminal import set_up_log
    from selectormlp.config.files import changed
    from selectormlp.files import check_folders

    progress = set_up_log(quiet=quiet)
    check_folders(out, out / "panel")
    cells = CellsSettings(dataset="pbmc68k", label_key="bulk_labels")
    settings = changed(RunSettings(cells=cells, report_size=25), training={"seed": seed}, masking={"seed": seed})
    _run(settings, out, progress=progress)


def _run(settings: RunSettings, out: Path, *, progress: bool, print_config: bool = False) -> None:
    from selectormlp.cli import running
    from selectormlp.pipeline.run import plan_run

    if print_config:
        print_settings(plan_run(*running.read_cells(settings), settings)[1])
        return
    running.run(settings, out, progress=progress)
