"""Accuracy over genes and epochs, and the weights over rank."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle

import pandas as pd
from matplotlib.axes import Axes

from selectormlp.plots.figure import COLORS, GREY, finish, new_axes

MANY_GENES = 3000
"""More genes than this, and a linear scale would squeeze panels that anyone orders into its first tenth."""


def plot_masking_curve(table: pd.DataFrame, *, title: str = "", ax: Axes | None = None) -> Axes:
    """Draw the four columns of a masking curve over the number of genes.

    Parameters
    ----------
    table
        From :meth:`selectormlp.evaluation.masking.MaskingCurve.to_frame`.
    title
        Over the axes.
    ax
        Where to draw; by default new axes.

    Returns
    -------
    The axes; y goes from 0 to 1.

    Examples
    --------
    >>> import pandas as pd
    >>> sizes = pd.Index([0, 10, 50])
    >>> table = pd.DataFrame({"Accuracy (selected features)": [0.1, 0.6, 0.8]}, index=sizes)
    >>> table["Accuracy (random features)"] = [0.1, 0.2, 0.8]
    >>> plot_masking_curve(table, title="SelectorMLP").get_xlabel()
    'genes kept (the others set to 0)'
    """
    axes = ax or new_axes()
    for column in table.columns:
        is_random, is_mean = "random" in column, "Mean" in column
        axes.plot(
            table.index,
            table[column],
            label=column,
            color=GREY if is_random else COLORS[0],
            linestyle="--" if is_mean else "-",
            marker="o",
            markersize=2.5,
        )
    axes.set_ylim(0, 1)
    axes.set_xlim(left=0)
    if table.index.max() > MANY_GENES:
        _widen_small_panels(axes, int(table.index.max()))
    axes.legend(frameon=False, loc="lower right", fontsize="small")
    return finish(axes, title=title, xlabel="genes kept (the others set to 0)", ylabel="accuracy")


def plot_comparison(tables: Mapping[str, pd.DataFrame], *, title: str = "", ax: Axes | None = None) -> Axes:
    """Draw the accuracy of several models over the number of genes, and that of random order.

    Parameters
    ----------
    tables
        Masking curve of each model, as in :func:`plot_masking_curve`.
    title, ax
        As there.

    Returns
    -------
    The axes; the number of genes is on a scale that widens the small panels.

    Examples
    --------
    >>> import pandas as pd
    >>> sizes = pd.Index([0, 10, 50])
    >>> table = pd.DataFrame({"Accuracy (selected features)": [0.1, 0.6, 0.8]}, index=sizes)
    >>> table["Accuracy (random features)"] = [0.1, 0.2, 0.8]
    >>> plot_comparison({"SelectorMLP": table}).get_ylabel()
    'accuracy on test cells'
    """
    axes = ax or new_axes()
    for color, (name, table) in zip(cycle(COLORS), tables.items(), strict=False):
        axes.plot(table.index, table["Accuracy (selected features)"], label=name, color=color, marker="o", markersize=3)
        axes.plot(table.index, table["Accuracy (random features)"], color=color, linestyle=":")
    axes.plot([], [], color=GREY, linestyle=":", label="genes in random order")
    _widen_small_panels(axes, max(int(table.index.max()) for table in tables.values()))
    axes.set_ylim(0, 1)
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=4, fontsize="small")
    return finish(axes, title=title, xlabel="genes kept (the others set to 0)", ylabel="accuracy on test cells")


def plot_ranked_genes(genes: pd.DataFrame, *, n_named: int = 10, title: str = "", ax: Axes | None = None) -> Axes:
    """Draw |weight|, or another method's score, over rank and name the first genes.

    Parameters
    ----------
    genes
        From :meth:`selectormlp.models.model.Model.ranked_genes`: columns ``gene`` and ``weight_abs``; or ``gene`` and
        ``score``.
    n_named
        How many genes to name.
    title, ax
        As in :func:`plot_masking_curve`.

    Examples
    --------
    >>> import pandas as pd
    >>> plot_ranked_genes(pd.DataFrame({"gene": ["CD3E", "LYZ"], "weight_abs": [0.9, 0.4]})).get_ylabel()
    '|weight|'
    """
    axes = ax or new_axes()
    column, label = ("weight_abs", "|weight|") if "weight_abs" in genes else ("score", "score")
    ranks = range(1, len(genes) + 1)
    axes.plot(ranks, genes[column], color=COLORS[0], linewidth=1.5)
    axes.fill_between(ranks, genes[column], color=COLORS[0], alpha=0.15, linewidth=0)
    axes.set_xlim(1, max(2, len(genes)))
    if len(genes) > MANY_GENES:
        axes.set_xscale("log")
    axes.set_ylim(bottom=min(0, genes[column].min()))
    named = [f"{rank}. {gene}" for rank, gene in enumerate(genes["gene"][:n_named], start=1)]
    axes.text(
        0.98, 0.96, "\n".join(named), transform=axes.transAxes, ha="right", va="top", fontsize="small", parse_math=False
    )
    return finish(axes, title=title, xlabel="rank", ylabel=label)


def plot_history(history: pd.DataFrame, what: str, *, best_epoch: int | None = None, ax: Axes | None = None) -> Axes:
    """Draw training and validation scores over epochs.

    Parameters
    ----------
    history
        One row per epoch, as :class:`selectormlp.networks.training.TrainedNetwork` holds it.
    what
        ``"accuracy"`` (with the mean per-class accuracy) or ``"loss"``.
    best_epoch
        Epoch to mark, or None.
    ax
        As in :func:`plot_masking_curve`.

    Examples
    --------
    >>> import pandas as pd
    >>> history = pd.DataFrame({"epoch": [0, 1], "train_loss": [1.0, 0.5], "val_loss": [1.1, 0.7]})
    >>> plot_history(history, "loss").get_title()
    'Loss while training'
    """
    axes = ax or new_axes()
    columns = {"loss": {"loss": "-"}, "accuracy": {"accuracy": "-", "mean_per_class_accuracy": "--"}}[what]
    for color, (prefix, cells) in zip(COLORS, {"train": "training", "val": "validation"}.items(), strict=False):
        for column, style in columns.items():
            label = f"{column.replace('_', ' ').replace('per class', 'per-class')} ({cells})"
            axes.plot(history["epoch"], history[f"{prefix}_{column}"], style, color=color, label=label)
    if what == "accuracy":
        axes.set_ylim(0, 1)
    if best_epoch is not None:
        axes.axvline(best_epoch, color=GREY, linewidth=0.8, linestyle=":", label="best epoch")
    axes.legend(frameon=False, fontsize="small")
    return finish(axes, title=f"{what.capitalize()} while training", xlabel="epoch", ylabel=what)


def _widen_small_panels(axes: Axes, largest: int) -> None:
    """Give small numbers of genes most of the axis."""
    axes.set_xscale("symlog", linthresh=10)
    ticks = [size for size in (0, 10, 25, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000) if size <= largest]
    axes.set_xticks(ticks, labels=[str(tick) if tick < 1000 else f"{tick // 1000}k" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlim(0, largest)
