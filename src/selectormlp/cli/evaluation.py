"""Commands that evaluate and compare panels, and label cells with one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from selectormlp.assessment.request import CompareRequest, EvaluateRequest, PredictRequest
from selectormlp.cli import options as opt
from selectormlp.cli.flags import command_of
from selectormlp.cli.settings import ConfigFile, PrintConfig, requested


@command_of(EvaluateRequest)
def evaluate(
    ctx: typer.Context,
    given: dict[str, Any],
    out: opt.Out,
    config: ConfigFile = None,
    print_config: PrintConfig = False,
    quiet: opt.Quiet = False,
) -> None:
    """Evaluate a panel on cells that were not learned from, and write tables to a folder."""
    from selectormlp.cli.measuring import evaluate_panel
    from selectormlp.cli.terminal import set_up_log
    from selectormlp.files import check_folders

    check_folders(out)
    request = requested(EvaluateRequest, ctx, config, given, print_config=print_config)
    set_up_log(quiet=quiet)
    evaluate_panel(request, out)


@command_of(CompareRequest)
def compare(
    ctx: typer.Context,
    given: dict[str, Any],
    out: opt.Out,
    config: ConfigFile = None,
    print_config: PrintConfig = False,
    quiet: opt.Quiet = False,
) -> None:
    """Compare panels and methods on the same cells, and write tables to a folder."""
    from selectormlp.cli.measuring import compare_panels
    from selectormlp.cli.terminal import set_up_log
    from selectormlp.files import check_folders

    check_folders(out)
    request = requested(CompareRequest, ctx, config, given, print_config=print_config)
    set_up_log(quiet=quiet)
    compare_panels(request, out)


@command_of(PredictRequest)
def predict(
    given: dict[str, Any],
    data: opt.Data,
    model: Annotated[Path, typer.Option(help="Classifier that `evaluate --model` wrote.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder for predictions.csv.")] = Path("predictions"),
    quiet: opt.Quiet = False,
) -> None:
    """Label cells with a panel's classifier, and write predictions.csv with calibrated probabilities."""
    from selectormlp.assessment.classifier import predict as predict_cells
    from selectormlp.assessment.tables import prediction_tables, write_tables
    from selectormlp.cli.results import print_predictions
    from selectormlp.cli.terminal import print_files, set_up_log
    from selectormlp.data.anndata_files import read_adata
    from selectormlp.files import check_folders
    from selectormlp.models.panel_classifier import load_classifier

    set_up_log(quiet=quiet)
    check_folders(out)
    request = PredictRequest(**given)
    found = predict_cells(read_adata(data), load_classifier(model), **dict(request))
    files = write_tables(out, prediction_tables(found))
    print_predictions(found)
    print_files(files)
