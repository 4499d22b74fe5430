"""Measures of Spapros, NS-Forest and geneBasis: against numbers of Spapros 0.1.6 and NS-Forest 4.1, and by arithmetic.

``benchmarks/peers/spapros/fixture.py`` wrote the numbers, on made-up cells that the file holds.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.stats import spearmanr
from sklearn.metrics import normalized_mutual_info_score

import selectormlp as sm
from selectormlp.data.cells import Cells
from selectormlp.errors import DataError, SettingsError
from selectormlp.evaluation.neighborhoods import components, nearest_cells
from selectormlp.evaluation.published.boosted import boosted_confusion
from selectormlp.evaluation.published.clusterings import agreement, areas, clusterings
from selectormlp.evaluation.published.correlation import (
    correlate_markers,
    marker_columns,
    marker_lists,
    one_minus_mean,
    pearson,
    share_unrepeated,
)
from selectormlp.evaluation.published.one_split import above_split, best_marking
from selectormlp.evaluation.published.overlap import overlap_area, overlap_curve
from selectormlp.evaluation.published.preservation import cell_scores, gene_scores, neighbour_correlation
from selectormlp.evaluation.published.scores import measure_published
from selectormlp.evaluation.published.steps import mean_of_curve, share_above

CLOSE = 1e-6


@pytest.fixture(scope="module")
def theirs():
    return json.loads(Path(__file__).with_name("published_measures.json").read_text())


@pytest.fixture(scope="module")
def cells(theirs):
    X, labels = np.array(theirs["X"], dtype=np.float32), np.array(theirs["labels"])
    genes = pd.Index([f"g{column}" for column in range(X.shape[1])])
    names = pd.Index([f"c{row}" for row in range(len(X))])
    return Cells(X, genes, names, labels, tuple(f"type{code}" for code in range(4)))


@pytest.fixture(scope="module")
def panel(theirs):
    return np.array(theirs["panel"])


class TestSpapros:
    def test_correlation_of_genes(self, theirs, cells, panel):
        found = pearson(cells.X[:, panel], cells.X[:, panel])
        assert [one_minus_mean(found), share_unrepeated(found)] == pytest.approx(theirs["gene_corr"], abs=CLOSE)
        sparse = sp.csr_array(cells.X)[:, panel]
        assert pearson(sparse, sparse) == pytest.approx(found, abs=1e-12)

    def test_correlation_with_markers(self, theirs, cells, panel):
        columns, names, types = marker_columns(theirs["markers"], cells.genes)
        found = correlate_markers(cells.X[:, panel], cells.X, columns, names, types)
        expected = theirs["marker_corr"]
        assert found.per_marker == pytest.approx(expected["per marker"], abs=CLOSE)
        assert found.per_type == pytest.approx(expected["per celltype"], abs=CLOSE)
        assert found.per_expressed_marker == pytest.approx(expected["per marker mean > 0.025"], abs=CLOSE)

    def test_neighbours_kept(self, theirs):
        ours, everything = (np.array(theirs["neighbours"][side]) for side in ("panel", "all"))
        curve = overlap_curve(ours, everything)
        assert curve == pytest.approx({int(k): value for k, value in theirs["knn_curve"].items()}, abs=CLOSE)
        assert overlap_area(curve) == pytest.approx(theirs["knn_overlap"], abs=CLOSE)

    def test_neighbours_by_few_genes_are_theirs(self, theirs, cells, panel):
        found = nearest_cells(components(cells.X[:, panel]), 29)
        assert (np.sort(found) == np.sort(theirs["neighbours"]["panel"])).mean() > 0.99  # ties, and rounding

    def test_agreement_of_clusters(self, theirs):
        ours, everything = (
            {int(number): np.array(found) for number, found in theirs["clusters"][side].items()}
            for side in ("panel", "all")
        )
        curve = agreement(ours, everything)
        assert curve == pytest.approx({int(n): value for n, value in theirs["nmis"].items()}, abs=CLOSE)
        assert mean_of_curve(curve, 3, 12) == pytest.approx(theirs["nmi_area"], abs=CLOSE)
        from_five = {number: value for number, value in curve.items() if number >= 5}
        assert areas(from_five) == pytest.approx(tuple(theirs["nmi_areas"].values()), abs=CLOSE)

    @pytest.mark.slow
    def test_clusters_are_like_theirs_at_each_number(self, theirs, cells, panel):
        found = clusterings(components(cells.X[:, panel]), numbers=(3, 12))
        expected = {int(number): np.array(one) for number, one in theirs["clusters"]["panel"].items()}
        both = set(found) & set(expected)
        assert len(both) >= 8
        assert all(len(np.unique(found[number])) == number for number in found)
        likeness = [normalized_mutual_info_score(found[number], expected[number]) for number in both]
        assert np.mean(likeness) > 0.8

    def test_accuracy_of_a_forest(self, theirs):
        recalls = np.diag(np.array(theirs["confusion"]))
        assert [recalls.mean(), share_above(recalls)] == pytest.approx(theirs["forest"], abs=CLOSE)

    def test_a_forest_is_as_good_as_theirs(self, theirs, cells, panel):
        pytest.importorskip("xgboost", reason="an extra: selectormlp[measures]")
        codes, found = boosted_confusion(cells.X[:, panel], cells.labels, n_seeds=2)
        assert codes.tolist() == [0, 1, 2, 3]
        assert found.sum(axis=1) == pytest.approx(np.ones(4))
        assert np.diag(found).mean() == pytest.approx(theirs["forest"][0], abs=0.05)

    def test_without_xgboost_one_line_says_what_to_install(self, cells, panel, monkeypatch):
        monkeypatch.setitem(sys.modules, "xgboost", None)
        with pytest.raises(SettingsError, match=r"install selectormlp\[measures\]"):
            boosted_confusion(cells.X[:, panel], cells.labels)


class TestSteps:
    def test_points_are_joined_by_lines_and_the_last_goes_on(self):
        assert mean_of_curve({5: 0.0, 7: 1.0}, 5, 9) == pytest.approx((0 + 0.5 + 1 + 1 + 1) / 5)

    def test_numbers_before_the_first_count_as_nothing(self):
        assert mean_of_curve({3: 1.0}, 1, 4) == 0.5

    def test_no_points_have_no_mean(self):
        assert np.isnan(mean_of_curve({}, 1, 2))


class TestNSForest:
    def test_f_beta_of_a_type_is_theirs(self, theirs, cells, panel):
        six = panel[:6]
        found = {one.type: one for one in best_marking(cells.X[:, six], cells.labels, cells.classes)}
        assert set(found) == set(theirs["nsforest"])
        for name, expected in theirs["nsforest"].items():
            one = found[name]
            assert {f"g{six[place]}" for place in one.genes} == set(expected["genes"])
            scores = (one.f_beta, one.precision, one.recall)
            assert scores == pytest.approx([expected[key] for key in ("f_beta", "precision", "recall")], abs=CLOSE)

    def test_a_gene_that_does_not_vary_calls_no_cell(self):
        assert not above_split(np.ones(4), np.array([True, False, True, False])).any()

    def test_two_genes_mark_what_neither_does_alone(self):
        on = np.array([[1, 1], [1, 1], [1, 0], [1, 0], [0, 1], [0, 1], [0, 0], [0, 0]], dtype=np.float32)
        labels = np.array([0, 0, 1, 1, 1, 1, 1, 1])
        found = best_marking(on, labels, ("a", "b"))[0]
        assert set(found.genes) == {0, 1}
        assert found.f_beta == found.precision == found.recall == 1

    def test_types_without_cells_are_left_out(self, cells):
        found = best_marking(cells.X[:, :3], cells.labels, (*cells.classes, "nothing"))
        assert [one.type for one in found] == list(cells.classes)


class TestGeneBasis:
    def test_neighbours_by_all_genes_score_one(self, cells):
        points = components(cells.X)
        near = nearest_cells(points, 5)
        assert cell_scores(points, near, near) == pytest.approx(np.ones(len(points)))

    def test_cells_at_the_mean_distance_score_nothing_and_nearer_ones_more(self):
        points = np.array([[0.0], [1.0], [2.0], [3.0]])  # cell 0: mean distance 2, nearest 1
        everything = np.array([[1], [0], [1], [2]])
        panel = np.array([[2], [0], [1], [2]])
        assert cell_scores(points, panel, everything)[0] == 0

    def test_no_choice_of_neighbours_scores_above_one(self, cells):
        points = components(cells.X)
        rng = np.random.default_rng(0)
        drawn = np.array([rng.permutation(np.delete(np.arange(len(points)), row))[:5] for row in range(len(points))])
        found = cell_scores(points, drawn, nearest_cells(points, 5))
        assert found.max() <= 1
        assert abs(found.mean()) < 0.2  # neighbours at random are no nearer than any cells

    def test_correlation_over_neighbours_is_spearmans(self, cells, monkeypatch):
        near = nearest_cells(components(cells.X), 5)
        X = cells.X.astype(np.float64)
        expected = [max(1e-5, spearmanr(X[:, gene], X[near, gene].mean(axis=1)).statistic) for gene in range(80)]
        monkeypatch.setattr("selectormlp.evaluation.published.preservation.COLUMNS", 33)
        assert neighbour_correlation(cells.X, near) == pytest.approx(
            expected, abs=1e-3
        )  # sums in another order tie otherwise
        assert neighbour_correlation(sp.csr_array(cells.X), near) == pytest.approx(expected, abs=1e-3)

    def test_genes_keep_all_by_the_same_neighbours_and_weak_ones_are_not_scored(self, cells):
        near = nearest_cells(components(cells.X), 5)
        whole, found = gene_scores(cells.X, near, near)
        assert np.isnan(found[whole <= 0.25]).all()
        assert found[whole > 0.25] == pytest.approx(np.ones((whole > 0.25).sum()))
        assert 0 < (whole > 0.25).sum() < 80

    def test_a_gene_that_does_not_vary_has_the_least_correlation(self):
        X = np.ones((7, 2), dtype=np.float32)
        assert neighbour_correlation(X, nearest_cells(np.arange(7.0)[:, None], 2)) == pytest.approx([1e-5, 1e-5])


class TestTogether:
    def test_all_measures_and_tables(self, cells, panel, monkeypatch):
        monkeypatch.setitem(sys.modules, "xgboost", None)
        found = measure_published(cells, panel, markers={"type0": ["g0"], "type1": ["g1", "absent"]})
        frame = found.to_frame().set_index("measure")["value"]
        assert frame["markers, mean correlation"] == pytest.approx(1)  # both are in the panel
        assert frame.drop(["forest accuracy", "types with forest accuracy above 0.8"]).between(0, 1).all()
        assert frame[["forest accuracy", "types with forest accuracy above 0.8"]].isna().all()
        assert any("selectormlp[measures]" in note for note in found.notes)
        assert list(found.type_frame()["type"]) == list(cells.classes)
        assert len(found.cell_frame()) == cells.n_cells
        assert found.gene_frame()["correlation"].min() > 0.25

    def test_markers_come_from_the_cells_where_none_are_named(self, cells, panel):
        found = measure_published(cells, panel)
        assert any("no markers were named" in note for note in found.notes)

    def test_markers_that_the_data_lack_are_an_error(self, cells, panel):
        with pytest.raises(DataError, match="none of the markers"):
            measure_published(cells, panel, markers={"type0": ["absent"]})

    def test_few_cells_are_an_error(self, cells, panel):
        with pytest.raises(DataError, match="30 cells; the published measures need 31"):
            measure_published(cells.take(np.arange(30)), panel)

    @pytest.mark.parametrize("given", [{"T": "CD3E"}, {"T": 3}, {"T": {"genes": "CD3E"}}, {"T": [1]}])
    def test_markers_are_lists_of_genes(self, given):
        with pytest.raises(SettingsError, match=r"markers of 'T' are .*; expected a list of genes"):
            marker_lists(given)


class TestEvaluate:
    GENES = ("CD79A", "NKG7", "CST3", "CD3D")

    def test_measures_stand_in_the_result_and_its_tables(self, tmp_path):
        from selectormlp.assessment.tables import evaluation_tables

        markers = {"B": ["CD79A", "CD79B"]}
        found = sm.evaluate(
            sm.datasets.pbmc68k(),
            self.GENES,
            label_key="bulk_labels",
            unsupervised=False,
            measures=True,
            markers=markers,
        )
        tables = evaluation_tables(found)
        assert list(tables["measures.csv"].columns) == ["source", "measure", "value"]
        assert set(tables["measures.csv"]["source"]) == {"Spapros", "NS-Forest", "geneBasis"}
        assert {"measures_types.csv", "measures_genes.csv", "measures_cells.csv"} <= set(tables)
        assert found.published.panel == self.GENES

    def test_markers_alone_are_an_error(self):
        adata = sm.datasets.pbmc68k()
        with pytest.raises(SettingsError, match="markers are given without measures"):
            sm.evaluate(adata, self.GENES, label_key="bulk_labels", markers={"B": ["CD79A"]})

    def test_none_are_taken_unasked(self):
        adata = sm.datasets.pbmc68k()
        assert sm.evaluate(adata, self.GENES, label_key="bulk_labels", unsupervised=False).published is None
