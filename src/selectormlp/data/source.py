"""Where in an AnnData object to look: options that every command which reads cells shares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from selectormlp.config.model import Flag, Settings

if TYPE_CHECKING:
    from selectormlp.data.anndata_io import CellsSource

Normalization = Literal["auto", "counts", "none"]
"""``auto`` normalises what looks like raw counts; ``counts`` whole numbers, and larger fractions; ``none`` nothing."""


def _labels(value: Any) -> Any:
    """Take labels of any type as text, as they are read from data."""
    if isinstance(value, str):
        raise PydanticCustomError("one_text", "a single text stands for a list")
    if not isinstance(value, Iterable) or isinstance(value, Mapping | bytes):
        return value
    value = tuple(value)
    if all(isinstance(label, str) for label in value):
        return value
    from selectormlp.data.labels import text_of

    try:
        return tuple(text_of(label) for label in value)
    except TypeError as error:
        raise ValueError(f"exclude_labels: {error}; expected a list of labels") from error


Labels = Annotated[tuple[str, ...], BeforeValidator(_labels)]
"""Labels of any type, as text."""


class Source(Settings):
    """Columns and layer of an AnnData object that are read."""

    heading: ClassVar[str] = "What is read"

    label_key: Annotated[str | None, Flag(first=True, recorded=False)] = None
    """Column of obs with the cell type; reconstruction, persist-unsupervised, variance and random need none."""
    donor_key: Annotated[str | None, Flag(first=True)] = None
    """Column of obs with the donor."""
    batch_key: Annotated[str | None, Flag(first=True)] = None
    """Column of obs with the batch (study, chemistry, donor, file)."""
    layer: Annotated[str | None, Flag(first=True)] = None
    """Layer to read instead of X."""
    normalize: Annotated[Normalization, Flag()] = "auto"
    """auto (log1p of counts per 10,000 if X holds counts), counts (refuses what is none), or none."""
    exclude_labels: Annotated[Labels, Flag(("--exclude-label",))] = ()
    """Labels whose cells are left out."""
    gene_name_key: Annotated[str | None, Flag()] = None
    """Column of var with second gene names, by which genes may be called too."""

    def labelled(self, label_key: str | None = None) -> CellsSource:
        """Return what concerns labelled cells.

        Raises
        ------
        SettingsError
            If no label column is named.
        """
        from selectormlp.data.anndata_io import CellsSource
        from selectormlp.errors import SettingsError

        key = label_key or self.label_key
        if key is None:
            raise SettingsError("no label column is named; give a column of obs with cell types as label_key")
        return CellsSource(key, self.donor_key, self.layer, self.normalize, tuple(self.exclude_labels), self.batch_key)
