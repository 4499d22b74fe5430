"""Warnings of ambient RNA, of types that may be one, and of types of one donor."""

import copy

import numpy as np
import pandas as pd
import pytest

import selectormlp as sm
from selectormlp.data.cells import Cells
from selectormlp.data.normalize import log1p_cp10k
from selectormlp.evaluation.cautions import ambient_genes, ambient_notes, donor_notes, hardly_apart
from selectormlp.evaluation.counts import count_scale
from selectormlp.evaluation.notes import Caution, Kind, cautions_of, donors_unused
from selectormlp.evaluation.stability import consistency, count_candidates

GENES = ["HBLIKE", "RPLIKE", "MARK0", "MARK1", "MARK2", "WEAK", *(f"OTHER{i}" for i in range(300))]


@pytest.fixture
def blood():
    """Six types of 60 cells: one gene leaks from one type into all, one is everywhere, three mark a type each."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(6), 60)
    rate = np.full((6, len(GENES)), 1.0)
    rate[:, 0], rate[5, 0] = 0.4, 400
    rate[:, 1] = 30
    rate[:, 2:6] = 0.01
    rate[[0, 1, 2], [2, 3, 4]] = 20
    rate[:, 5] = 0.02
    counts = rng.poisson(rate[labels]).astype(np.float32)
    names = pd.RangeIndex(360).astype(str)
    X = log1p_cp10k(counts)
    return Cells(X, pd.Index(GENES), names, labels, tuple("ABCDEF"), None, True, counts.sum(axis=1, dtype=float))


def test_genes_that_leak_and_genes_that_are_everywhere_are_told_from_markers(blood):
    ambient, common = ambient_genes(blood, np.arange(6), count_scale(blood))
    assert ambient.tolist() == [0]
    assert common.tolist() == [1]
    notes = ambient_notes(blood, np.arange(6), count_scale(blood))
    assert [note.kind for note in notes] == [Kind.AMBIENT, Kind.EVERYWHERE]
    assert "'HBLIKE'" in notes[0]
    assert ambient_notes(blood, np.arange(2, 6), count_scale(blood)) == []
    assert ambient_notes(blood, np.arange(6), None) == []


def test_a_type_cut_in_two_is_warned_of_and_others_are_not(make_adata):
    adata = make_adata(n_cells=400)
    kinds = adata.obs["cell_type"].astype(str)
    halves = np.random.default_rng(0).random(400) < 0.5
    adata.obs["fine"] = np.where((kinds == "type A") & halves, "type A2", kinds)
    found = sm.evaluate(adata, ["gene0", "gene1", "gene2", "gene3"], label_key="fine", n_splits=2, unsupervised=False)
    pairs = hardly_apart([found.curve, found.ceiling])
    assert [pair[:2] for pair in pairs] == [("type A", "type A2")]
    (note,) = [note for note in cautions_of(found.notes) if note.kind is Kind.HARDLY_APART]
    assert "'type A' and 'type A2'" in note
    whole = sm.evaluate(
        adata, ["gene0", "gene1", "gene2", "gene3"], label_key="cell_type", n_splits=2, unsupervised=False
    )
    assert not any("told apart" in note for note in whole.notes)
    assert any("not independent" in note for note in whole.notes)


def test_types_of_one_donor_are_named(adata):
    adata.obs["kind"] = adata.obs["cell_type"].astype(str)
    adata.obs.loc[adata.obs_names[adata.obs["donor"] == "donor 1"][:5], "kind"] = "rare type"
    found = sm.evaluate(adata, ["gene0", "gene1"], label_key="kind", donor_key="donor", unsupervised=False)
    (note,) = [note for note in cautions_of(found.notes) if note.kind is Kind.ONE_DONOR]
    assert "'rare type' (5 cells, 'donor 1')" in note
    plain = sm.evaluate(adata, ["gene0", "gene1"], label_key="cell_type", donor_key="donor", unsupervised=False)
    assert not any("one donor only" in note for note in plain.notes)


def test_chance_is_reckoned_among_genes_that_could_be_chosen(blood):
    assert count_candidates(blood, np.array([2, 3, 4])) < 30
    rng = np.random.default_rng(1)
    panels = np.zeros((10, 20_000), dtype=bool)
    for panel in panels:
        panel[rng.choice(30, 10, replace=False)] = True  # at random among the thirty that could be
    assert consistency(panels[:, :30])[0] == pytest.approx(0, abs=0.1)
    assert consistency(panels)[0] > 0.25  # as it was reckoned among all genes


def test_values_that_are_not_logged_lose_no_results(adata):
    X = adata.X.toarray()
    adata.X = np.where(X > 0, X * 3700.5, 0).astype(np.float32)
    found = sm.evaluate(
        adata, ["gene0", "gene1", "gene2"], label_key="cell_type", n_splits=2, robustness=True, unsupervised=False
    )
    assert found.robustness is not None
    frame = found.robustness.to_frame()
    assert np.isfinite(frame.loc[frame["kind"] != "binarised", "balanced_accuracy"]).all()
    assert any("not logged" in note for note in found.robustness.notes)
    assert found.alone is None
    assert any("not scored by its own counts" in note for note in found.notes)


def test_what_fails_late_does_not_take_what_was_measured_with_it(adata, monkeypatch, said):
    import selectormlp.assessment.robustness as room

    def fail(*_, **__):
        raise ValueError("no robustness today")

    monkeypatch.setattr(room, "measure_robustness", fail)
    found = sm.evaluate(
        adata, ["gene0", "gene1"], label_key="cell_type", n_splits=2, robustness=True, unsupervised=False
    )
    assert found.curve.accuracy.value[-1] > 0.3
    assert "Robustness could not be measured: no robustness today." in found.notes
    assert "all else was" in said()


def test_warnings_are_found_by_kind_whatever_they_say():
    plain = "OPTIMISTIC is a word that this sentence holds; donors are not used in it. Ambient RNA: none."
    late, first = Caution(Kind.ONE_DONOR, "second"), Caution(Kind.OPTIMISTIC, "first")
    assert cautions_of([plain, late, first]) == ["first", "second"]
    again = copy.deepcopy(late)
    assert (again, again.kind) == ("second", Kind.ONE_DONOR)


def test_long_lists_are_cut_and_counted():
    labels = np.arange(10).repeat(2)
    donors = np.char.add("donor ", labels.astype(str))
    cells = Cells(
        np.ones((20, 1), dtype=np.float32),
        pd.Index(["gene"]),
        pd.Index([f"c{i}" for i in range(20)]),
        labels,
        tuple(f"type {i}" for i in range(10)),
        donors=donors,
    )
    (types,) = donor_notes(cells)
    assert "'type 7' (2 cells, 'donor 7') and 2 more." in types
    assert "type 8" not in types
    assert "'d'" not in donors_unused(dict.fromkeys("abcd", 2))
