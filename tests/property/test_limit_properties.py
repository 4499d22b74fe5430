"""Whatever limits are combined: a panel exists for the search whenever trying all panels finds one."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selectormlp.errors import SettingsError
from selectormlp.moments.forward import forward_select
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
