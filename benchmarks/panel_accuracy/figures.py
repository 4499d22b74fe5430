"""Two figures: accuracy over the size of the panel, and over the seconds that its choice takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from panel_accuracy.labels import height_for, name_lines, name_points
from selectormlp.plots.figure import COLORS, GREY, finish, new_axes

MARKERS = "osD^vP"


def styles(shown: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Give the first methods a colour and a marker of their own; the others are grey."""
    return {name: (COLORS[at], MARKERS[at]) for at, name in enumerate(shown[: len(COLORS)])}


def _colors(style: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    return {name: color for name, (color, _) in style.items()}


def draw_by_size(means: pd.DataFrame, shown: Sequence[str], ceiling: pd.Series | None) -> Axes:
    """Draw mean balanced accuracy over panel size.

    Parameters
    ----------
    means
        Methods × sizes.
    shown
        Methods in colour, the first with a thick line; the others are thin and grey.
    ceiling
        Accuracy on all genes by size (of the data sets that have panels of a size), or None.
    """
    ends = means.iloc[:, -1].to_dict()
    axes = new_axes(7.6, max(4.8, height_for(len(ends) + 1)))
    style = styles(shown)
    for name in means.index.difference(list(style)):
        axes.plot(means.columns, means.loc[name], color="#c8c8c8", linewidth=0.8, zorder=1)
    for name, (color, marker) in style.items():
        width = 2.4 if name == shown[0] else 1.3
        axes.plot(means.columns, means.loc[name], color=color, marker=marker, markersize=4.5, linewidth=width, zorder=3)
    if ceiling is not None:
        top = ceiling.reindex(means.columns)
        axes.plot(top.index, top, color=GREY, linewidth=0.9, linestyle="--", zorder=0)
        ends |= top.dropna().tail(1).rename(lambda _: "all genes").to_dict()
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(list(means.columns)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:.0f}"))
    finish(axes, title="", xlabel="genes in the panel", ylabel="balanced accuracy, mean over families of data sets")
    name_lines(axes, ends, means.columns[-1], _colors(style))
    return axes


def draw_by_seconds(points: pd.DataFrame, shown: Sequence[str]) -> Axes:
    """Draw mean balanced accuracy over the seconds of a selection, each point with its name.

    Parameters
    ----------
    points
        Index: methods; columns ``cpu_seconds`` and ``balanced_accuracy``.
    shown
        Methods in colour; the others are grey.
    """
    axes = new_axes(7.6, max(4.8, height_for(len(points))))
    style = styles(shown)
    for name, point in points.iterrows():
        color, marker = style.get(str(name), (GREY, "o"))
        axes.plot(point["cpu_seconds"], point["balanced_accuracy"], marker, color=color, markersize=6, zorder=3)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.margins(x=0.12, y=0.1)
    finish(
        axes,
        title="",
        xlabel="CPU seconds to choose, median",
        ylabel="balanced accuracy, mean over families and sizes",
    )
    name_points(axes, points[["cpu_seconds", "balanced_accuracy"]], _colors(style))
    return axes
