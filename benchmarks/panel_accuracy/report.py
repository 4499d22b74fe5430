"""From the results file to tables and figures: ``python -m panel_accuracy.report results.csv``."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from panel_accuracy.datasets import FROM_WHEELS, TUNED_ON
from panel_accuracy.figures import draw_by_seconds, draw_by_size
from panel_accuracy.results import read_results
from panel_accuracy.statistics import (
    ceiling_by_size,
    complete_methods,
    leave_one_out,
    mean_by_size,
    paired_difference,
    panel_scores,
    ranked,
)
from selectormlp.errors import counted
from selectormlp.files import written_whole
from selectormlp.plots.figure import write_figure

GROUPS = {
    "all": ("<!-- results: written by panel_accuracy.report -->", "<!-- end of results -->"),
    "kept-back": ("<!-- kept back: written by panel_accuracy.report -->", "<!-- end of kept back -->"),
}
"""Groups of data sets (all, or those not used to tune our defaults), and the lines between which a page holds the
report of each."""


def of_group(rows: pd.DataFrame, group: str) -> pd.DataFrame:
    """Keep the rows of a group of data sets."""
    return rows if group == "all" else rows[~rows["family"].isin(TUNED_ON)]


def parts_of(scores: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Separate data sets used to tune our defaults from those that were not."""
    tuned = scores["family"].isin(TUNED_ON)
    found = {"not used to tune our defaults": scores[~tuned], "used to tune our defaults": scores[tuned]}
    return {
        f"{counted(part['data'].nunique(), 'data set', 'data sets')} "
        f"({counted(part['family'].nunique(), 'family', 'families')}) {name}": part
        for name, part in found.items()
        if len(part)
    }


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write a markdown table; numbers with three decimals, NaN as a dash."""

    def cell(value: object) -> str:
        if isinstance(value, float | np.floating):
            return "–" if np.isnan(value) else f"{value:.3f}"
        return str(value).replace("|", "\\|")

    lines = [list(header), ["---"] * len(header), *([cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def seconds_text(value: float) -> str:
    """Write seconds with two digits that count.

    Examples
    --------
    >>> seconds_text(0.0312), seconds_text(4.26), seconds_text(123.4)
    ('0.031', '4.3', '123')
    """
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


def size_section(scores: pd.DataFrame, order: Sequence[str], column: str, title: str) -> str:
    """Tabulate a score over sizes, with its mean, methods in the order given, and all genes above them."""
    means = mean_by_size(scores[scores["method"].isin(order)], column).loc[list(order)]
    seconds = scores.groupby("method")["cpu_seconds"].median()
    rows = [[name, *row, row.mean(), seconds_text(seconds[name])] for name, row in means.iterrows()]
    top = ceiling_by_size(scores, column)
    if top is not None:
        rows.insert(0, ["all genes", *top.reindex(means.columns), top.mean(), ""])
    header = ["method", *(f"k = {size}" for size in means.columns), "mean", "CPU seconds (median)"]
    return f"### {title}\n\n{table(header, rows)}"


def differences_section(scores: pd.DataFrame, chosen: str, order: Sequence[str], name: str) -> str:
    """Tabulate paired differences of the chosen method to every other, over all sizes and at each."""
    sizes = sorted(scores.loc[scores["method"] == chosen, "size"].unique())
    rows = []
    for other in order:
        total = paired_difference(scores, chosen, other)
        if total is not None:
            by_size = [paired_difference(scores, chosen, other, sizes=[size]) or "–" for size in sizes]
            rows.append([other, total, f"{total.n_data} ({total.n_families})", *by_size])
    header = ["other method", "all sizes", "data sets (families)", *(f"k = {size}" for size in sizes)]
    return (
        f"### {chosen} minus other methods: {name}\n\nMean paired difference of balanced accuracy, with a 95 % t "
        "interval over families (data sets that share cells are one family), on the panels that both methods have. "
        f"Level: the interval contains 0. Dash: no size in common.\n\n{table(header, rows)}"
    )


def data_section(scores: pd.DataFrame, chosen: str, peers: Sequence[str]) -> str:
    """Tabulate the chosen method beside the peer that is best on each data set, judged on the same test cells."""
    rows = []
    for name in scores["data"].unique():
        here = scores[scores["data"] == name].pivot_table("balanced_accuracy", ["seed", "size"], "method")
        pairs = [here[[chosen, peer]].dropna() for peer in peers if {chosen, peer} <= set(here)]
        means = [pair.groupby("size").mean().mean() for pair in pairs if len(pair)]
        if means:
            nearest = min(means, key=lambda pair: pair.iloc[0] - pair.iloc[1])
            own, best = nearest
            rows.append([name, own, best, nearest.index[1], own - best])
    header = ["data set", chosen, "best peer there", "which", "difference"]
    return (
        f"### Each data set: mean over sizes\n\nThe best peer of a data set is the one with the highest score on the "
        f"test cells, which favours it. Means are over the splits and sizes that it has.\n\n{table(header, rows)}"
    )


def variants_section(scores: pd.DataFrame, variants: Sequence[str], best_peer: str | None) -> str:
    """Score the choice among our variants on data sets not used for the choice."""
    found = leave_one_out(scores, variants)
    if len(variants) < 2 or found.empty:
        return ""
    text = f"### Choosing among {', '.join(variants)} without the data set that is scored\n\n"
    text += table(["data set", "taken", "balanced accuracy"], found.itertuples(index=False, name=None))
    text += f"\nMean: {found['balanced_accuracy'].mean():.3f}"
    if best_peer is not None:
        means = scores[scores["method"] == best_peer].groupby(["data", "size"])["balanced_accuracy"].mean()
        text += f"; best single peer ({best_peer}): {means.groupby('data').mean().mean():.3f}"
    return text + ".\n"


def status_section(rows: pd.DataFrame) -> str:
    """Tabulate the status of each method's selections, and how many panels are smaller than asked for."""
    runs = rows.drop_duplicates(["data", "method", "seed", "size"])
    lines = []
    for (method, kind), part in runs.groupby(["method", "kind"]):
        counts = part["status"].value_counts()
        states = "; ".join(f"{state}: {count}" for state, count in counts.items())
        good = part[part["status"] == "ok"]
        short = int((good["n_chosen"] < good["size"]).sum())
        lines.append([method, kind, part["version"].dropna().max(), states, short])
    header = ["method", "kind", "version", "panels by status", "panels with fewer genes than asked for"]
    return f"### What ran\n\n{table(header, lines)}"


def splits_text(scores: pd.DataFrame) -> str:
    """Return the number of splits of a data set, or the range of it.

    Examples
    --------
    >>> splits_text(pd.DataFrame({"data": ["a", "a", "b"], "seed": [0, 1, 0]}))
    '1 to 2'
    """
    counts = scores.groupby("data")["seed"].nunique()
    return " to ".join(map(str, sorted({counts.min(), counts.max()})))


def machine_line(record: Path) -> str:
    """Return the date, machine and versions of the results, from the settings stored beside them."""
    if not record.exists():
        return ""
    run = json.loads(record.read_text())["last_run"]
    packages = ", ".join(f"{name} {number}" for name, number in run["packages"].items())
    return (
        f"{run['date']}; {run['processor']}, {run['cores']} cores, one a method, {run['jobs']} at a time; "
        f"{run['system']}, Python {run['python']}; {packages}. Time limit of a selection: {run['time_limit_s']:g} s.\n"
    )


def write_report(
    path: Path, chosen: str | None, sizes: Sequence[int] | None, folder: Path, images: str, group: str = "all"
) -> str:
    """Make the figures and return the text.

    Parameters
    ----------
    path
        Results.
    chosen
        The method that is compared with the others; by default the best of ours.
    sizes
        Only panels of these sizes; by default all.
    folder
        Gets the figures.
    images
        How the text refers to that folder.
    group
        Of data sets, see :data:`GROUPS`.
    """
    rows = of_group(read_results(path), group)
    if sizes:
        rows = rows[rows["size"].isin(sizes) | (rows["method"] == "all-genes")]
    scores = panel_scores(rows)
    if scores.empty:
        raise SystemExit(f"{path} holds no finished selection")
    kinds = dict(scores[["method", "kind"]].itertuples(index=False, name=None))
    complete = ranked(scores, complete_methods(scores))
    if not complete:
        raise SystemExit(
            f"{path}: no method has every panel (data set, seed, size) that another has, so that there are no means to "
            "compare; let the run finish, or name --sizes that a method has throughout"
        )
    ours, peers = ([name for name in complete if kinds[name] == kind] for kind in ("ours", "peer"))
    chosen = chosen or next(iter(ours or complete), None)
    if chosen not in kinds:
        raise SystemExit(f"no results of {chosen!r}; there are: {', '.join(kinds)}")
    others = [name for name in ranked(scores, [*kinds]) if name not in (chosen, "all-genes")]
    means = mean_by_size(scores[scores["method"].isin(complete)])
    shown = list(dict.fromkeys([chosen, *peers[:4], *ours]))[:6]
    shown = [name for name in shown if name in means.index]
    points = pd.DataFrame(
        {"cpu_seconds": scores.groupby("method")["cpu_seconds"].median(), "balanced_accuracy": means.mean(axis=1)}
    ).dropna()
    points["cpu_seconds"] = points["cpu_seconds"].clip(lower=0.01)
    end = "" if group == "all" else f"_{group.replace('-', '_')}"
    write_figure(folder / f"accuracy_by_size{end}.png", lambda: draw_by_size(means, shown, ceiling_by_size(scores)))
    write_figure(folder / f"accuracy_by_seconds{end}.png", lambda: draw_by_seconds(points.loc[complete], shown))
    names = scores["data"].unique()
    sources = "; ".join(f"{name} ({FROM_WHEELS[name].source})" if name in FROM_WHEELS else name for name in names)
    parts = [
        machine_line(path.with_suffix(".json")),
        f"Data sets ({len(names)}): {sources}. Splits of each: {splits_text(scores)}.\n",
        f"![Mean balanced accuracy over the number of genes]({images}/accuracy_by_size{end}.png)\n",
        f"![Mean balanced accuracy over seconds of processor]({images}/accuracy_by_seconds{end}.png)\n",
        "" if not peers else f"Best single peer on all data sets and sizes: {peers[0]}.\n",
        *(
            section
            for name, part in parts_of(scores).items()
            for section in (
                size_section(part, complete, "balanced_accuracy", f"Balanced accuracy, mean over families: {name}"),
                differences_section(part, chosen, others, name),
            )
        ),
        data_section(scores, chosen, [name for name in others if kinds[name] == "peer"]),
        variants_section(scores, ours, peers[0] if peers else None),
        size_section(scores, complete, "least_recall", "Recall of the worst class, mean over families and classifiers"),
        status_section(rows),
    ]
    return "\n".join(part for part in parts if part)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the report beside the results and, on request, into the docs."""
    parser = argparse.ArgumentParser(prog="panel_accuracy.report", description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--method", help="compared with the others (default: the best of ours)")
    parser.add_argument("--sizes", nargs="+", type=int, help="only panels of these sizes")
    parser.add_argument(
        "--docs", type=Path, help="page whose results section is replaced; figures go to images/ beside it"
    )
    parser.add_argument("--group", default="all", choices=GROUPS, help="of data sets (default all)")
    settings = parser.parse_args(arguments)
    place = settings.docs.parent / "images" if settings.docs else settings.results.parent
    images = "images" if settings.docs else "."
    text = write_report(settings.results, settings.method, settings.sizes, place, images, settings.group)
    target = settings.docs or settings.results.with_name("report.md")
    if settings.docs:
        fill_docs(target, text, GROUPS[settings.group])
    else:
        with written_whole(target) as (draft,):
            draft.write_text(text)
    print(f"written: {target}")


def fill_docs(page: Path, text: str, marks: tuple[str, str]) -> None:
    """Replace what stands between two lines of a page.

    Raises
    ------
    SystemExit
        If the page lacks the lines.
    """
    begin, end = marks
    old = page.read_text()
    if begin not in old or end not in old:
        raise SystemExit(f"{page} has no place for results; it wants the lines {begin!r} and {end!r}")
    between = re.compile(f"{re.escape(begin)}.*{re.escape(end)}", re.DOTALL)
    with written_whole(page) as (draft,):
        draft.write_text(between.sub(lambda _: f"{begin}\n\n{text}\n{end}", old))


if __name__ == "__main__":
    main()
