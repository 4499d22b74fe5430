"""How much of its limits a panel uses."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from selectormlp.errors import SettingsError
from selectormlp.panel.limit_use import uses_of
from selectormlp.panel.panel import Panel
from selectormlp.plots.figure import COLORS, INK
from selectormlp.plots.labels import finish_named, named_axes

NEAR = 0.95
"""Share of a bound from which a limit is drawn as one that binds."""


def limit_use(
    panel: Panel,
    *,
    title: str = "",
    ax: Axes | None = None,
    show: bool | None = None,
    save: Path | str | None = None,
) -> Axes:
    """Draw the use of each upper bound as a share of it, the fullest first: crowding by type, codewords, cost.

    Parameters
    ----------
    panel
        From :func:`selectormlp.select` or :func:`selectormlp.extend`, chosen under limits.
    title, ax, show, save
        As in :func:`selectormlp.plots.confusion`.

    Returns
    -------
    The axes. Limits that are used to 95 % or more are orange; the name of a type means its counts per cell.

    Raises
    ------
    SettingsError
        If the panel was not chosen under upper bounds.
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> import selectormlp as sm
    >>> quick = {"label_key": "bulk_labels", "method": "discriminant"}
    >>> panel = sm.select(sm.datasets.pbmc68k(), **quick, n_genes=5, costs={"CD79A": 2}, budget=9)
    >>> limit_use(panel, show=False).get_xlabel()
    'share of the limit'
    """
    used = sorted((one for one in uses_of(panel.provenance) if one.share >= 0), key=lambda one: -one.share)
    if not used:
        raise SettingsError(
            "the panel was not chosen under upper bounds, so there is no use of limits to draw; give limits to select"
        )
    names = tuple(re.sub(r"^counts per cell in (?:the densest cells of )?'(.*)'$", r"\1", one.limit) for one in used)
    axes = ax or named_axes(rows=names, width=4.2, right=0.4, show=show)
    shares = np.array([one.share for one in used])
    colors = [COLORS[1] if share >= NEAR else COLORS[0] for share in shares]
    axes.barh(np.arange(len(names)), shares, color=colors, height=0.75)
    axes.axvline(1.0, color=INK, linewidth=1)
    axes.set_xlim(0, 1.05)
    return finish_named(axes, names, title, "share of the limit", made=ax is None, show=show, save=save)
