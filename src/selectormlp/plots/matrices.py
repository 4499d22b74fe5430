"""Types against types and types against genes: confusion, heatmap, dot plot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgb

from selectormlp.data.cells import FloatArray
from selectormlp.errors import counted
from selectormlp.evaluation.curve import Curve
from selectormlp.evaluation.expression import Expression
from selectormlp.evaluation.result import Evaluation
from selectormlp.plots.figure import COLORS, GREY, deliver
from selectormlp.plots.labels import named_axes, place_names, size_of

SHADES = LinearSegmentedColormap.from_list("shades", [(*to_rgb(COLORS[0]), 0.0), (*to_rgb(COLORS[0]), 1.0)])
"""From nothing to blue, so that it goes with a light and a dark page; prints in grey."""

LARGEST_DOT = 0.9
"""Diameter of the largest dot, in rows."""


def confusion(
    found: Evaluation | Curve,
    *,
    place: int = -1,
    title: str = "",
    ax: Axes | None = None,
    show: bool | None = None,
    save: Path | str | None = None,
) -> Axes:
    """Draw which types were taken for which, as shares of each true type.

    Parameters
    ----------
    found
        An evaluation, or one of its curves.
    place
        Which of the curve's sizes; by default the whole panel.
    title
        Over the axes.
    ax
        Where to draw; by default a new figure, which grows with the number of types.
    show
        True shows the figure; None does in a notebook, where the figure is new.
    save
        File to write the figure to, PNG or what its name ends in.

    Returns
    -------
    The axes.

    Raises
    ------
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> import selectormlp as sm
    >>> adata = sm.datasets.pbmc68k()
    >>> found = sm.evaluate(adata, ["CD79A", "NKG7", "CST3"], label_key="bulk_labels", n_splits=2, unsupervised=False)
    >>> confusion(found, show=False).get_xlabel()
    'predicted'
    """
    curve = found.curve if isinstance(found, Evaluation) else found
    counts = curve.confusions[place]
    shown = np.flatnonzero(counts.sum(axis=1) + counts.sum(axis=0))
    counts = counts[np.ix_(shown, shown)]
    names = [curve.classes[code] for code in shown]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes = ax or named_axes(rows=names, columns=names, show=show)
    _shade(axes, shares, "share of the type's cells", vmax=1.0)
    place_names(axes, "x", names)
    place_names(axes, "y", names)
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_title(title or f"Confusion with {counted(curve.sizes[place], 'gene')}", loc="left", fontsize="medium")
    return deliver(axes, made=ax is None, show=show, save=save)


def heatmap(
    expression: Expression,
    *,
    scaled: bool = True,
    swap_axes: bool = False,
    title: str = "",
    ax: Axes | None = None,
    show: bool | None = None,
    save: Path | str | None = None,
) -> Axes:
    """Draw the mean of each gene of a panel in each type.

    Parameters
    ----------
    expression
        From :func:`selectormlp.expression`; :meth:`Expression.arranged` puts genes in the order of types.
    scaled
        Each gene from 0 (its lowest type) to 1 (its highest), as scanpy's ``standard_scale="var"``.
    swap_axes
        Genes as rows.
    title, ax, show, save
        As in :func:`confusion`.

    Returns
    -------
    The axes.

    Raises
    ------
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> import selectormlp as sm
    >>> found = sm.expression(sm.datasets.pbmc68k(), ["CD79A", "NKG7", "CST3"], label_key="bulk_labels")
    >>> len(heatmap(found, show=False).images)
    1
    """
    values = expression.scaled if scaled else expression.means
    axes = _type_axes(expression, swap_axes, ax, show)
    label = "mean, 0 to 1 in each gene" if scaled else "mean"
    _shade(axes, values.T if swap_axes else values, label, vmax=1.0 if scaled else float(values.max()))
    _name_types(axes, expression, swap_axes)
    axes.set_title(title, loc="left", fontsize="medium")
    return deliver(axes, made=ax is None, show=show, save=save)


def dotplot(
    expression: Expression,
    *,
    swap_axes: bool = False,
    title: str = "",
    ax: Axes | None = None,
    show: bool | None = None,
    save: Path | str | None = None,
) -> Axes:
    """Draw a dot for each gene and type: its size is the share of cells that express it, its colour the scaled mean.

    Parameters
    ----------
    expression, swap_axes, title, ax, show, save
        As in :func:`heatmap`.

    Returns
    -------
    The axes.

    Raises
    ------
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> import selectormlp as sm
    >>> found = sm.expression(sm.datasets.pbmc68k(), ["CD79A", "NKG7", "CST3"], label_key="bulk_labels")
    >>> axes = dotplot(found.arranged(), swap_axes=True, show=False)
    >>> len(axes.get_yticklabels())
    3
    """
    axes = _type_axes(expression, swap_axes, ax, show)
    values, sizes = expression.scaled, expression.fractions
    if swap_axes:
        values, sizes = values.T, sizes.T
    n_rows, n_columns = values.shape
    rows, columns = np.divmod(np.arange(values.size), n_columns)
    axes.set(xlim=(-0.6, n_columns - 0.4), ylim=(n_rows - 0.4, -0.6))
    width, height = size_of(axes)
    largest = (LARGEST_DOT * 72 * min(height / n_rows, width / n_columns)) ** 2
    dots = axes.scatter(
        columns,
        rows,
        s=largest * sizes.ravel(),
        c=values.ravel(),
        cmap=SHADES,
        vmin=0,
        vmax=1,
        edgecolors=GREY,
        linewidths=0.25,
        rasterized=True,
    )
    _bar(axes, dots, "mean, 0 to 1 in each gene")
    for share in (0.25, 0.5, 1.0):
        axes.scatter([], [], s=largest * share, color=GREY, label=f"{share:.0%}")
    axes.legend(
        labelspacing=max(0.5, largest**0.5 / 7 - 0.7),
        title="cells\nexpressing",
        frameon=False,
        fontsize=7,
        title_fontsize=7,
        loc="lower left",
        bbox_to_anchor=(1, 0),
    )
    _name_types(axes, expression, swap_axes)
    axes.set_title(title, loc="left", fontsize="medium")
    return deliver(axes, made=ax is None, show=show, save=save)


def _type_axes(expression: Expression, swap_axes: bool, ax: Axes | None, show: bool | None) -> Axes:
    if ax is not None:
        return ax
    if swap_axes:
        return named_axes(rows=expression.genes, columns=expression.classes, show=show)
    return named_axes(rows=expression.classes, columns=expression.genes, show=show)


def _name_types(axes: Axes, expression: Expression, swap_axes: bool) -> None:
    place_names(axes, "x", expression.classes if swap_axes else expression.genes)
    place_names(axes, "y", expression.genes if swap_axes else expression.classes)


def _shade(axes: Axes, values: FloatArray, label: str, *, vmax: float) -> None:
    image = axes.imshow(
        values, cmap=SHADES, norm=Normalize(0, max(vmax, 1e-12)), aspect="auto", interpolation="nearest"
    )
    _bar(axes, image, label)


def _bar(axes: Axes, shades: ScalarMappable | Any, label: str) -> None:
    """Draw the scale of colours at the upper right, an inch tall and as far from the axes whatever their size."""
    width, height = size_of(axes)
    tall = min(1.0, 1.2 / height)
    inset = axes.inset_axes((1 + 0.12 / width, 1 - tall, 0.1 / width, tall))
    bar = axes.get_figure(root=True).colorbar(shades, cax=inset)  # type: ignore[union-attr]
    bar.set_label(label, fontsize=7)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=7)
