"""A clash that fractions of genes show is one for whole genes, and excludes every gene to which its proof applies."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from selectormlp.panel import completion as completions
from selectormlp.panel.completion import Completion
from selectormlp.panel.limit_rows import LimitRows
from selectormlp.panel.limits import Limit
from selectormlp.panel.relaxation import certificate


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_no_panel_keeps_limits_that_a_certificate_names_nor_their_sum(seed):
    rng = np.random.default_rng(seed)
    n_genes, size = int(rng.integers(3, 9)), int(rng.integers(1, 3))
    limits = []
    for number in range(3):
        amounts = rng.choice([0.0, 0.1, 1.0, 3.3, -1.0], n_genes)
        bound = float(amounts[rng.permutation(n_genes)[:size]].sum())
        limits.append(Limit(str(number), amounts, **({"high": bound - 0.2} if rng.random() < 0.6 else {"low": bound})))
    needed = rng.permutation(n_genes)[: int(rng.integers(0, size + 1))]
    proof = certificate(LimitRows(limits, n_genes), np.ones(n_genes, dtype=bool), needed, size)
    if proof is None:
        return
    for panel in itertools.combinations(range(n_genes), size):
        if set(needed.tolist()) <= set(panel):
            assert not proof.total.is_kept(np.array(panel))
            assert not all(limit.is_kept(np.array(panel)) for limit in proof.limits)


def test_one_proof_excludes_all_genes_that_two_limits_rule_out_together(monkeypatch):
    rng = np.random.default_rng(0)
    n_good, n_bad, size = 20, 300, 10
    first = np.concatenate([np.ones(n_good), rng.uniform(0.2, 1.8, n_bad)])
    second = 2 - first + np.repeat([0.0, 0.5], [n_good, n_bad])  # both limits leave no room for the 0.5
    limits = [Limit("first", first, high=size), Limit("second", second, high=size)]
    completion = Completion(limits, np.ones(n_good + n_bad, dtype=bool), [], size)
    asked = []
    find_panel = completions.find_panel
    monkeypatch.setattr(completions, "find_panel", lambda *given: asked.append(given) or find_panel(*given))
    may = [completion.may_follow(gene) for gene in range(n_good + n_bad)]
    assert may == [True] * n_good + [False] * n_bad
    assert len(asked) < 5
    assert completion.why_not(n_good) == "first at most 10; second at most 10"
