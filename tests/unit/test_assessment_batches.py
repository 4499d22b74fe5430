"""`batch_key` of evaluate, compare, stability and report: each batch is left out once."""

import logging

import numpy as np
import pytest

import selectormlp as sm
from selectormlp.errors import DataError
from selectormlp.evaluation.splits import make_folds

QUICK = {"label_key": "cell_type", "progress": False}


@pytest.fixture
def studies(make_adata):
    """Seven studies of the same types, more than splits are asked for."""
    adata = make_adata(n_cells=280)
    adata.obs["study"] = [f"study {i}" for i in np.arange(280) // 4 % 7]
    return adata


def test_each_batch_is_left_out_whole(studies):
    labels = np.arange(280) % 4
    batches = studies.obs["study"].to_numpy(dtype=str)
    folds = make_folds(labels, n_splits=3, donors=batches, unit="batch")
    assert (folds.scheme, len(folds)) == ("leave one batch out", 7)
    for train, test in folds:
        assert len(set(batches[test])) == 1
        assert not set(batches[train]) & set(batches[test])


def test_evaluate_chooses_anew_with_batches_and_leaves_each_out(studies):
    panel = sm.select(studies, n_genes=4, method="discriminant", batch_key="study", **QUICK)
    found = sm.evaluate(studies, panel, batch_key="study", n_splits=3, unsupervised=False, **QUICK)
    assert (found.splits.scheme, found.splits.n_splits) == ("leave one batch out", 7)
    assert (found.splits.donor_key, found.splits.n_donors) == ("study", 7)
    assert found.protocol == "reselected"


def test_a_panel_by_batches_cannot_be_chosen_anew_without_them(studies):
    panel = sm.select(studies, n_genes=4, method="discriminant", batch_key="study", **QUICK)
    del studies.obs["study"]
    found = sm.evaluate(studies, panel, unsupervised=False, **QUICK)
    assert found.protocol == "optimistic"
    assert any("the data lack the batches that it was chosen by ('study')" in note for note in found.notes)


def test_compare_and_stability_leave_batches_out(studies):
    found = sm.compare(studies, {"mine": ["gene0", "gene5"]}, methods=["discriminant"], batch_key="study", **QUICK)
    assert found.splits.scheme == "leave one batch out"
    stable = sm.stability(
        studies, method="discriminant", n_genes=3, batch_key="study", over=["donors"], n_repeats=2, **QUICK
    )
    assert [(one.source, one.n_panels) for one in stable.overlaps] == [("batches", 7)]


def test_no_donor_is_on_both_sides_when_batches_are_left_out(studies):
    studies.obs["person"] = studies.obs["study"].map(lambda name: f"person {int(name[-1]) % 3}")
    genes = ["gene0", "gene5", "gene2"]
    found = sm.evaluate(studies, genes, batch_key="study", donor_key="person", unsupervised=False, **QUICK)
    assert found.splits.n_splits == 7
    studies.obs["person"] = "one"
    with pytest.raises(DataError, match="donors are in several batches"):
        sm.evaluate(studies, genes, batch_key="study", donor_key="person", unsupervised=False, **QUICK)


def test_types_of_one_batch_are_named_and_warned_of(studies, caplog):
    alone = (studies.obs["cell_type"] == "type A") & (studies.obs["study"] != "study 0")
    few = studies[~alone].copy()
    with caplog.at_level(logging.WARNING):
        found = sm.evaluate(few, ["gene1", "gene6", "gene2"], batch_key="study", unsupervised=False, **QUICK)
    line = "Types of one batch only: 'type A' (10 cells, 'study 0'). They cannot be tested"
    assert any(line in note for note in found.notes)
    assert line in caplog.text


def test_one_batch_cannot_be_left_out(studies):
    studies.obs["study"] = "only"
    with pytest.raises(DataError, match="all 280 cells are of one batch \\('only'\\); at least 2 are needed"):
        sm.evaluate(studies, ["gene0", "gene5"], batch_key="study", unsupervised=False, **QUICK)


def test_the_report_names_batches(studies, tmp_path):
    panel = sm.select(studies, n_genes=4, method="discriminant", batch_key="study", combine="worst", **QUICK)
    place = sm.report(studies, panel, tmp_path, batch_key="study", robustness=False, n_stability=0, **QUICK)
    text = place.read_text(encoding="utf-8")
    assert "leave one batch out, 7 batches kept apart" in text
    assert "study (worst)" in text
