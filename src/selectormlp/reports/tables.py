"""Tables as text, with the numbers to sort them by; and the panel as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from selectormlp.panel.storage import shielded
from selectormlp.plots.scores import name_of
from selectormlp.reports.findings import Findings


@dataclass(frozen=True)
class Cell:
    """A cell of a table: what it says, and what it is sorted by (None: its text)."""

    text: str
    value: float | None = None


@dataclass(frozen=True)
class Column:
    """A column: its head, what it means, and whether it holds numbers."""

    name: str
    help: str = ""
    numeric: bool = False


@dataclass(frozen=True)
class Table:
    """A table that can be sorted."""

    name: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]


def _minus(number_text: str) -> str:
    """Write a negative number with a minus sign; names keep their hyphens."""
    return number_text.replace("-", "−")


def number(value: float | None, form: str = ".3f") -> Cell:
    """Format a number as a table cell; NaN and None are empty and sorted last.

    Examples
    --------
    >>> number(0.12345), number(None).text, number(1234, ",d").text
    (Cell(text='0.123', value=0.12345), '', '1,234')
    """
    if value is None or math.isnan(value):
        return Cell("", -math.inf)
    return Cell(_minus(format(value, form)), float(value))


def interval(value: float, low: float, high: float) -> Cell:
    """Make a cell of a score and its interval."""
    if math.isnan(value):
        return Cell("", -math.inf)
    return Cell(f"{value:.3f} ({low:.3f}–{high:.3f})", float(value))


def panel_table(found: Findings) -> Table:
    """Return the panel: one line per gene, with all that is known of it."""
    evaluation, stability = found.evaluation, found.evaluation.stability
    unusable = {gene.name: gene for gene in evaluation.unusable}
    named = data_names(found)
    reasons = {why.gene: why for why in found.explanation.genes}
    nearest = dict(zip(found.redundancy.genes, found.redundancy.nearest(), strict=True))
    again = dict(zip(stability.genes, stability.frequency, strict=True)) if stability else {}
    rows = []
    for place, gene in enumerate(found.panel.genes):
        name = named.get(gene, "")
        why, near = reasons.get(name), nearest.get(name)
        row = [
            Cell(str(place + 1), place + 1),
            Cell(gene),
            Cell(_marks(why) if why else _absent(unusable.get(gene))),
            Cell("; ".join(f"{pair.first} | {pair.second}" for pair in why.pairs) if why else ""),
            number(why.loss if why else None, ".3g"),
            Cell((why.substitute or "") if why else ""),
            Cell(f"{near[0]} ({_minus(f'{near[1]:.2f}')})", abs(near[1])) if near and near[0] else Cell("", -1.0),
            Cell(found.panel.reasons[place]),
        ]
        if stability:
            row.insert(7, number(float(again.get(name, 0.0)), ".0%"))
        if scored(found):
            row.insert(2, number(found.panel.scores[place], ".3g"))
        if found.panel.gene_ids is not None:
            row.insert(2, Cell(found.panel.gene_ids[place]))
        rows.append(tuple(row))
    return Table("panel", _panel_columns(found), tuple(rows))


def _panel_columns(found: Findings) -> tuple[Column, ...]:
    columns = [
        Column("#", "place in the panel", numeric=True),
        Column("gene"),
        Column("marks", "types that the gene marks, with its AUC against all other cells"),
        Column("separates", "pairs of types that it pulls apart most, beyond what the others do"),
        Column("loss", f"how much grows without the gene: {found.explanation.settings.described}", numeric=True),
        Column("substitute", "the gene outside the panel that serves best in its place"),
        Column("nearest", "the gene of the panel most correlated with it (Spearman)"),
        Column("reason", "why it was chosen"),
    ]
    if found.evaluation.stability:
        columns.insert(7, Column("again", "share of the repetitions that chose it again", numeric=True))
    if scored(found):
        columns.insert(
            2, Column("score", f"score or gain, in the unit of {found.panel.provenance.method}", numeric=True)
        )
    if found.panel.gene_ids is not None:
        columns.insert(2, Column("id"))
    return tuple(columns)


def scored(found: Findings) -> bool:
    """Return whether the panel has scores."""
    return any(score is not None for score in found.panel.scores)


def data_names(found: Findings) -> dict[str, str]:
    """Return the data's name of each gene of the panel that they have; a panel may call it by another one."""
    unusable = {gene.name for gene in found.evaluation.unusable}
    asked = [gene for gene in found.panel.genes if gene not in unusable]
    have = found.evaluation.genes
    return dict(zip(asked, have, strict=True)) if len(asked) == len(have) else {gene: gene for gene in have}


def _marks(why: object) -> str:
    marks = getattr(why, "marks", ())
    shown = ", ".join(f"{kind.name} ({kind.auc:.2f})" for kind in marks[:4])
    return f"{shown} and {len(marks) - 4} more" if len(marks) > 4 else shown


def _absent(gene: object) -> str:
    near = getattr(gene, "suggestions", ())
    return "not in the data" + (f"; near: {', '.join(near)}" if near else "")


def type_table(found: Findings) -> Table:
    """Return the types, the weakest first: recall with panel, all genes and random ones, what they are taken for."""
    evaluation = found.evaluation
    curve, names = evaluation.curve, evaluation.classes
    recall, counts = curve.recalls[-1], curve.confusions[-1]
    errors = counts.copy()
    np.fill_diagonal(errors, 0)
    rows = []
    for code in np.argsort(np.where(np.isnan(recall), 2.0, recall), kind="stable"):
        worst = int(errors[code].argmax())
        share = errors[code, worst] / max(counts[code].sum(), 1)
        rows.append(
            (
                Cell(names[code]),
                number(int(counts[code].sum()), ",d"),
                interval(recall[code], curve.recall_low[-1][code], curve.recall_high[-1][code]),
                number(evaluation.ceiling.recalls[-1][code]),
                number(evaluation.random.recalls[-1][code]),
                Cell(f"{names[worst]} ({share:.0%})", share) if share else Cell("", 0.0),
            )
        )
    columns = (
        Column("type"),
        Column("test cells", numeric=True),
        Column("recall", "share of the type's test cells that are right, with Wilson's 95 % interval", numeric=True),
        Column("all genes", "the same with all genes", numeric=True),
        Column("random", "the same with as many random genes", numeric=True),
        Column("most often taken for", "and the share of its test cells"),
    )
    return Table("types", columns, tuple(rows))


def score_table(found: Findings) -> Table:
    """Return the scores at each size: panel, random genes, all genes; intervals are for new donors where known."""
    rows = []
    for curve in found.evaluation.curves:
        for place, size in enumerate(curve.sizes):
            scores = []
            for one in (curve.accuracy, curve.balanced_accuracy, curve.macro_f1):
                low, high = found.evaluation.interval(one)
                scores.append(interval(one.value[place], low[place], high[place]))
            rows.append((Cell(curve.name), number(int(size), ",d"), *scores))
    columns = ("genes", "number", "accuracy", "balanced accuracy", "macro F1")
    return Table("scores", tuple(Column(name, numeric=name != "genes") for name in columns), tuple(rows))


def level_table(found: Findings) -> Table | None:
    """Return the scores at each level above the types, coarse to fine, and size; None where no level is named."""
    if not found.evaluation.levels:
        return None
    rows = []
    for scores in found.evaluation.levels:
        for place, size in enumerate(scores.curve.sizes):
            one = scores.curve.accuracy
            low, high = found.evaluation.interval(one)
            rows.append(
                (
                    Cell(scores.level.key),
                    number(int(size), ",d"),
                    interval(one.value[place], low[place], high[place]),
                    number(float(1 - one.value[place])),
                    number(float(scores.type_mistakes[place])),
                )
            )
    columns = ("level", "genes", "accuracy", "mistakes, share of cells", "mistakes, mean over types")
    return Table("levels", tuple(Column(name, numeric=name != "level") for name in columns), tuple(rows))


def robustness_table(found: Findings) -> Table | None:
    """Return balanced accuracy under each disturbance; None where it was not measured."""
    if found.evaluation.robustness is None:
        return None
    rows: list[tuple[Cell, ...]] = [
        (
            Cell(name_of(one.kind, one.level)),
            number(float(one.balanced_accuracy.mean())),
            number(float(one.refitted_balanced_accuracy.mean())),
        )
        for one in found.evaluation.robustness.disturbances
    ]
    probes = found.evaluation.robustness.probes
    if probes is not None:
        name = f"without the probe of {probes.genes[probes.worst]}, the worst to lose"
        worst = probes.masked[probes.worst], probes.refitted[probes.worst]
        rows.append((Cell(name), *(number(float(score)) for score in worst)))
    columns = (
        Column("cells"),
        Column("learned from clean cells", "balanced accuracy", numeric=True),
        Column("learned from such cells", "balanced accuracy", numeric=True),
    )
    return Table("robustness", columns, tuple(rows))


def assay_table(found: Findings) -> Table | None:
    """Return balanced accuracy as sequenced and as an assay would measure it; None where no assay was named."""
    scores = found.evaluation.as_measured
    if scores is None:
        return None
    frame = scores.to_frame()
    rows = [
        (Cell(way), number(value), number(spread if draws > 1 else None), number(draws, "d"))
        for way, value, spread, draws in zip(
            frame["way"], frame["balanced_accuracy"], frame["draw_sd"], frame["n_draws"], strict=True
        )
    ]
    columns = (
        Column("cells", "normalised over the panel; transferred: learned from cells as sequenced"),
        Column("balanced accuracy", numeric=True),
        Column("spread", "standard deviation over simulated assays", numeric=True),
        Column("assays", "how many were simulated", numeric=True),
    )
    return Table("assay", columns, tuple(rows))


def stability_table(found: Findings) -> Table | None:
    """Return how alike repeated panels are; None where it was not measured."""
    if found.evaluation.stability is None:
        return None
    rows = [
        (Cell(one.source), number(one.n_panels, "d"), number(one.jaccard), interval(one.kuncheva, one.low, one.high))
        for one in found.evaluation.stability.overlaps
    ]
    columns = (
        Column("repeated over"),
        Column("panels", numeric=True),
        Column("Jaccard", "shared genes / genes in either, mean over pairs", numeric=True),
        Column("Kuncheva", "1: the same panel; 0: what chance gives", numeric=True),
    )
    return Table("stability", columns, tuple(rows))


def csv_of(table: Table) -> str:
    r"""Return a table as CSV that is safe to open in a spreadsheet; numbers as they are sorted by.

    Examples
    --------
    >>> csv_of(Table("t", (Column("gene"), Column("score", "", True)), ((Cell("=1+1"), number(-0.5)),)))
    "gene,score\n'=1+1,-0.5\n"
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(column.name for column in table.columns)
    for row in table.rows:
        writer.writerow(_plain(row, table.columns))
    return stream.getvalue()


def _plain(row: Sequence[Cell], columns: Iterable[Column]) -> list[str]:
    written = []
    for cell, column in zip(row, columns, strict=True):
        if column.numeric and cell.value is not None:
            written.append(f"{cell.value:.6g}" if math.isfinite(cell.value) else "")
        else:
            written.append(shielded(cell.text))
    return written
