"""Options for limits of an assay's chemistry and optics."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from selectormlp.config.model import Count, Flag, NonNegative, Settings


class AssayLimits(Settings):
    """Limits of an assay; all of them apply.

    Raises
    ------
    SettingsError
        If a limit is negative or not finite, or the quantile outside 0 to 1.

    Examples
    --------
    >>> AssayLimits(min_probes=5).given
    {'min_probes': 5.0}
    """

    heading: ClassVar[str] = "Limits of the assay"

    min_length_nt: Annotated[NonNegative | None, Flag()] = None
    """Minimum transcript length, nucleotides (gene table: length_nt)."""
    min_probes: Annotated[NonNegative | None, Flag()] = None
    """Minimum number of probes or probe sets that fit a gene (gene table: n_probes)."""
    max_codewords: Annotated[NonNegative | None, Flag()] = None
    """Maximum number of codewords of the panel (gene table: codewords)."""
    max_per_homolog_group: Annotated[Count | None, Flag()] = None
    """Maximum number of genes per homolog group (gene table: homolog_group)."""
    max_counts_per_type: Annotated[NonNegative | None, Flag()] = None
    """Crowding: maximum counts per cell, summed over the panel and averaged over the cells of each type."""
    max_counts: Annotated[NonNegative | None, Flag()] = None
    """Crowding: maximum counts per cell, summed over the panel and averaged over all cells."""
    crowding_quantile: Annotated[float, Field(ge=0, lt=1), Flag()] = 0.0
    """Apply --max-counts-per-type to the cells of a type at or above this quantile of total counts; 0: all cells."""
    max_gene_counts: Annotated[NonNegative | None, Flag()] = None
    """Maximum counts per cell of a gene, in any type."""
    min_gene_counts: Annotated[NonNegative | None, Flag()] = None
    """Minimum counts per cell of a gene, in the type that expresses it most."""

    @property
    def given(self) -> dict[str, float]:
        """The limits that are set, by name."""
        values = {name: getattr(self, name) for name in AssayLimits.model_fields}
        return {name: value for name, value in values.items() if value is not None and name != "crowding_quantile"}

    @property
    def needs_counts(self) -> bool:
        """Whether a limit is in counts per cell."""
        return any("counts" in name for name in self.given)

    def over(self, profile: AssayLimits | None) -> AssayLimits:
        """Return these limits, filled in from a profile."""
        if profile is None:
            return self
        quantile = self.crowding_quantile or profile.crowding_quantile
        return AssayLimits(**{**profile.given, **self.given, "crowding_quantile": quantile})
