import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import selectormlp as sm
from selectormlp.selectors.registry import METHODS

N_GENES = 12
FAST = {
    "forest": {"n_estimators": 3},
    "selector_mlp": {"max_epochs": 1, "hidden_sizes": (4,)},
    "mlp": {"max_epochs": 1, "hidden_sizes": (4,)},
    "svm": {"max_iter": 20},
    "persist": {"selection_steps": 10, "hidden_sizes": (4,)},
    "persist-unsupervised": {"selection_steps": 10, "hidden_sizes": (4,)},
}


@st.composite
def feasible(draw):
    """Cells of three types, and constraints around a hidden panel that obeys them all."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    types = np.arange(48) % 3
    rate = rng.gamma(1.0, 2.0, size=(3, N_GENES))[types]
    genes = np.array([f"g{i}" for i in range(N_GENES)])
    adata = ad.AnnData(
        rng.poisson(rate).astype(np.float32),
        obs=pd.DataFrame({"kind": types}, index=[f"c{i}" for i in range(48)]),
        var=pd.DataFrame(index=genes),
    )
    hidden = rng.permutation(N_GENES)[: draw(st.integers(1, N_GENES))]
    outside = np.setdiff1d(np.arange(N_GENES), hidden)
    costs = rng.choice([0.0, 0.5, 1.0, 4.0], N_GENES)
    rules = {
        "must_have": genes[hidden[: draw(st.integers(0, len(hidden)))]].tolist(),
        "forbidden": genes[outside[: draw(st.integers(0, len(outside)))]].tolist(),
    }
    if draw(st.booleans()):
        rules |= {"costs": dict(zip(genes, costs, strict=True)), "budget": float(costs[hidden].sum())}
    return adata, len(hidden), rules


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=4, deadline=None)
@given(feasible())
def test_exactly_k_distinct_genes_that_obey(method, case):
    adata, k, rules = case
    panel = sm.select(adata, label_key="kind", n_genes=k, method=method, options=FAST.get(method), **rules)
    assert len(panel.genes) == len(set(panel.genes)) == k
    assert set(rules["must_have"]) <= set(panel.genes)
    assert not set(rules["forbidden"]) & set(panel.genes)
    if "budget" in rules:
        assert sum(rules["costs"][gene] for gene in panel.genes) <= rules["budget"] * (1 + 1e-9)
    assert adata.var_names[adata.var["selectormlp_selected"]].isin(panel.genes).sum() == k


@settings(max_examples=8, deadline=None)
@given(feasible(), st.sampled_from(["discriminant", "reconstruction", "mixture"]))
def test_extending_keeps_the_panel_and_adds_exactly_n(case, method):
    adata, k, _ = case
    first = list(adata.var_names[:k])
    n_new = N_GENES - k
    if n_new:
        extended = sm.extend(adata, first, label_key="kind", n_new=n_new, method=method)
        assert list(extended.genes[:k]) == first
        assert sorted(extended.genes) == sorted(adata.var_names)
