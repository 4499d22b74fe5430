import numpy as np

from selectormlp.selectors.random_order import RandomSelector


def test_seed_decides_and_every_gene_has_its_chance():
    X = np.zeros((2, 6))
    firsts = {int(RandomSelector(1, random_state=seed).fit(X).get_support(indices=True)[0]) for seed in range(60)}
    assert firsts == set(range(6))
