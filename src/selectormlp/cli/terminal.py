"""Terminal output of commands: log lines, tables, lists of files."""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import rich
from rich.logging import RichHandler

from selectormlp.cli.plain import PlainFormatter, PlainTable, print_line
from selectormlp.errors import counted
from selectormlp.panel.limit_use import Price, prices_of
from selectormlp.progress import show_from_now_on

if TYPE_CHECKING:
    from selectormlp.panel.explain import Explanation
    from selectormlp.panel.panel import Panel
    from selectormlp.selection.inspect import Inspection

MAX_LINES = 25
"""Maximum number of genes of a panel to print; the files hold all."""


def set_up_log(*, quiet: bool, errors_only: bool = False) -> bool:
    """Send the package's log to the terminal; return whether to draw progress bars.

    Parameters
    ----------
    quiet
        Show warnings only, and no progress.
    errors_only
        Show errors only: this is one of several processes, and another one prints messages.
    """
    rich.reconfigure(stderr=True)
    on_terminal = sys.stderr.isatty()
    handler: logging.Handler
    if on_terminal:
        handler = RichHandler(console=rich.get_console(), show_time=False, show_level=False, show_path=False)
    else:
        handler = logging.StreamHandler()
    handler.setFormatter(PlainFormatter())
    handler.addFilter(_Once())
    handler.setLevel(logging.ERROR if errors_only else logging.WARNING if quiet else logging.INFO)
    root = logging.getLogger("selectormlp")
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG)
    root.propagate = False
    drawn = on_terminal and not quiet and not errors_only
    show_from_now_on(drawn)
    return drawn


def command_line() -> str:
    """Return the running command in shell syntax."""
    return shlex.join(["selectormlp", *sys.argv[1:]])


class _Once(logging.Filter):
    """Lets each line pass only once, since reading or learning several times repeats messages."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        line = record.getMessage()
        first = line not in self._said
        self._said.add(line)
        return first


def print_comparison(table: pd.DataFrame) -> None:
    """Print the closing table of ``run``: one line per model and one for random order, one column per panel size."""
    sizes = sorted(table["n_genes"].unique())
    for column, title in (("accuracy", "Accuracy"), ("mean_per_class_accuracy", "Mean per-class accuracy")):
        lines = PlainTable(f"{title} on test cells, genes masked without training again")
        lines.add_column("genes kept")
        for size in sizes:
            lines.add_column(f"all {size:,}" if size == sizes[-1] else f"{size:,}", number=True)
        lines.add_column("seconds", number=True)
        for (model, order), part in table.groupby(["model", "order"], sort=False):
            if order == "random" and model != table["model"].iloc[0]:
                continue
            scores = part.set_index("n_genes")[column]
            name = model if order == "selected" else "random order"
            seconds = f"{part['seconds'].iloc[0]:.1f}" if order == "selected" else ""
            lines.add_row(name, *(f"{scores[size]:.3f}" for size in sizes), seconds)
        lines.print()


def print_split(cells: pd.DataFrame) -> None:
    """Print the number of cells of each class on each side."""
    lines = PlainTable("Cells of each class")
    lines.add_column("class")
    for side in cells.columns:
        lines.add_column(side, number=True)
    for label, counts in cells.iterrows():
        lines.add_row(label, *(f"{count:,}" for count in counts))
    lines.add_section()
    lines.add_row("all", *(f"{total:,}" for total in cells.sum()))
    lines.print()


def print_panel(panel: Panel, *, n_known: int = 0) -> None:
    """Print the first genes of a panel with scores and reasons, without the first ``n_known``."""
    taken = panel.provenance.taken
    method = panel.provenance.method if taken is None else f"{taken.method} (taken by auto)"
    lines = PlainTable(f"Panel of {counted(len(panel), 'gene', 'genes')} by {method}")
    lines.add_columns("", "gene", "score", "reason", numbers=("", "score"))
    genes = zip(panel.genes, panel.scores, panel.reasons, strict=True)
    shown = islice(genes, n_known, n_known + MAX_LINES)
    for place, (gene, score, reason) in enumerate(shown, start=n_known + 1):
        lines.add_row(place, gene, "" if score is None else f"{score:.3g}", reason)
    n_left = len(panel) - n_known - MAX_LINES
    if n_left > 0:
        lines.add_row("…", f"{n_left} more", "", "")
    lines.print()
    _print_prices(prices_of(panel.provenance))


def _print_prices(prices: Sequence[Price]) -> None:
    """Print the price of each constraint, if requested."""
    if not prices:
        return
    lines = PlainTable("Price of constraints, by the separation of types (lower is better)")
    numbers: tuple[str, ...] = ("criterion", "price", "genes that change")
    known = any(one.accuracy is not None for one in prices)
    numbers += ("accuracy",) if known else ()
    lines.add_columns("", *numbers, numbers=numbers)
    for one in prices:
        price: tuple[str, ...] = (f"{one.price:.3g}", str(one.n_changed)) if one.without else ("", "")
        price += (("" if one.accuracy is None else f"{one.accuracy:.3f}"),) if known else ()
        lines.add_row(f"without {one.without}" if one.without else "all kept", f"{one.criterion:.4g}", *price)
    lines.print()


def print_explanation(explanation: Explanation) -> None:
    """Print one line per gene: best marked type, best separated pair, loss without it, substitute."""
    lines = PlainTable(f"{explanation.settings.described}: {explanation.criterion:.3g}")
    lines.add_columns("gene", "marks", "separates", "loss", "substitute", numbers=("loss",))
    for found in explanation.genes:
        marks = ", ".join(f"{kind.name} ({kind.auc:.2f})" for kind in found.marks[:2])
        pair = f"{found.pairs[0].first} | {found.pairs[0].second}" if found.pairs else ""
        lines.add_row(found.gene, marks, pair, f"{found.loss:.3g}", found.substitute or "")
    lines.print()


def print_inspection(found: Inspection) -> None:
    """Print what files hold, the resources needed, and advice."""
    files = PlainTable("Files")
    files.add_columns("file", "cells", "genes", "matrix", "chunks", numbers=("cells", "genes"))
    for part in found.parts:
        kind = f"{'CSR' if part.layout.is_sparse else 'dense'}, {part.layout.dtype}"
        chunk = "none" if part.layout.chunk is None else " × ".join(f"{size:,}" for size in part.layout.chunk)
        files.add_row(part.path.name, f"{part.n_cells:,}", f"{part.n_genes:,}", kind, chunk)
    files.print()
    lines = [
        f"{counted(found.n_cells, 'cell', 'cells')} × {counted(found.n_genes, 'gene', 'genes')}, "
        f"{found.density:.1%} nonzero values",
        "raw counts, which are turned to log1p of counts per 10,000" if found.is_counts else "not raw counts",
    ]
    if found.classes:
        names, counts = list(found.classes), list(found.classes.values())
        ends = f"from {names[0]!r} ({counts[0]:,}) to {names[-1]!r} ({counts[-1]:,})"
        lines.append(f"{counted(len(names), 'type', 'types')}: {ends}")
    if found.n_donors is not None:
        lines.append(counted(found.n_donors, "donor", "donors"))
    if found.label_columns:
        columns = ", ".join(f"{name} ({number})" for name, number in found.label_columns.items())
        lines.append(f"categorical columns and their categories: {columns}")
    lines += [
        f"choosing genes from disk by discriminant: about {found.memory_gb:.1f} GB and "
        f"{_minutes(found.select_min)} (auto tries others on a sample before: a minute or two more); "
        f"with the cells in memory: about {found.in_memory_gb:.1f} GB",
        f"training SelectorMLP on all cells, default settings: {_minutes(found.train_min)}, without a GPU",
    ]
    for line in (*lines, "Advice:", *(f"  {line}" for line in found.advice)):
        print_line(line)


def _minutes(minutes: float) -> str:
    return "less than a minute" if minutes < 1 else "about " + counted(round(minutes), "minute", "minutes")


def print_files(files: Iterable[Path]) -> None:
    """Print the files written by a command, one per line, never wrapped."""
    for line in ("Written:", *(f"  {path}" for path in files)):
        print_line(line)
