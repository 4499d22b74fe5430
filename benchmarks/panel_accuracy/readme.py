"""Write the README's table from the tables of the benchmark's page: ``python -m panel_accuracy.readme``.

``PYTHONPATH=benchmarks python -m panel_accuracy.readme docs/benchmark.md README.md``
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from panel_accuracy.report import GROUPS, fill_docs, table

MARKS = ("<!-- accuracy: written by panel_accuracy.readme -->", "<!-- end of accuracy -->")
"""Lines of the README between which the table stands."""

IMAGING = ("<!-- results: written by other_technology.report -->", "<!-- end of other technology -->")
"""Lines of the page between which accuracies measured by imaging stand."""

NAMES = {
    "discriminant": "**SelectorMLP**, `discriminant`",
    "selector_mlp-budget": "SelectorMLP, network trained to k genes",
    "logreg": "scanpy, logistic regression",
    "wilcoxon": "scanpy, Wilcoxon",
    "t-test": "scanpy, t-test",
    "forest": "random forest, 500 trees",
    "cosg": "COSG",
    "random": "random genes",
    "all genes": "all genes",
}
"""Rows, in order, by the name that a method has on the page."""

SIZES = ("k = 10", "k = 25", "k = 50", "k = 100")
KEPT_BACK, MEASURED = "k = 25", "10"
"""Columns shown of the sets kept back, and of the accuracies measured by imaging."""


def read_table(page: str, marks: Sequence[str], first: str) -> pd.DataFrame:
    """Read the first table between two lines of a page whose first column has a name.

    Parameters
    ----------
    page
        Text in markdown.
    marks
        The two lines.
    first
        Name of the table's first column, which becomes the index.

    Returns
    -------
    Cells of the table as text.

    Raises
    ------
    SystemExit
        If there is no such table.
    """
    begin, end = marks
    lines = page.partition(begin)[2].partition(end)[0].splitlines()
    head = next((at for at, line in enumerate(lines) if line.startswith(f"| {first} |")), None)
    if head is None:
        raise SystemExit(f"no table with the column {first!r} between {begin!r} and {end!r}")
    rows = []
    for line in [lines[head], *lines[head + 2 :]]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return pd.DataFrame(rows[1:], columns=rows[0]).set_index(first)


def readme_table(page: str) -> str:
    """Make the README's table from the benchmark's page."""
    tuned, kept = (read_table(page, GROUPS[group], "method") for group in ("all", "kept-back"))
    measured = read_table(page, IMAGING, "refitted")[MEASURED]
    rows = []
    for name in (name for name in NAMES if name in tuned.index):
        own = measured.get(name, "–")
        if name == "discriminant":
            own = f"{own} (`--assay imaging`: {measured['imaging']})"
        seconds = tuned.loc[name].iloc[-1]
        rows.append([NAMES[name], *tuned.loc[name, list(SIZES)], kept[KEPT_BACK].get(name, "–"), own, seconds or "–"])
    number = [size.removeprefix("k = ") for size in (*SIZES, KEPT_BACK)]
    header = ["method", f"{number[0]} genes", *number[1:-1], f"{number[-1]}, kept back", f"{MEASURED}, by imaging"]
    return table([*header, "seconds"], rows)


def main() -> None:
    """Fill the README's table."""
    parser = argparse.ArgumentParser(prog="panel_accuracy.readme", description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("readme", type=Path)
    settings = parser.parse_args()
    fill_docs(settings.readme, readme_table(settings.page.read_text()), MARKS)
    print(f"written: {settings.readme}")


if __name__ == "__main__":
    main()
