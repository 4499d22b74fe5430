"""Forward selection and exchange against brute force: every set recomputed from its definition."""

import itertools
from functools import cache

import numpy as np
import pytest

from selectormlp.moments.discriminant import CRITERIA, DiscriminantObjective
from selectormlp.moments.exchange import exchange
from selectormlp.moments.forward import Residual, forward_select
from selectormlp.moments.reconstruction import TARGETS, ReconstructionObjective
from selectormlp.moments.stream import moments_of

RNG = np.random.default_rng(0)
CODES = np.repeat(np.arange(4), [60, 50, 30, 10])
X = RNG.normal(size=(150, 9)) @ RNG.normal(size=(9, 9)) + 2 * RNG.normal(size=(4, 9))[CODES]
MOMENTS = moments_of(X, CODES)
LOSS = {"inverse": lambda d: 1 / (1 + d), "bhattacharyya": lambda d: np.exp(-d / 8), "log": lambda d: -np.log1p(d)}


def squared_distances(genes, shrinkage=0.0):
    """D² of pairs of classes on some genes: correlations of all, variances of their own; otherwise as by default."""
    genes = list(genes)
    covariance = MOMENTS.within_covariance()
    common = covariance.diagonal()
    ridge = 0.3 * np.median(common)
    few = (1 - shrinkage) * covariance + shrinkage * np.diag(common) + ridge * np.eye(9)
    correlations = (few / np.sqrt(np.outer(few.diagonal(), few.diagonal())))[np.ix_(genes, genes)]
    found = []
    for first, second in zip(*PAIRS, strict=True):
        cells = [X[code == CODES] for code in (first, second)]
        own = [(len(part) * part.var(axis=0) + 300 * common) / (len(part) + 300) for part in cells]
        gap = ((cells[0].mean(axis=0) - cells[1].mean(axis=0)) / np.sqrt(np.mean(own, axis=0) + ridge))[genes]
        found.append(gap @ np.linalg.solve(correlations, gap) if genes else 0.0)
    return np.array(found)


PAIRS = np.triu_indices(4, k=1)
SAMPLING = (1 / MOMENTS.counts[:, None] + 1 / MOMENTS.counts)[PAIRS]


def discriminant_loss(ordered, criterion, shrinkage=0.0):
    """Mean loss of the pairs after genes in the order given, each gain of D² less its sampling share."""
    distances = [squared_distances(ordered[:n], shrinkage) for n in range(len(ordered) + 1)]
    credited = np.maximum(np.diff(distances, axis=0) - SAMPLING, 0).sum(axis=0)
    return LOSS[criterion](credited).mean()


def unexplained(genes, targets):
    """Share of the variance of the targets that least squares from the genes leaves."""
    centred = X - X.mean(axis=0)
    scores = centred @ targets
    fit = centred[:, genes] @ np.linalg.lstsq(centred[:, genes], scores, rcond=None)[0] if len(genes) else 0.0
    return ((scores - fit) ** 2).sum() / (scores**2).sum()


def brute_force(loss, n_genes):
    chosen, gains = [], []
    while len(chosen) < n_genes:
        step = len(chosen)
        losses = [np.inf if gene in chosen else loss([*chosen, gene], step) for gene in range(9)]
        gains.append(loss(chosen, step) - min(losses))
        chosen.append(int(np.argmin(losses)))
    return chosen, gains


@pytest.mark.parametrize("criterion", CRITERIA)
def test_discriminant_choice_equals_brute_force(criterion):
    result = forward_select(DiscriminantObjective(MOMENTS, criterion=criterion), 6)
    chosen, gains = brute_force(lambda genes, _: discriminant_loss(genes, criterion), 6)
    assert result.order[:6].tolist() == chosen
    np.testing.assert_allclose(result.gains[chosen], gains, atol=1e-8)


@pytest.mark.parametrize("shrink_after", [0, 1, 3])
def test_shrunk_choice_equals_brute_force(shrink_after):
    def loss(genes, step):
        return discriminant_loss(genes, "inverse", 0.7 if step >= shrink_after else 0.0)

    result = forward_select(DiscriminantObjective(MOMENTS, shrinkage=0.7, shrink_after=shrink_after), 6)
    chosen, gains = brute_force(loss, 6)
    assert result.order[:6].tolist() == chosen
    np.testing.assert_allclose(result.gains[chosen], gains, atol=1e-8)


@pytest.mark.parametrize("target", TARGETS)
def test_reconstruction_choice_equals_brute_force(target):
    leading = np.linalg.eigh(MOMENTS.total_covariance())[1][:, -3:]
    targets = np.eye(9) if target == "genes" else leading
    result = forward_select(ReconstructionObjective(MOMENTS, target=target, n_components=3), 6)
    chosen, gains = brute_force(lambda genes, _: unexplained(genes, targets), 6)
    assert result.order[:6].tolist() == chosen
    np.testing.assert_allclose(result.gains[chosen], gains, atol=1e-8)


def test_updates_equal_recomputation():
    covariance = np.cov(RNG.normal(size=(400, 60)).T)
    residual = Residual(covariance, ridge=0.01)
    full = covariance + 0.01 * np.eye(60)
    chosen = RNG.permutation(60)[:50]
    for step, gene in enumerate(chosen):
        residual.choose(gene)
        known = chosen[: step + 1]
        explained = full[:, known] @ np.linalg.solve(full[np.ix_(known, known)], full[known])
        np.testing.assert_allclose(residual.variance, (full - explained).diagonal(), atol=1e-8)


@cache
def set_loss(genes, criterion, shrinkage):
    credited = np.maximum(squared_distances(genes, shrinkage) - len(genes) * SAMPLING, 0)
    return LOSS[criterion](credited).mean()


class Ticks:
    """A clock that is a second further at each look."""

    def __init__(self):
        self.n_looks = 0

    def monotonic(self):
        self.n_looks += 1
        return float(self.n_looks)


def best_and_poor(objective, place):
    """A panel that no swap improves, and the same but for the gene in one place."""
    best = exchange(objective, np.array([0, 1, 2, 3]), n_fixed=place)
    poor = best.copy()
    poor[place] = np.setdiff1d(np.arange(9), best)[0]
    return best, poor


def test_exchange_keeps_its_time(monkeypatch):
    objective = DiscriminantObjective(MOMENTS)
    best, poor = best_and_poor(objective, 0)
    monkeypatch.setattr("selectormlp.moments.exchange.time", Ticks())
    np.testing.assert_array_equal(exchange(objective, poor, max_refine_s=1.0), poor)
    np.testing.assert_array_equal(exchange(objective, poor, max_refine_s=2.0), best)


@pytest.mark.parametrize("n_fixed", [0, 1])
def test_exchange_tries_each_place_once_where_there_is_nothing_more_to_gain(n_fixed, monkeypatch):
    objective = DiscriminantObjective(MOMENTS)
    best, poor = best_and_poor(objective, n_fixed)
    for start in (best, poor):  # the newcomer's place need not be tried again
        clock = Ticks()
        monkeypatch.setattr("selectormlp.moments.exchange.time", clock)
        np.testing.assert_array_equal(exchange(objective, start, n_fixed=n_fixed, max_refine_s=100.0), best)
        assert clock.n_looks == 1 + 4 - n_fixed  # at the start, then before each place is tried


def exchanged(start, loss, n_fixed):
    """Each gene in turn gives way to the best in its place, until a round changes nothing."""
    panel, before = list(start), None
    while panel != before:
        before = panel.copy()
        for place in range(n_fixed, len(panel)):
            others = panel[:place] + panel[place + 1 :]
            losses = [np.inf if gene in others else loss([*others, gene]) for gene in range(9)]
            if min(losses) < losses[panel[place]] - 1e-9:
                panel[place] = int(np.argmin(losses))
    return panel


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("shrinkage", [0.0, 0.5])
def test_exchange_equals_trying_every_swap(criterion, shrinkage):
    objective = DiscriminantObjective(MOMENTS, criterion=criterion, shrinkage=shrinkage, shrink_after=4)
    changed = 0
    for seed in range(10):
        start = np.random.default_rng(seed).permutation(9)[:4]
        for fixed in ({}, {"n_fixed": 2}):
            expected = exchanged(
                start, lambda genes: set_loss(tuple(sorted(genes)), criterion, shrinkage), fixed.get("n_fixed", 0)
            )
            assert exchange(objective, start, **fixed).tolist() == expected
            changed += expected != start.tolist()
    assert changed > 10


@pytest.mark.parametrize("n_rounds", [1, 2])
def test_rounds_are_counted_and_no_clock_is_looked_at(n_rounds, monkeypatch):
    objective = DiscriminantObjective(MOMENTS)
    for seed in range(10):
        start = np.random.default_rng(seed).permutation(9)[:4]
        panel = start.tolist()
        for place in [*range(4)] * n_rounds:
            others = panel[:place] + panel[place + 1 :]
            losses = [np.inf if gene in others else discriminant_set_loss([*others, gene]) for gene in range(9)]
            panel[place] = int(np.argmin(losses))
        clock = Ticks()
        monkeypatch.setattr("selectormlp.moments.exchange.time", clock)
        assert exchange(objective, start, n_rounds=n_rounds, max_refine_s=0.0).tolist() == panel
        assert clock.n_looks <= 2  # at the start, and once when the rounds are over
        assert exchange(objective, start, max_refine_s=0.0).tolist() == start.tolist()


def discriminant_set_loss(genes):
    return set_loss(tuple(sorted(genes)), "inverse", 0.0)


def failing_loss(ordered, probability):
    """Mean loss of the pairs over which probes work, each gene adding to D² what it adds after those before it."""
    distances = [squared_distances(ordered[:n]) for n in range(len(ordered) + 1)]
    terms = np.maximum(np.diff(distances, axis=0) - SAMPLING, 0)
    expected = 0.0
    for works in itertools.product([0, 1], repeat=len(ordered)):
        share = probability ** (len(works) - sum(works)) * (1 - probability) ** sum(works)
        expected += share * (1 / (1 + np.array(works) @ terms)).mean()
    return expected


def test_exchange_reckons_with_failing_probes():
    objective = DiscriminantObjective(MOMENTS, failure=0.3)
    changed = 0
    for seed in range(6):
        panel = np.random.default_rng(seed).permutation(9)[:3].tolist()
        start = np.array(panel)
        for place in range(3):
            others = panel[:place] + panel[place + 1 :]
            losses = [np.inf if gene in others else failing_loss([*others, gene], 0.3) for gene in range(9)]
            panel[place] = int(np.argmin(losses))
        assert exchange(objective, start, n_rounds=1, max_refine_s=0.0).tolist() == panel
        changed += panel != start.tolist()
    assert changed > 3


def test_exchange_prefers_by_priorities():
    objective = DiscriminantObjective(MOMENTS)
    best = exchange(objective, np.array([0, 1, 2, 3]))
    priorities = np.where(np.isin(np.arange(9), best), 0.0, 1.0)
    poor = np.setdiff1d(np.arange(9), best)[:4]
    assert not set(exchange(objective, poor, priorities=priorities, n_rounds=2).tolist()) & set(best.tolist())
