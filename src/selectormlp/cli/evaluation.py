"""The commands that measure and compare panels, and label cells with one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from selectormlp.cli import options as opt
from selectormlp.errors import counted

if TYPE_CHECKING:
    from selectormlp.evaluation.compare import Comparison, Difference
    from selectormlp.evaluation.intervals import Estimate
    from selectormlp.evaluation.result import Evaluation, Splits
    from selectormlp.models.predictions import Predictions

SAME_NAME = ("label_key", "donor_key", "layer", "normalize", "gene_name_key")
"""Flags that the façade takes as they are."""


def evaluate(
    data: opt.SampledFiles,
    label_key: opt.LabelKey,
    panel: opt.PanelFile,
    out: opt.Out,
    donor_key: opt.DonorKey = None,
    coarse_key: Annotated[str | None, typer.Option(help="Column of obs with a coarse label above the other.")] = None,
    layer: opt.Layer = None,
    normalize: opt.Normalize = "auto",
    exclude_label: opt.ExcludeLabel = None,
    gene_name_key: opt.GeneNameKey = None,
    at: opt.SizesFlag = None,
    classifier: opt.ClassifierName = "logistic",
    splits: opt.SplitsFlag = 5,
    cells_per_type: opt.CellsPerType = None,
    level_distance: Annotated[
        float, typer.Option(help="How near to the best size measured the curve counts as level.")
    ] = 0.02,
    unsupervised: Annotated[bool, typer.Option(help="Explained variance, neighbours, clusters, redundancy.")] = True,
    robustness: Annotated[
        bool, typer.Option("--robustness", help="Thin counts, drop genes, change gains, binarise; takes a while.")
    ] = False,
    stability: Annotated[
        int, typer.Option("--stability", min=0, help="Choose so often anew from part of the cells (panels of ours).")
    ] = 0,
    model: Annotated[
        Path | None,
        typer.Option(
            help="Write the panel's classifier to this file, for `predict`; `.safetensors` is added if absent.",
            show_default=False,
        ),
    ] = None,
    seed: opt.SeedFlag = None,
    quiet: opt.Quiet = False,
) -> None:
    """Measure what a panel is worth on cells that nothing was learned from; tables go to the folder."""
    from selectormlp.api_evaluation import evaluate as evaluate_panel
    from selectormlp.api_evaluation import fit_classifier
    from selectormlp.assessment.tables import evaluation_tables, write_tables
    from selectormlp.cli.terminal import print_files
    from selectormlp.errors import SettingsError
    from selectormlp.files import check_files, check_folders, ensure_folders
    from selectormlp.models.classifier_card import check_class_names
    from selectormlp.models.panel_classifier import SUFFIX
    from selectormlp.panel.storage import read_panel
    from selectormlp.results import whole_result

    if model is not None:
        check_files(model)
        check_files(model if model.suffix == SUFFIX else model.with_name(model.name + SUFFIX))
    check_folders(out)
    if model is not None and classifier != "logistic":
        raise SettingsError(f"--model writes logistic regression, and --classifier is {classifier!r}; leave one out")
    known = read_panel(panel)
    with whole_result(out, "evaluation", clear=True):
        adata, given = _read(locals())
        if model is not None and label_key in adata.obs:
            check_class_names(set(adata.obs[label_key].astype(str)) - set(exclude_label or ()))
        found = evaluate_panel(
            adata,
            known,
            coarse_key=coarse_key,
            more_sizes=at or (),
            classifier=classifier,
            n_splits=splits,
            level_distance=level_distance,
            unsupervised=unsupervised,
            robustness=robustness,
            n_stability=stability,
            **given,
        )
        fitted = None if model is None else fit_classifier(adata, found.genes, n_splits=splits, **given)
        if model is None or fitted is None:
            files = write_tables(out, evaluation_tables(found))
        else:
            ensure_folders(out, model.parent)  # both or neither can be written to
            files = [fitted.save(model), *write_tables(out, evaluation_tables(found))]
    print_evaluation(found)
    print_files(files)


def compare(
    data: opt.SampledFiles,
    label_key: opt.LabelKey,
    out: opt.Out,
    panel: Annotated[
        list[Path] | None,
        typer.Option(help="Panel: JSON, or genes in a CSV, TSV or text file; repeat.", show_default=False),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(help="Method of `selectormlp select` to compare with; may be repeated.", show_default=False),
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=1, help="Genes for the methods. [default: as the largest panel]")
    ] = None,
    donor_key: opt.DonorKey = None,
    layer: opt.Layer = None,
    normalize: opt.Normalize = "auto",
    exclude_label: opt.ExcludeLabel = None,
    gene_name_key: opt.GeneNameKey = None,
    at: opt.SizesFlag = None,
    classifier: opt.ClassifierName = "logistic",
    splits: opt.SplitsFlag = 5,
    cells_per_type: opt.CellsPerType = None,
    seed: opt.SeedFlag = None,
    quiet: opt.Quiet = False,
) -> None:
    """Measure panels, and methods, side by side on the same cells; tables go to the folder."""
    from selectormlp.api_evaluation import compare as compare_panels
    from selectormlp.assessment.tables import comparison_tables, write_tables
    from selectormlp.cli.terminal import print_files
    from selectormlp.files import check_folders
    from selectormlp.panel.given import named_panels
    from selectormlp.results import whole_result

    check_folders(out)
    known = named_panels(panel or [])
    with whole_result(out, "comparison", clear=True):
        adata, given = _read(locals())
        found = compare_panels(
            adata,
            known,
            methods=method or (),
            n_genes=size,
            sizes=at or (),
            classifier=classifier,
            n_splits=splits,
            **given,
        )
        files = write_tables(out, comparison_tables(found))
    print_compared(found)
    print_files(files)


def predict(
    data: opt.Data,
    model: Annotated[Path, typer.Option(help="Classifier that `evaluate --model` wrote.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder for predictions.csv.")] = Path("predictions"),
    min_confidence: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Below this probability a cell is unsure. [default: the classifier's]"),
    ] = None,
    layer: opt.Layer = None,
    normalize: Annotated[str | None, typer.Option(help="auto, counts or none. [default: as in training]")] = None,
    gene_name_key: opt.GeneNameKey = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Fill in genes that were not measured, and say what that costs.")
    ] = False,
    quiet: opt.Quiet = False,
) -> None:
    """Label cells by a panel's classifier, with calibrated probabilities; predictions.csv goes to the folder."""
    from selectormlp.api_evaluation import predict as predict_cells
    from selectormlp.assessment.tables import prediction_tables, write_tables
    from selectormlp.cli.terminal import print_files, set_up_log
    from selectormlp.data.anndata_files import read_adata
    from selectormlp.files import check_folders
    from selectormlp.models.panel_classifier import load_classifier

    set_up_log(quiet=quiet)
    check_folders(out)
    classifier = load_classifier(model)
    found = predict_cells(
        read_adata(data),
        classifier,
        layer=layer,
        normalize=normalize,  # type: ignore[arg-type]  # checked below the façade
        gene_name_key=gene_name_key,
        min_confidence=min_confidence,
        partial=partial,
    )
    files = write_tables(out, prediction_tables(found))
    print_predictions(found)
    print_files(files)


def _read(flags: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Set up the log, read the data, and turn the flags that all share into arguments of the façade."""
    from selectormlp.cli.running import read_some
    from selectormlp.cli.terminal import set_up_log

    set_up_log(quiet=flags["quiet"])
    given = {name: flags[name] for name in SAME_NAME}
    given["exclude_labels"] = flags["exclude_label"] or ()
    given["seed"] = flags["seed"] or 0
    return read_some(sampled(flags)), given


def sampled(flags: dict[str, Any]) -> Any:
    """Return what is read of which files, as flags say."""
    from selectormlp.data.sampled import SampledSource

    named = {name: flags[name] for name in (*SAME_NAME, "cells_per_type")}
    return SampledSource(data=tuple(flags["data"]), exclude_labels=flags["exclude_label"] or (), **named)


def print_evaluation(found: Evaluation) -> None:
    """Print the curve with its floor and ceiling, where it levels off, and what else was measured, in short."""
    from selectormlp.cli.plain import PlainTable, print_line

    splits = found.splits
    over = splits.for_new_donors
    n_cells = counted(splits.n_test, "test cell", "test cells")
    n_splits = counted(splits.n_splits, "split", "splits")
    title = f"{found.classifier} on {n_cells} ({n_splits}, {splits.scheme}); {_heading(splits)}"
    lines = PlainTable(title)
    numbers = ("number", "accuracy", "balanced accuracy")
    lines.add_columns("genes", *numbers, numbers=numbers)
    for curve in found.curves:
        places = range(len(curve.sizes)) if curve is not found.random else [len(curve.sizes) - 1]
        for place in places:
            scores = (_interval(one, place, over) for one in (curve.accuracy, curve.balanced_accuracy))
            lines.add_row(curve.name, f"{curve.sizes[place]:,}", *scores)
    lines.print()
    level = found.level_off
    reached = "still rises at the largest size measured"
    if level.size is not None:
        reached = f"levels off at {level.size} genes (within {level.distance:g} of the best measured in {level.metric}"
        larger = f"{found.curve.sizes[-1]} or more"
        reached += f"; interval {level.low or larger} to {level.high or larger})"
    if len(found.curve.sizes) > 1:
        print_line(f"The curve {reached}.")
    for note in found.notes:
        print_line(note)
    if found.unusable:
        n_unusable = counted(len(found.unusable), "gene", "genes")
        names = "; ".join(
            f"{gene.name}" + (f" (near: {', '.join(gene.suggestions)})" if gene.suggestions else "")
            for gene in found.unusable
        )
        print_line(f"{n_unusable} of the panel could not be used: {names}")
    _print_extras(found)


def _print_extras(found: Evaluation) -> None:
    from selectormlp.cli.plain import PlainTable, print_line

    if found.unsupervised is not None:
        score = found.unsupervised.panel
        print_line(
            f"Without labels: explained variance {score.explained_variance:.3f}, neighbours kept "
            f"{score.knn_overlap:.3f}, clusters NMI {score.nmi:.3f}, ARI {score.ari:.3f}",
        )
    if found.hierarchy is not None:
        of = found.hierarchy
        print_line(
            f"{of.coarse_key}: accuracy {of.coarse_accuracy[-1]:.3f}; of all cells, {of.inside[-1]:.3f} are wrong "
            f"inside their class, {of.across[-1]:.3f} across",
        )
    if found.robustness is not None:
        lines = PlainTable("Balanced accuracy of the panel, disturbed")
        numbers = ("level", "learned from clean cells", "learned from such cells")
        lines.add_columns("cells", *numbers, numbers=numbers)
        for one in found.robustness.disturbances:
            scores = (one.balanced_accuracy.mean(), one.refitted_balanced_accuracy.mean())
            level = "" if one.level != one.level else f"{one.level:g}"
            lines.add_row(one.kind, level, *("" if score != score else f"{score:.3f}" for score in scores))
        lines.print()
    if found.stability is not None:
        for overlap in found.stability.overlaps:
            print_line(
                f"Chosen again, {overlap.source}: {overlap.n_panels} panels, Jaccard {overlap.jaccard:.3f}, Kuncheva "
                f"{overlap.kuncheva:.3f}",
            )


def print_compared(found: Comparison) -> None:
    """Print a line a panel, and its balanced accuracy less that of the first."""
    from selectormlp.cli.plain import PlainTable, print_line

    over = found.splits.for_new_donors
    n_cells = counted(found.splits.n_test, "test cell", "test cells")
    lines = PlainTable(f"{found.classifier} on {n_cells}; {_heading(found.splits)}")
    numbers = ("genes", "accuracy", "balanced accuracy", "less the first")
    lines.add_columns("panel", *numbers, numbers=numbers)
    less = {
        one.second: _difference(one, over)
        for one in found.differences
        if one.metric == "balanced_accuracy" and one.first == found.names[0]
    }
    for panel in found.panels:
        accuracy, balanced = f"{panel.curve.accuracy.value[-1]:.3f}", _interval(panel.curve.balanced_accuracy, -1, over)
        lines.add_row(panel.name, len(panel.genes), accuracy, balanced, less.get(panel.name, ""))
    lines.print()
    alone = [f"{panel.name} {panel.alone.balanced_accuracy.value[-1]:.3f}" for panel in found.panels if panel.alone]
    if alone:
        text = "Balanced accuracy by the panels' own counts, as targeted assays have them"
        print_line(f"{text}: {'; '.join(alone)}")
    for note in found.notes:
        print_line(note)


def print_predictions(found: Predictions) -> None:
    """Print how many cells got each label."""
    import pandas as pd

    from selectormlp.cli.plain import PlainTable, print_line

    title = f"{counted(len(found.cells), 'cell', 'cells')}; unsure below a probability of {found.min_confidence:g}"
    lines = PlainTable(title)
    lines.add_columns("label", "cells", numbers=("cells",))
    for label, count in pd.Series(found.labels).value_counts().items():
        lines.add_row(label, f"{count:,}")
    lines.print()
    if found.novelty is not None:
        print_line(
            f"{counted(int(found.novel.sum()), 'cell is', 'cells are')} like no type that the classifier learned."
        )
    if found.missing is not None:
        what = counted(len(found.missing.genes), "gene of the panel was", "genes of the panel were")
        print_line(f"{what} not measured: {found.missing}.")


def _heading(splits: Splits) -> str:
    if splits.for_new_donors:
        return "95 % intervals over splits, for new donors"
    return "95 % intervals over test cells" + ("" if splits.donor_key is None else ", for these donors only")


def _interval(estimate: Estimate, place: int, over_splits: bool) -> str:
    ends = estimate.interval(over_splits=over_splits)
    return f"{estimate.value[place]:.3f} ({ends[0][place]:.3f}–{ends[1][place]:.3f})"


def _difference(found: Difference, over_splits: bool) -> str:
    """Say what the second panel has more than the first, with its interval."""
    low, high = (found.split_low, found.split_high) if over_splits else (found.low, found.high)
    return f"{signed(-found.value)} ({signed(-high)} to {signed(-low)})"


def signed(value: float) -> str:
    """Write a difference with three decimals and its sign, which zero has not.

    Examples
    --------
    >>> signed(0.0123), signed(-0.0004), signed(-0.5)
    ('+0.012', '0.000', '-0.500')
    """
    text = f"{value:+.3f}"
    return text if float(text) else "0.000"
