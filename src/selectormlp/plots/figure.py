"""Making and writing figures without touching pyplot's global state."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from selectormlp.errors import OutputError, nearest
from selectormlp.files import written_whole
from selectormlp.quiet import quiet_warnings

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
"""Colours that colour-blind readers can tell apart (Okabe and Ito, 2008)."""

GREY = "#767676"

NO_GLYPH = r"Glyph \d+"
"""How Matplotlib's warnings of characters begin that the font lacks; it draws a box for them."""

INK, RULE = "#1b1f24", "#dddddd"
"""Colours of text and of grid lines where a figure is to follow a page's own."""


def new_axes(width: float = 6.4, height: float = 4.2) -> Axes:
    """Make empty axes in a figure of their own; sizes in inches."""
    axes: Axes = Figure(figsize=(width, height), layout="constrained").subplots()
    return axes


def finish(axes: Axes, *, title: str, xlabel: str, ylabel: str) -> Axes:
    """Label axes in the house style: no box, light horizontal lines."""
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=RULE, linewidth=0.6)
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

    Examples
    --------
    >>> import tempfile
    >>> from matplotlib.figure import Figure
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = write_figure(Path(folder) / "empty.png", lambda: Figure().subplots())
    >>> written.name
    'empty.png'
    """
    with quiet_warnings(message=NO_GLYPH):
        return save_axes(draw(), path)


def save_axes(axes: Axes, path: Path | str) -> Path:
    """Write the figure of some axes, by default as PNG; the ending of the name says what else.

    Raises
    ------
    OutputError
        If the file cannot be written, or Matplotlib has no such format.
    """
    place = Path(path)
    figure = axes.get_figure(root=True)
    place = place if place.suffix else place.with_suffix(".png")
    known = figure.canvas.get_supported_filetypes()  # type: ignore[union-attr]
    if place.suffix[1:].lower() not in known:
        raise OutputError(f"no figure can be written as {place.suffix!r}; {nearest(place.suffix[1:], known)}")
    with written_whole(place) as (draft,), quiet_warnings(message=NO_GLYPH):
        figure.savefig(draft, dpi=150, facecolor="white")  # type: ignore[union-attr]
    return place


def new_figure(width: float, height: float, *, show: bool | None = None) -> Figure:
    """Make an empty figure, sizes in inches; pyplot knows of it only where it is to be shown in a window."""
    if show and not _in_notebook():
        import matplotlib.pyplot as plt

        return plt.figure(figsize=(width, height))
    return Figure(figsize=(width, height))


def deliver(axes: Axes, *, made: bool, show: bool | None, save: Path | str | None) -> Axes:
    """Write and show a figure as a plot's ``save`` and ``show`` ask for.

    Parameters
    ----------
    axes
        Of the figure.
    made
        Whether the plot made the figure, rather than the caller.
    show
        True shows it; None shows it in a notebook only, if the plot made it.
    save
        File to write it to, or None.

    Returns
    -------
    The axes.
    """
    if save is not None:
        save_axes(axes, save)
    if show or (show is None and made and _in_notebook()):
        if _in_notebook():
            _display(axes.get_figure(root=True))
        else:
            import matplotlib.pyplot as plt

            plt.show()
    return axes


def _display(figure: Any) -> None:
    """Show a figure in a notebook, which knows how to draw one only after something has used pyplot."""
    screen: Any = import_module("IPython.display")  # there in every notebook, and no dependency of ours
    drawn = BytesIO()
    figure.savefig(drawn, format="png", dpi=2 * figure.dpi, facecolor="white")
    screen.display(screen.Image(drawn.getvalue(), format="png", retina=True))


def _in_notebook() -> bool:
    return "ipykernel" in sys.modules
