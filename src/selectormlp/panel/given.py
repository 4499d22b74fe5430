"""Accept a panel in any form: a panel, a file, or a list of genes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from selectormlp.errors import PanelError
from selectormlp.panel.panel import Panel
from selectormlp.panel.vendors import read_panel

PanelLike = Panel | Path | str | Sequence[str]
"""A panel, a file that holds one (see :func:`selectormlp.panel.storage.read_panel`), or a list of genes."""


def as_panel(given: PanelLike) -> Panel:
    """Return a panel as it is, read it from a file, or make one from a list of genes.

    Raises
    ------
    PanelError
        If the file or the list is not usable.

    Examples
    --------
    >>> as_panel(["CD3E", "MS4A1"]).genes
    ('CD3E', 'MS4A1')
    """
    if isinstance(given, Panel):
        return given
    if isinstance(given, str | Path):
        try:
            return read_panel(given)
        except PanelError as error:
            if isinstance(given, Path) or os.path.exists(given):  # noqa: PTH110  # Path.exists raises for long texts
                raise
            raise PanelError(f"{error}; expected a panel, a file or a list of genes (one gene: [{given!r}])") from error
    kind = type(given).__name__
    if isinstance(given, Mapping | set | frozenset | pd.DataFrame) or not isinstance(given, Iterable):
        raise PanelError(f"the panel is of type {kind}; expected a panel, a file, or an ordered list of gene names")
    genes = list(given)
    for place, gene in enumerate(genes, start=1):
        if not isinstance(gene, str):
            raise PanelError(
                f"entry {place} of the list of {len(genes)} genes is {gene!r} ({type(gene).__name__}); expected gene "
                "names, which are text"
            )
    return Panel(tuple(str(gene).strip() for gene in genes))


def named_panels(panels: Mapping[str, PanelLike] | Sequence[PanelLike]) -> dict[str, Panel]:
    """Read panels, and name unnamed ones after their file or by number.

    Raises
    ------
    PanelError
        If one is not usable.

    Examples
    --------
    >>> list(named_panels([["CD3E"], Panel(("MS4A1",))]))
    ['panel 1', 'panel 2']
    """
    if isinstance(panels, Mapping):
        return {str(name): as_panel(panel) for name, panel in panels.items()}
    found: dict[str, Panel] = {}
    for place, given in enumerate(panels, start=1):
        name = f"panel {place}"
        if isinstance(given, str | Path):
            file = Path(given)  # our own files all have the same name, so use that of the folder
            name = file.parent.name if file.stem in ("panel", "genes") and file.parent.name else file.stem
            name = f"{name} ({place})" if name in found else name
        found[name] = as_panel(given)
    return found
