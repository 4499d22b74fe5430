"""Cells as another technology would see them, and what harsh conditions cost."""

import numpy as np
import pytest
import scipy.sparse as sp

from selectormlp.data.count_scale import find_count_scale
from selectormlp.data.normalize import log1p_cp10k
from selectormlp.errors import SettingsError
from selectormlp.evaluation.contamination import add_ambient, mix_cells
from selectormlp.evaluation.harsh import HARSH
from selectormlp.evaluation.lost_probes import lose_each_probe
from selectormlp.evaluation.measured import log1p_over_panel, score_as_measured, simulate_counts
from selectormlp.evaluation.refit import make_classifier
from selectormlp.evaluation.robustness import Plan, measure_robustness
from selectormlp.evaluation.splits import make_folds
from selectormlp.panel.assay import Assay


def cells(n_cells=240, n_genes=12, high=14.0, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n_cells) % 3
    rate = np.full((n_cells, n_genes), 3.0)
    for gene in range(6):
        rate[labels == gene % 3, gene] = high
    return rng.poisson(rate).astype(np.float32), labels


def logistic():
    return make_classifier("logistic")


@pytest.mark.parametrize("efficiency", [0.2, 1.0, 2.5])
def test_drawn_counts_have_the_means_of_the_model(efficiency):
    counts = np.tile(np.array([[2.0, 10.0]], dtype=np.float32), (40_000, 1))
    assay = Assay(efficiency=efficiency, mixing=0.2, background=0.3, gene_efficiencies={"b": 0.5})
    drawn = simulate_counts(counts, assay, np.random.default_rng(0), genes=["a", "b"])
    expected = efficiency * np.array([2.0, 5.0]) + 0.3  # what spills over replaces what is lost
    np.testing.assert_allclose(drawn.mean(axis=0), expected, rtol=0.03)
    assert (drawn == np.rint(drawn)).all()


def test_spread_and_failures_are_those_of_genes():
    counts = np.full((50, 2_000), 400.0, dtype=np.float32)
    drawn = simulate_counts(counts, Assay(spread=0.5, failure=0.1), np.random.default_rng(0)).mean(axis=0)
    assert (drawn == 0).mean() == pytest.approx(0.1, abs=0.03)
    assert np.log(drawn[drawn > 0]).std() == pytest.approx(0.5, abs=0.03)


def test_sparse_and_dense_counts_are_drawn_alike():
    counts, _ = cells()
    assay = Assay(efficiency=0.5, spread=0.3)
    one, two = (simulate_counts(X, assay, np.random.default_rng(0)) for X in (counts, sp.csr_array(counts)))
    np.testing.assert_array_equal(one, two)


def test_normalising_over_the_panel_makes_totals_equal():
    values = log1p_over_panel(np.array([[1.0, 3.0], [10.0, 10.0], [0.0, 0.0]]))
    np.testing.assert_allclose(np.expm1(values).sum(axis=1), [12.0, 12.0, 0.0])


def test_a_panel_scores_worse_the_less_the_assay_sees():
    counts, labels = cells()
    folds = make_folds(labels, n_splits=3)
    few = counts[:, :3]
    plain = score_as_measured(few, labels, folds, logistic, Assay(), n_draws=1)
    assert plain.sequenced == plain.refitted[0] == plain.transferred[0] > 0.9
    poor = score_as_measured(few, labels, folds, logistic, Assay(efficiency=0.02), n_draws=3)
    assert poor.refitted.max() < plain.sequenced - 0.1
    again = score_as_measured(few, labels, folds, logistic, Assay(efficiency=0.02), n_draws=3)
    np.testing.assert_array_equal(poor.refitted, again.refitted)


def test_the_only_marker_is_the_worst_to_lose():
    counts, labels = cells()
    one_type = (labels == 0).astype(np.int64)
    folds = make_folds(one_type, n_splits=3)
    lost = lose_each_probe(log1p_cp10k(counts), one_type, np.array([9, 0, 10]), folds, logistic, ["i", "a", "j"])
    assert lost.to_frame()["gene"].iloc[0] == "a"
    assert lost.worst == 1
    assert lost.whole > 0.95
    assert lost.masked[1] == pytest.approx(0.5, abs=0.1)  # nothing is left to tell by
    assert lost.refitted[1] < 0.8 < 0.95 < lost.refitted[[0, 2]].min()


@pytest.mark.parametrize("change", [mix_cells, add_ambient])
def test_contamination_keeps_totals_and_pulls_types_together(change):
    counts, labels = cells(n_cells=3_000)
    X = log1p_cp10k(counts)
    scale = find_count_scale(X)
    changed = change(X.astype(np.float64), np.random.default_rng(0), scale=scale, share=0.3)
    new = scale.counts(changed)
    assert new.sum() == pytest.approx(counts.sum(), rel=0.01)

    def gap(found):
        return found[labels == 0, 0].mean() - found[labels != 0, 0].mean()

    assert gap(new) == pytest.approx(0.7 * gap(counts), rel=0.1)


def test_the_harsh_plan_measures_all_that_it_names():
    counts, labels = cells(n_cells=90)
    result = measure_robustness(
        log1p_cp10k(counts),
        labels,
        np.arange(12),
        make_folds(labels, n_splits=2),
        lambda: make_classifier("knn"),
        HARSH,
    )
    frame = result.to_frame()
    found = list(zip(frame["kind"], frame["level"], strict=True))
    assert {("mixed with another cell", 0.1), ("mixed with another cell", 0.2), ("ambient", 0.1)} <= set(found)
    assert {("probes failed", 0.02), ("probes failed", 0.05), ("gain", 1.0), ("thinned", 0.2)} <= set(found)
    draws = {one.kind: len(one.accuracy) for one in result.disturbances}
    assert draws["probes failed"] == 20
    assert draws["ambient"] == 5


@pytest.mark.parametrize("values", [{"mixing": (1.0,)}, {"ambient": (0.0,)}, {"n_failure_draws": 0}])
def test_plans_out_of_range_are_refused(values):
    with pytest.raises(SettingsError, match=next(iter(values))):
        Plan(**values)
