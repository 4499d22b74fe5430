"""Whether a method chooses the same genes again: from other cells, other donors, another seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from selectormlp.evaluation.intervals import FloatArray


@dataclass(frozen=True, eq=False)
class Overlap:
    """How alike the panels of one kind of repetition are.

    Attributes
    ----------
    source
        ``"seeds"``, ``"subsamples"`` or ``"donors"`` (each left out once).
    n_panels
        How many panels.
    jaccard
        Mean over pairs of panels of shared genes / genes in either, 0 to 1.
    kuncheva
        Mean over pairs of the consistency index: 1 for the same panel, 0 for what chance gives.
    low, high
        Interval of ``kuncheva`` (Nogueira's estimator, of which it is the case of equal sizes).
    """

    source: str
    n_panels: int
    jaccard: float
    kuncheva: float
    low: float
    high: float


@dataclass(frozen=True)
class Interchangeable:
    """Genes that replace each other: correlated, and chosen in turn rather than together.

    Attributes
    ----------
    genes
        Most often chosen first.
    frequencies
        How often each was chosen, 0 to 1.
    any_frequency
        How often at least one was.
    correlation
        Least absolute Spearman correlation between neighbours in the group.
    """

    genes: tuple[str, ...]
    frequencies: tuple[float, ...]
    any_frequency: float
    correlation: float


@dataclass(frozen=True, eq=False)
class Stability:
    """How often each gene is chosen again, and how alike the panels are.

    Attributes
    ----------
    method, n_genes
        What chose the panels, and their size.
    reference
        The panel chosen from all cells (or the one given), in order.
    genes
        Every gene that was in any panel, most often chosen first, shape (n_chosen,).
    frequency
        Share of all repetitions that chose it, shape (n_chosen,).
    frequency_by_source
        The same for each kind of repetition, in the order of ``overlaps``, shape (n_sources, n_chosen).
    panels
        The panels, each a tuple of genes in order.
    sources
        Kind of repetition of each panel.
    overlaps
        One for each kind of repetition.
    groups
        Genes that replace each other.
    """

    method: str
    n_genes: int
    reference: tuple[str, ...]
    genes: tuple[str, ...]
    frequency: FloatArray
    frequency_by_source: FloatArray
    panels: tuple[tuple[str, ...], ...]
    sources: tuple[str, ...]
    overlaps: tuple[Overlap, ...]
    groups: tuple[Interchangeable, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return a line a gene: gene, in_panel, frequency, one column a kind of repetition, group (0: none)."""
        group_of = {gene: place for place, group in enumerate(self.groups, start=1) for gene in group.genes}
        columns: dict[str, object] = {
            "gene": self.genes,
            "in_panel": np.isin(np.array(self.genes, dtype=object), np.array(self.reference, dtype=object)),
            "frequency": self.frequency,
        }
        for overlap, frequency in zip(self.overlaps, self.frequency_by_source, strict=True):
            columns[overlap.source] = frequency
        return pd.DataFrame({**columns, "group": [group_of.get(gene, 0) for gene in self.genes]})

    def overlap_frame(self) -> pd.DataFrame:
        """Return a line a kind of repetition: source, n_panels, jaccard, kuncheva, low, high."""
        return pd.DataFrame([vars(overlap) for overlap in self.overlaps])
