import numpy as np
import pytest

from selectormlp.selectors.forest import ForestSelector


@pytest.mark.learned
def test_rare_class_gets_its_gene():
    found = 0
    for seed in range(10):
        y = np.repeat([0, 1, 2], [200, 200, 12])
        X = np.random.default_rng(seed).normal(size=(412, 10)) + 4 * np.eye(3, 10)[y]
        selector = ForestSelector(3, n_estimators=50, random_state=seed).fit(X, y)
        np.testing.assert_allclose(selector.scores_.sum(), 1.0)
        found += selector.get_support(indices=True).tolist() == [0, 1, 2]
    assert found >= 9


def test_seed_decides():
    X = np.random.default_rng(0).normal(size=(60, 10))
    y = np.arange(60) % 2
    first, second = (ForestSelector(3, n_estimators=5, random_state=seed).fit(X, y).scores_ for seed in (0, 1))
    assert not np.array_equal(first, second)
