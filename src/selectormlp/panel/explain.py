"""Explain each gene of a panel: types it marks, pairs it separates, the loss without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import pandas as pd
import scipy.sparse as sp

from selectormlp.data.cells import BoolArray, Cells, FloatArray, gene_positions
from selectormlp.errors import DataError, counted
from selectormlp.moments.moments import Moments
from selectormlp.panel.constraints import MARKER_AUC
from selectormlp.panel.markers import Markers, measure_markers
from selectormlp.panel.separation import SeparationSettings, measure_separation


@dataclass(frozen=True)
class MarkedType:
    """A type that a gene marks, with effect (in pooled standard deviations) and AUC against all other cells."""

    name: str
    effect: float
    auc: float


@dataclass(frozen=True)
class SeparatedPair:
    """Two types that a gene helps to separate, and their share of the gene's loss.

    For an assay with a specificity, ``second`` may be :data:`REST`: ``first`` is then compared with all other types
    mixed.
    """

    first: str
    second: str
    loss: float


@dataclass(frozen=True)
class GeneExplanation:
    """Explanation of one gene.

    Attributes
    ----------
    gene
        Its name.
    marks
        The types it marks, highest AUC first; may be empty.
    pairs
        The pairs of types it separates most, beyond what the other genes do; largest loss first.
    loss
        Increase of the criterion without the gene, ≥ 0.
    substitute
        The expressed gene outside the panel that best replaces it: the one that makes it most redundant, not just any
        useful gene. None if no gene restores half of the loss.
    substitute_loss
        Remaining loss with the substitute in its place, ≥ 0 and at most half of ``loss``; None without a substitute.
    """

    gene: str
    marks: tuple[MarkedType, ...]
    pairs: tuple[SeparatedPair, ...]
    loss: float
    substitute: str | None
    substitute_loss: float | None


@dataclass(frozen=True)
class Explanation:
    """Explanation of a panel, gene by gene.

    Attributes
    ----------
    genes
        One explanation per gene, in the order of the panel.
    criterion
        Criterion that the choice minimises, for the whole panel: by default the mean of 1 / (1 + D²) over pairs of
        types, 0 (all well separated) to 1; ``settings.described`` names it.
    settings
        Settings of the criterion: those by which the panel was chosen, else the defaults.
    """

    genes: tuple[GeneExplanation, ...]
    criterion: float
    settings: SeparationSettings = field(default_factory=SeparationSettings)

    def __repr__(self) -> str:
        """Return size and criterion; ``to_frame`` has the rest."""
        return f"Explanation({counted(len(self.genes), 'gene')}, criterion {self.criterion:.3g})"

    def to_frame(self) -> pd.DataFrame:
        """Return one line per gene: gene, marks and pairs as text, loss, substitute, substitute_loss."""
        return pd.DataFrame(
            {
                "gene": [found.gene for found in self.genes],
                "marks": [
                    "; ".join(f"{t.name} (AUC {t.auc:.2f}, effect {t.effect:.2f})" for t in found.marks)
                    for found in self.genes
                ],
                "separates": [
                    "; ".join(f"{p.first} | {p.second} ({p.loss:.3g})" for p in found.pairs) for found in self.genes
                ],
                "loss": [found.loss for found in self.genes],
                "substitute": pd.Series([found.substitute for found in self.genes], dtype=object),
                "substitute_loss": pd.Series([found.substitute_loss for found in self.genes], dtype=np.float64),
            }
        )


REST = "all others"
"""Stands for all types but one, mixed."""

LEAST_SHARE = 0.1
"""Minimum share of the cells of some type that express a substitute."""

LEAST_CELLS = 10
"""Minimum number of cells that express a substitute: in total, and of that type (half of a small type suffices)."""


def explain_panel(
    genes: Sequence[str],
    cells: Cells,
    *,
    moments: Moments,
    settings: SeparationSettings | None = None,
    allowed: BoolArray | None = None,
    min_auc: float = MARKER_AUC,
    most_pairs: int = 3,
) -> Explanation:
    """Explain a panel: the types each gene marks, the pairs it separates, the loss without it, its substitute.

    Parameters
    ----------
    genes
        The panel; all among ``cells.genes``.
    cells
        Labelled cells, to measure effect size, AUC and expression on.
    moments
        Of the same cells, genes and classes, with the within-class scatter, and with moments of counts where the assay
        has an efficiency.
    settings
        Settings by which the panel was chosen, see :func:`selectormlp.panel.separation.settings_of`; None: the
        defaults.
    allowed
        Genes that may be substitutes, shape (n_genes,); by default all outside the panel. Genes expressed in hardly any
        cell are not taken.
    min_auc
        Minimum AUC of a marker of a type against the rest (its mean must be higher, too).
    most_pairs
        Maximum number of pairs to name for each gene.

    Raises
    ------
    DataError
        If a gene is missing, shapes disagree, or fewer than two classes have cells.

    Examples
    --------
    >>> from selectormlp.moments.stream import balanced_cell_weights, moments_of
    >>> X = np.array([[3, 3, 0, 1], [2, 2, 1, 1], [0, 0, 0, 3], [0, 0, 1, 2]], dtype=np.float32).repeat(10, axis=0)
    >>> labels = np.repeat([0, 1], 20)
    >>> cells = Cells(X, pd.Index(["CD3D", "CD3E", "ACTB", "CD79A"]), pd.RangeIndex(40).astype(str), labels, ("T", "B"))
    >>> moments = moments_of(X, labels, cell_weights=balanced_cell_weights(cells.class_counts()))
    >>> gene = explain_panel(["CD3D"], cells, moments=moments).genes[0]
    >>> gene.marks[0].name, gene.pairs[0].second, gene.substitute
    ('T', 'B', 'CD3E')
    """
    n_classes = moments.n_classes if moments.groups is None else moments.groups.n_classes
    if (n_classes, moments.n_genes) != (cells.n_classes, cells.n_genes):
        raise DataError(
            f"moments of {n_classes} classes and {moments.n_genes} genes; expected one of each class and gene, "
            f"({cells.n_classes}, {cells.n_genes})"
        )
    wanted = pd.Index(genes)
    panel = gene_positions(cells.genes, wanted)
    may_replace = np.ones(cells.n_genes, dtype=np.bool_) if allowed is None else allowed.copy()
    may_replace[panel] = False
    may_replace &= expressed_genes(cells)
    settings = settings or SeparationSettings()
    separation = measure_separation(
        moments,
        panel,
        np.flatnonzero(may_replace),
        settings.for_classes(cells.classes),
        genes=cells.genes.astype(str).tolist(),
    )
    markers = measure_markers(cells.take_genes(wanted))
    classes = [cells.classes[code] for code in moments.told_apart]
    return Explanation(
        tuple(
            GeneExplanation(
                gene=str(wanted[place]),
                marks=_marked_types(markers, place, min_auc),
                pairs=_separated_pairs(separation.pair_losses[place], classes, most_pairs),
                loss=float(separation.losses[place]),
                substitute=None if substitute < 0 else str(cells.genes[substitute]),
                substitute_loss=None if substitute < 0 else float(separation.substitute_losses[place]),
            )
            for place, substitute in enumerate(separation.substitutes)
        ),
        separation.criterion,
        settings,
    )


def expressed_genes(cells: Cells) -> BoolArray:
    """Return which genes are expressed, shape (n_genes,): above 0 in 10 % of the cells of a type, and in ten cells.

    In a type with fewer than twenty cells, half of its cells suffice if the gene is above 0 in ten cells overall. If
    there are values below 0, then 0 does not mean absent, and every gene counts as expressed.

    Examples
    --------
    >>> X = np.zeros((40, 2), dtype=np.float32)
    >>> X[:20, 0] = X[:3, 1] = 1
    >>> names = pd.RangeIndex(40).astype(str)
    >>> cells = Cells(X, pd.Index(["CD3D", "RARE"]), names, np.repeat([0, 1], 20), ("T", "B"))
    >>> expressed_genes(cells).tolist()
    [True, False]
    """
    X, known = sp.csr_array(cells.X), np.flatnonzero(cells.labels >= 0)
    if X.nnz and X.data.min() < 0:
        return np.ones(cells.n_genes, dtype=np.bool_)
    of_class = sp.csr_array(
        (np.ones(len(known)), (cells.labels[known], np.arange(len(known)))), shape=(cells.n_classes, len(known))
    )
    seen = (of_class @ (X[known] > 0).astype(np.float64)).toarray()
    totals = cells.class_counts()[:, None]
    enough = np.maximum(np.maximum(LEAST_SHARE * totals, np.minimum(LEAST_CELLS, totals / 2)), 1)
    found: BoolArray = (seen >= enough).any(axis=0) & (seen.sum(axis=0) >= LEAST_CELLS)
    return found


def _marked_types(markers: Markers, gene: int, min_auc: float) -> tuple[MarkedType, ...]:
    marked = np.flatnonzero(markers.marks(min_auc)[:, gene])
    order = marked[np.argsort(-markers.auc[marked, gene], kind="stable")]
    return tuple(
        MarkedType(markers.classes[t], float(markers.effect[t, gene]), float(markers.auc[t, gene])) for t in order
    )


def _separated_pairs(losses: FloatArray, classes: Sequence[str], most: int) -> tuple[SeparatedPair, ...]:
    names = [
        *combinations(classes, 2),
        *((name, REST) for name in classes),
    ]  # the latter where there are losses of them
    best = np.argsort(-losses, kind="stable")[:most].tolist()
    return tuple(SeparatedPair(names[p][0], names[p][1], float(losses[p])) for p in best if losses[p] > 0)
