"""How much of all genes' variation a panel keeps, without labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy.stats import rankdata
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from selectormlp.data.cells import Cells, FloatArray, IntArray, Matrix, as_matrix, dense
from selectormlp.errors import DataError, counted
from selectormlp.evaluation.neighborhoods import N_NEIGHBORS, knn_overlap, leiden, neighbor_graph, neighbors
from selectormlp.evaluation.splits import Folds
from selectormlp.progress import track


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
        """Return one line per set of genes (panel, random, all genes) and one column per measure."""
        scores = {"panel": self.panel, "random": self.random, "all genes": self.all_genes}
        return pd.DataFrame([vars(found) for found in scores.values()], index=pd.Index(scores, name="genes"))

    def redundancy_frame(self) -> pd.DataFrame:
        """Return one line per gene: gene, nearest (the gene of the panel most correlated with it), correlation."""
        others = np.abs(self.correlation)
        np.fill_diagonal(others, -1)
        places = others.argmax(axis=1)
        nearest = [self.genes[place] if len(self.genes) > 1 else "" for place in places]
        signed = self.correlation[np.arange(len(places)), places]
        return pd.DataFrame({"gene": self.genes, "nearest": nearest, "correlation": signed})


MAX_CELLS = 3000
"""Cells that neighbours and clusters are found among; all pairs of distances are measured."""

RIDGE = 1e-6
"""Added to the variances of the panel's genes, relative to their mean: genes may repeat each other exactly."""

COLUMNS = 1000
"""Genes predicted at a time."""


def explained_variance(X: Matrix, genes: IntArray, folds: Folds) -> float:
    """Predict all genes from a few by least squares, and return the share of their variance explained.

    Parameters
    ----------
    X
        Expression, shape (n_cells, n_genes), dense or CSR.
    genes
        Columns of the few, shape (k,).
    folds
        Fitted on the training cells, measured on the test cells of each split.

    Returns
    -------
    1 − Σ squared residuals / Σ squared deviations from the test mean, over cells, genes and splits; as scikit-learn's
    ``r2_score(multioutput="variance_weighted")`` where there is one split.

    Examples
    --------
    >>> X = np.array([[0, 0], [1, 2], [2, 4], [3, 6]], dtype=np.float32)
    >>> folds = Folds("stratified", (np.array([0, 1, 2]),), (np.array([1, 3]),), 0)
    >>> round(explained_variance(X, np.array([0]), folds), 3)
    1.0
    """
    residual = total = 0.0
    for train, test in folds:
        learned, truth = X[train], X[test]
        known, asked = (dense(part[:, genes]).astype(np.float64) for part in (learned, truth))
        centre = known.mean(axis=0)
        known, asked = known - centre, asked - centre
        gram = known.T @ known
        ridge = RIDGE * max(float(np.trace(gram)) / len(genes), np.finfo(np.float64).tiny)
        # Ŷ = mean + asked · (gram + ridge)⁻¹ · knownᵀ · Y, written as weights of the training cells
        weights = np.linalg.solve(gram + ridge * np.eye(len(genes)), known.T)
        square = asked.T @ asked
        for start in range(0, X.shape[1], COLUMNS):
            columns = slice(start, start + COLUMNS)
            some, true = learned[:, columns], truth[:, columns]
            means, shift = _means(some), _means(true) - _means(some)
            # Σ residual² = Σ (y − mean)² − 2 Σ slopes ∘ askedᵀ(y − mean) + Σ (Ŷ − mean)²: no cells × genes are written
            slopes = _product(weights, some)
            common = np.outer(asked.sum(axis=0), means)
            spread = _squares_about(true, means + shift)
            residual += spread + len(test) * float(shift @ shift)
            residual += float((slopes * (square @ slopes - 2 * (_product(asked.T, true) - common))).sum())
            total += spread
    return 1 - residual / total if total else float("nan")


def _product(weights: FloatArray, X: Matrix) -> FloatArray:
    """Return weights × cells of cells × genes, in float64, shape (n_rows, n_genes)."""
    found: FloatArray = (X.T.astype(np.float64) @ weights.T).T if isinstance(X, sp.csr_array) else weights @ X
    return found


def _means(X: Matrix) -> FloatArray:
    return np.asarray(X.mean(axis=0, dtype=np.float64)).ravel()


def _squares_about(X: Matrix, means: FloatArray) -> float:
    """Return Σ (x − mean)² over cells and genes; zeros that are not stored count."""
    if not isinstance(X, sp.csr_array):
        return float(np.square(X - means).sum())
    stored = X.data.astype(np.float64)
    off = means[X.indices]
    return float(np.square(stored - off).sum() + X.shape[0] * (means @ means) - (off @ off))


def spearman(X: Matrix) -> FloatArray:
    """Return Spearman's correlation between genes over cells, 0 where a gene does not vary, 1 on the diagonal.

    Examples
    --------
    >>> spearman(np.array([[0, 9, 1], [1, 4, 1], [2, 1, 1]], dtype=np.float32)).round(2)
    array([[ 1., -1.,  0.],
           [-1.,  1.,  0.],
           [ 0.,  0.,  1.]])
    """
    ranks = rankdata(dense(X), axis=0).astype(np.float64)
    ranks -= ranks.mean(axis=0)
    lengths = np.linalg.norm(ranks, axis=0)
    unit = np.divide(ranks, lengths, out=np.zeros_like(ranks), where=lengths > 0)
    correlation: FloatArray = np.clip(unit.T @ unit, -1, 1)
    np.fill_diagonal(correlation, 1.0)
    return correlation


def measure_unsupervised(cells: Cells, genes: IntArray, folds: Folds, *, seed: int = 0) -> Unsupervised:
    """Measure what a panel keeps of the whole profile, beside a random panel of its size.

    Parameters
    ----------
    cells
        Cells; at most 3,000 at random serve for neighbours, clusters and redundancy.
    genes
        Columns of the panel, shape (k,).
    folds
        For explained variance.
    seed
        Of the sample, the random panel and the clusters.

    Raises
    ------
    DataError
        If there are fewer than three cells.
    """
    if cells.n_cells < 3:
        raise DataError(f"{counted(cells.n_cells, 'cell')}; at least 3 are needed to compare neighbours")
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(cells.n_cells)[:MAX_CELLS])
    sample, labels = cells.X[rows], cells.labels[rows]
    n_neighbors = min(N_NEIGHBORS, len(rows) - 1)
    near_all = neighbors(sample, n_neighbors, seed=seed)
    clusters_all = leiden(neighbor_graph(near_all), seed=seed)

    def scores(columns: IntArray | None) -> UnsupervisedScores:
        near = near_all if columns is None else neighbors(as_matrix(sample[:, columns]), n_neighbors, seed=seed)
        clusters = clusters_all if columns is None else leiden(neighbor_graph(near), seed=seed)
        return UnsupervisedScores(
            explained_variance=1.0 if columns is None else explained_variance(cells.X, columns, folds),
            knn_overlap=knn_overlap(near, near_all),
            nmi=float(normalized_mutual_info_score(clusters_all, clusters)),
            ari=float(adjusted_rand_score(clusters_all, clusters)),
            label_nmi=float(normalized_mutual_info_score(labels, clusters)),
            label_ari=float(adjusted_rand_score(labels, clusters)),
            n_clusters=int(clusters.max()) + 1,
        )

    sets = {"panel": genes, "random": rng.permutation(cells.n_genes)[: len(genes)], "all genes": None}
    found = {name: scores(columns) for name, columns in track(sets.items(), "clustering cells")}
    correlation = spearman(as_matrix(sample[:, genes]))
    others = np.abs(correlation)
    np.fill_diagonal(others, 0.0)
    return Unsupervised(
        panel=found["panel"],
        random=found["random"],
        all_genes=found["all genes"],
        genes=tuple(map(str, cells.genes[genes])),
        correlation=correlation,
        nearest_correlation=others.max(axis=0),
        n_cells=len(rows),
        n_neighbors=n_neighbors,
    )
