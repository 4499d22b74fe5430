"""Where in an AnnData object to look: options that every command which reads cells shares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from selectormlp.config.model import Flag, Names, Settings

if TYPE_CHECKING:
    from selectormlp.data.anndata_io import CellsSource

Normalization = Literal["auto", "counts", "none"]
"""``auto`` normalises what looks like raw counts; ``counts`` whole numbers, and larger fractions; ``none`` nothing."""


class Source(Settings):
    """Columns and layer of an AnnData object that are read."""

    heading: ClassVar[str] = "What is read"

    label_key: Annotated[str | None, Flag(first=True, recorded=False)] = None
    """Column of obs with the cell type; reconstruction, persist-unsupervised, variance and random need none."""
    donor_key: Annotated[str | None, Flag(first=True)] = None
    """Column of obs with the donor."""
    layer: Annotated[str | None, Flag(first=True)] = None
    """Layer to read instead of X."""
    normalize: Annotated[Normalization, Flag()] = "auto"
    """auto (log1p of counts per 10,000 if X holds counts), counts (refuses what is none), or none."""
    exclude_labels: Annotated[Names, Flag(("--exclude-label",))] = ()
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
        return CellsSource(key, self.donor_key, self.layer, self.normalize, tuple(self.exclude_labels))
