"""Axes with a name at each place: sizes and fonts such that names never overlap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from selectormlp.plots.figure import RULE, deliver, finish, new_figure

LINE = 1.35
"""Room that a line of text needs, in heights of its font."""

LETTER = 0.62
"""Mean width of a letter, in heights of its font (DejaVu Sans)."""

SMALLEST, LARGEST = 5.0, 9.0
"""Fonts in points; below the smallest, names are left out instead."""

MAX_LETTERS = 30


def short(name: str, most: int = MAX_LETTERS) -> str:
    """Cut a name that is too long for a figure.

    Examples
    --------
    >>> short("CD4+/CD45RO+ Memory", 8)
    'CD4+/CD…'
    """
    return name if len(name) <= most else f"{name[: most - 1]}…"


def cell_of(n: int) -> float:
    """Return the side of a row or column where there are ``n`` of them, in inches.

    Examples
    --------
    >>> cell_of(10), cell_of(200)
    (0.28, 0.125)
    """
    return min(0.28, max(0.125, 7 / max(n, 1)))


def font_of(inches: float) -> tuple[float, int]:
    """Return the font for names that far apart, in points, and each how manieth name has room.

    Examples
    --------
    >>> font_of(0.28), font_of(0.01)
    ((9.0, 1), (5.0, 10))
    """
    points = inches * 72 / LINE
    if points >= SMALLEST:
        return min(LARGEST, points), 1
    return SMALLEST, math.ceil(SMALLEST / points)


def room_for(names: Sequence[str], n: int) -> float:
    """Return the length of the longest name beside ``n`` places, in inches."""
    font, _ = font_of(cell_of(n))
    return (max((len(short(name)) for name in names), default=0) * LETTER * font + 8) / 72


def size_of(axes: Axes) -> tuple[float, float]:
    """Return width and height of axes in inches, also where they lie within others."""
    locator = axes.get_axes_locator()
    if locator is not None:
        axes.apply_aspect(locator(axes, None))  # type: ignore[arg-type]
    box = axes.get_position()
    width, height = axes.get_figure(root=True).get_size_inches()  # type: ignore[union-attr]
    return float(box.width * width), float(box.height * height)


def place_names(axes: Axes, which: Literal["x", "y"], names: Sequence[str]) -> None:
    """Name the places 0, 1, 2, … of an axis, in a font that fits them, leaving names out where none does.

    Parameters
    ----------
    axes
        Its limits and size are final.
    which
        The axis; names of ``"x"`` are upright.
    names
        One a place.
    """
    limits = axes.get_xlim() if which == "x" else axes.get_ylim()
    length = size_of(axes)[0 if which == "x" else 1]
    font, step = font_of(length / max(abs(limits[1] - limits[0]), 1))
    axis = axes.xaxis if which == "x" else axes.yaxis
    places = list(range(0, len(names), step))
    axis.set_ticks(places, labels=[short(names[place]) for place in places])
    for text in axis.get_ticklabels():
        text.set(fontsize=font, parse_math=False, rotation=90 if which == "x" else 0)
    axes.tick_params(axis=which, length=2 if step > 1 else 0)


def named_axes(
    *,
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    width: float | None = None,
    height: float | None = None,
    right: float = 0.9,
    show: bool | None = None,
) -> Axes:
    """Make axes in a figure that grows with the names at their sides.

    Parameters
    ----------
    rows, columns
        Names beside rows and under columns.
    width, height
        Of the axes, in inches, where they do not follow from the names.
    right
        Room to the right, in inches.
    show
        As the plots take it.

    Returns
    -------
    Empty axes.
    """
    inner_width = width or len(columns) * cell_of(len(columns))
    inner_height = height or len(rows) * cell_of(len(rows))
    inner_width, inner_height = max(inner_width, 1.2), max(inner_height, 0.8)
    left = 0.55 + (room_for(rows, len(rows)) if rows else 0.25)
    below = 0.5 + (room_for(columns, len(columns)) if columns else 0.2)
    above = 0.45
    total_width, total_height = left + inner_width + right, below + inner_height + above
    figure: Figure = new_figure(total_width, total_height, show=show)
    return figure.add_axes(
        (left / total_width, below / total_height, inner_width / total_width, inner_height / total_height)
    )


def legend_beside(axes: Axes) -> None:
    """Put the legend to the right of the axes."""
    axes.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))


def finish_named(
    axes: Axes,
    names: Sequence[str],
    title: str,
    xlabel: str,
    *,
    made: bool,
    show: bool | None,
    save: Path | str | None,
) -> Axes:
    """Label axes with one line per name, and write and show them as asked; see :func:`deliver`."""
    axes.set_ylim(len(names) - 0.4, -0.6)
    finish(axes, title="", xlabel=xlabel, ylabel="")
    axes.set_title(title, loc="left", fontsize="medium")
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x", color=RULE, linewidth=0.6)
    place_names(axes, "y", names)
    return deliver(axes, made=made, show=show, save=save)
