import numpy as np
import pytest
import scipy.sparse as sp

from selectormlp.errors import DataError
from selectormlp.panel.assay import ASSAYS
from selectormlp.panel.calibration import learn_assay

GENES = [f"g{i}" for i in range(60)]


def both_sides(slope=0.0, spread=0.8, seed=0):
    """Two technologies, other proportions of types, efficiency exp(1 + slope · level + spread · z)."""
    rng = np.random.default_rng(seed)
    rate = np.exp(rng.normal(0.5, 1.0, 60)) * rng.lognormal(0.0, 0.5, (3, 60))
    level = np.log(rate.mean(axis=0))
    log_efficiency = 1.0 + slope * (level - level.mean()) + spread * rng.normal(size=60)
    codes, other = rng.choice(3, 600, p=[0.6, 0.2, 0.2]), rng.choice(3, 900, p=[0.1, 0.1, 0.8])
    reference = rng.poisson(rate[codes]).astype(np.float32)
    measured = rng.poisson(rate[other] * np.exp(log_efficiency)).astype(np.float32)
    return (reference, measured, codes, other, GENES), log_efficiency


def test_efficiencies_and_their_spread_are_found():
    cells, truth = both_sides()
    found = learn_assay(*cells)
    used = [GENES.index(gene) for gene in found.genes]
    assert np.corrcoef(found.log_efficiency, truth[used])[0, 1] > 0.98
    assert found.spread == pytest.approx(truth.std(), rel=0.15)
    assert found.assay.specificity == ASSAYS["imaging"].specificity
    assert np.log(found.assay.efficiency) == pytest.approx(truth[used].mean(), abs=0.1)
    efficiencies = np.log([found.assay.gene_efficiencies[gene] for gene in found.genes])
    np.testing.assert_allclose(efficiencies, truth[used] - truth[used].mean(), atol=0.35)


def test_a_level_that_tells_nothing_is_not_believed_and_one_that_tells_is():
    flat = [learn_assay(*both_sides(seed=seed)[0]) for seed in range(10)]
    assert sum(found.level_tells for found in flat) <= 2  # one in twenty by chance
    assert learn_assay(*both_sides(slope=-1.0, spread=0.3)[0]).level_tells


def test_every_type_on_both_sides_counts():
    (reference, measured, codes, other, genes), _ = both_sides()
    one = learn_assay(reference[codes == 0], measured[other == 0], codes[codes == 0], other[other == 0], genes)
    assert len(one.genes) > 30
    unknown = learn_assay(
        np.concatenate([reference, 9 * reference[:50]]),
        measured,
        np.concatenate([codes, np.full(50, -1)]),
        other,
        genes,
    )
    assert np.log(unknown.assay.efficiency) == pytest.approx(
        np.log(learn_assay(*both_sides()[0]).assay.efficiency), abs=0.1
    )


def test_counting_alone_is_no_spread():
    cells, _ = both_sides(spread=0.0)
    assert learn_assay(*cells).spread < 0.15


def test_storage_does_not_matter_and_types_of_one_side_are_left_out():
    (reference, measured, codes, other, genes), _ = both_sides()
    expected = learn_assay(reference, measured, codes, other, genes)
    sparse = learn_assay(sp.csr_array(reference), sp.csr_array(measured), codes, other, genes)
    np.testing.assert_allclose(sparse.log_efficiency, expected.log_efficiency, rtol=1e-4)
    more = np.vstack([measured, np.full((50, 60), 900.0, dtype=np.float32)])
    with_others = learn_assay(reference, more, codes, np.append(other, [7] * 50), genes)
    np.testing.assert_allclose(with_others.log_efficiency, expected.log_efficiency)


def test_too_little_is_refused():
    (reference, measured, codes, other, genes), _ = both_sides()
    with pytest.raises(DataError, match="no cell type"):
        learn_assay(reference, measured, codes, other + 10, genes)
    with pytest.raises(DataError, match="are needed"):
        learn_assay(reference[:, :4], measured[:, :4], codes, other, genes[:4])
