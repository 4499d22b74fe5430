"""Whether a method chooses the same genes again: from other cells, other donors, another seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components
from scipy.stats import norm

from selectormlp.data.cells import BoolArray, Cells, FloatArray, IntArray
from selectormlp.errors import counted
from selectormlp.evaluation.unsupervised import spearman
from selectormlp.values import Shown


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
class Stability(Shown):
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
    notes
        What was passed over, and why.
    n_candidates
        Number of genes that could have been chosen, from which ``kuncheva`` computes agreement by chance.
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
    notes: tuple[str, ...] = ()
    n_candidates: int = 0

    def __repr__(self) -> str:
        """Return how alike the panels are."""
        alike = ", ".join(f"{one.source} {one.jaccard:.2f}" for one in self.overlaps)
        genes, panels = counted(self.n_genes, "gene"), counted(len(self.panels), "panel")
        return f"Stability({genes} by {self.method}, {panels}: Jaccard index {alike})"

    def to_frame(self) -> pd.DataFrame:
        """Return one line per gene: gene, in_panel, frequency, one column per kind of repetition, group (0: none)."""
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
        """Return one line per kind of repetition: source, n_panels, jaccard, kuncheva, low, high."""
        return pd.DataFrame([vars(overlap) for overlap in self.overlaps])


MAX_PHI = -0.3
"""Genes whose choices correlate over repetitions at or below this are treated as interchangeable."""


def jaccard(first: Iterable[str], second: Iterable[str]) -> float:
    """Return shared genes / genes in either.

    Examples
    --------
    >>> jaccard(["a", "b"], ["b", "c"])
    0.3333333333333333
    """
    one, other = set(first), set(second)
    return len(one & other) / len(one | other)


def mean_jaccard(panels: Sequence[Sequence[str]]) -> float:
    """Return the mean over pairs; 1 for a single panel."""
    pairs = [jaccard(one, other) for one, other in combinations(panels, 2)]
    return float(np.mean(pairs)) if pairs else 1.0


def consistency(chosen: BoolArray, confidence: float = 0.95) -> tuple[float, float, float]:
    """Measure how alike panels are, corrected for chance, with an interval.

    Parameters
    ----------
    chosen
        Whether each panel holds each gene that could be chosen, shape (n_panels, n_genes), n_panels ≥ 2.
    confidence
        Nominal coverage.

    Returns
    -------
    Estimate, low and high end.

    Notes
    -----
    Nogueira, Sechidis & Brown (JMLR 2018): 1 − mean variance of "chosen" / its value for
    panels drawn at random. For panels of one size it is the mean of Kuncheva's index (2007) over pairs,
    (r − k²/n) / (k − k²/n). The interval takes panels as independent; subsamples of the same cells are not.

    Examples
    --------
    >>> consistency(np.array([[True, True, False, False], [True, False, True, False]]))[0]
    0.0
    """
    n_panels, n_genes = chosen.shape
    z = chosen.astype(np.float64)
    sizes, frequency = z.sum(axis=1), z.mean(axis=0)
    share = sizes.mean() / n_genes
    if not 0 < share < 1:  # no other panel of this size is possible
        return 1.0, 1.0, 1.0
    variance = n_panels / (n_panels - 1) * frequency * (1 - frequency)
    value = 1 - float(variance.mean()) / float(share * (1 - share))
    each = z @ frequency / n_genes - sizes * share / n_genes
    each += value / 2 * (2 * share * sizes / n_genes - sizes / n_genes - share + 1)
    each /= share * (1 - share)
    spread = 2 / n_panels * float(np.sqrt(np.square(each - each.mean()).sum()))
    half = float(norm.ppf(0.5 + confidence / 2)) * spread
    return value, value - half, min(1.0, value + half)


def find_interchangeable(
    chosen: BoolArray, correlation: FloatArray, genes: Sequence[str], *, min_correlation: float
) -> tuple[Interchangeable, ...]:
    """Group genes that are correlated and chosen in turn rather than together.

    Parameters
    ----------
    chosen
        Whether each panel holds each gene, shape (n_panels, n_chosen).
    correlation
        Spearman's correlation between the genes over cells, shape (n_chosen, n_chosen).
    genes
        Their names.
    min_correlation
        Least absolute correlation.

    Returns
    -------
    Groups of two genes or more (connected through such pairs), the one chosen most often first.

    Examples
    --------
    >>> chosen = np.array([[1, 0, 1], [0, 1, 1], [1, 0, 1], [0, 1, 1]], dtype=bool)
    >>> alike = np.array([[1, 0.8, 0.1], [0.8, 1, 0.1], [0.1, 0.1, 1]])
    >>> find_interchangeable(chosen, alike, ["CD3D", "CD3E", "MS4A1"], min_correlation=0.3)[0].genes
    ('CD3D', 'CD3E')
    """
    z = chosen.astype(np.float64)
    frequency = z.mean(axis=0)
    spread = np.sqrt(frequency * (1 - frequency))
    scale = np.outer(spread, spread)
    together = z.T @ z / len(z) - np.outer(frequency, frequency)
    phi = np.divide(together, scale, out=np.zeros_like(scale), where=scale > 0)
    pairs = (phi <= MAX_PHI) & (np.abs(correlation) >= min_correlation)
    n_groups, group = connected_components(sp.csr_array(pairs), directed=False)
    found = []
    for code in range(n_groups):
        members = np.flatnonzero(group == code)
        if len(members) > 1:
            members = members[np.argsort(-frequency[members], kind="stable")]
            inside = np.ix_(members, members)
            found.append(
                Interchangeable(
                    tuple(genes[int(member)] for member in members),
                    tuple(frequency[members].tolist()),
                    float(chosen[:, members].any(axis=1).mean()),
                    float(np.abs(correlation[inside])[pairs[inside]].min()),
                )
            )
    return tuple(sorted(found, key=lambda one: -one.any_frequency))


def summarise_stability(
    method: str,
    reference: Sequence[str],
    panels: Sequence[Sequence[str]],
    sources: Sequence[str],
    cells: Cells,
    *,
    min_correlation: float = 0.3,
    confidence: float = 0.95,
    notes: Sequence[str] = (),
) -> Stability:
    """Summarise the panels that a method chose again and again.

    Parameters
    ----------
    method, reference, panels, sources, notes
        As in :class:`Stability`; sources in groups.
    cells
        Of which all genes could be chosen; their correlations are measured here.
    min_correlation, confidence
        See :func:`find_interchangeable` and :func:`consistency`.
    """
    counts = Counter(gene for panel in panels for gene in panel)
    place = {gene: position for position, gene in enumerate(reference)}
    genes = tuple(sorted(counts, key=lambda gene: (-counts[gene], place.get(gene, len(place)), gene)))
    chosen = np.array([[gene in panel for gene in genes] for panel in map(set, panels)], dtype=np.bool_)
    of_source = np.array(sources)
    kinds = list(dict.fromkeys(sources))
    overlaps = []
    few = cells.take_genes(list(genes))
    n_candidates = count_candidates(cells, cells.genes.get_indexer(pd.Index(genes)).astype(np.int64))
    for kind in kinds:
        rows = of_source == kind
        among_all = np.zeros((int(rows.sum()), n_candidates), dtype=np.bool_)
        among_all[:, : len(genes)] = chosen[rows]
        value = consistency(among_all, confidence) if rows.sum() > 1 else (1.0, np.nan, np.nan)
        alike = mean_jaccard([panel for panel, wanted in zip(panels, rows, strict=True) if wanted])
        overlaps.append(Overlap(kind, int(rows.sum()), alike, *value))
    correlation = spearman(few.X)
    return Stability(
        method=method,
        n_genes=len(reference),
        reference=tuple(reference),
        genes=genes,
        frequency=chosen.mean(axis=0),
        frequency_by_source=np.array([chosen[of_source == kind].mean(axis=0) for kind in kinds]),
        panels=tuple(map(tuple, panels)),
        sources=tuple(sources),
        overlaps=tuple(overlaps),
        groups=find_interchangeable(chosen, correlation, genes, min_correlation=min_correlation),
        notes=tuple(notes),
        n_candidates=n_candidates,
    )


LOW_END = 0.05
"""Quantile of the chosen genes, by how they differ between types, down to which other genes might have been chosen."""


def count_candidates(cells: Cells, chosen: IntArray) -> int:
    """Count the genes that could have been chosen; agreement by chance is computed from this number.

    Thousands of genes that hardly vary could not be, and would make any two panels look more alike than chance. Counted
    are the chosen ones, and those whose means differ between types (without labels: which vary) as much as the chosen
    ones' at the low end.

    Parameters
    ----------
    cells
        Of which all genes could be chosen.
    chosen
        Columns of genes that were in any panel.

    Examples
    --------
    >>> X = np.zeros((4, 5), dtype=np.float32)
    >>> X[:2, 0], X[2:, 1], X[0, 2] = 5, 5, 1
    >>> names = pd.Index(["c1", "c2", "c3", "c4"])
    >>> cells = Cells(X, pd.Index(list("abcde")), names, np.array([0, 0, 1, 1]), ("A", "B"))
    >>> count_candidates(cells, np.array([0]))
    2
    """
    X, known = sp.csr_array(cells.X, dtype=np.float64), np.flatnonzero(cells.labels >= 0)
    if len(np.unique(cells.labels[known])) > 1:
        totals = np.maximum(cells.class_counts(), 1)
        weights = 1 / totals[cells.labels[known]]
        shape = (cells.n_classes, len(known))
        means = sp.csr_array((weights, (cells.labels[known], np.arange(len(known)))), shape=shape) @ X[known]
        strength = np.asarray(means.toarray())[cells.class_counts() > 0].var(axis=0)
    else:
        strength = np.asarray(X.power(2).mean(axis=0)).ravel() - np.asarray(X.mean(axis=0)).ravel() ** 2
    strong = strength >= np.quantile(strength[chosen], LOW_END)
    strong[chosen] = True
    return int(strong.sum())
