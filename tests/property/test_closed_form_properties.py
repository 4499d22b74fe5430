"""Closed-form selection under reordering of genes and cells, and growing panels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selectormlp.selectors.discriminant import DiscriminantSelector
from selectormlp.selectors.mixture import MixtureSelector
from selectormlp.selectors.reconstruction import ReconstructionSelector

SELECTORS = {
    "inverse": DiscriminantSelector(4),
    "bhattacharyya": DiscriminantSelector(4, criterion="bhattacharyya"),
    "genes": ReconstructionSelector(4),
    "components": ReconstructionSelector(4, target="components", n_components=3),
    "mixture": MixtureSelector(4, weight=0.5),
    "few candidates": DiscriminantSelector(4, max_genes=6),
}
NAMES = pytest.mark.parametrize("name", SELECTORS)
SEEDS = st.integers(0, 2**32 - 1)


def data(seed):
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(3), [30, 20, 10])
    X = rng.normal(size=(60, 10)) @ rng.normal(size=(10, 10)) + 3 * rng.normal(size=(3, 10))[y]
    return X, y, rng


@NAMES
@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_permuting_genes_permutes_the_ranking(name, seed):
    X, y, rng = data(seed)
    order = rng.permutation(10)
    selector = SELECTORS[name]
    ranking = selector.fit(X, y).ranking_
    np.testing.assert_array_equal(selector.fit(X[:, order], y).ranking_, ranking[order])


@NAMES
@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_permuting_cells_changes_nothing(name, seed):
    X, y, rng = data(seed)
    order = rng.permutation(60)
    selector = SELECTORS[name]
    ranking = selector.fit(X, y).ranking_
    np.testing.assert_array_equal(selector.fit(X[order], y[order]).ranking_, ranking)


@NAMES
@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, size=st.integers(1, 9))
def test_a_larger_panel_contains_the_smaller(name, seed, size):
    X, y, _ = data(seed)
    selector = SELECTORS[name]
    smaller = set(selector.set_params(n_features_to_select=size).fit(X, y).get_support(indices=True))
    larger = set(selector.set_params(n_features_to_select=size + 1).fit(X, y).get_support(indices=True))
    selector.set_params(n_features_to_select=4)
    assert len(smaller) == size
    assert len(larger) == size + 1
    assert smaller <= larger


@NAMES
@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, must_have=st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True))
def test_must_have_come_first_and_the_ranking_is_strict(name, seed, must_have):
    X, y, _ = data(seed)
    selector = SELECTORS[name].set_params(must_have=must_have)
    ranking = selector.fit(X, y).ranking_
    selector.set_params(must_have=None)
    np.testing.assert_array_equal(ranking[must_have], np.arange(1, len(must_have) + 1))
    np.testing.assert_array_equal(np.sort(ranking), np.arange(1, 11))
