"""Draw the figures of the benchmark's page again from the table of means that the page holds.

``python -m panel_accuracy.redraw docs/benchmark.md`` (with ``PYTHONPATH=benchmarks``): where the results that a table
was made of are no longer at hand, its figures follow the table.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pandas as pd

from panel_accuracy.figures import draw_by_seconds, draw_by_size
from panel_accuracy.report import GROUPS
from selectormlp.plots.figure import write_figure

ROW = re.compile(r"^\| (?P<name>[^|]+) \| (?P<values>[\d. |–]+) \|$")


def read_means(page: str) -> tuple[pd.DataFrame, pd.Series]:
    """Read the first table of means that stands between the marks of all results.

    Parameters
    ----------
    page
        Text of the page.

    Returns
    -------
    Means, methods × sizes; and the median seconds of each method.

    Raises
    ------
    SystemExit
        If there is no such table.
    """
    begin, end = GROUPS["all"]
    lines = page.partition(begin)[2].partition(end)[0].splitlines()
    head = next((at for at, line in enumerate(lines) if line.startswith("| method | k = ")), None)
    if head is None:
        raise SystemExit(f"no table of means below {begin!r}")
    sizes = [int(number) for number in re.findall(r"k = (\d+)", lines[head])]
    means, seconds = {}, {}
    for line in lines[head + 2 :]:
        found = ROW.match(line)
        if found is None:
            break
        values = [float(value) for value in found["values"].split(" | ")]
        means[found["name"]], seconds[found["name"]] = values[: len(sizes)], values[-1]
    return pd.DataFrame.from_dict(means, orient="index", columns=sizes), pd.Series(seconds)


def main() -> None:
    """Draw both figures into the page's folder of images."""
    parser = argparse.ArgumentParser(prog="panel_accuracy.redraw", description=__doc__)
    parser.add_argument("page", type=Path)
    place = parser.parse_args().page
    means, seconds = read_means(place.read_text())
    shown = list(means.index[:6])
    points = pd.DataFrame({"cpu_seconds": seconds, "balanced_accuracy": means.mean(axis=1)})
    write_figure(
        place.parent / "images" / "accuracy_by_size.png", lambda: draw_by_size(means, shown, None, "data sets")
    )
    write_figure(
        place.parent / "images" / "accuracy_by_seconds.png", lambda: draw_by_seconds(points, shown, "data sets")
    )


if __name__ == "__main__":
    main()
