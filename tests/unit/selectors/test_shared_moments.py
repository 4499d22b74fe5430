"""Moments that selectors share, and when they do."""

import numpy as np
import pytest
import scipy.sparse as sp

from selectormlp import DiscriminantSelector
from selectormlp.selectors import passes
from selectormlp.selectors.passes import SharedMoments


@pytest.fixture
def cells():
    rng = np.random.default_rng(0)
    y = np.arange(150) % 3
    return np.log1p(rng.poisson(rng.gamma(1.0, 1.0, (3, 40))[y])), y


@pytest.fixture
def summed(monkeypatch):
    """Count how often moments are computed."""
    found = []
    for name in ("moments_of", "moments_for_choice"):
        original = getattr(passes, name)
        monkeypatch.setattr(
            passes, name, lambda *given, original=original, **more: (found.append(given), original(*given, **more))[1]
        )
    return found


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
def test_two_criteria_share_the_moments_of_a_matrix(kind, cells, summed):
    X, y = kind(cells[0]), cells[1]
    apart = [DiscriminantSelector(2, criterion=name).fit(X, y) for name in ("inverse", "bhattacharyya")]
    assert len(summed) == 2
    with SharedMoments().shared():
        shared = [DiscriminantSelector(2, criterion=name).fit(X, y) for name in ("inverse", "bhattacharyya")]
    assert len(summed) == 3
    for first, second in zip(apart, shared, strict=True):
        np.testing.assert_array_equal(first.get_support(), second.get_support())
        np.testing.assert_allclose(first.scores_, second.scores_, atol=1e-12)


def test_other_cells_labels_or_weights_have_moments_of_their_own(cells, summed):
    X, y = cells
    with SharedMoments().shared():
        for matrix, labels, settings in (
            (X, y, {}),
            (X.copy(), y, {}),
            (X, y[::-1], {}),
            (X, y, {"class_weights": {0: 2.0}}),
        ):
            DiscriminantSelector(2, **settings).fit(matrix, labels)
    assert len(summed) == 4


def test_what_is_large_is_not_held(cells, summed, monkeypatch):
    monkeypatch.setattr(passes, "SHARED_BYTES", 8 * 40**2 - 1)
    with SharedMoments().shared():
        for _ in range(2):
            DiscriminantSelector(30).fit(*cells)
    assert len(summed) == 2
