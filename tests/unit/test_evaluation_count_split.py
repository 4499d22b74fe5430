"""Counts in two parts, and labels that are told by the part that had no part in them."""

import numpy as np
import pytest
import scipy.sparse as sp

import selectormlp as sm
from selectormlp.evaluation.label_test import cluster_into, components, judge_labels
from selectormlp.evaluation.thinning import dispersions, homogeneous, split_counts

N_GENES = 150


def drawn(seed, n_cells, *, profile=None, dispersion=0.5, spread=0.5):
    """Negative binomial counts of one type, depths that vary."""
    rng = np.random.default_rng(seed)
    means = np.random.default_rng(99).lognormal(0.0, 0.8, N_GENES) if profile is None else profile
    rate = rng.lognormal(0.0, spread, n_cells)[:, None] * means
    return sp.csr_array(rng.poisson(rng.gamma(1 / dispersion, rate * dispersion)).astype(float))


def typed(seed, sizes):
    """Types with twenty strong markers each."""
    base = np.random.default_rng(99).lognormal(0.0, 0.8, N_GENES)
    parts = []
    for number, size in enumerate(sizes):
        profile = base.copy()
        profile[number * 20 : number * 20 + 20] *= 12
        parts.append(drawn(seed * 10 + number, size, profile=profile))
    return sp.csr_array(sp.vstack(parts, format="csr")), np.repeat(np.arange(len(sizes)), sizes)


def correlation(first, second):
    """Mean over genes of the correlation of what is left of log counts once depth is taken out."""
    x, y = (np.log1p(part.toarray()) for part in (first, second))
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    return float(np.mean((x * y).sum(axis=0) / np.sqrt((x**2).sum(axis=0) * (y**2).sum(axis=0))))


def test_the_parts_of_a_count_add_up_and_share_it():
    counts = drawn(0, 200)
    first, second = split_counts(counts, np.full(N_GENES, 0.5), np.random.default_rng(1), share=0.3)
    np.testing.assert_array_equal((first + second).toarray(), counts.toarray())
    assert abs(first.sum() / counts.sum() - 0.3) < 0.02
    for part in (first, second):
        assert (part.data > 0).all()
        np.testing.assert_array_equal(part.data, np.rint(part.data))


def test_parts_by_the_right_dispersion_are_independent_and_by_poisson_are_not():
    counts = drawn(0, 3000, spread=0.0)
    rng = np.random.default_rng(1)
    right = correlation(*split_counts(counts, np.full(N_GENES, 0.5), rng))
    poisson = correlation(*split_counts(counts, np.zeros(N_GENES), rng))
    assert abs(right) < 0.02
    assert poisson > 0.1


def test_dispersions_are_those_drawn_whatever_the_depths_and_classes():
    counts, codes = typed(0, [1500, 1500])
    found = dispersions(counts, codes)
    assert abs(np.median(found) - 0.5) < 0.05
    poisson = sp.csr_array(np.random.default_rng(0).poisson(3.0, (2000, 20)).astype(float))
    assert dispersions(poisson, np.zeros(2000, dtype=int)).max() < 0.03


def test_homogeneous_cells_have_the_depths_and_the_profile():
    counts, _ = typed(0, [600, 600])
    found = homogeneous(counts, np.full(N_GENES, 0.3), np.random.default_rng(0))
    assert found.shape == counts.shape
    totals = [np.log(np.asarray(part.sum(axis=1)).ravel()) for part in (counts, found)]
    assert np.corrcoef(*totals)[0, 1] > 0.9
    means = [np.asarray(part.mean(axis=0)).ravel() for part in (counts, found)]
    assert np.corrcoef(*means)[0, 1] > 0.98


def test_clusters_are_as_many_as_wanted():
    counts, codes = typed(0, [80, 80, 80])
    found = cluster_into(components(counts), 3, seed=0)
    assert len(np.unique(found)) == 3
    together = [len(np.unique(found[codes == code])) for code in range(3)]
    assert together == [1, 1, 1]
    np.testing.assert_array_equal(found, cluster_into(components(counts), 3, seed=0))


@pytest.mark.learned
@pytest.mark.parametrize("spread", [0.2, 0.8], ids=["even", "uneven"])
def test_clusters_of_one_homogeneous_type_are_nothing(spread):
    counts = drawn(3, 400, spread=spread)
    labels = cluster_into(components(counts), 3, seed=0)
    found = judge_labels(counts, labels, tuple("abcdefgh"[: labels.max() + 1]), seed=0)
    assert not found.is_something
    assert len(found.not_apart) == len(found.pairs)


@pytest.mark.slow
@pytest.mark.learned
def test_types_are_something_and_a_type_cut_in_two_is_listed():
    counts, codes = typed(1, [120, 120, 240])
    cut = cluster_into(components(counts[codes == 2]), 2, seed=0)
    codes[codes == 2] = 2 + np.minimum(cut, 1)
    found = judge_labels(counts, codes, ("a", "b", "c1", "c2"), seed=0)
    assert found.is_something
    assert found.not_apart == [("c1", "c2")]
    again = judge_labels(counts, codes, ("a", "b", "c1", "c2"), seed=0)
    assert again.pairs.equals(found.pairs)


def test_types_of_few_cells_are_left_out():
    counts, codes = typed(1, [60, 60, 6])
    found = judge_labels(counts, codes, ("a", "b", "few"), seed=0)
    assert found.left_out == ("few",)
    assert len(found.pairs) == 1


def test_evaluate_says_what_came_of_it(make_adata, cli, tmp_path):
    adata = make_adata(n_cells=160)
    found = sm.evaluate(
        adata, ["gene0", "gene1", "gene2", "gene3"], label_key="cell_type", unsupervised=False, count_split=True
    )
    assert len(found.label_test.pairs) == 6
    assert any("Count split" in note for note in found.notes)
    assert sm.evaluate(adata, ["gene0"], label_key="cell_type", unsupervised=False).label_test is None


def test_values_that_are_no_counts_are_said_to_be_none(make_adata):
    adata = make_adata(n_cells=160)
    adata.X = np.abs(np.random.default_rng(0).normal(size=adata.shape)).astype(np.float32)
    found = sm.evaluate(adata, ["gene0"], label_key="cell_type", unsupervised=False, count_split=True)
    assert found.label_test is None
    assert any("neither counts nor log1p-normalised counts" in note for note in found.notes)
