import numpy as np
import pandas as pd
import pytest

from selectormlp.data.cells import Cells
from selectormlp.errors import DataError
from selectormlp.panel.explain import explain_panel
from selectormlp.panel.separation import measure_separation


def moments(seed, *, n_classes=5, n_genes=12, collinear=False):
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(n_genes, n_genes if not collinear else 2))
    return rng.normal(size=(n_classes, n_genes)) + 100, factor @ factor.T


def pair_terms(means, covariance, genes):
    """1 / (1 + D²) of every pair, each by a solve of its own."""
    within = covariance[np.ix_(genes, genes)] + 0.1 * np.median(np.diag(covariance)) * np.eye(len(genes))
    terms = np.zeros((len(means), len(means)))
    for a in range(len(means)):
        for b in range(a + 1, len(means)):
            difference = means[a, genes] - means[b, genes]
            distance = difference @ np.linalg.solve(within, difference) if len(genes) else 0.0
            terms[a, b] = terms[b, a] = 1 / (1 + distance)
    return terms


def criterion(means, covariance, genes):
    return np.triu(pair_terms(means, covariance, genes), 1).sum()


@pytest.mark.parametrize("collinear", [False, True])
@pytest.mark.parametrize("n_panel", [1, 2, 5])
def test_losses_and_substitutes_equal_brute_force(collinear, n_panel):
    for seed in range(5):
        means, covariance = moments(seed, collinear=collinear)
        order = np.random.default_rng(seed).permutation(12)
        panel, outside = order[:n_panel], order[n_panel:]
        found = measure_separation(means, covariance, panel, outside)
        whole = criterion(means, covariance, panel)
        np.testing.assert_allclose(found.criterion, whole, atol=1e-8)
        for place in range(n_panel):
            rest = np.delete(panel, place)
            pairs = pair_terms(means, covariance, rest) - pair_terms(means, covariance, panel)
            np.testing.assert_allclose(found.pair_losses[place], pairs, atol=1e-8)
            np.testing.assert_allclose(found.losses[place], criterion(means, covariance, rest) - whole, atol=1e-8)
            swapped = [criterion(means, covariance, [*rest, gene]) for gene in outside]
            assert found.substitutes[place] == outside[np.argmin(swapped)]
            np.testing.assert_allclose(found.substitute_losses[place], min(swapped) - whole, atol=1e-8)


def test_where_no_gene_is_left_there_is_no_substitute():
    means, covariance = moments(0)
    found = measure_separation(means, covariance, np.arange(12), np.array([], dtype=np.int64))
    assert (found.substitutes == -1).all()
    assert np.isnan(found.substitute_losses).all()


def test_genes_that_never_vary_do_no_harm():
    means, covariance = moments(0)
    means[:, :8] = 3
    covariance[:8] = covariance[:, :8] = 0
    found = measure_separation(means, covariance, np.array([0, 9]), np.array([1, 10]))
    assert found.losses[0] == pytest.approx(0, abs=1e-12)
    assert found.losses[1] > 0
    nothing = measure_separation(np.ones((3, 4)), np.zeros((4, 4)), np.array([0]), np.array([1]))
    assert nothing.criterion == 3


@pytest.mark.parametrize(
    ("means", "covariance", "message"),
    [
        (np.zeros((2, 3)), np.eye(2), r"a covariance of shape \(2, 2\) for 3 genes"),
        (np.zeros((1, 2)), np.eye(2), r"1 type\(s\) with cells"),
        (np.full((2, 2), np.nan), np.eye(2), "NaN or infinite"),
        (np.zeros((2, 2)), -np.eye(2), "is not positive definite"),
    ],
)
def test_unusable_moments_are_refused(means, covariance, message):
    with pytest.raises(DataError, match=message):
        measure_separation(means, covariance, np.array([0]), np.array([1]))


def explained(**options):
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 3], 40)
    X = rng.normal(1, 0.1, size=(120, 5)).astype(np.float32)
    X[labels == 1, 0] += 3  # gene 0 marks B
    X[labels == 0, 1] += 2  # gene 1 marks A
    X[labels == 3, 2] += 1  # gene 2 marks D, gene 3 less so
    X[labels == 3, 3] += 0.5
    given = Cells(X, pd.Index(list("vwxyz")), pd.RangeIndex(120).astype(str), labels, ("A", "B", "C", "D"))
    means = np.array([X[labels == c].mean(axis=0) if (labels == c).any() else np.full(5, np.nan) for c in range(4)])
    residuals = X - means[labels]
    genes = options.pop("genes", ("x", "v"))
    return explain_panel(genes, given, means=means, covariance=residuals.T @ residuals / 120, **options)


def test_a_gene_is_explained_by_types_pairs_and_substitute():
    first, second = explained(most_pairs=1).genes
    assert first.gene == "x"
    assert [t.name for t in first.marks] == ["D"]
    assert first.marks[0].auc == 1
    assert first.marks[0].effect > 5
    assert [(p.first, p.second) for p in first.pairs] == [("A", "D")]
    assert first.substitute == "w"
    assert [t.name for t in second.marks] == ["B"]
    assert first.pairs[0].loss <= first.loss


def test_only_allowed_genes_are_substitutes():
    assert explained(allowed=np.array([True, False, True, True, True])).genes[0].substitute == "y"
    last = explained(allowed=np.zeros(5, dtype=bool)).genes[0]
    assert last.substitute is None
    assert last.substitute_loss is None


def test_a_stricter_auc_marks_fewer_types():
    assert explained(min_auc=1.01).genes[0].marks == ()


def test_the_frame_has_a_line_a_gene():
    found = explained()
    frame = found.to_frame()
    assert frame.columns.tolist() == ["gene", "marks", "separates", "loss", "substitute", "substitute_loss"]
    assert frame["gene"].tolist() == ["x", "v"]
    assert frame["marks"][0].startswith("D (AUC 1.00, effect ")
    assert frame["separates"][0].startswith("A | D (")
    assert frame["loss"].tolist() == [gene.loss for gene in found.genes]
    assert frame["substitute_loss"].dtype == np.float64


def test_genes_that_the_cells_lack_are_refused():
    with pytest.raises(DataError, match="1 of the 2 genes needed is missing: 'q'"):
        explained(genes=("q", "x"))
