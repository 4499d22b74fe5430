"""NumPy scalars and columns of pandas are taken for what they are, or refused before the work."""

import json

import numpy as np
import pandas as pd
import pytest

import selectormlp as sm
from selectormlp.errors import SelectorMLPError, SettingsError
from selectormlp.panel.storage import panel_to_json

PLAIN = {"label_key": "cell_type", "n_genes": 4, "method": "discriminant", "seed": 1}
COSTS = {"gene0": 2.0, "gene1": 1.0}

SAME = [
    ({"n_genes": np.int64(4)}, {}),
    ({"n_genes": np.uint8(4)}, {}),
    ({"seed": np.int64(1)}, {}),
    ({"label_key": np.str_("cell_type")}, {}),
    ({"method": np.str_("discriminant")}, {}),
    ({"must_have": pd.Series(["gene5", "gene7"])}, {"must_have": ["gene5", "gene7"]}),
    ({"must_have": pd.Index(["gene5"])}, {"must_have": ["gene5"]}),
    ({"must_have": np.array(["gene5"], dtype=object)}, {"must_have": ["gene5"]}),
    ({"forbidden": pd.Categorical(["gene5"])}, {"forbidden": ["gene5"]}),
    ({"forbidden": {"gene5", "gene4"}}, {"forbidden": ["gene4", "gene5"]}),
    ({"candidates": pd.Series([f"gene{i}" for i in range(9)])}, {"candidates": [f"gene{i}" for i in range(9)]}),
    ({"costs": pd.Series(COSTS), "budget": np.int64(9)}, {"costs": COSTS, "budget": 9}),
    ({"costs": pd.Series({"gene0": 2}, dtype=int), "budget": np.float32(9.5)}, {"costs": {"gene0": 2}, "budget": 9.5}),
    ({"costs": {"gene0": np.int64(2)}, "budget": np.array(9)}, {"costs": {"gene0": 2}, "budget": 9}),
    ({"max_mean": np.float32(4.5)}, {"max_mean": 4.5}),
    ({"min_mean": np.float64(0.1)}, {"min_mean": 0.1}),
    ({"min_markers_per_type": np.int32(1)}, {"min_markers_per_type": 1}),
    ({"ignore_unknown": np.bool_(True)}, {"ignore_unknown": True}),
    ({"options": {"max_genes": np.int64(20)}}, {"options": {"max_genes": 20}}),
    ({"options": {"class_weights": pd.Series({"type A": 2.0})}}, {"options": {"class_weights": {"type A": 2.0}}}),
    ({"exclude_labels": np.array(["type A"])}, {"exclude_labels": ["type A"]}),
    ({"exclude_labels": pd.Index(["type A"])}, {"exclude_labels": ["type A"]}),
]


@pytest.mark.parametrize(("given", "plain"), SAME, ids=[str(i) for i in range(len(SAME))])
def test_they_mean_what_python_s_own_mean(adata, given, plain):
    found = sm.select(adata.copy(), **{**PLAIN, **given})
    assert panel_to_json(found) == panel_to_json(sm.select(adata.copy(), **{**PLAIN, **plain}))
    json.loads(panel_to_json(found))


@pytest.mark.parametrize(
    "given",
    [
        {"n_genes": np.float64(4.5)},
        {"n_genes": True},
        {"n_genes": "4"},
        {"seed": np.float32(1)},
        {"costs": ["gene0"], "budget": 3},
        {"costs": pd.DataFrame({"cost": [1.0]}, index=["gene0"]), "budget": 3},
        {"costs": {"gene0": "2"}, "budget": 3},
        {"budget": "3"},
        {"max_mean": "4"},
        {"min_mean": np.array([0.1, 0.2])},
        {"must_have": "gene5"},
        {"must_have": pd.DataFrame({"gene": ["gene5"]})},
        {"must_have": 5},
        {"exclude_labels": "type A"},
        {"exclude_labels": [["type A"]]},
        {"donor_key": 0},
        {"layer": np.int64(0)},
        {"ignore_unknown": "yes"},
    ],
)
def test_what_is_none_of_them_is_refused_before_the_work(adata, given, monkeypatch):
    def work(*_, **__):
        raise AssertionError("genes were ranked")

    monkeypatch.setattr("selectormlp.selection.steps.rank_genes", work)
    with pytest.raises(SelectorMLPError):
        sm.select(adata, **{**PLAIN, **given})


def test_evaluating_takes_them_too(adata):
    given = {"label_key": "cell_type", "unsupervised": False}
    genes = ["gene0", "gene1", "gene2"]
    plain = sm.evaluate(adata, genes, sizes=[1, 2], n_splits=3, seed=2, **given)
    found = sm.evaluate(adata, pd.Index(genes), sizes=np.array([1, 2]), n_splits=np.int64(3), seed=np.int8(2), **given)
    assert found.curve.accuracy.value.tolist() == plain.curve.accuracy.value.tolist()
    with pytest.raises(SettingsError, match="confidence"):
        sm.evaluate(adata, genes, confidence="high", **given)
