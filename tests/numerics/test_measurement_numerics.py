"""The measurement model against sums over distributions and against draws."""

import numpy as np
import pytest
from scipy.stats import nbinom, poisson

from selectormlp.data.normalize import log1p_cp10k
from selectormlp.moments.counting import log_count_moments
from selectormlp.moments.failures import FailingProbes
from selectormlp.moments.measurement import Measurement, measured_counts, measured_moments
from selectormlp.moments.stream import moments_of

MEANS = (0.003, 0.03, 0.3, 3.0, 30.0, 100.0)
EFFICIENCIES = (0.1, 0.5, 1.0, 3.0)


def expected_loss(terms, probability):
    """Return the expected 1/(1 + Σ Δ) of one pair of types, gene after gene."""
    state = FailingProbes(probability, 1)
    for term in terms:
        state.add(np.array([term]))
    return float(state.losses()[0])


@pytest.mark.parametrize("dispersion", [0.0, 0.2, 2.0])
@pytest.mark.parametrize("scale", [0.3, 1.0, 20.0])
def test_log_moments_are_those_of_the_whole_sum(dispersion, scale):
    means = np.array(MEANS)
    found = log_count_moments(means, means + dispersion * means**2, scale)
    for place, mean in enumerate(means):
        y = np.arange(20_000)
        size = 1 / dispersion if dispersion else np.inf
        share = nbinom.pmf(y, size, size / (size + mean)) if dispersion else poisson.pmf(y, mean)
        values = np.log1p(scale * y)
        expected = share @ values
        np.testing.assert_allclose(found[0][place], expected, rtol=1e-3)
        np.testing.assert_allclose(found[1][place], share @ (values - expected) ** 2, rtol=1e-3)


@pytest.mark.parametrize("background", [0.0, 0.2])
@pytest.mark.parametrize("efficiency", EFFICIENCIES)
@pytest.mark.parametrize("dispersion", [0.0, 0.5])
def test_measured_moments_are_those_of_drawn_cells(background, efficiency, dispersion):
    """A gamma-distributed rate, sequenced and measured; four standard errors.

    Where background is added to counts that vary more than Poisson, the sum is not negative binomial, and its
    logarithm is close to the formula: fewer cells.
    """
    rng, means = np.random.default_rng(0), np.array(MEANS)
    n_cells = 4_000 if dispersion and background else 200_000
    rates = rng.gamma(1 / dispersion, dispersion * means, (n_cells, len(means))) if dispersion else means
    drawn = rng.poisson(efficiency * rates + background, (n_cells, len(means)))
    mean, variance = means[None], (means + dispersion * means**2)[None]
    rate, spread = measured_counts(mean, variance, Measurement(efficiency=efficiency, background=background))
    assert_within_errors(drawn, rate[0], spread[0])
    assert_within_errors(np.log1p(drawn), *(part[0] for part in log_count_moments(rate, spread)))


def assert_within_errors(drawn, mean, variance, errors=4.0):
    n_cells, centred = len(drawn), drawn - drawn.mean(axis=0)
    assert (np.abs(drawn.mean(axis=0) - mean) <= errors * np.sqrt(variance / n_cells)).all()
    error = np.sqrt(((centred**2).var(axis=0)) / n_cells)
    assert (np.abs(centred.var(axis=0) - variance) <= errors * error + 1e-3 * variance).all()


def test_thinning_is_what_efficiencies_below_one_do():
    rng = np.random.default_rng(0)
    counts = rng.poisson(rng.gamma(2.0, 2.0, 100_000))
    thinned = rng.binomial(counts, 0.3)
    mean, variance = np.array([[counts.mean()]]), np.array([[counts.var()]])
    rate, spread = measured_counts(mean, variance, Measurement(efficiency=0.3))
    np.testing.assert_allclose(rate[0, 0], thinned.mean(), rtol=0.02)
    np.testing.assert_allclose(spread[0, 0], thinned.var(), rtol=0.03)


def test_moments_of_values_become_those_of_measured_cells():
    rng, n_cells = np.random.default_rng(1), 40_000
    codes = np.arange(n_cells) % 2
    rates = np.array([[2.0, 0.5, 8.0], [0.2, 0.5, 4.0]])[codes] * rng.gamma(4.0, 0.25, (n_cells, 3))
    counts = rng.poisson(rates).astype(np.float64)
    moments = moments_of(log1p_cp10k(counts), codes, molecules=True, counts=counts)
    efficiencies = np.array([0.5, 2.0, 1.0])
    found = measured_moments(moments, Measurement(efficiency=0.8, gene_efficiency=efficiencies, background=0.1))
    drawn = np.log1p(rng.poisson(0.8 * efficiencies * rates + 0.1))
    for code in range(2):
        np.testing.assert_allclose(found.means[code], drawn[codes == code].mean(axis=0), rtol=0.03)
        np.testing.assert_allclose(found.class_variances()[code], drawn[codes == code].var(axis=0), rtol=0.06)
    np.testing.assert_allclose(found.within_covariance().diagonal(), found.class_variances().mean(axis=0))
    before, after = (np.corrcoef(part) for part in (moments.within, found.within))
    assert before.shape == after.shape
    assert measured_moments(moments, Measurement(specificity=0.5)) is moments


def test_gaps_scale_with_the_efficiency_at_low_counts_and_shift_alike_at_high_ones():
    def gap(mean, efficiency):
        means = np.array([[mean], [2 * mean]])
        return float(
            np.diff(log_count_moments(*measured_counts(means, means, Measurement(efficiency=efficiency)))[0][:, 0])[0]
        )

    assert gap(0.001, 0.2) == pytest.approx(0.2 * gap(0.001, 1.0), rel=0.01)
    assert gap(5_000.0, 0.2) == pytest.approx(gap(5_000.0, 1.0), rel=0.01)


@pytest.mark.parametrize("probability", [0.0, 0.02, 0.1, 0.5])
def test_the_quadrature_is_the_expectation_over_all_failures(probability):
    terms = np.array([0.3, 4.0, 11.0, 0.05, 60.0, 2.0])
    patterns = np.array(np.meshgrid(*[[0, 1]] * 6)).reshape(6, -1).T
    chance = np.where(patterns, 1 - probability, probability).prod(axis=1)
    assert expected_loss(terms, probability) == pytest.approx(chance @ (1 / (1 + patterns @ terms)), abs=1e-6)


@pytest.mark.parametrize("probability", [0.02, 0.3])
def test_the_expected_bound_is_exact(probability):
    terms = np.array([0.3, 4.0, 11.0, 0.05, 60.0, 2.0])
    patterns = np.array(np.meshgrid(*[[0, 1]] * 6)).reshape(6, -1).T
    chance = np.where(patterns, 1 - probability, probability).prod(axis=1)
    state = FailingProbes(probability, 1, "bhattacharyya")
    for term in terms[:-1]:
        state.add(np.array([term]))
    ahead = state.losses_with(terms[-1:, None], slice(None))[0, 0]
    state.add(terms[-1:])
    assert state.losses()[0] == pytest.approx(chance @ np.exp(-(patterns @ terms) / 8), rel=1e-12)
    assert ahead == pytest.approx(state.losses()[0])


def test_the_quadrature_agrees_with_draws_of_a_large_panel():
    rng, n_draws = np.random.default_rng(0), 20_000
    terms = rng.gamma(0.5, 4.0, 40)
    losses = 1 / (1 + (rng.random((n_draws, 40)) >= 0.1) @ terms)
    assert abs(expected_loss(terms, 0.1) - losses.mean()) <= 4 * losses.std() / np.sqrt(n_draws)
    assert expected_loss(terms, 0.1) > 1 / (1 + 0.9 * terms.sum())  # the mean of D² would promise too much


def test_one_more_gene_is_the_same_looked_ahead_or_added():
    rng = np.random.default_rng(0)
    state, terms = FailingProbes(0.05, 3), rng.gamma(1.0, 2.0, (3, 5))
    state.add(terms[:, 0])
    ahead = state.losses_with(terms[1:], slice(1, 3))
    for gene in range(1, 5):
        other = FailingProbes(0.05, 3)
        other.add(terms[:, 0])
        other.add(terms[:, gene])
        np.testing.assert_allclose(ahead[:, gene], other.losses()[1:])


def test_with_correlated_genes_the_sum_overestimates_the_loss():
    """Two genes that repeat each other: the second adds little, yet stands in where the first fails."""
    gap, correlation, probability = 2.0, 0.8, 0.1
    alone = gap**2
    both = 2 * gap**2 / (1 + correlation)
    exact = (1 - probability) ** 2 / (1 + both) + 2 * probability * (1 - probability) / (1 + alone) + probability**2
    found = expected_loss(np.array([alone, both - alone]), probability)
    assert exact < found < exact + probability
