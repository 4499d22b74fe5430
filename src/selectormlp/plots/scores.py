"""How good a panel is: accuracy as it grows, recall of each type, robustness, training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from selectormlp.errors import SettingsError, nearest
from selectormlp.evaluation.compare import Comparison
from selectormlp.evaluation.curve import Curve
from selectormlp.evaluation.intervals import METRICS
from selectormlp.evaluation.result import Evaluation
from selectormlp.evaluation.robustness import Robustness
from selectormlp.plots.curves import plot_history
from selectormlp.plots.figure import COLORS, GREY, deliver, finish, new_figure
from selectormlp.plots.labels import finish_named, legend_beside, named_axes

ASIDE = 1.02
"""Factor between the places of panels of a single size on the axis of sizes."""

STYLES = ("-", "--", "-.", ":")


def accuracy(
    found: Evaluation | Curve,
    *,
    metric: str = "balanced_accuracy",
    title: str = "",
    ax: Axes | None = None,
    show: bool | None = None,
    save: Path | str | None = None,
) -> Axes:
    """Draw a score over the number of genes: panel, random panels, all genes, and where the curve levels off.

    Parameters
    ----------
    found
        From :func:`selectormlp.evaluate`; or one curve.
    metric
        ``"accuracy"``, ``"balanced_accuracy"`` or ``"macro_f1"``.
    title, ax, show, save
        As in :func:`selectormlp.plots.confusion`.

    Returns
    -------
    The axes. Bands are intervals over test cells, thin bars those over splits.

    Raises
    ------
    SettingsError
        If there is no such score.
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> import selectormlp as sm
    >>> adata = sm.datasets.pbmc68k()
    >>> found = sm.evaluate(adata, ["CD79A", "NKG7", "CST3"], label_key="bulk_labels", n_splits=2, unsupervised=False)
    >>> accuracy(found, show=False).get_ylabel()
    'balanced accuracy'
    """
    _check_metric(metric)
    axes = ax or _plain(show, below=1.0)
    curves = [found] if isinstance(found, Curve) else [found.curve, found.random]
    for place, (curve, color) in enumerate(zip(curves, (COLORS[0], GREY), strict=False)):
        _draw_curve(axes, curve, metric, color, "--" if place else "-")
    if isinstance(found, Evaluation):
        roof = found.ceiling.metric(metric)
        axes.axhline(roof.value[0], color=COLORS[1], linewidth=1.2, label=f"all genes ({found.ceiling.sizes[0]:,})")
        axes.axhspan(roof.low[0], roof.high[0], color=COLORS[1], alpha=0.15, linewidth=0)
        level = found.level_off
        if level.metric == metric and level.size is not None:
            axes.axvline(level.size, color=COLORS[2], linewidth=1, linestyle=":", label=f"levels off at {level.size}")
    _size_axis(axes, sorted({int(size) for curve in curves for size in curve.sizes}))
    _legend_below(axes)
    return deliver(_scored(axes, metric, title), made=ax is None, show=show, save=save)


def comparison(
    found: Comparison,
    *,
    metric: str = "balanced_accuracy",
    title: str = "",
    ax: Axes | None = None,
    show: bool | None = None,
    save: Path | str | None = None,
) -> Axes:
    """Draw a score of several panels over the number of genes.

    Parameters
    ----------
    found
        From :func:`selectormlp.compare`.
    metric, title, ax, show, save
        As in :func:`accuracy`.

    Returns
    -------
    The axes; the legend is below them, to leave room for long names and many panels.

    Raises
    ------
    SettingsError, OutputError
        As in :func:`accuracy`.

    Examples
    --------
    >>> import selectormlp as sm
    >>> panels = {"mine": ["CD79A", "NKG7", "CST3"], "theirs": ["CD79A", "CD3D"]}
    >>> found = sm.compare(sm.datasets.pbmc68k(), panels, label_key="bulk_labels")
    >>> comparison(found, show=False).get_xlabel()
    'genes'
    """
    _check_metric(metric)
    axes = ax or _plain(show, below=0.65 + 0.2 * -(-len(found.panels) // 2))
    for place, panel in enumerate(found.panels):
        color, style = COLORS[place % len(COLORS)], STYLES[place // len(COLORS) % len(STYLES)]
        _draw_curve(axes, panel.curve, metric, color, style, aside=place)
    _size_axis(axes, sorted({int(size) for panel in found.panels for size in panel.curve.sizes}))
    axes.set_xlim(right=axes.get_xlim()[1] * ASIDE ** len(found.panels))
    _legend_below(axes)
    return deliver(_scored(axes, metric, title), made=ax is None, show=show, save=save)


def recalls(
    found: Evaluation,
    *,
    title: str = "",
    ax: Axes | None = None,
    show: bool | None = None,
    save: Path | str | None = None,
) -> Axes:
    """Draw the recall of each type with the whole panel, the weakest first, beside that with all genes.

    Parameters
    ----------
    found
        From :func:`selectormlp.evaluate`.
    title, ax, show, save
        As in :func:`selectormlp.plots.confusion`.

    Returns
    -------
    The axes; bars are Wilson's intervals. Types without test cells are left out.

    Raises
    ------
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> import selectormlp as sm
    >>> adata = sm.datasets.pbmc68k()
    >>> found = sm.evaluate(adata, ["CD79A", "NKG7", "CST3"], label_key="bulk_labels", n_splits=2, unsupervised=False)
    >>> recalls(found, show=False).get_xlabel()
    'recall'
    """
    recall = found.curve.recalls[-1]
    order = np.flatnonzero(~np.isnan(recall))
    order = order[np.argsort(recall[order], kind="stable")]
    names = [found.classes[code] for code in order]
    axes = ax or named_axes(rows=names, width=4.2, right=1.3, show=show)
    places = np.arange(len(order))
    low, high = found.curve.recall_low[-1][order], found.curve.recall_high[-1][order]
    axes.hlines(places, low, high, color=COLORS[0], linewidth=1.2, alpha=0.6)
    axes.plot(recall[order], places, "o", color=COLORS[0], markersize=4, label="panel")
    axes.plot(found.ceiling.recalls[-1][order], places, "|", color=COLORS[1], markersize=7, label="all genes")
    axes.set_xlim(-0.02, 1.02)
    legend_beside(axes)
    return finish_named(axes, names, title, "recall", made=ax is None, show=show, save=save)


def robustness(
    found: Robustness,
    *,
    title: str = "",
    ax: Axes | None = None,
    show: bool | None = None,
    save: Path | str | None = None,
) -> Axes:
    """Draw the balanced accuracy of a panel under each disturbance.

    Parameters
    ----------
    found
        From :func:`selectormlp.robustness`.
    title, ax, show, save
        As in :func:`selectormlp.plots.confusion`.

    Returns
    -------
    The axes; a point is the mean over draws. The vertical line is the panel undisturbed.

    Raises
    ------
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> import selectormlp as sm
    >>> genes = ["CD79A", "NKG7", "CST3"]
    >>> found = sm.robustness(sm.datasets.pbmc68k(), genes, label_key="bulk_labels", n_draws=1, thinning=[], gains=[])
    >>> robustness(found, show=False).get_xlabel()
    'balanced accuracy'
    """
    names = [name_of(one.kind, one.level) for one in found.disturbances]
    axes = ax or named_axes(rows=names, width=4.2, right=2.0, show=show)
    places = np.arange(len(names))
    clean = [float(one.balanced_accuracy.mean()) for one in found.disturbances]
    refitted = [float(one.refitted_balanced_accuracy.mean()) for one in found.disturbances]
    axes.axvline(clean[0], color=GREY, linewidth=0.8, linestyle=":")
    axes.plot(clean, places, "o", color=COLORS[0], markersize=5, label="learned from clean cells")
    axes.plot(refitted, places, "D", color=COLORS[1], markersize=4, fillstyle="none", label="learned from such cells")
    axes.set_xlim(-0.02, 1.02)
    legend_beside(axes)
    return finish_named(axes, names, title, "balanced accuracy", made=ax is None, show=show, save=save)


def training(
    history: pd.DataFrame,
    what: str = "accuracy",
    *,
    best_epoch: int | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    save: Path | str | None = None,
) -> Axes:
    """Draw training and validation scores over epochs.

    Parameters
    ----------
    history
        ``history_`` of a network that was given validation cells; without, no epoch is scored.
    what
        ``"accuracy"`` (with the mean per-class accuracy) or ``"loss"``.
    best_epoch
        Epoch to mark (``best_epoch_``), or None.
    ax, show, save
        As in :func:`selectormlp.plots.confusion`.

    Returns
    -------
    The axes.

    Raises
    ------
    SettingsError
        If there is no such curve, or no epoch was scored.
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> import pandas as pd
    >>> history = pd.DataFrame({"epoch": [0, 1], "train_loss": [1.0, 0.5], "val_loss": [1.1, 0.7]})
    >>> training(history, "loss", show=False).get_xlabel()
    'epoch'
    """
    if what not in ("accuracy", "loss"):
        raise SettingsError(f"training curves of {what!r}; {nearest(what, ('accuracy', 'loss'))}")
    if history.empty:
        raise SettingsError(
            "the history is empty, since epochs are scored on validation cells only; train with fit(X, y, "
            "validation=(cells, labels))"
        )
    axes = plot_history(history, what, best_epoch=best_epoch, ax=ax or _plain(show))
    return deliver(axes, made=ax is None, show=show, save=save)


def name_of(kind: str, level: float) -> str:
    """Name a disturbance in plain words.

    Examples
    --------
    >>> name_of("thinned", 0.2), name_of("probes failed", 0.05), name_of("none", float("nan"))
    ('20 % of the counts', '5 % of the probes failed', 'undisturbed')
    """
    names = {
        "none": "undisturbed",
        "thinned": f"{level:.0%} of the counts",
        "probes failed": f"{level:.0%} of the probes failed",
        "gain": f"gain of each gene ×e^±{level:g}",
        "binarised": "on or off only",
    }
    return names.get(kind, kind).replace("%", " %")


def _draw_curve(axes: Axes, curve: Curve, metric: str, color: str, style: str, *, aside: int = 0) -> None:
    """Draw a curve with its intervals; a single size is shifted by ``aside`` steps, so that it hides no other."""
    score = curve.metric(metric)
    sizes = curve.sizes * (ASIDE**aside if len(curve.sizes) == 1 else 1.0)
    axes.plot(sizes, score.value, style, color=color, marker="o", markersize=3.5, label=curve.name)
    if len(sizes) == 1:
        axes.vlines(sizes, score.low, score.high, color=color, linewidth=4, alpha=0.3)
    else:
        axes.fill_between(sizes, score.low, score.high, color=color, alpha=0.2, linewidth=0)
    axes.vlines(sizes, score.split_low, score.split_high, color=color, linewidth=0.7, alpha=0.7)


def _size_axis(axes: Axes, sizes: Sequence[int]) -> None:
    """Give the sizes measured their ticks, on a scale that widens the small ones, but for those that would collide."""
    axes.set_xscale("log")
    axes.set_xlim(min(sizes) / 1.15, max(sizes) * 1.15)
    span = np.log(max(sizes) * 1.15) - np.log(min(sizes) / 1.15)
    kept = [max(sizes)]
    for size in reversed(sizes[:-1]):
        if np.log(kept[-1] / size) > 0.07 * span:
            kept.append(size)
    axes.set_xticks(kept, labels=[f"{size:,}" for size in kept])
    axes.minorticks_off()


def _legend_below(axes: Axes) -> None:
    legend = axes.legend(frameon=False, fontsize="small", ncols=2, loc="upper left", bbox_to_anchor=(0, -0.15))
    for text in legend.get_texts():
        text.set_parse_math(False)


def _scored(axes: Axes, metric: str, title: str) -> Axes:
    axes.set_ylim(0, 1.01)
    finish(axes, title="", xlabel="genes", ylabel=metric.replace("_", " "))
    axes.set_title(title, loc="left", fontsize="medium")
    return axes


def _check_metric(metric: str) -> None:
    if metric not in METRICS:
        raise SettingsError(f"no score {metric!r}; {nearest(str(metric), METRICS)}")


def _plain(show: bool | None, below: float = 0.6) -> Axes:
    """Make axes of 5.6 by 3.4 inches."""
    width, height = 6.5, 3.4 + below + 0.35
    figure = new_figure(width, height, show=show)
    return figure.add_axes((0.7 / width, below / height, 5.6 / width, 3.4 / height))
