"""Nearest neighbours of cells, their graph, and its clusters."""

from __future__ import annotations

import random

import numpy as np
import scipy.sparse as sp
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from selectormlp.data.cells import AnyFloatArray, IntArray, Matrix, dense

N_NEIGHBORS = 15
"""Neighbours of a cell, scanpy's default."""

N_COMPONENTS = 50
"""Principal components in which neighbours are found where there are more genes, scanpy's default."""


def components(X: Matrix, *, seed: int = 0) -> AnyFloatArray:
    """Return cells in 50 principal components, or as they are where there are no more genes or cells.

    Parameters
    ----------
    X
        Expression, shape (n_cells, n_genes), dense or CSR.
    seed
        Of the randomised decomposition.

    Returns
    -------
    Shape (n_cells, 50) or (n_cells, n_genes).

    Examples
    --------
    >>> components(np.ones((3, 2), dtype=np.float32)).shape
    (3, 2)
    """
    if X.shape[1] <= N_COMPONENTS or X.shape[0] <= N_COMPONENTS:
        return dense(X)
    solver = "arpack" if sp.issparse(X) else "randomized"
    found: AnyFloatArray = PCA(N_COMPONENTS, svd_solver=solver, random_state=seed).fit_transform(X)
    return found


def nearest_cells(points: AnyFloatArray, n_neighbors: int) -> IntArray:
    """Find each cell's nearest cells among points, by Euclidean distance; see :func:`neighbors`."""
    found = NearestNeighbors(n_neighbors=n_neighbors).fit(points).kneighbors(return_distance=False)
    return np.asarray(found, dtype=np.int64)


def neighbors(X: Matrix, n_neighbors: int = N_NEIGHBORS, *, seed: int = 0) -> IntArray:
    """Find each cell's nearest cells, by Euclidean distance in at most 50 principal components.

    Parameters
    ----------
    X
        Expression, shape (n_cells, n_genes), dense or CSR.
    n_neighbors
        How many, fewer than there are cells.
    seed
        Of the randomised decomposition.

    Returns
    -------
    Rows, nearest first, the cell itself left out, shape (n_cells, n_neighbors).

    Examples
    --------
    >>> neighbors(np.array([[0.0], [1.0], [5.0]], dtype=np.float32), 1).ravel()
    array([1, 0, 1])
    """
    return nearest_cells(components(X, seed=seed), n_neighbors)


def knn_overlap(first: IntArray, second: IntArray) -> float:
    """Return the mean share of neighbours that two lists of them have in common.

    Parameters
    ----------
    first, second
        Rows of neighbours, shape (n_cells, n_neighbors).

    Examples
    --------
    >>> knn_overlap(np.array([[1, 2], [0, 2]]), np.array([[2, 3], [0, 2]]))
    0.75
    """
    return float((first[:, :, None] == second[:, None, :]).any(axis=2).mean())


def neighbor_graph(found: IntArray) -> sp.csr_array:
    """Join cells that share neighbours, weighted by the Jaccard index of their neighbours (each its own included).

    Levine et al. (Cell 2015, PhenoGraph). Cells are joined where one is the other's neighbour.

    Returns
    -------
    Symmetric weights, shape (n_cells, n_cells), no diagonal.
    """
    n_cells, n_neighbors = found.shape
    places = np.arange(n_cells)
    near = sp.csr_array(
        (np.ones(found.size), found.ravel(), np.arange(0, found.size + 1, n_neighbors)), shape=(n_cells, n_cells)
    )
    own = near + sp.csr_array((np.ones(n_cells), (places, places)), shape=(n_cells, n_cells))
    shared = (own @ own.T).multiply(near.maximum(near.T)).tocoo()
    weights = shared.data / (2 * (n_neighbors + 1) - shared.data)
    return sp.csr_array((weights, (shared.row, shared.col)), shape=(n_cells, n_cells))


def leiden(graph: sp.csr_array, *, resolution: float = 1.0, seed: int = 0) -> IntArray:
    """Cluster a weighted graph by the Leiden algorithm (Traag et al., Scientific Reports 2019).

    Parameters
    ----------
    graph
        Symmetric weights, shape (n_cells, n_cells).
    resolution, seed
        As in ``scanpy.tl.leiden``, with whose ``flavor="leidenalg"``, ``n_iterations=2`` this agrees to the cell.

    Returns
    -------
    Cluster of each cell, from 0, the largest first, shape (n_cells,).
    """
    import igraph
    import leidenalg

    rows, columns = graph.nonzero()
    weights = np.asarray(graph[rows, columns]).ravel()
    network = igraph.Graph(n=graph.shape[0], edges=np.column_stack([rows, columns]).tolist(), directed=True)
    partition = leidenalg.find_partition(
        network,
        leidenalg.RBConfigurationVertexPartition,
        weights=weights.tolist(),
        n_iterations=2,
        resolution_parameter=resolution,
        seed=seed,
    )
    return np.array(partition.membership, dtype=np.int64)


class Communities:
    """Clusters of one weighted graph at any resolution.

    By igraph's own Leiden algorithm, as scanpy's ``flavor="igraph"``: it takes hundredths of a second where
    :func:`leiden` takes tenths.

    Parameters
    ----------
    graph
        Symmetric weights, shape (n_cells, n_cells).
    seed
        The same seed gives the same clusters.
    """

    def __init__(self, graph: sp.csr_array, seed: int = 0) -> None:
        import igraph

        upper = sp.triu(graph, k=1).tocoo()
        self._network = igraph.Graph(n=graph.shape[0], edges=np.column_stack([upper.row, upper.col]).tolist())
        self._weights = upper.data.tolist()
        self._seed = seed

    def at(self, resolution: float) -> IntArray:
        """Return the cluster of each cell, from 0, the largest first, shape (n_cells,)."""
        import igraph

        igraph.set_random_number_generator(random.Random(self._seed))  # noqa: S311  # no secret
        try:
            found = self._network.community_leiden(
                objective_function="modularity", weights=self._weights, resolution=resolution, n_iterations=2
            )
        finally:
            igraph.set_random_number_generator(random)
        membership = np.array(found.membership, dtype=np.int64)
        order = np.argsort(-np.bincount(membership), kind="stable")
        place: IntArray = np.argsort(order).astype(np.int64)
        return place[membership]
