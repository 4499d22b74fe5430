"""Whatever limits are combined: a panel exists for the search whenever trying all panels finds one."""

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selectormlp.errors import SettingsError
from selectormlp.moments.forward import forward_select
from selectormlp.panel.clash import clash
from selectormlp.panel.completion import Completion
from selectormlp.panel.limits import Limit


@st.composite
def small(draw):
    """Limits over at most 9 genes, the genes allowed and required, and a size."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_genes = draw(st.integers(3, 9))
    size = draw(st.integers(1, n_genes - 1))
    limits = []
    for number in range(draw(st.integers(0, 3))):
        amounts = rng.choice([0.0, 0.1, 0.2, 0.7, 1.0, 3.3], n_genes)
        bound = float(amounts[rng.permutation(n_genes)[:size]].sum())
        kind = draw(st.sampled_from(["low", "high", "both"]))
        low = {"low": bound} if kind != "high" else {}
        high = {"high": bound + (kind == "both")} if kind != "low" else {}
        limits.append(Limit(f"limit {number}", amounts, **low, **high))
    if draw(st.booleans()):  # a receptor and its ligand: both or none
        pair = np.zeros(n_genes)
        pair[:2] = 1, -1
        limits.append(Limit("pair", pair, low=0, high=0))
    allowed = rng.random(n_genes) < 0.9
    required = np.flatnonzero(allowed)[: draw(st.integers(0, min(2, size)))].tolist()
    return limits, allowed, required, size


def panels(limits, allowed, required, size):
    """Return all panels that keep the limits."""
    every = (np.array(panel) for panel in itertools.combinations(np.flatnonzero(allowed), size))
    return [set(p) for p in every if set(required) <= set(p) and all(limit.is_kept(p) for limit in limits)]


@settings(max_examples=150, deadline=None)
@given(small(), st.integers(0, 2**32 - 1))
def test_a_gene_may_follow_exactly_if_some_panel_holds_it(case, seed):
    limits, allowed, required, size = case
    possible = panels(*case)
    if not possible:
        with pytest.raises(SettingsError, match="no panel of"):
            Completion(limits, allowed, required, size)
        return
    completion = Completion(limits, allowed, required, size)
    for gene in required:
        completion.choose(gene)
    rng = np.random.default_rng(seed)
    while len(completion.chosen) < size:
        so_far = set(completion.chosen)
        expected = {g for panel in possible if so_far <= panel for g in panel - so_far}
        found = {gene for gene in range(len(allowed)) if completion.may_follow(gene)}
        assert found == expected
        assert all(completion.why_not(g) for g in range(len(allowed)) if g not in expected | so_far)
        completion.choose(int(rng.choice(sorted(expected))))
    assert set(completion.chosen) in possible


class Fixed:
    """An objective whose gains never change."""

    def __init__(self, gains):
        self.left = np.array(gains, dtype=float)

    def gains(self):
        return self.left.copy()

    def choose(self, gene):
        self.left[gene] = 0


@settings(max_examples=75, deadline=None)
@given(small(), st.integers(0, 2**32 - 1))
def test_forward_selection_fills_a_panel_that_keeps_every_limit(case, seed):
    limits, allowed, required, size = case
    possible = panels(*case)
    if not possible:
        return
    gains = np.random.default_rng(seed).choice([0.0, 1.0, 2.0, 5.0], len(allowed))
    gate = Completion(limits, allowed, required, size)
    forward = forward_select(Fixed(gains), size, must_have=required, gate=gate)
    assert set(forward.order[:size]) in possible


def test_a_clash_names_limits_none_of_which_could_be_left_out():
    low = Limit("markers of 'B'", np.array([1.0, 1.0, 0.0, 0.0]), low=2)
    high = Limit("cost", np.array([3.0, 3.0, 1.0, 1.0]), high=5)
    idle = Limit("codewords", np.ones(4), high=10)
    with pytest.raises(SettingsError) as caught:
        Completion([idle, low, high], np.ones(4, dtype=bool), [], 2)
    assert "markers of 'B' at least 2; cost at most 5;" in str(caught.value)
    assert "codewords" not in str(caught.value)


def test_exchange_within_limits_keeps_them():
    completion = Completion([Limit("cost", np.array([1.0, 2.0, 3.0, 1.0]), high=4)], np.ones(4, dtype=bool), [0], 2)
    assert completion.may_replace(np.array([0, 1]), 1).tolist() == [False, True, True, True]
    assert completion.may_replace(np.array([0, 1]), 0).tolist() == [True, False, False, False]


@settings(max_examples=150, deadline=None)
@given(small())
def test_limits_that_clash_cannot_be_kept_and_none_of_them_can_be_left_out(case):
    limits, allowed, required, size = case
    if panels(*case) or not panels([], allowed, required, size):
        return
    found = clash(limits, allowed, required, size)
    assert found.is_smallest
    assert not panels(found.limits, allowed, required, size)
    for limit in found.limits:
        others = [limit] if found.each else [other for other in found.limits if other is not limit]
        assert bool(panels(others, allowed, required, size)) is not found.each


@settings(max_examples=100, deadline=None)
@given(small(), st.data())
def test_limits_beside_genes_that_stay_hold_for_all_that_can_be_changed(case, data):
    limits, allowed, _, size = case
    stay = np.array(data.draw(st.permutations(np.flatnonzero(allowed).tolist()))[:size], dtype=np.int64)
    for limit in limits:
        beside = limit.given(stay)
        if limit.amounts[stay].sum() <= limit.ceiling or (limit.amounts < 0).any():
            assert beside is limit
            continue
        for panel in panels([], allowed, stay.tolist(), min(size + 1, int(allowed.sum()))):
            adds = limit.amounts[sorted(panel - set(stay.tolist()))].sum()
            assert beside.is_kept(np.array(sorted(panel))) == (adds == 0)


@pytest.mark.parametrize("whole", [False, True])
def test_a_clash_among_many_limits_is_found_soon(whole):
    rng = np.random.default_rng(0)
    n_genes = 1500
    limits = [
        Limit(f"group {number}", (rng.random(n_genes) < 0.02).astype(float), high=60.0 + number)
        for number in range(150)
    ]
    pair = np.zeros(n_genes)
    pair[:3] = 1.0
    low, high = pair.copy(), pair.copy()
    low[0] = high[2] = 0.0
    limits[70] = Limit("ones", low, low=2.0)  # genes 1 and 2
    limits[111] = Limit("others", high, high=0.5 if whole else 0.0)  # neither gene 0 nor 1, or not one of them whole
    started = time.process_time()
    with pytest.raises(SettingsError, match="keeps: ones at least 2; others at most 0") as caught:
        Completion(limits, np.ones(n_genes, dtype=bool), [], 100)
    assert "group" not in str(caught.value)
    assert time.process_time() - started < 20
    started = time.process_time()
    clash(limits, np.ones(n_genes, dtype=bool), [], 100, max_seconds=0)
    assert time.process_time() - started < 10
