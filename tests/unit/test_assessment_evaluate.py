"""evaluate, compare, robustness and stability on AnnData: what is tested on what, and what is said of it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import selectormlp as sm
from selectormlp.assessment.split_notes import unused_donors
from selectormlp.data.source import Source
from selectormlp.errors import DataError, PanelError, SettingsError
from selectormlp.panel.panel import Panel
from selectormlp.panel.provenance import Provenance
from selectormlp.selection.recipe import recipe_of
from unit.unchanged import assert_unchanged

GOOD = ["gene0", "gene1", "gene2", "gene3"]


def evaluate(adata, panel, **given):
    return sm.evaluate(adata, panel, **{"label_key": "cell_type", "n_splits": 3, "unsupervised": False, **given})


def test_a_typed_panel_is_external_and_beats_chance(adata):
    before = adata.copy()
    found = evaluate(adata, GOOD, sizes=[1, 2])
    assert_unchanged(adata, before)
    assert (found.protocol, found.optimistic) == ("external", False)
    assert found.curve.sizes.tolist() == [1, 2, 4]
    assert found.curve.accuracy.value[-1] > 0.8 > 0.6 > found.curve.accuracy.value[0]
    assert found.ceiling.sizes.tolist() == [30]
    assert found.splits.n_test == 200
    assert found.to_frame()["genes"].unique().tolist() == ["panel", "random", "all genes", "panel alone"]
    assert len(found.class_frame()) == (3 + 3 + 1 + 3) * 4
    assert found.confusion_frame().to_numpy().sum() == 200
    gap = found.ceiling.balanced_accuracy.value[-1] - found.curve.balanced_accuracy.value
    within = found.curve.sizes[gap <= found.level_off.distance]
    assert found.level_off.size == (within[0] if len(within) else None)


def test_scores_are_those_of_scikit_learn_by_hand(adata):
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from selectormlp.data.normalize import log1p_cp10k

    found = evaluate(adata, GOOD, seed=4)
    codes = adata.obs["cell_type"].cat.codes.to_numpy()
    X = np.asarray(log1p_cp10k(adata.X.toarray())[:, :4])
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=200, random_state=4))
    predicted = cross_val_predict(model, X, codes, cv=StratifiedKFold(3, shuffle=True, random_state=4))
    assert found.curve.balanced_accuracy.value[-1] == pytest.approx(balanced_accuracy_score(codes, predicted))


def test_the_same_seed_gives_the_same_and_an_estimator_may_be_handed_in(adata):
    first = evaluate(adata, GOOD, seed=3)
    pd.testing.assert_frame_equal(first.to_frame(), evaluate(adata, GOOD, seed=3).to_frame())
    own = evaluate(adata, GOOD, classifier=LogisticRegression(max_iter=500))
    assert own.classifier == "LogisticRegression"
    assert own.curve.accuracy.value[-1] > 0.8


def test_genes_that_the_data_lack_are_named_with_the_nearest(adata, said):
    found = evaluate(adata, ["gene0", "Gene1", "gen2", "gene3", "absent"])
    assert found.genes == ("gene0", "gene3")
    assert [gene.name for gene in found.unusable] == ["Gene1", "gen2", "absent"]
    assert found.unusable[0].suggestions[0] == "gene1"
    assert "gene2" in found.unusable[1].suggestions
    assert found.unusable[2].suggestions == ()
    assert "3 of the 5 genes" in said()
    assert found.unusable_frame()["gene"].tolist() == ["Gene1", "gen2", "absent"]


def test_genes_are_found_by_second_names_and_by_identifiers(adata):
    adata.var["symbol"] = [f"S{i}" for i in range(30)]
    adata.var.loc["gene5", "symbol"] = "S4"
    found = evaluate(adata, ["S0", "gene1", "S4", "gene0"], gene_name_key="symbol")
    assert found.genes == ("gene0", "gene1")  # S0 is gene0, and stands there once
    assert found.unusable[0].suggestions == ("gene4", "gene5")
    assert evaluate(adata, Panel(("CD3E",), gene_ids=("gene2",))).genes == ("gene2",)


def test_none_of_the_genes_is_an_error(adata):
    with pytest.raises(PanelError, match=r"none of the 2 genes.*for 'Gene1', did you mean 'gene1'.*--gene-name-key"):
        evaluate(adata, ["Gene1", "x"])
    with pytest.raises(PanelError, match="the one gene of the panel") as caught:
        evaluate(adata, ["zzz"])
    assert str(caught.value).count("'gene0'") == 1


@pytest.mark.parametrize(
    ("panel", "message"),
    [
        ("AAMP", r"no file 'AAMP'.*one gene: \['AAMP'\]"),
        (",".join(["AAMP"] * 60), r"cannot read 'AAMP,.*a list of genes"),  # too long for a path
        (["gene0", 3], r"entry 2 of the list of 2 genes is 3 \(int\)"),
        ({"gene0": 1}, "of type dict"),
        ({"gene0", "gene1"}, "of type set"),
        (3, "of type int"),
    ],
)
def test_what_is_no_list_of_genes_is_refused(adata, panel, message):
    with pytest.raises(PanelError, match=message):
        evaluate(adata, panel)


def test_a_panel_of_ours_learned_on_all_cells_is_chosen_anew_in_each_split(adata, monkeypatch):
    panel = sm.select(adata, label_key="cell_type", n_genes=4, method="discriminant")
    seen = []
    from selectormlp.selection import steps as reselection

    original = reselection.rank_genes
    monkeypatch.setattr(
        reselection, "rank_genes", lambda cells, *a, **k: seen.append(set(cells.names)) or original(cells, *a, **k)
    )
    found = evaluate(adata, panel)
    assert found.protocol == "reselected"
    assert len(seen) == 3
    assert all(len(names) < 140 for names in seen)  # none saw its test cells
    assert not set.intersection(*seen)


def test_a_panel_by_auto_is_chosen_anew_by_the_method_that_it_took(adata, monkeypatch):
    options = {"contenders": ["markers"]}
    panel = sm.select(adata, label_key="cell_type", n_genes=4, options=options)
    from selectormlp.selection import steps as reselection

    seen = []
    original = reselection.rank_genes
    monkeypatch.setattr(
        reselection, "rank_genes", lambda cells, *a, **k: seen.append(a[0].name) or original(cells, *a, **k)
    )
    found = evaluate(adata, panel)
    assert seen == ["markers"] * 3
    assert any("(the method that 'auto' took on all cells) chose 4 genes again" in note for note in found.notes)


@pytest.mark.parametrize(
    "choice", ["markers", {"method": "markers"}, {"method": ["x"], "options": {}, "reason": ""}, 3]
)
def test_a_record_of_auto_that_makes_no_sense_is_none(adata, choice):
    panel = sm.select(adata, label_key="cell_type", n_genes=4, options={"contenders": ["markers"]})
    settings = {**panel.provenance.settings, "selector": {"choice": choice}}
    found = replace(panel, provenance=replace(panel.provenance, settings=settings))
    assert found.provenance.taken is None
    assert recipe_of(found, "cell_type").method == "auto"


def test_a_panel_learned_on_part_is_tested_on_the_other_cells_only(adata):
    panel = sm.select(adata[:100].copy(), label_key="cell_type", n_genes=4, method="discriminant")
    found = evaluate(adata, panel)
    assert (found.protocol, found.splits.n_test, found.optimistic) == ("other cells", 100, False)
    assert evaluate(adata[100:].copy(), panel).protocol == "other cells"
    few = evaluate(adata[:150].copy(), panel)  # 50 others are too few
    assert few.protocol == "reselected"


def test_the_same_cells_under_other_names_are_recognised(adata):
    panel = sm.select(adata, label_key="cell_type", n_genes=4, method="discriminant")
    adata.obs_names = [f"renamed{i}" for i in range(200)]
    assert evaluate(adata, panel).protocol == "reselected"
    adata.X = adata.X + adata.X
    assert evaluate(adata, panel, normalize="none").protocol == "other cells"


def test_with_donors_a_panel_is_tested_on_donors_that_it_has_not_seen(make_adata):
    adata = make_adata(n_cells=400)
    known = adata.obs["donor"].isin(["donor 0", "donor 1"]).to_numpy()
    panel = sm.select(adata[known].copy(), label_key="cell_type", n_genes=4, method="discriminant")
    found = evaluate(adata, panel, donor_key="donor", n_splits=4)
    assert (found.protocol, found.splits.n_test, found.splits.scheme) == ("other cells", 200, "leave one donor out")
    mixed = sm.select(
        adata[:200].copy(), label_key="cell_type", n_genes=4, method="discriminant"
    )  # cells of every donor
    assert evaluate(adata, mixed, donor_key="donor").protocol == "reselected"
    assert evaluate(adata, mixed).protocol == "other cells"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"method": "magic"}, "'magic' cannot be run again"),
        ({"settings": {}}, "several steps"),
        ({"label_key": "cluster"}, "other labels"),
    ],
)
def test_a_panel_that_can_be_neither_tested_nor_chosen_anew_is_optimistic(adata, said, change, reason):
    panel = sm.select(adata, label_key="cell_type", n_genes=3, method="discriminant")
    panel = replace(panel, provenance=replace(panel.provenance, **change))
    found = evaluate(adata, panel)
    assert (found.protocol, found.optimistic) == ("optimistic", True)
    assert reason in found.notes[0]
    assert "OPTIMISTIC" in said()


def test_shuffled_labels_give_chance_although_the_panel_was_chosen_on_them(make_adata):
    adata = make_adata(n_cells=400, n_genes=60)
    adata.obs["cell_type"] = np.random.default_rng(0).permutation(adata.obs["cell_type"])
    panel = sm.select(adata, label_key="cell_type", n_genes=10, method="discriminant")
    found = evaluate(adata, panel)
    assert found.curve.accuracy.low[-1] < 0.25 < found.curve.accuracy.high[-1]
    listed = evaluate(adata, list(panel.genes))  # the same genes as a list: the choice has seen the test cells
    assert listed.curve.accuracy.value[-1] > found.curve.accuracy.value[-1]


def test_donors_that_are_not_used_are_warned_of(adata, said):
    found = evaluate(adata, GOOD)
    assert any("'donor' (4 values)" in note for note in found.notes)
    assert "may be donors" in said()
    assert not any("may be donors" in note for note in evaluate(adata, GOOD, donor_key="donor").notes)


@pytest.mark.parametrize(
    ("name", "warned"),
    [
        ("Patient_ID", True),
        ("sample", True),
        ("orig.ident", True),
        ("mouse", True),
        ("sampled", True),
        ("n_genes", False),
    ],
)
def test_columns_that_look_like_donors(adata, name, warned):
    adata.obs = adata.obs.drop(columns="donor")
    assert unused_donors(adata, Source(label_key="cell_type")) is None
    adata.obs[name] = np.arange(200) % 3
    assert (unused_donors(adata, Source(label_key="cell_type")) is not None) == warned
    adata.obs[name] = np.arange(200)  # an identifier of cells
    assert unused_donors(adata, Source(label_key="cell_type")) is None


def test_extras_are_measured_where_asked_for(adata):
    adata.obs["coarse"] = adata.obs["cell_type"].map({"type A": "x", "type B": "x", "type C": "y", "type D": "y"})
    panel = sm.select(adata, label_key="cell_type", n_genes=4, method="discriminant")
    found = evaluate(adata, panel, coarse_key="coarse", unsupervised=True, robustness=True, n_stability=2)
    assert found.hierarchy.coarse_classes == ("x", "y")
    assert found.hierarchy.coarse_accuracy[-1] >= found.curve.accuracy.value[-1]
    assert found.unsupervised.genes == found.genes
    assert found.robustness.disturbances[1].kind == "thinned"
    assert found.stability.reference == panel.genes


def test_coarse_labels_that_are_absent_or_cut_across_types(adata, said):
    adata.obs["coarse"] = np.where(np.arange(200) == 0, "y", "x")
    evaluate(adata, GOOD, coarse_key="coarse")
    assert "1 cell of 1 class has another coarse label" in said()
    adata.obs.loc[adata.obs["cell_type"] == "type A", "coarse"] = None
    with pytest.raises(DataError, match="type A"):
        evaluate(adata, GOOD, coarse_key="coarse")
    with pytest.raises(DataError, match="did you mean 'coarse'"):
        evaluate(adata, GOOD, coarse_key="coarce")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"classifier": "logistics"}, "did you mean 'logistic'"),
        ({"classifier": LogisticRegression}, "unfitted"),
        ({"n_splits": 1}, "n_splits is 1"),
        ({"sizes": [9]}, "sizes hold 9"),
        ({"sizes": [0]}, r"sizes\.0 is 0"),
        ({"confidence": 95}, "confidence is 95"),
        ({"level_metric": "auc"}, "level_metric"),
        ({"level_distance": -1}, "level_distance"),
        ({"seed": -1}, "seed is -1"),
        ({"label_key": None}, "label_key"),
    ],
)
def test_settings_out_of_range_are_refused(adata, given, message):
    with pytest.raises(SettingsError, match=message):
        evaluate(adata, GOOD, **given)


def test_a_classifier_that_fails_is_named(adata):
    with pytest.raises(SettingsError, match=r"LogisticRegression.*cannot be used"):
        evaluate(adata, GOOD, classifier=LogisticRegression(C=-1))


def test_one_class_is_too_few(adata):
    with pytest.raises(DataError, match="one class"):
        evaluate(adata[adata.obs["cell_type"] == "type A"].copy(), GOOD)


def test_stability_of_a_panel_that_cannot_be_chosen_again_is_refused(adata):
    with pytest.raises(PanelError, match="cannot be chosen again"):
        evaluate(adata, GOOD, n_stability=2)


def compare(adata, panels, **given):
    return sm.compare(adata, panels, **{"label_key": "cell_type", "n_splits": 3, **given})


def test_panels_and_methods_side_by_side(adata):
    found = compare(adata, {"good": GOOD, "half": ["gene0", "gene1"]}, methods=["discriminant", "random"], sizes=[1])
    assert found.names == ("good", "half", "discriminant", "random")
    assert [panel.protocol for panel in found.panels] == ["external", "external", "reselected", "reselected"]
    table = found.to_frame().set_index("panel")
    assert table.loc["good", "accuracy"] > table.loc["half", "accuracy"] + 0.2
    assert len(found.differences) == 6 * 3
    first = found.difference_frame().iloc[0]
    assert (first["first"], first["second"], first["metric"]) == ("good", "half", "accuracy")
    assert first["value"] == pytest.approx(table.loc["good", "accuracy"] - table.loc["half", "accuracy"])
    assert 0 < first["low"] < first["value"] < first["high"]
    assert found.shared[0, 1] == 2
    assert found.overlap_frame().loc["good", "half"] == 0.5
    assert found.gene_frame().set_index("gene").loc["gene1", ["good", "half"]].tolist() == [2, 2]
    assert found.curve_frame()["n_genes"].max() == 4


def test_a_panel_differs_from_itself_by_nothing(adata):
    found = compare(adata, [GOOD, GOOD])
    assert found.names == ("panel 1", "panel 2")
    for difference in found.differences:
        assert (difference.value, difference.low, difference.high) == (0, 0, 0)


def test_scores_compared_are_those_of_evaluate(adata):
    alone = evaluate(adata, GOOD, seed=2)
    together = compare(adata, {"a": GOOD, "b": ["gene1"]}, seed=2)
    assert together.panels[0].curve.accuracy.value[-1] == alone.curve.accuracy.value[-1]


def test_all_are_tested_on_cells_that_none_was_learned_on(make_adata):
    adata = make_adata(n_cells=400)
    panel = sm.select(adata[:200].copy(), label_key="cell_type", n_genes=4, method="discriminant")
    found = compare(adata, {"ours": panel, "typed": GOOD})
    assert found.splits.n_test == 200
    other = sm.select(adata[200:].copy(), label_key="cell_type", n_genes=4, method="discriminant")
    with pytest.raises(DataError, match="every cell was used to learn one of the panels"):
        compare(adata, {"ours": panel, "other": other})


def test_files_are_named_after_themselves_or_their_folder(adata, tmp_path):
    (tmp_path / "mine.csv").write_text("gene\ngene0\ngene1\n")
    Panel(("gene2",), provenance=Provenance()).write(tmp_path / "theirs")
    found = compare(adata, [tmp_path / "mine.csv", str(tmp_path / "theirs" / "panel.json")])
    assert found.names == ("mine", "theirs")


@pytest.mark.parametrize(
    ("panels", "given", "message"),
    [
        ([], {}, "nothing to compare"),
        ([], {"methods": ["svm"]}, "need a size"),
        ([GOOD], {"methods": ["svn"]}, "did you mean 'svm'"),
        ([GOOD], {"methods": ["svm", "svm"]}, "twice"),
        ([GOOD], {"methods": ["svm"], "n_genes": 99}, "99 genes from data of 30"),
        ([GOOD], {"sizes": [0]}, r"sizes\.0 is 0"),
    ],
)
def test_comparisons_that_cannot_be_are_refused(adata, panels, given, message):
    with pytest.raises(SettingsError, match=message):
        compare(adata, panels, **given)


def test_stability_over_each_kind_of_repetition(adata):
    found = sm.stability(adata, label_key="cell_type", method="forest", options={"n_estimators": 5}, n_genes=4,
                         donor_key="donor", n_repeats=3)  # fmt: skip
    assert [(overlap.source, overlap.n_panels) for overlap in found.overlaps] == [
        ("seeds", 3), ("subsamples", 3), ("donors", 4)]  # fmt: skip
    assert all(len(panel) == 4 for panel in found.panels)
    assert found.frequency.max() <= 1
    assert found.frequency.sum() == pytest.approx(4)


def test_a_strong_signal_is_chosen_again_and_noise_is_not(make_adata):
    adata = make_adata(n_genes=60)
    counts = adata.X.toarray()
    counts[:, 5:] = counts[np.random.default_rng(0).permutation(200), 5:]  # of five genes, the signal is left
    adata.X = counts
    given = {"label_key": "cell_type", "method": "discriminant", "n_genes": 4, "n_repeats": 5}
    signal = sm.stability(adata, **given)
    adata.obs["cell_type"] = np.random.default_rng(1).permutation(adata.obs["cell_type"])
    noise = sm.stability(adata, fraction=0.5, **given)
    assert noise.overlaps[0].kuncheva < 0.5 < 0.8 < signal.overlaps[0].kuncheva
    assert "seeds were not varied" in noise.notes[0]
    assert "donors were not varied" in noise.notes[1]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "give either a panel, or a method"),
        ({"method": "svm"}, "needs a size"),
        ({"method": "svm", "n_genes": 3, "over": ["seed"]}, "did you mean 'seeds'"),
        ({"method": "svm", "n_genes": 3, "n_repeats": 1}, "n_repeats is 1"),
        ({"method": "svm", "n_genes": 3, "fraction": 1.0}, "fraction is 1.0"),
        ({"method": "discriminant", "n_genes": 3, "over": "seeds"}, "nothing to vary"),
    ],
)
def test_stability_that_cannot_be_measured_is_refused(adata, given, message):
    with pytest.raises(SettingsError, match=message):
        sm.stability(adata, label_key="cell_type", **given)


def test_robustness_says_when_its_panel_has_seen_the_cells(adata):
    panel = sm.select(adata, label_key="cell_type", n_genes=4, method="discriminant")
    given = {"label_key": "cell_type", "n_splits": 2, "n_draws": 1, "thinning": (), "gains": ()}
    assert "learned on the cells tested" in sm.robustness(adata, panel, **given).notes[-1]
    found = sm.robustness(adata, GOOD, **given)
    assert found.notes == ()
    assert [one.kind for one in found.disturbances] == ["none", "probes failed", "probes failed", "binarised"]


def test_donors_that_cannot_be_left_out_are_named_and_all_their_cells_counted(make_adata):
    adata = make_adata(n_cells=60, n_classes=2)
    adata.obs["kind"] = np.repeat(["x", "y", "x"], [15, 15, 30])
    adata.obs["donor"] = np.repeat(["A", "B"], 30)
    found = evaluate(adata, GOOD, label_key="kind", donor_key="donor")
    said = (
        "Donor 'A' could not be left out, since the other donors are all of one class ('x'): 30 cells are not tested."
    )
    assert said in found.notes
    assert found.splits.n_test == 30
    assert any("one split only" in note for note in found.notes)
    assert np.isnan(found.curve.accuracy.split_low).all()
    adata.obs["kind"] = ["x", "y"] * 29 + ["x", "z"]
    found = evaluate(adata, GOOD, label_key="kind")
    assert any(note.startswith("1 cell is not tested, since no cell of its class") for note in found.notes)
