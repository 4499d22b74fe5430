"""Moments per batch: that they add up to those of all cells, and what the model makes of known shifts."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from selectormlp.errors import SettingsError
from selectormlp.moments.batches import COMBINES, combined, pooled
from selectormlp.moments.columns import column_moments
from selectormlp.moments.components import moderated, variance_components
from selectormlp.moments.discriminant import DiscriminantObjective
from selectormlp.moments.forward import forward_select
from selectormlp.moments.groups import groups_of
from selectormlp.moments.stream import balanced_cell_weights, moments_of


def simulated(per_group, *, shift=0.0, interaction=0.0, n_genes=200, gap=1.0, seed=0):
    """Cells of unit variance; ``per_group`` cells of each class (row) in each batch (column)."""
    rng = np.random.default_rng(seed)
    per_group = np.asarray(per_group)
    n_classes, n_batches = per_group.shape
    codes = np.repeat(np.arange(n_classes), per_group.sum(axis=1))
    batches = np.concatenate([np.repeat(np.arange(n_batches), row) for row in per_group])
    level = gap * np.arange(n_classes)[:, None] * np.ones(n_genes)
    beta = rng.normal(scale=np.sqrt(shift), size=(n_batches, n_genes))
    gamma = rng.normal(scale=np.sqrt(interaction), size=(n_classes, n_batches, n_genes))
    X = level[codes] + beta[batches] + gamma[codes, batches] + rng.normal(size=(len(codes), n_genes))
    return X, codes, batches


def of_groups(X, codes, batches, **options):
    groups = groups_of(codes, batches, int(codes.max()) + 1)
    weights = balanced_cell_weights(np.bincount(codes[codes >= 0], minlength=groups.n_classes))
    found = moments_of(
        X, groups.of_cells(codes, batches), n_classes=len(groups), cell_weights=weights[groups.classes], **options
    )
    return groups.mark(found)


def plain(X, codes, **options):
    return moments_of(X, codes, cell_weights=balanced_cell_weights(np.bincount(codes)), **options)


def test_moments_of_groups_add_up_to_those_of_classes():
    X, codes, batches = simulated([[20, 5, 0], [3, 30, 9], [0, 0, 7]], shift=1.0, n_genes=6)
    counts = np.abs(np.rint(X))
    found = pooled(of_groups(X, codes, batches, molecules=True, counts=counts))
    expected = plain(X, codes, molecules=True, counts=counts)
    assert found.groups is None
    np.testing.assert_array_equal(found.counts, expected.counts)
    for name in ("means", "squares", "within", "total", "cell_weights", "class_weights"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-9, err_msg=name)
    np.testing.assert_allclose(found.molecules.means, expected.molecules.means, atol=1e-9)
    np.testing.assert_allclose(found.molecules.squares, expected.molecules.squares, atol=1e-9)


def test_moments_of_groups_of_two_parts_add_up():
    X, codes, batches = simulated([[20, 5], [3, 30]], shift=1.0, n_genes=6)
    groups = groups_of(codes, batches, 2)
    weights = balanced_cell_weights(np.bincount(codes))[groups.classes]
    places = groups.of_cells(codes, batches)
    parts = [
        moments_of(X[rows], places[rows], n_classes=len(groups), cell_weights=weights)
        for rows in (slice(0, 22), slice(22, None))
    ]
    found, _ = combined(groups.mark(parts[0] + parts[1]))
    expected, _ = combined(of_groups(X, codes, batches))
    np.testing.assert_allclose(found.means, expected.means, atol=1e-9)
    np.testing.assert_allclose(found.within, expected.within, atol=1e-9)


@pytest.mark.parametrize("combine", COMBINES)
def test_one_batch_is_pooling(combine):
    X, codes, _ = simulated([[20], [30], [5]], n_genes=8)
    one = DiscriminantObjective(of_groups(X, codes, np.zeros_like(codes)), combine=combine)
    expected = DiscriminantObjective(plain(X, codes))
    np.testing.assert_allclose(one.gains(), expected.gains(), rtol=1e-12)


@pytest.mark.parametrize("combine", COMBINES)
def test_classes_of_one_batch_each_are_pooled(combine):
    X, codes, batches = simulated([[20, 0], [0, 30]], n_genes=8)
    found, by_batch = combined(of_groups(X, codes, batches), combine)
    np.testing.assert_allclose(found.within, plain(X, codes).within)
    assert by_batch == []


def test_an_unknown_combine_is_refused():
    X, codes, batches = simulated([[5, 5], [5, 5]], n_genes=3)
    with pytest.raises(SettingsError, match="combine='mean'; expected one of 'new-study', 'corrected', 'worst'"):
        combined(of_groups(X, codes, batches), "mean")


def test_a_shift_does_not_reach_the_gap_however_unbalanced_the_batches():
    X, codes, batches = simulated([[300, 20], [20, 300]], gap=0.0, n_genes=40)
    X[batches == 1, :20] += 3.0
    naive = plain(X, codes).means
    assert np.all(np.abs(naive[1] - naive[0])[:20] > 2.0)
    for combine in COMBINES:
        found, _ = combined(of_groups(X, codes, batches), combine)
        assert np.all(np.abs(found.means[1] - found.means[0]) < 0.8)  # five standard errors: 5 √((1/300 + 1/20) / 2)


def test_gaps_of_classes_that_share_no_batch_go_by_a_third_class():
    X, codes, batches = simulated([[200, 0], [0, 200], [200, 200]], gap=1.0, n_genes=30)
    X[batches == 1] += 5.0
    found, _ = combined(of_groups(X, codes, batches))
    np.testing.assert_allclose((found.means[1] - found.means[0]).mean(), 1.0, atol=0.1)


def test_batches_without_a_class_in_common_are_set_against_each_other_by_their_means():
    per_group = [[50, 60, 0, 0], [40, 30, 0, 0], [0, 0, 50, 40], [0, 0, 20, 60]]
    X, codes, batches = simulated(per_group, gap=1.0, n_genes=30)
    found, by_batch = combined(of_groups(X, codes, batches), "worst")
    np.testing.assert_allclose((found.means[2] - found.means[0]).mean(), 2.0, atol=0.2)
    assert [list(one.classes) for one in by_batch] == [[0, 1], [0, 1], [2, 3], [2, 3]]


def test_components_are_found_where_there_are_many_batches():
    X, codes, batches = simulated(np.full((4, 40), 15), shift=0.5, interaction=0.2, n_genes=300)
    moments = of_groups(X, codes, batches)
    found = variance_components(moments, moments.groups)
    assert found.within.mean() == pytest.approx(1.0, abs=0.02)
    assert found.shift.mean() == pytest.approx(0.5, abs=0.03)
    assert found.interaction.mean() == pytest.approx(0.2, abs=0.02)


def test_a_class_that_varies_between_batches_has_a_variance_of_its_own():
    varies = np.array([0.0, 0.0, 0.0, 0.8])[:, None, None]
    X, codes, batches = simulated(np.full((4, 40), 15), interaction=varies, n_genes=300)
    moments = of_groups(X, codes, batches)
    found = variance_components(moments, moments.groups).interaction.mean(axis=1)
    assert found[3] > 3 * found[:3].max()


@pytest.mark.parametrize("n_batches", [2, 3, 6])
def test_without_a_batch_effect_little_is_found(n_batches):
    X, codes, batches = simulated(np.full((4, n_batches), 40), n_genes=300)
    moments = of_groups(X, codes, batches)
    found = variance_components(moments, moments.groups)
    assert found.shift.mean() < 0.02
    assert found.interaction.mean() < 0.02


def test_the_squared_distance_is_that_of_a_new_study():
    X, codes, batches = simulated(np.full((2, 60), 30), shift=0.8, interaction=0.3, gap=2.0, n_genes=200)
    objective = DiscriminantObjective(of_groups(X, codes, batches), ridge=0.0, pooling=0.0)
    squared = objective.gaps[0] ** 2 / objective.covariance.diagonal()
    assert np.median(squared) == pytest.approx(4.0 / (1.0 + 0.8 + 2 * 0.3), rel=0.08)
    corrected = DiscriminantObjective(of_groups(X, codes, batches), ridge=0.0, pooling=0.0, combine="corrected")
    squared = corrected.gaps[0] ** 2 / corrected.covariance.diagonal()
    assert np.median(squared) == pytest.approx(4.0, rel=0.08)


def test_the_worst_batch_counts():
    X, codes, batches = simulated([[80, 80, 0], [80, 80, 80], [0, 80, 80]], gap=0.0, n_genes=5)
    X[:, 0] += 4.0 * codes  # in every batch
    X[(batches == 0) & (codes == 1), 1] += 9.0  # in one of two
    moments = of_groups(X, codes, batches)
    worst, usual = (DiscriminantObjective(moments, combine=combine).gains() for combine in ("worst", "new-study"))
    assert worst.argmax() == usual.argmax() == 0
    assert worst[1] < 0.05 < worst[0]


def test_pairs_and_classes_against_the_rest_have_a_row_for_each_batch():
    X, codes, _ = simulated(np.full((3, 1), 30), n_genes=20)
    twice, batches = np.concatenate([X, X]), np.repeat([0, 1], len(X))  # two batches of the same cells
    moments = of_groups(twice, np.concatenate([codes, codes]), batches)
    gaps = DiscriminantObjective(moments, combine="worst", specificity=0.5).gaps
    assert gaps.shape == (2 * (3 + 3), 20)
    np.testing.assert_allclose(gaps[0::2], gaps[1::2])


def test_losses_of_the_worst_batch_are_those_of_the_rows_by_hand():
    X, codes, batches = simulated([[80, 60, 0], [80, 50, 70], [0, 40, 80], [9, 0, 0]], interaction=0.5, n_genes=12)
    objective = DiscriminantObjective(of_groups(X, codes, batches), combine="worst", shrinkage=0.0)
    pairs = [(0, 1, 2), (0, 2, 1), (0, 3, 1), (1, 2, 2), (1, 3, 1), (2, 3, 1)]  # first, second, batches of both (or 1)
    assert len(objective.noise) == sum(n_rows for *_, n_rows in pairs)
    gene = 3
    variance = objective.covariance[gene, gene] + objective.ridge
    terms = np.maximum(objective.gaps[:, gene] ** 2 / variance - objective.noise, 0.0)
    ends = np.cumsum([0, *(n_rows for *_, n_rows in pairs)])
    losses = [max(1 / (1 + terms[start:stop])) for start, stop in pairwise(ends)]
    before = objective.current_loss
    assert objective.gains()[gene] == pytest.approx(before - objective.pair_weights @ losses)
    objective.choose(gene)
    assert objective.current_loss == pytest.approx(objective.pair_weights @ losses)


def test_variances_alike_are_drawn_together_and_others_are_left():
    rng = np.random.default_rng(0)
    alike = rng.chisquare(3, size=2000) / 3
    assert moderated(alike, 3.0).std() < 0.1 * alike.std()
    different = alike * np.exp(rng.normal(scale=2.0, size=2000))
    assert moderated(different, 3.0).std() > 0.5 * different.std()


def test_genes_that_a_batch_did_not_measure_are_fitted_to_the_others():
    X, codes, batches = simulated(np.full((3, 4), 40), shift=1.0, gap=1.0, n_genes=60)
    everything = of_groups(X, codes, batches)
    groups = everything.groups
    cells = np.repeat(everything.counts[:, None].astype(float), 60, axis=1)
    cells[groups.batches == 3, :20] = 0.0
    means, squares = everything.means.copy(), everything.squares.copy()
    means[cells == 0], squares[cells == 0] = 0.0, 0.0
    some = replace(everything, means=means, squares=squares, cells_measured=cells)
    kept = batches < 3
    fewer = of_groups(X[kept], codes[kept], batches[kept])
    found, expected = combined(some)[0], combined(fewer)[0]
    np.testing.assert_allclose(np.diff(found.means[:, :20], axis=0), np.diff(expected.means[:, :20], axis=0), atol=0.02)
    np.testing.assert_allclose(found.cells_measured[:, [0, 30]], [[120, 160]] * 3)
    assert np.isfinite(found.within).all()
    assert DiscriminantObjective(some, combine="worst").gains().max() > 0


@pytest.mark.parametrize("combine", COMBINES)
def test_columns_of_the_covariance_are_those_of_all_of_it(combine):
    X, codes, batches = simulated([[20, 5, 0], [3, 30, 9], [0, 0, 7]], shift=1.0, interaction=0.3, n_genes=30)
    groups = groups_of(codes, batches, 3)
    weights = balanced_cell_weights(np.bincount(codes))[groups.classes]
    few = groups.mark(column_moments(X, groups.of_cells(codes, batches), cell_weights=weights))
    chosen = [
        forward_select(DiscriminantObjective(moments, combine=combine), 8).order[:8].tolist()
        for moments in (few, of_groups(X, codes, batches))
    ]
    assert chosen[0] == chosen[1]
    whole = combined(of_groups(X, codes, batches), combine)[0].within_covariance()
    np.testing.assert_allclose(combined(few, combine)[0].covariance()[3], whole[3], atol=1e-9)
    np.testing.assert_allclose(combined(few, combine)[0].covariance().diagonal(), whole.diagonal(), atol=1e-9)
