"""Print evaluations, comparisons and predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from selectormlp.errors import counted

if TYPE_CHECKING:
    from selectormlp.evaluation.compare import Comparison, Difference
    from selectormlp.evaluation.intervals import Estimate
    from selectormlp.evaluation.result import Evaluation, Splits
    from selectormlp.models.predictions import Predictions


def print_evaluation(found: Evaluation) -> None:
    """Print a summary of an evaluation: the curve with floor and ceiling, where it levels off, and other measures."""
    from selectormlp.cli.plain import PlainTable, print_line

    splits = found.splits
    over = splits.for_new_donors
    n_cells = counted(splits.n_test, "test cell")
    n_splits = counted(splits.n_splits, "split")
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
        reached = f"levels off at {counted(level.size, 'gene')} (within {level.distance:g} of the best measured in "
        reached += level.metric
        larger = f"{found.curve.sizes[-1]} or more"
        reached += f"; interval {level.low or larger} to {level.high or larger})"
    if len(found.curve.sizes) > 1:
        print_line(f"The curve {reached}.")
    for note in found.notes:
        print_line(note)
    if found.unusable:
        n_unusable = counted(len(found.unusable), "gene")
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
    for above in found.levels:
        accuracy = _interval(above.curve.accuracy, -1, found.for_new_donors)
        print_line(
            f"At {above.level.key!r}: accuracy {accuracy}; mistakes {1 - above.curve.accuracy.value[-1]:.3f} of cells, "
            f"{above.type_mistakes[-1]:.3f} averaged over types"
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
        if found.robustness.probes is not None:
            probes = found.robustness.probes
            print_line(
                f"Worst probe to lose: {probes.genes[probes.worst]}, balanced accuracy {probes.whole:.3f} to "
                f"{probes.masked[probes.worst]:.3f} if nobody notices, {probes.refitted[probes.worst]:.3f} refitted"
            )
    _print_measured(found)
    _print_published(found)
    if found.stability is not None:
        for overlap in found.stability.overlaps:
            print_line(
                f"Chosen again, {overlap.source}: {counted(overlap.n_panels, 'panel')}, Jaccard "
                f"{overlap.jaccard:.3f}, Kuncheva {overlap.kuncheva:.3f}",
            )


def _print_published(found: Evaluation) -> None:
    """Print the measures of other papers."""
    from selectormlp.cli.plain import PlainTable

    if found.published is None:
        return
    lines = PlainTable("Measures of other papers; 1 is best")
    lines.add_columns("source", "measure", "value", numbers=("value",))
    for measure in found.published.measures:
        lines.add_row(measure.source, measure.name, "" if measure.value != measure.value else f"{measure.value:.3f}")
    lines.print()


def _print_measured(found: Evaluation) -> None:
    """Print the scores of a panel in a simulated assay, and on real cells of another technology."""
    from selectormlp.cli.plain import PlainTable, print_line

    if found.as_measured is not None:
        scores = found.as_measured
        print_line(
            f"As sequenced, balanced accuracy is {scores.sequenced:.3f}; as {scores.assay} would measure it, "
            f"{scores.refitted.mean():.3f} refitted and {scores.transferred.mean():.3f} transferred "
            f"({len(scores.refitted)} simulated assays)."
        )
    if found.elsewhere is not None:
        of = found.elsewhere
        cells, types = counted(of.n_measured, "cell"), counted(len(of.classes), "type")
        what = f"{cells} of another technology, {types}, {counted(len(of.genes), 'gene')}"
        lines = PlainTable(f"{what}; 95 % intervals over test cells")
        lines.add_columns("classifier", "number", "balanced accuracy", numbers=("number", "balanced accuracy"))
        for curve in of.curves:
            for place, size in enumerate(curve.sizes):
                lines.add_row(curve.name, f"{size:,}", _interval(curve.balanced_accuracy, place, over_splits=False))
        lines.print()
        for note in of.notes:
            print_line(note)


def print_compared(found: Comparison) -> None:
    """Print one line per panel, and differences in balanced accuracy to the first."""
    from selectormlp.cli.plain import PlainTable, print_line

    over = found.splits.for_new_donors
    n_cells = counted(found.splits.n_test, "test cell")
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
    for panel in found.panels:
        for level in panel.levels:
            accuracy = _interval(level.curve.accuracy, -1, over)
            mistakes = f"{level.type_mistakes[-1]:.3f}"
            print_line(f"{panel.name} at {level.level.key!r}: accuracy {accuracy}; mistakes of types {mistakes}")
    for note in found.notes:
        print_line(note)


def print_predictions(found: Predictions) -> None:
    """Print how many cells got each label."""
    import pandas as pd

    from selectormlp.cli.plain import PlainTable, print_line

    n_cells = counted(len(found.cells), "cell")
    if found.levels is None:
        lines = PlainTable(f"{n_cells}; unsure below a probability of {found.min_confidence:g}")
        lines.add_columns("label", "cells", numbers=("cells",))
        for label, count in pd.Series(found.labels).value_counts().items():
            lines.add_row(label, f"{count:,}")
    else:
        lines = PlainTable(f"{n_cells}, each labelled at the deepest level that is sure")
        lines.add_columns("level", "label", "cells", numbers=("cells",))
        both = pd.DataFrame({"level": found.stopped_at, "label": found.labels}).value_counts().reset_index(name="n")
        for level, label, count in zip(both["level"], both["label"], both["n"], strict=True):
            lines.add_row(level, label, f"{count:,}")
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
    """Return the difference of the second panel to the first, with its interval."""
    low, high = (found.split_low, found.split_high) if over_splits else (found.low, found.high)
    return f"{signed(-found.value)} ({signed(-high)} to {signed(-low)})"


def signed(value: float) -> str:
    """Format a difference with three decimals and its sign, without a sign for zero.

    Examples
    --------
    >>> signed(0.0123), signed(-0.0004), signed(-0.5)
    ('+0.012', '0.000', '-0.500')
    """
    text = f"{value:+.3f}"
    return text if float(text) else "0.000"
