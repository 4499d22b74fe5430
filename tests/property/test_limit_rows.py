"""Limits as a sparse matrix give the verdicts that trying each gene on each limit gives."""

import math
import tracemalloc

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from selectormlp.panel.clash import hopeless
from selectormlp.panel.completion import Completion
from selectormlp.panel.limit_rows import LimitRows
from selectormlp.panel.limits import Limit

AMOUNTS = [0.0, 0.0, 0.0, 0.1, 0.7, 1.0, 3.3, -1.0]


@st.composite
def problems(draw):
    """Up to 6 limits over at most 12 genes, and the genes of a panel in random order."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_genes = draw(st.integers(1, 12))
    size = draw(st.integers(0, n_genes))
    panel = rng.permutation(n_genes)[:size]
    limits = []
    for number in range(draw(st.integers(0, 6))):
        whole = draw(st.booleans())
        amounts = rng.integers(0, 2, n_genes).astype(np.int8) if whole else rng.choice(AMOUNTS, n_genes)
        bound = float(amounts[panel].sum()) + draw(st.sampled_from([-1, 0, 0, 1]))
        low = draw(st.sampled_from([-math.inf, bound - 1, bound]))
        high = draw(st.sampled_from([math.inf, bound, bound + 0.7]))
        limits.append(Limit(f"limit {number}", amounts, low, high))
    return limits, n_genes, panel


def holds(limits, panel):
    return all(limit.is_kept(np.array(panel, dtype=np.int64)) for limit in limits)


@settings(max_examples=300, deadline=None)
@given(problems())
@example(([], 2, np.array([1])))
def test_genes_added_or_taken_off_are_judged_as_by_every_limit_in_turn(problem):
    limits, n_genes, panel = problem
    rows = LimitRows(limits, n_genes)
    sums = rows.sums(panel)
    np.testing.assert_allclose(sums, [limit.amounts[panel].sum() for limit in limits], atol=1e-12)
    others = np.setdiff1d(np.arange(n_genes), panel)
    assert rows.keeps(sums, others).tolist() == [holds(limits, [*panel, gene]) for gene in others]
    fewer = [holds(limits, panel[panel != gene]) for gene in panel]
    assert rows.keeps(sums, panel, -1.0).tolist() == fewer


@settings(max_examples=300, deadline=None)
@given(problems(), st.integers(0, 12))
def test_limits_that_no_panel_keeps_are_found_as_one_by_one(problem, n_more):
    limits, n_genes, panel = problem
    others = np.setdiff1d(np.arange(n_genes), panel)
    n_more = min(n_more, len(others))
    expected = [limit for limit in limits if limit.is_hopeless(panel, others, n_more)]
    found = hopeless(LimitRows(limits, n_genes), np.ones(n_genes, dtype=bool), panel.tolist(), len(panel) + n_more)
    assert list(found) == expected


@settings(max_examples=200, deadline=None)
@given(problems())
def test_a_gene_may_replace_another_exactly_if_the_panel_then_keeps_all(problem):
    limits, n_genes, panel = problem
    if not len(panel) or not holds(limits, panel):
        return
    completion = Completion(limits, np.ones(n_genes, dtype=bool), [], len(panel))
    for place in range(len(panel)):
        left = np.delete(panel, place)
        expected = [gene not in left and holds(limits, [*left, gene]) for gene in range(n_genes)]
        assert completion.may_replace(panel, place).tolist() == expected


def test_thousands_of_small_groups_take_memory_by_member_not_by_gene():
    rng = np.random.default_rng(0)
    n_genes, n_groups = 6_000, 1_000
    groups = rng.integers(0, n_groups, n_genes)
    limits = [Limit(f"group {group}", (groups == group).astype(np.int8), high=1) for group in range(n_groups)]
    assert LimitRows(limits, n_genes).amounts.nnz == n_genes
    tracemalloc.start()
    completion = Completion(limits, np.ones(n_genes, dtype=bool), [], 50)
    for gene in range(n_genes):
        if len(completion.chosen) < 50 and completion.may_follow(gene):
            completion.choose(gene)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(set(groups[completion.chosen])) == 50
    assert peak < 8 * n_genes * n_groups / 4
