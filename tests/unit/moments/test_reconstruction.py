import numpy as np
import pytest

from selectormlp.errors import SettingsError
from selectormlp.moments.reconstruction import TARGETS, ReconstructionObjective
from selectormlp.moments.stream import moments_of

X = np.random.default_rng(0).normal(size=(80, 5))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target": "cells"}, "target='cells'; expected one of"),
        ({"n_components": 0}, "n_components=0; expected at least"),
    ],
)
def test_unusable_settings(settings, message):
    with pytest.raises(SettingsError, match=message):
        ReconstructionObjective(moments_of(X), **settings)


@pytest.mark.parametrize("target", TARGETS)
def test_all_genes_explain_everything(target):
    objective = ReconstructionObjective(moments_of(X), target=target, n_components=5)
    explained = 0.0
    for gene in range(5):
        explained += objective.gains()[gene]
        objective.choose(gene)
    assert explained == pytest.approx(1.0)
    assert not objective.gains().any()


@pytest.mark.parametrize("n_components", [1, 3, 7, 60, 100])  # fewer than a tenth of the genes are found by Lanczos
def test_components_are_the_leading_ones_each_time(n_components):
    rng = np.random.default_rng(1)
    moments = moments_of(rng.normal(size=(200, 60)) @ rng.normal(size=(60, 60)))
    covariance = moments.total_covariance()
    values, vectors = (leading[..., -n_components:] for leading in np.linalg.eigh(covariance))
    explained = ((vectors * values) ** 2).sum(axis=1) / covariance.diagonal()
    found = [ReconstructionObjective(moments, target="components", n_components=n_components) for _ in range(2)]
    np.testing.assert_allclose(found[0].gains(), explained / values.sum(), atol=1e-6)
    np.testing.assert_array_equal(found[0].gains(), found[1].gains())


@pytest.mark.parametrize("target", TARGETS)
def test_constant_and_doubled_genes_gain_nothing(target):
    data = np.column_stack([X, X[:, 1], np.ones(80)])
    objective = ReconstructionObjective(moments_of(data), target=target, n_components=3)
    assert objective.gains()[6] == 0
    objective.choose(1)
    assert objective.gains()[5] == 0


def test_constant_data_are_safe():
    assert not ReconstructionObjective(moments_of(np.ones((10, 30))), target="components", n_components=2).gains().any()
