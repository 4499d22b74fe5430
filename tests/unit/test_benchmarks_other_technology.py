"""The parts of the benchmark across technologies that decide what its numbers mean."""

import numpy as np
import pandas as pd
import pytest

from other_technology.pairs import make_pair
from other_technology.report import difference, markdown, report
from other_technology.run import COLUMNS, rows_of
from other_technology.scoring import draw_cells, over_panel, score


def side(labels, n_genes, seed, efficiency):
    rng = np.random.default_rng(seed)
    kinds = np.array(["A", "B", "C"])
    rate = np.full((len(labels), n_genes), 1.0)
    for place, kind in enumerate(kinds):
        rate[labels == kind, place] = 30
    return rng.poisson(rate * efficiency).astype(float), labels, np.full(len(labels), 100.0)


@pytest.fixture(scope="module")
def pair():
    labels = np.repeat(["A", "B", "C", "rare"], [60, 40, 50, 5])
    efficiency = np.random.default_rng(2).uniform(0.5, 2.0, 30)
    return make_pair(
        "name", "family", [f"g{i}" for i in range(30)], side(labels, 30, 0, 1.0), side(labels, 30, 1, efficiency)
    )


def test_types_need_cells_on_both_sides(pair):
    assert pair.types == ("A", "B", "C")
    assert len(pair.reference.codes) == len(pair.X) == 150
    np.testing.assert_allclose(np.expm1(pair.X), pair.reference.counts * 100)


def test_learning_and_test_cells_are_other_cells_of_each_type(pair):
    draw = draw_cells(pair, 0)
    assert not set(draw.learn) & set(draw.test)
    np.testing.assert_array_equal(np.bincount(pair.measured.codes[draw.learn]), [30, 20, 25])
    np.testing.assert_array_equal(np.bincount(pair.reference.codes[draw.reference]), [60, 40, 50])
    assert len(np.unique(draw.reference)) < 150  # a bootstrap


def test_cells_are_normalised_over_the_panel_alone():
    values = over_panel(np.array([[1.0, 3.0], [0.0, 0.0]]), 8.0)
    np.testing.assert_allclose(values, np.log1p([[2.0, 6.0], [0.0, 0.0]]))


def test_markers_tell_types_apart_in_every_measure_and_other_genes_do_not(pair):
    draw = draw_cells(pair, 0)
    good = {measure: found for measure, _, found in score(pair, draw, np.array([0, 1, 2, 9]), ["logistic"])}
    bad = {measure: found for measure, _, found in score(pair, draw, np.arange(9, 13), ["logistic"])}
    assert list(good) == ["refit", "transfer", "transfer standardised"]
    assert min(good.values()) > 0.95 > 0.6 > max(bad.values())


def test_rows_and_report(pair):
    rows = rows_of(pair, 0, ["t-test", "discriminant"], ["knn"], [3, 15, 16], {("name", 0, "other", "knn")})
    assert list(rows.columns) == COLUMNS
    assert sorted(rows["size"].unique()) == [3, 15]  # half of the genes at most
    assert not len(rows_of(pair, 0, ["t-test"], ["knn"], [3], {("name", 0, "t-test", "knn")}))
    more = rows_of(pair, 0, ["t-test"], ["knn", "logistic"], [3], {("name", 0, "t-test", "knn")})
    assert more["classifier"].unique().tolist() == ["logistic"]
    assert "to the t-test" in report(rows)


def test_differences_are_paired():
    rows = pd.DataFrame(
        [
            ("f", pair, draw, method, 8, "refit", "knn", level + gain)
            for pair, level in (("p", 0.2), ("q", 0.8))
            for draw in range(2)
            for method, gain in (("t-test", 0.0), ("mine", 0.1))
        ],
        columns=COLUMNS,
    )
    assert difference(rows, "mine", "t-test") == "+0.100 (+0.100 to +0.100)"
    table = markdown(pd.concat([rows, rows.assign(measure="transfer")])).splitlines()
    assert table[0] == "| refitted | 8 |"
    assert table[2:5] == ["| (pairs) | 2 |", "| mine | 0.600 |", "| t-test | 0.500 |"]
    assert table[-1] == "| mine less t-test | +0.100 (+0.100 to +0.100) | +0.100 (+0.100 to +0.100) |"
