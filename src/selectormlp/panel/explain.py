"""Why each gene of a panel is there: types it marks, pairs it separates, what is lost without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from selectormlp.data.cells import Cells, gene_positions
from selectormlp.errors import DataError
from selectormlp.panel.constraints import MARKER_AUC
from selectormlp.panel.markers import BoolArray, FloatArray, Markers, measure_markers
from selectormlp.panel.separation import measure_separation


@dataclass(frozen=True)
class MarkedType:
    """A type that a gene marks, with its effect (pooled standard deviations) and AUC against all other cells."""

    name: str
    effect: float
    auc: float


@dataclass(frozen=True)
class SeparatedPair:
    """Two types that a gene helps to separate, and how much their 1 / (1 + D²) would grow without it."""

    first: str
    second: str
    loss: float


@dataclass(frozen=True)
class GeneExplanation:
    """Why one gene is in a panel.

    Attributes
    ----------
    gene
        Its name.
    marks
        The types it marks, highest AUC first; may be empty.
    pairs
        The pairs of types it separates most, beyond what the other genes do; largest loss first.
    loss
        Growth of Σ 1 / (1 + D²) over all pairs without the gene, ≥ 0.
    substitute
        The gene outside the panel that serves best in its place, None where there is none.
    substitute_loss
        Growth of the criterion with the substitute; below 0 where it serves better; None without one.
    """

    gene: str
    marks: tuple[MarkedType, ...]
    pairs: tuple[SeparatedPair, ...]
    loss: float
    substitute: str | None
    substitute_loss: float | None


@dataclass(frozen=True)
class Explanation:
    """Why each gene of a panel is there.

    Attributes
    ----------
    genes
        One explanation a gene, in the order of the panel.
    criterion
        Σ 1 / (1 + D²) over pairs of types with the whole panel: 0 (all far apart) to the number of pairs.
    """

    genes: tuple[GeneExplanation, ...]
    criterion: float

    def __repr__(self) -> str:
        """Return size and criterion; ``to_frame`` has the rest."""
        return f"Explanation({len(self.genes)} genes, criterion {self.criterion:.3g})"

    def to_frame(self) -> pd.DataFrame:
        """Return a line a gene: gene, marks and pairs as text, loss, substitute, substitute_loss."""
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
                "substitute": [found.substitute for found in self.genes],
                "substitute_loss": pd.Series([found.substitute_loss for found in self.genes], dtype=np.float64),
            }
        )


def explain_panel(
    genes: Sequence[str],
    cells: Cells,
    *,
    means: FloatArray,
    covariance: FloatArray,
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
        Labelled cells, to measure effect size and AUC on; only the columns of the panel are read.
    means
        Mean of each gene in each class, shape (n_classes, n_genes), in the order of ``cells``. Rows of classes
        without cells are not used.
    covariance
        Pooled within-class covariance, classes balanced, no ridge, shape (n_genes, n_genes).
    allowed
        Which genes may be substitutes, shape (n_genes,); by default all that are not in the panel.
    min_auc
        AUC against the rest from which a gene marks a type (where its mean is higher).
    most_pairs
        How many pairs to name for a gene.

    Raises
    ------
    DataError
        If a gene is missing, shapes disagree, or fewer than two classes have cells.

    Examples
    --------
    >>> X = np.array([[3, 0, 1], [2, 1, 1], [0, 0, 3], [0, 1, 2]], dtype=np.float32)
    >>> names = pd.Index(["c1", "c2", "c3", "c4"])
    >>> cells = Cells(X, pd.Index(["CD3D", "ACTB", "CD79A"]), names, np.array([0, 0, 1, 1]), ("T", "B"))
    >>> means = np.array([[2.5, 0.5, 1.0], [0.0, 0.5, 2.5]])
    >>> gene = explain_panel(["CD3D"], cells, means=means, covariance=np.eye(3)).genes[0]
    >>> gene.marks[0].name, gene.pairs[0].second, gene.substitute
    ('T', 'B', 'CD79A')
    """
    if means.shape != (cells.n_classes, cells.n_genes):
        raise DataError(
            f"means of shape {means.shape}; expected one a class and gene, ({cells.n_classes}, {cells.n_genes})"
        )
    wanted = pd.Index(genes)
    panel = gene_positions(cells.genes, wanted)
    may_replace = np.ones(cells.n_genes, dtype=np.bool_) if allowed is None else allowed.copy()
    may_replace[panel] = False
    present = np.flatnonzero(cells.class_counts())
    separation = measure_separation(
        means[present].astype(np.float64), np.asarray(covariance, np.float64), panel, np.flatnonzero(may_replace)
    )
    markers = measure_markers(cells.take_genes(wanted))
    classes = [cells.classes[code] for code in present]
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
    )


def _marked_types(markers: Markers, gene: int, min_auc: float) -> tuple[MarkedType, ...]:
    marked = np.flatnonzero(markers.marks(min_auc)[:, gene])
    order = marked[np.argsort(-markers.auc[marked, gene], kind="stable")]
    return tuple(
        MarkedType(markers.classes[t], float(markers.effect[t, gene]), float(markers.auc[t, gene])) for t in order
    )


def _separated_pairs(losses: FloatArray, classes: Sequence[str], most: int) -> tuple[SeparatedPair, ...]:
    firsts, seconds = np.triu_indices(len(classes), 1)
    values = losses[firsts, seconds]
    best = np.argsort(-values, kind="stable")[:most]
    return tuple(
        SeparatedPair(classes[firsts[p]], classes[seconds[p]], float(values[p])) for p in best if values[p] > 0
    )
