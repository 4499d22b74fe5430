import numpy as np

from selectormlp.selectors.forest import ForestSelector


def test_rare_class_gets_its_gene():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [200, 200, 12])
    X = rng.normal(size=(412, 10)) + 4 * np.eye(3, 10)[y]
    selector = ForestSelector(3, n_estimators=50, random_state=0).fit(X, y)
    assert selector.get_support(indices=True).tolist() == [0, 1, 2]
    np.testing.assert_allclose(selector.scores_.sum(), 1.0)


def test_seed_decides():
    X = np.random.default_rng(0).normal(size=(60, 10))
    y = np.arange(60) % 2
    first, second = (ForestSelector(3, n_estimators=5, random_state=seed).fit(X, y).scores_ for seed in (0, 1))
    assert not np.array_equal(first, second)
