"""What holds of evaluation whatever the cells, donors and names."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from selectormlp.assessment.genes import match_genes
from selectormlp.errors import DataError, PanelError
from selectormlp.evaluation.compare import measure_overlap
from selectormlp.evaluation.hierarchy import measure_hierarchy
from selectormlp.evaluation.refit import count_confusion
from selectormlp.evaluation.splits import make_folds
from selectormlp.evaluation.stability import consistency
from selectormlp.panel.panel import Panel

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=80, deadline=None)
@given(SEEDS, st.integers(4, 60), st.integers(1, 5), st.integers(2, 6), st.booleans(), st.booleans())
def test_folds_test_each_cell_at_most_once_and_never_mix(seed, n_cells, n_classes, n_splits, by_donor, part):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, n_cells)
    donors = np.array([f"d{code}" for code in rng.integers(0, 5, n_cells)]) if by_donor else None
    testable = rng.random(n_cells) < 0.6 if part else np.ones(n_cells, dtype=bool)
    assume(testable.any())
    try:
        folds = make_folds(labels, n_splits=n_splits, donors=donors, testable=testable, seed=seed)
    except DataError:
        return
    tested = folds.test_rows
    assert len(np.unique(tested)) == len(tested)
    assert testable[tested].all()
    assert len(tested) + folds.n_untested == testable.sum()
    for train, test in folds:
        assert not np.intersect1d(train, test).size
        assert np.isin(labels[test], labels[train]).all()
        if donors is not None:
            assert not np.intersect1d(donors[train], donors[test]).size


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text("abcABC1-", min_size=1, max_size=5), min_size=1, max_size=12, unique=True), SEEDS)
def test_each_gene_of_a_panel_is_used_or_named(names, seed):
    genes = pd.Index([f"g{i}" for i in range(5)] + names[: len(names) // 2])
    genes = genes[np.random.default_rng(seed).permutation(len(genes))]
    try:
        columns, unusable = match_genes(Panel(tuple(names)), genes)
    except PanelError:
        assert not set(names) & set(genes)
        return
    assert [*genes[columns]] == [name for name in names if name in set(genes)]
    assert {gene.name for gene in unusable} == set(names) - set(genes)
    for gene in unusable:
        assert set(gene.suggestions) <= set(genes)


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(2, 6), st.integers(1, 4))
def test_errors_inside_and_across_add_up(seed, n_classes, n_coarse):
    rng = np.random.default_rng(seed)
    parents = rng.integers(0, n_coarse, n_classes)
    true, predicted = rng.integers(0, n_classes, (2, 50))
    counts = count_confusion(true, predicted, n_classes).counts[None]
    found = measure_hierarchy("x", [str(c) for c in range(n_coarse)], parents, np.array([1]), counts)
    assert found.accuracy[0] + found.inside[0] + found.across[0] == pytest.approx(1)
    assert found.inside[0] >= -1e-12
    assert found.confusions.sum() == 50


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(2, 6), st.integers(3, 20))
def test_overlaps_are_symmetric_and_bounded(seed, n_panels, n_genes):
    rng = np.random.default_rng(seed)
    k = int(rng.integers(1, n_genes))
    panels = [[f"g{i}" for i in rng.permutation(n_genes)[:k]] for _ in range(n_panels)]
    shared, alike = measure_overlap(panels)
    np.testing.assert_array_equal(shared, shared.T)
    assert (np.diag(shared) == k).all()
    assert ((alike >= 0) & (alike <= 1)).all()
    chosen = np.array([[f"g{i}" in panel for i in range(n_genes)] for panel in panels])
    value, low, high = consistency(chosen)
    assert low <= value + 1e-12
    assert value <= high + 1e-12
    assert -1 / (n_panels - 1) - 1e-9 <= value <= 1 + 1e-12  # Nogueira et al. 2018: its bounds
