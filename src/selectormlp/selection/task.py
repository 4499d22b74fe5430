"""What the façade is asked for: a panel in one of its forms, where to look, and how to choose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from selectormlp.data.anndata_io import CellsSource
from selectormlp.data.labels import check_key, text_of
from selectormlp.data.normalize import Normalization
from selectormlp.errors import PanelError, SettingsError, quoted
from selectormlp.panel.constraints import Constraints
from selectormlp.panel.panel import Panel
from selectormlp.panel.storage import read_panel
from selectormlp.selectors.registry import METHODS, find_method
from selectormlp.values import settle

PanelLike = Panel | Path | str | Sequence[str]
"""A panel, a file that holds one (see :func:`selectormlp.panel.storage.read_panel`), or a list of genes."""

MOST_SEED = 2**32 - 1
"""NumPy's largest seed."""


@dataclass(frozen=True)
class PanelSource:
    """Where in an AnnData object to look; as :class:`selectormlp.data.anndata_io.CellsSource`, and more.

    Attributes
    ----------
    label_key
        As there, or None: every cell takes part, of no class.
    donor_key, layer, normalize, exclude_labels
        As there.
    gene_name_key, gene_id_key
        Columns of ``var`` with a second name and with an identifier of each gene, or None.
    target_layer
        Layer with the profiles that the panel is to predict, for methods that take them; None: what is read.
    """

    label_key: str | None
    donor_key: str | None = None
    layer: str | None = None
    normalize: Normalization = "auto"
    exclude_labels: tuple[str, ...] = ()
    gene_name_key: str | None = None
    gene_id_key: str | None = None
    target_layer: str | None = None

    def __post_init__(self) -> None:
        settle(self)
        for name in ("donor_key", "layer", "gene_name_key", "gene_id_key", "target_layer"):
            if getattr(self, name) is not None:
                check_key(getattr(self, name), name)
        if self.label_key is not None:
            check_key(self.label_key, "the label column")

    def labelled(self, label_key: str) -> CellsSource:
        """Return what concerns labelled cells."""
        return CellsSource(label_key, self.donor_key, self.layer, self.normalize, self.exclude_labels)


@dataclass(frozen=True)
class PanelTask:
    """How genes are to be chosen: from what, under which constraints, by which method.

    Attributes
    ----------
    source
        Where to look.
    constraints
        What the panel must obey.
    method, options, seed
        As :func:`selectormlp.selection.ranking.rank_genes` takes them.
    progress
        Whether to draw a progress bar, for methods that have one.

    Raises
    ------
    SettingsError
        If the method is unknown, labels are needed and no column is named, a target is given to a method that takes
        none, or the seed is out of range.
    """

    source: PanelSource
    constraints: Constraints
    method: str
    options: Mapping[str, Any]
    seed: int
    progress: bool = False

    def __post_init__(self) -> None:
        settle(self)
        needs_labels = find_method(self.method).needs_labels
        if self.source.target_layer is not None and not find_method(self.method).takes_target:
            able = [name for name, method in METHODS.items() if method.takes_target]
            raise SettingsError(
                f"target_layer={self.source.target_layer!r} for the method {self.method!r}, which predicts no profile; "
                f"leave it out, or use {quoted(able)}"
            )
        if self.source.label_key is None:
            for what, needed in (
                (f"the method {self.method!r}", needs_labels),
                ("a minimum of markers per type", self.constraints.min_markers_per_type > 0),
                ("leaving labels out", bool(self.source.exclude_labels)),
            ):
                if needed:
                    raise SettingsError(
                        f"{what} needs labels; name a column of obs with cell types as label_key (--label-key)"
                    )
        check_whole("seed", self.seed, least=0, most=MOST_SEED)


def as_panel(given: PanelLike) -> Panel:
    """Take a panel as it is, read it from a file, or make one of a list of genes.

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
            if isinstance(given, Path) or Path(given).exists():
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


def label_texts(given: Sequence[object]) -> tuple[str, ...]:
    """Take labels of any type as text, as they are read from data.

    Raises
    ------
    SettingsError
        If it is one text, or what is no label is among them.

    Examples
    --------
    >>> label_texts([3, 2.0, "B"])
    ('3', '2', 'B')
    """
    if isinstance(given, str):
        raise SettingsError(f"exclude_labels is the text {given!r}; expected a list of labels: [{given!r}]")
    try:
        return tuple(text_of(label) for label in given)
    except TypeError as error:
        raise SettingsError(f"exclude_labels: {error}; expected a list of labels") from error


def check_whole(name: str, value: object, *, least: int, most: int | None = None) -> None:
    """Refuse what is no whole number in a range.

    Raises
    ------
    SettingsError
        With the range.
    """
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least or value > (most or value):
        limits = f"from {least} up" if most is None else f"from {least} to {most}"
        raise SettingsError(f"{name} is {value!r}; expected a whole number {limits}")
