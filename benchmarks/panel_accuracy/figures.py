"""Two figures: accuracy over the size of the panel, and over the seconds that its choice takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter
from matplotlib.transforms import Bbox
from sklearn.isotonic import IsotonicRegression

from selectormlp.plots.figure import COLORS, GREY, finish, new_axes

MARKERS = "osD^vP"


def styles(shown: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Give the first methods a colour and a marker of their own; the others are grey."""
    return {name: (COLORS[at], MARKERS[at]) for at, name in enumerate(shown[: len(COLORS)])}


def draw_by_size(
    means: pd.DataFrame, shown: Sequence[str], ceiling: pd.Series | None, over: str = "families of data sets"
) -> Axes:
    """Draw mean balanced accuracy over panel size.

    Parameters
    ----------
    means
        Methods × sizes.
    shown
        Methods in colour, the first with a thick line; the others are thin and grey.
    ceiling
        Accuracy on all genes by size (of the data sets that have panels of a size), or None.
    over
        What the means are over.
    """
    axes = new_axes(7.6, 4.8)
    style = styles(shown)
    for name in means.index.difference(list(style)):
        axes.plot(means.columns, means.loc[name], color="#c8c8c8", linewidth=0.8, zorder=1)
    for name, (color, marker) in style.items():
        width = 2.4 if name == shown[0] else 1.3
        axes.plot(means.columns, means.loc[name], color=color, marker=marker, markersize=4.5, linewidth=width, zorder=3)
    if ceiling is not None:
        top = ceiling.reindex(means.columns)
        axes.plot(top.index, top, color=GREY, linewidth=0.9, linestyle="--", zorder=0)
        place = (means.columns[0], top.iloc[0])
        axes.annotate("all genes", place, (0, 3), textcoords="offset points", color=GREY, size=8)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(list(means.columns)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:.0f}"))
    finish(axes, title="", xlabel="genes in the panel", ylabel=f"balanced accuracy, mean over {over}")
    _name_lines(axes, means.iloc[:, -1].to_dict(), means.columns[-1], style)
    return axes


def _laid_out(axes: Axes) -> FigureCanvasAgg:
    """Draw once, so that places on the canvas are known."""
    canvas = FigureCanvasAgg(axes.get_figure(root=True))
    canvas.draw()
    return canvas


def _name_lines(
    axes: Axes, ends: Mapping[str, float], right: float, style: Mapping[str, tuple[str, str]], height: float = 9.0
) -> None:
    """Write each line's name beside its end, moved apart where ends are near (``height`` in points)."""
    _laid_out(axes)
    scale = 72 / axes.get_figure(root=True).dpi
    names = sorted(ends, key=lambda name: ends[name])
    wanted = np.array([axes.transData.transform((right, ends[name]))[1] * scale for name in names])
    steps = height * np.arange(len(wanted))
    placed = IsotonicRegression().fit_transform(steps, wanted - steps) + steps  # near ones share the move
    for name, at, start in zip(names, placed, wanted, strict=True):
        axes.annotate(
            name,
            (right, ends[name]),
            (10, at - start),
            textcoords="offset points",
            va="center",
            size=8,
            color=style.get(name, (GREY, ""))[0],
            annotation_clip=False,
        )


def draw_by_seconds(points: pd.DataFrame, shown: Sequence[str], over: str = "families") -> Axes:
    """Draw mean balanced accuracy over the seconds of a selection, each point with its name.

    Parameters
    ----------
    points
        Index: methods; columns ``cpu_seconds`` and ``balanced_accuracy``.
    shown
        Methods in colour; the others are grey.
    over
        What the means are over, beside sizes.
    """
    axes = new_axes(7.6, 4.8)
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
        ylabel=f"balanced accuracy, mean over {over} and sizes",
    )
    _name_points(axes, points, style)
    return axes


NEAR = 6
"""Points between a name and its point where nothing is in the way."""

OFFSETS = [
    (x, y, align)
    for reach in (NEAR, 14, 24, 36, 50)
    for x, y, align in (
        (reach, 0, "left"),
        (-reach, 0, "right"),
        (0, reach, "center"),
        (0, -reach, "center"),
        (reach, reach, "left"),
        (reach, -reach, "left"),
        (-reach, reach, "right"),
        (-reach, -reach, "right"),
    )
]
"""Where a name may stand from its point, in points, nearest first."""


def _name_points(axes: Axes, points: pd.DataFrame, style: Mapping[str, tuple[str, str]]) -> None:
    """Write each name at the nearest place where it covers no point and no other name; a line leads to far ones."""
    canvas = _laid_out(axes)
    frame = axes.get_window_extent()
    spots = [axes.transData.transform((p["cpu_seconds"], p["balanced_accuracy"])) for _, p in points.iterrows()]
    taken = [Bbox.from_bounds(x - 5, y - 5, 10, 10) for x, y in spots]
    for at, (name, point) in enumerate(points.iterrows()):
        others, place = taken[:at] + taken[at + 1 :], (point["cpu_seconds"], point["balanced_accuracy"])
        color = style.get(str(name), (GREY, ""))[0]
        for x, y, align in OFFSETS:
            leader = {"arrowstyle": "-", "color": "#bbbbbb", "linewidth": 0.6} if max(abs(x), abs(y)) > NEAR else None
            text = axes.annotate(
                str(name), place, (x, y), textcoords="offset points", ha=align, va="center", size=8, color=color,
                arrowprops=leader,
            )  # fmt: skip
            text.set_in_layout(False)  # inside the frame, so that the layout stays as it was measured
            text.update_positions(canvas.get_renderer())
            box = Text.get_window_extent(text)  # of the words alone, without the line
            inside = frame.x0 < box.x0 and box.x1 < frame.x1 and frame.y0 < box.y0 and box.y1 < frame.y1
            if (inside and not any(box.overlaps(other) for other in others)) or (x, y, align) == OFFSETS[-1]:
                taken.append(box)
                break
            text.remove()
