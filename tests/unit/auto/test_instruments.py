"""Cells as simulated instruments measure them."""

import numpy as np
import scipy.sparse as sp

from selectormlp.auto.instruments import Instruments
from selectormlp.data.normalize import log1p_cp10k
from selectormlp.panel.assay import Assay


def counts(n_cells=4000, n_genes=40, seed=0):
    return np.random.default_rng(seed).poisson(2.0, (n_cells, n_genes)).astype(np.float32)


def levels(values):
    """Share of each gene in the counts behind values."""
    means = np.expm1(values).mean(axis=0)
    return means / means.sum()


def test_a_gene_has_one_efficiency_in_a_fold_whichever_panel_it_is_in():
    X = log1p_cp10k(sp.csr_array(counts()))
    found = Instruments(X, Assay(efficiency=1.0, spread=1.0), None, seed=0)
    first, second = levels(found.values(np.arange(0, 30), 0))[20:], levels(found.values(np.arange(20, 40), 0))[:10]
    np.testing.assert_allclose(first / first.sum(), second / second.sum(), rtol=0.15)
    other = levels(found.values(np.arange(0, 30), 1))[20:]
    assert np.log(other / first).std() > 0.5


def test_efficiencies_failures_and_the_total_of_the_panel():
    X = log1p_cp10k(counts())
    known, names = np.where(np.arange(40) == 1, 0.25, 1.0), [f"g{column}" for column in range(40)]
    named = Assay(efficiency=0.5, spread=1.0, gene_efficiencies=dict(zip(names, known.tolist(), strict=True)))
    values = Instruments(X, named, names, seed=0).values(np.arange(40), 0)  # what is known is not drawn
    np.testing.assert_allclose(levels(values), known / known.sum(), rtol=0.1)
    np.testing.assert_allclose(np.expm1(values).sum(axis=1), 0.5 * 2.0 * known.sum(), atol=1.0)  # in every cell
    failing = Instruments(X, Assay(failure=0.9), None, seed=0)
    lost = [(levels(failing.values(np.arange(40), fold)) < 1e-6).mean() for fold in range(5)]
    assert 0.8 < np.mean(lost) < 0.98


def test_values_that_are_no_counts_are_taken_as_such():
    X = np.abs(np.random.default_rng(0).normal(2.0, 0.5, (50, 4)))
    values = Instruments(X, Assay(efficiency=1.0), None, seed=0).values(np.arange(4), 0)
    assert np.isfinite(values).all()
    assert values.std() > 0
