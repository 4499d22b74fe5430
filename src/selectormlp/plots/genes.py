"""Genes one by one: what each adds, and how often each is chosen again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from selectormlp.evaluation.stability import Stability
from selectormlp.panel.panel import Panel
from selectormlp.plots.figure import COLORS, GREY
from selectormlp.plots.labels import finish_named, legend_beside, named_axes

LOG_FROM = 20
"""Factor between the largest and the least score from which they are drawn on a logarithmic scale."""


def gains(
    panel: Panel,
    *,
    n_genes: int | None = None,
    title: str = "",
    ax: Axes | None = None,
    show: bool | None = None,
    save: Path | str | None = None,
) -> Axes:
    """Draw the score of each gene of a panel, or what it added when it was chosen, in the order of the panel.

    Parameters
    ----------
    panel
        From :func:`selectormlp.select` or :func:`selectormlp.extend`.
    n_genes
        Draw the first genes only; by default all.
    title, ax, show, save
        As in :func:`selectormlp.plots.confusion`.

    Returns
    -------
    The axes. Genes that every size of the panel holds (must-have, or there before) are orange; a gene without a score
    has no point. The scale is logarithmic where scores differ by a factor of 20.

    Raises
    ------
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> import selectormlp as sm
    >>> panel = sm.select(sm.datasets.pbmc68k(), label_key="bulk_labels", n_genes=5, method="discriminant")
    >>> gains(panel, show=False).get_xlabel()
    'score or gain'
    """
    names = panel.genes[:n_genes]
    axes = ax or named_axes(rows=names, width=4.2, right=0.4, show=show)
    scores = np.array([np.nan if score is None else score for score in panel.scores[:n_genes]])
    places, required = np.arange(len(names)), np.arange(len(names)) < panel.n_required
    for mask, color in ((required, COLORS[1]), (~required, COLORS[0])):
        axes.plot(scores[mask], places[mask], "o", color=color, markersize=4)
    known = scores[np.isfinite(scores)]
    if not len(known):
        axes.set_xlim(0, 1)
    elif known.min() > 0 and known.max() > LOG_FROM * known.min():
        axes.set_xscale("log")
    return finish_named(axes, names, title, "score or gain", made=ax is None, show=show, save=save)


def stability(
    found: Stability,
    *,
    n_genes: int | None = None,
    title: str = "",
    ax: Axes | None = None,
    show: bool | None = None,
    save: Path | str | None = None,
) -> Axes:
    """Draw how often each gene was chosen again, the most often chosen first.

    Parameters
    ----------
    found
        From :func:`selectormlp.stability`.
    n_genes
        Number of genes to draw; by default all that were ever chosen.
    title, ax, show, save
        As in :func:`selectormlp.plots.confusion`.

    Returns
    -------
    The axes. Genes of the panel are blue, others grey.

    Raises
    ------
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> import selectormlp as sm
    >>> adata = sm.datasets.pbmc68k()
    >>> found = sm.stability(adata, label_key="bulk_labels", method="discriminant", n_genes=5, n_repeats=2)
    >>> stability(found, show=False).get_xlabel()
    'share of the repetitions'
    """
    names = found.genes[:n_genes]
    axes = ax or named_axes(rows=names, width=4.2, right=1.3, show=show)
    held = set(found.reference)
    places = np.arange(len(names))
    inside = np.array([name in held for name in names], dtype=np.bool_)
    for mask, color, label in ((inside, COLORS[0], "in the panel"), (~inside, GREY, "others")):
        axes.barh(places[mask], found.frequency[: len(names)][mask], color=color, height=0.75, label=label)
    axes.set_xlim(0, 1)
    legend_beside(axes)
    return finish_named(axes, names, title, "share of the repetitions", made=ax is None, show=show, save=save)
