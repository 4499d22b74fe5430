"""Measures without labels."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.stats import spearmanr
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score

from selectormlp.data.cells import Cells
from selectormlp.errors import DataError
from selectormlp.evaluation.neighborhoods import knn_overlap, leiden, neighbor_graph, neighbors
from selectormlp.evaluation.splits import Folds, make_folds
from selectormlp.evaluation.unsupervised import explained_variance, measure_unsupervised, spearman


@pytest.fixture
def cells():
    """120 cells × 60 genes in three groups; genes 0–5 tell them apart."""
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 3
    X = rng.normal(size=(120, 60)).astype(np.float32)
    X[:, :30] += 3 * np.eye(3)[labels][:, np.arange(30) % 3]
    names = pd.Index([f"c{i}" for i in range(120)])
    return Cells(X, pd.Index([f"g{i}" for i in range(60)]), names, labels, ("a", "b", "c"))


def test_explained_variance_is_that_of_scikit_learn(cells, monkeypatch):
    train, test = np.arange(80), np.arange(80, 120)
    genes = np.array([0, 4, 50])
    fitted = LinearRegression().fit(cells.X[train][:, genes], cells.X[train])
    expected = r2_score(cells.X[test], fitted.predict(cells.X[test][:, genes]), multioutput="variance_weighted")
    folds = Folds("stratified", (train,), (test,), 0)
    assert explained_variance(cells.X, genes, folds) == pytest.approx(expected, abs=1e-5)
    monkeypatch.setattr("selectormlp.evaluation.unsupervised.COLUMNS", 7)
    assert explained_variance(sp.csr_array(cells.X), genes, folds) == pytest.approx(expected, abs=1e-5)


def test_a_gene_twice_does_not_break_explained_variance(cells):
    folds = make_folds(cells.labels, n_splits=2)
    once = explained_variance(cells.X, np.array([0, 1]), folds)
    assert explained_variance(cells.X, np.array([0, 1, 1]), folds) == pytest.approx(once, abs=1e-3)


def test_neighbours_are_the_nearest_cells(cells):
    points = cells.X[:, :4]
    distance = np.square(points[:, None] - points[None]).sum(axis=2)
    np.fill_diagonal(distance, np.inf)
    expected = np.argsort(distance, axis=1)[:, :5]
    found = neighbors(points, 5)
    assert knn_overlap(found, expected) == 1
    assert (found != np.arange(120)[:, None]).all()


def test_many_genes_are_reduced_alike_dense_and_sparse(cells):
    assert knn_overlap(neighbors(cells.X, 5), neighbors(sp.csr_array(cells.X), 5)) > 0.95


def test_graph_is_symmetric_and_its_weights_are_jaccard_indices(cells):
    found = neighbors(cells.X[:, :5], 4)
    graph = neighbor_graph(found)
    assert abs(graph - graph.T).max() == 0
    sets = [{i, *row} for i, row in enumerate(found.tolist())]
    i, j = 0, int(found[0, 0])
    assert graph[i, j] == pytest.approx(len(sets[i] & sets[j]) / len(sets[i] | sets[j]))
    assert graph.diagonal().sum() == 0


def test_a_panel_that_tells_groups_apart_keeps_more_than_noise(cells):
    folds = make_folds(cells.labels, n_splits=3)
    found = measure_unsupervised(cells, np.arange(6), folds)
    noise = measure_unsupervised(cells, np.arange(50, 56), folds)
    assert found.panel.ari > 0.8 > 0.3 > noise.panel.ari
    assert found.panel.label_nmi > 0.8
    assert found.panel.explained_variance > noise.panel.explained_variance
    assert found.panel.knn_overlap > noise.panel.knn_overlap
    assert (found.all_genes.ari, found.all_genes.knn_overlap, found.all_genes.explained_variance) == (1, 1, 1)
    assert found.to_frame().index.tolist() == ["panel", "random", "all genes"]
    redundancy = found.redundancy_frame()
    np.testing.assert_allclose(redundancy["correlation"].abs(), found.nearest_correlation)
    assert redundancy["nearest"][0] == "g3"
    again = measure_unsupervised(cells, np.arange(6), folds)
    pd.testing.assert_frame_equal(found.to_frame(), again.to_frame())


def test_spearman_is_that_of_scipy(cells):
    X = cells.X[:, :4].astype(np.float64)  # of float32, newer SciPy gives float32
    np.testing.assert_allclose(spearman(X), spearmanr(X).statistic, atol=1e-12)


def test_a_single_gene_has_no_nearest(cells):
    found = measure_unsupervised(cells, np.array([2]), make_folds(cells.labels, n_splits=2))
    assert found.redundancy_frame()["nearest"].tolist() == [""]
    assert found.nearest_correlation.tolist() == [0]


def test_two_cells_are_too_few(cells):
    with pytest.raises(DataError, match="at least 3"):
        measure_unsupervised(cells.take(np.array([0, 1])), np.array([0]), None)


def test_clusters_are_those_of_scanpy(cells):
    import scanpy as sc

    from selectormlp.selectors.scanpy_input import as_anndata

    graph = neighbor_graph(neighbors(cells.X, 10))
    adata = as_anndata(cells.X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that another flavour will be the default, and is faster
        sc.tl.leiden(adata, adjacency=sp.csr_matrix(graph), flavor="leidenalg", n_iterations=2, random_state=4)
    np.testing.assert_array_equal(leiden(graph, seed=4), adata.obs["leiden"].astype(int))
