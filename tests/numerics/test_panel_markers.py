import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.stats import mannwhitneyu
from sklearn.metrics import roc_auc_score

from selectormlp.data.cells import Cells
from selectormlp.panel import markers as markers_module
from selectormlp.panel.markers import measure_markers


def cells(seed=0, *, n_cells=120, n_genes=23, n_classes=4, negative=False, unknown=0):
    rng = np.random.default_rng(seed)
    X = rng.poisson(0.8, size=(n_cells, n_genes)).astype(np.float32)  # many ties and zeros
    X[:, : n_genes // 2] *= rng.uniform(0, 1, size=(n_cells, n_genes // 2)).round(1).astype(np.float32)
    if negative:
        X = X * rng.choice([-1, 1], size=X.shape).astype(np.float32)
    X[:, 0] = 0
    labels = rng.integers(0, n_classes, n_cells)
    labels[:unknown] = -1
    names = pd.RangeIndex(n_cells).astype(str)
    return Cells(X, pd.RangeIndex(n_genes).astype(str), names, labels, tuple("ABCDEFGH"[:n_classes]))


def as_csr(given):
    return Cells(sp.csr_array(given.X), given.genes, given.names, given.labels, given.classes)


@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("sparse", [False, True])
def test_auc_equals_scikit_learns_and_scipys(negative, sparse, monkeypatch):
    monkeypatch.setattr(markers_module, "BLOCK_VALUES", 500)  # several blocks of genes, the last one short
    given = cells(negative=negative)
    found = measure_markers(as_csr(given) if sparse else given)
    for code in range(given.n_classes):
        inside = given.labels == code
        expected = [roc_auc_score(inside, given.X[:, gene]) for gene in range(given.n_genes)]
        np.testing.assert_allclose(found.auc[code], expected, atol=1e-12)
        u = mannwhitneyu(given.X[inside], given.X[~inside]).statistic / (inside.sum() * (~inside).sum())
        np.testing.assert_allclose(found.auc[code], u, atol=1e-12)


@pytest.mark.parametrize("sparse", [False, True])
def test_effect_is_cohens_d(sparse):
    given = cells(seed=1)
    found = measure_markers(as_csr(given) if sparse else given)
    X = given.X.astype(np.float64)
    for code in range(given.n_classes):
        a, b = X[given.labels == code], X[given.labels != code]
        pooled = ((len(a) - 1) * a.var(axis=0, ddof=1) + (len(b) - 1) * b.var(axis=0, ddof=1)) / (len(X) - 2)
        expected = (a.mean(axis=0) - b.mean(axis=0))[1:] / np.sqrt(pooled[1:])
        np.testing.assert_allclose(found.effect[code, 1:], expected, atol=1e-10)


def test_a_gene_that_is_zero_everywhere_tells_nothing():
    found = measure_markers(as_csr(cells()))
    assert (found.effect[:, 0] == 0).all()
    assert (found.auc[:, 0] == 0.5).all()


def test_a_large_common_level_does_not_hide_the_effect():
    given = cells(seed=2)
    shifted = Cells(given.X + 2**20, given.genes, given.names, given.labels, given.classes)
    X = shifted.X.astype(np.float64)
    a, b = X[given.labels == 0], X[given.labels != 0]
    pooled = np.sqrt((len(a) * a.var(axis=0) + len(b) * b.var(axis=0)) / (len(X) - 2))
    expected = (a.mean(axis=0) - b.mean(axis=0))[1:] / pooled[1:]
    np.testing.assert_allclose(measure_markers(shifted).effect[0, 1:], expected, atol=1e-9)


def test_constant_sides_that_differ_have_an_infinite_effect():
    X = np.array([[2, 3], [2, 3], [0, 3]], dtype=np.float32)
    names = pd.Index(["a", "b", "c"])
    found = measure_markers(Cells(X, names[:2], names, np.array([0, 0, 1]), ("T", "B")))
    assert found.effect.tolist() == [[np.inf, 0], [-np.inf, 0]]
    assert found.marks().tolist() == [[True, False], [False, False]]


def test_cells_of_no_known_class_take_no_part():
    given = cells(seed=3, unknown=40)
    known = given.take(given.labels >= 0)
    np.testing.assert_array_equal(measure_markers(given).auc, measure_markers(known).auc)
    np.testing.assert_allclose(measure_markers(as_csr(given)).effect, measure_markers(known).effect, atol=1e-12)


def test_types_without_cells_or_without_a_rest_are_nan_and_marked_by_nothing():
    given = cells(n_classes=2)
    lonely = Cells(given.X, given.genes, given.names, np.zeros(given.n_cells, dtype=np.int64), given.classes)
    found = measure_markers(lonely)
    assert np.isnan(found.auc).all()
    assert np.isnan(found.effect).all()
    assert not found.marks().any()


def test_stored_zeros_count_as_zeros():
    given = cells(seed=4)
    stored = sp.csr_array((given.X.ravel(), np.tile(np.arange(23), 120), np.arange(121) * 23), shape=given.X.shape)
    assert stored.nnz == given.X.size
    explicit = Cells(stored, given.genes, given.names, given.labels, given.classes)
    np.testing.assert_allclose(measure_markers(explicit).auc, measure_markers(given).auc, atol=1e-14)
