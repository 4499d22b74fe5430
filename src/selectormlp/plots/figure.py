"""Making and writing figures without touching pyplot's global state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from selectormlp.files import written_whole

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
"""Colours that colour-blind readers can tell apart (Okabe and Ito, 2008)."""

GREY = "#767676"


def new_axes(width: float = 6.4, height: float = 4.2) -> Axes:
    """Make empty axes in a figure of their own; sizes in inches."""
    axes: Axes = Figure(figsize=(width, height), layout="constrained").subplots()
    return axes


def finish(axes: Axes, *, title: str, xlabel: str, ylabel: str) -> Axes:
    """Label axes in the house style: no box, light horizontal lines."""
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    return axes


def write_figure(path: Path, draw: Callable[[], Axes]) -> Path:
    """Draw and write a figure as PNG.

    Parameters
    ----------
    path
        The file.
    draw
        Returns the axes of the figure.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    figure = draw().get_figure(root=True)
    with written_whole(path) as (draft,):
        figure.savefig(draft, dpi=150, facecolor="white")  # type: ignore[union-attr]
    return path
