"""Run evaluate, compare and report from their settings, and store the settings with the results."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TypeVar

from selectormlp.assessment.request import CompareRequest, EvaluateRequest, Measuring, ReportRequest
from selectormlp.cli.running import read_some
from selectormlp.cli.terminal import print_files
from selectormlp.config.files import SETTINGS_NAME, read_table, write_settings

logger = logging.getLogger(__name__)

AnyRequest = TypeVar("AnyRequest", bound=Measuring)


def evaluate_panel(request: EvaluateRequest, out: Path) -> None:
    """Evaluate a panel; write tables, settings and, if requested, its classifier; print the results."""
    from selectormlp.assessment.evaluate import evaluate_by
    from selectormlp.assessment.measure import Judging
    from selectormlp.assessment.predict import fit_classifier_task
    from selectormlp.assessment.request import MIN_CONFIDENCE
    from selectormlp.assessment.tables import evaluation_tables, write_tables
    from selectormlp.cli.results import print_evaluation
    from selectormlp.data.anndata_files import read_adata
    from selectormlp.errors import SettingsError
    from selectormlp.files import check_files, ensure_folders
    from selectormlp.models.classifier_card import check_class_names
    from selectormlp.models.panel_classifier import SUFFIX
    from selectormlp.panel.panel import Panel
    from selectormlp.panel.vendors import read_panel
    from selectormlp.results import whole_result

    model = request.model
    if model is not None:
        check_files(model)
        check_files(model if model.suffix == SUFFIX else model.with_name(model.name + SUFFIX))
        if request.classifier != "logistic":
            raise SettingsError(
                f"--model writes logistic regression, and --classifier is {request.classifier!r}; leave one out"
            )
    known = read_panel(str(request.panel))
    with whole_result(out, "evaluation", clear=True):
        adata = read_some(request)
        measured = None if request.measured is None else read_adata(request.measured)
        if model is not None and request.label_key in adata.obs:
            check_class_names(set(adata.obs[request.label_key].astype(str)) - set(request.exclude_labels))
        found = evaluate_by(adata, known, request, measured)
        files = []
        if model is not None:
            judging = Judging(request, "logistic", request.n_splits, seed=request.seed)
            fitted = fit_classifier_task(adata, Panel(found.genes), judging, MIN_CONFIDENCE)
            ensure_folders(out, model.parent)  # checked before: both or neither
            files.append(fitted.save(model))
        files += write_tables(out, evaluation_tables(found))
        files += write_beside(request, out)
    print_evaluation(found)
    print_files(files)


def compare_panels(request: CompareRequest, out: Path) -> None:
    """Compare panels and methods, write tables and settings, and print the results."""
    from selectormlp.assessment.compare import compare_task
    from selectormlp.assessment.measure import judging_of
    from selectormlp.assessment.tables import comparison_tables, write_tables
    from selectormlp.cli.results import print_compared
    from selectormlp.panel.given import named_panels
    from selectormlp.results import whole_result

    known = named_panels(list(request.panels))
    with whole_result(out, "comparison", clear=True):
        adata = read_some(request)
        found = compare_task(adata, known, request.methods, request.n_genes, request.sizes, judging_of(request))
        files = write_tables(out, comparison_tables(found))
        files += write_beside(request, out)
    print_compared(found)
    print_files(files)


def report_panel(request: ReportRequest, out: Path) -> None:
    """Evaluate a panel, and write its page and, into a folder, the settings."""
    from selectormlp.assessment.report import report_by
    from selectormlp.panel.vendors import read_panel
    from selectormlp.reports import check_place

    check_place(out)
    known = read_panel(str(request.panel))
    files = [report_by(read_some(request), known, request, out)]
    if files[0].parent == out:
        files += write_beside(request, out)
    print_files(files)


def write_beside(request: Measuring, out: Path) -> list[Path]:
    """Write settings beside results, unless another command's settings are there."""
    place = out / SETTINGS_NAME
    if place.exists():
        held = read_table(place).get("command")
        if held != getattr(request, "command", None):
            logger.info("%s holds the settings of %r and stays as it is", place, held)
            return []
    return [write_settings(kept(request), place)]


def kept(request: AnyRequest) -> AnyRequest:
    """Return a request with absolute paths."""
    update: dict[str, object] = {"data": tuple(place.absolute() for place in request.data)}
    for name in ("panel", "model", "measured"):
        place = getattr(request, name, None)
        if place is not None:
            update[name] = place.absolute()
    if isinstance(request, CompareRequest):
        update["panels"] = tuple(place.absolute() for place in request.panels)
    return request.model_copy(update=update)
