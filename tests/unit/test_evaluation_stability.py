"""Whether panels are alike."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from selectormlp.data.cells import Cells
from selectormlp.evaluation.stability import consistency, find_interchangeable, mean_jaccard, summarise_stability


def test_consistency_is_the_mean_of_kunchevas_index():
    rng = np.random.default_rng(0)
    n_genes, k = 30, 8
    panels = [set(rng.permutation(n_genes)[:k]) for _ in range(6)]
    chosen = np.array([[gene in panel for gene in range(n_genes)] for panel in panels])
    chance = k**2 / n_genes
    expected = np.mean([(len(a & b) - chance) / (k - chance) for a, b in combinations(panels, 2)])
    value, low, high = consistency(chosen)
    assert value == pytest.approx(expected)
    assert low < value < high


def test_the_same_panel_again_is_1_and_chance_is_0():
    same = np.tile(np.arange(20) < 5, (4, 1))
    assert consistency(same) == pytest.approx((1, 1, 1))
    rng = np.random.default_rng(1)
    random = np.array([rng.permutation(200) < 20 for _ in range(300)])
    assert consistency(random)[0] == pytest.approx(0, abs=0.005)


def test_the_interval_covers_the_consistency_of_many_panels():
    def draw(rng, n):
        kept = np.tile(np.arange(40) < 6, (n, 1))
        others = np.array([rng.permutation(40) < 4 for _ in range(n)])
        return kept | others

    truth = consistency(draw(np.random.default_rng(9), 4000))[0]
    ends = [consistency(draw(np.random.default_rng(seed), 25))[1:] for seed in range(200)]
    covered = np.mean([low <= truth <= high for low, high in ends])
    assert 0.88 <= covered <= 0.995


def test_genes_chosen_together_or_unlike_are_not_interchangeable():
    chosen = np.array([[1, 0, 1, 1], [0, 1, 1, 1], [1, 0, 0, 0], [0, 1, 0, 0]], dtype=bool)
    alike = np.full((4, 4), 0.9)
    alike[0, 1] = alike[1, 0] = 0.1
    assert find_interchangeable(chosen, alike, list("abcd"), min_correlation=0.3) == ()  # c and d come together
    alike[0, 1] = alike[1, 0] = -0.8
    (group,) = find_interchangeable(chosen, alike, list("abcd"), min_correlation=0.3)
    assert (group.genes, group.frequencies, group.any_frequency) == (("a", "b"), (0.5, 0.5), 1.0)
    assert group.correlation == pytest.approx(0.8)


def test_summary_counts_by_kind_of_repetition():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 5)).astype(np.float32)
    X[:, 1] = X[:, 0]
    names = pd.Index([f"c{i}" for i in range(30)])
    cells = Cells(X, pd.Index(list("abcde")), names, np.zeros(30, dtype=np.int64), ("T",))
    panels = [("a", "c"), ("b", "c"), ("a", "c"), ("b", "c"), ("a", "c")]
    found = summarise_stability("svm", ("a", "c"), panels, ["seeds"] * 2 + ["subsamples"] * 3, cells)
    assert found.genes == ("c", "a", "b")
    np.testing.assert_allclose(found.frequency, [1, 0.6, 0.4])
    np.testing.assert_allclose(found.frequency_by_source, [[1, 0.5, 0.5], [1, 2 / 3, 1 / 3]])
    assert [overlap.n_panels for overlap in found.overlaps] == [2, 3]
    assert found.overlaps[0].jaccard == pytest.approx(1 / 3)
    assert found.groups[0].genes == ("a", "b")
    frame = found.to_frame()
    assert frame["group"].tolist() == [0, 1, 1]
    assert frame["in_panel"].tolist() == [True, True, False]
    assert found.overlap_frame()["source"].tolist() == ["seeds", "subsamples"]


def test_one_panel_is_alike_itself():
    assert mean_jaccard([("a",)]) == 1
