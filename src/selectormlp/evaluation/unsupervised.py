"""How much of all genes' variation a panel keeps, without labels."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from selectormlp.evaluation.intervals import FloatArray


@dataclass(frozen=True, eq=False)
class UnsupervisedScores:
    """What a set of genes keeps of the whole profile.

    Attributes
    ----------
    explained_variance
        Share of the variance of all genes, on test cells, that a linear fit on training cells predicts from the
        panel; at most 1, below 0 where it does worse than the mean.
    knn_overlap
        Mean share of a cell's nearest neighbours by all genes that are its nearest by the panel too, 0 to 1.
    nmi, ari
        Normalised mutual information (0 to 1) and adjusted Rand index (at most 1, 0 by chance) of Leiden clusters by
        the panel with Leiden clusters by all genes.
    label_nmi, label_ari
        The same with the labels.
    n_clusters
        Number of Leiden clusters by the panel.
    """

    explained_variance: float
    knn_overlap: float
    nmi: float
    ari: float
    label_nmi: float
    label_ari: float
    n_clusters: int


@dataclass(frozen=True, eq=False)
class Unsupervised:
    """Measures that need no labels, and how much the genes of a panel repeat each other.

    Attributes
    ----------
    panel
        Of the whole panel.
    random
        Of one random panel of the same size.
    all_genes
        Of all genes (explained variance, overlap and agreement with itself are 1).
    genes
        Genes of the panel.
    correlation
        Spearman's correlation between them over cells, shape (n_genes, n_genes); 0 for genes that do not vary.
    nearest_correlation
        Largest absolute correlation of each gene with another of the panel, shape (n_genes,).
    n_cells, n_neighbors
        Cells (a sample where there are more) and neighbours that overlap and clusters were measured with.
    """

    panel: UnsupervisedScores
    random: UnsupervisedScores
    all_genes: UnsupervisedScores
    genes: tuple[str, ...]
    correlation: FloatArray
    nearest_correlation: FloatArray
    n_cells: int
    n_neighbors: int

    def to_frame(self) -> pd.DataFrame:
        """Return a line a set of genes (panel, random, all genes) and a column a measure."""
        scores = {"panel": self.panel, "random": self.random, "all genes": self.all_genes}
        return pd.DataFrame([vars(found) for found in scores.values()], index=pd.Index(scores, name="genes"))

    def redundancy_frame(self) -> pd.DataFrame:
        """Return a line a gene: gene, nearest (the gene of the panel most correlated with it), correlation."""
        from numpy import arange, fill_diagonal

        others = abs(self.correlation)
        fill_diagonal(others, -1)
        places = others.argmax(axis=1)
        nearest = [self.genes[place] if len(self.genes) > 1 else "" for place in places]
        signed = self.correlation[arange(len(places)), places]
        return pd.DataFrame({"gene": self.genes, "nearest": nearest, "correlation": signed})
