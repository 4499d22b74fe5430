"""Panels side by side: which genes they share, as an UpSet figure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from selectormlp.evaluation.compare import Comparison
from selectormlp.plots.figure import COLORS, GREY, deliver, finish
from selectormlp.plots.labels import named_axes, place_names, short

MAX_SETS = 40
"""Sets of genes that are drawn, the largest ones."""

ROW, BARS = 0.28, 1.8
"""Height of a panel's row and of the bars, in inches."""


def overlap(
    found: Comparison,
    *,
    n_sets: int = MAX_SETS,
    title: str = "",
    ax: Axes | None = None,
    show: bool | None = None,
    save: Path | str | None = None,
) -> Axes:
    """Draw which genes panels share: a bar for each set of panels, as high as the genes that just these hold.

    Parameters
    ----------
    found
        From :func:`selectormlp.compare`.
    n_sets
        Maximum number of sets to draw, the largest ones.
    title, ax, show, save
        As in :func:`selectormlp.plots.confusion`.

    Returns
    -------
    The axes of the bars; those of the dots, which say whose genes they are, lie within the same figure.

    Raises
    ------
    OutputError
        If the file cannot be written.

    Notes
    -----
    The idea is UpSet's (Lex et al., IEEE TVCG 2014).

    Examples
    --------
    >>> import selectormlp as sm
    >>> panels = {"mine": ["CD79A", "NKG7", "CST3"], "theirs": ["CD79A", "CD3D"]}
    >>> found = sm.compare(sm.datasets.pbmc68k(), panels, label_key="bulk_labels")
    >>> [int(bar.get_height()) for bar in overlap(found, show=False).patches]
    [2, 1, 1]
    """
    shown = found.intersections()[:n_sets]
    names = [f"{short(panel.name, 22)} ({len(panel.genes)})" for panel in found.panels]
    axes = ax or named_axes(
        rows=names, width=max(2.5, 0.3 * len(shown)), height=BARS + ROW * len(names), right=0.3, show=show
    )
    share = BARS / (BARS + ROW * len(names))
    axes.axis("off")
    bars = axes.inset_axes((0, 1 - share, 1, share))
    dots = axes.inset_axes((0, 0, 1, 1 - share - 0.02))
    sizes = [len(one.genes) for one in shown]
    drawn = bars.bar(np.arange(len(shown)), sizes, color=COLORS[0], width=0.7)
    bars.bar_label(drawn, fontsize=7)
    finish(bars, title="", xlabel="", ylabel="genes")
    bars.set(xlim=(-0.6, len(shown) - 0.4), ylim=(0, max(sizes) * 1.15), xticks=[])
    dots.set(xlim=(-0.6, len(shown) - 0.4), ylim=(len(names) - 0.5, -0.5), xticks=[])
    dots.spines[:].set_visible(False)
    bars.yaxis.set_major_locator(MaxNLocator(integer=True))
    for place, one in enumerate(shown):
        held = [row for row, panel in enumerate(found.panels) if panel.name in one.panels]
        others = [row for row in range(len(names)) if row not in held]
        dots.plot([place] * len(others), others, "o", color=GREY, alpha=0.25, markersize=6)
        dots.plot([place] * len(held), held, "o-", color=COLORS[0], markersize=6, linewidth=1.5)
    place_names(dots, "y", names)
    bars.set_title(title, loc="left", fontsize="medium")
    deliver(axes, made=ax is None, show=show, save=save)
    return bars
