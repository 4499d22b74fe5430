"""The parts of the benchmark of panels that decide what its numbers mean."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from panel_accuracy import jobs, results
from panel_accuracy.limited import Outcome, select_limited
from panel_accuracy.methods import Choice, parse_method, select
from panel_accuracy.protocol import Learning, Prepared, Score, prepare, score_panel
from panel_accuracy.readme import MARKS, read_table, readme_table
from panel_accuracy.report import write_report
from panel_accuracy.results import Job, append_job, check_settings, open_results, read_results
from panel_accuracy.statistics import (
    Difference,
    bootstrap_means,
    ceiling_by_size,
    complete_methods,
    leave_one_out,
    mean_by_size,
    mean_difference,
    paired_difference,
    panel_scores,
)
from selectormlp.data.cells import Cells
from selectormlp.errors import DataError

ROOT = Path(__file__).parents[2]


def cells(n_cells=300, n_genes=40, n_classes=3, seed=0):
    """Log values; gene g is higher in class g % n_classes for the first genes; one more class of 10 cells."""
    rng = np.random.default_rng(seed)
    labels = np.append(np.arange(n_cells) % n_classes, [n_classes] * 10)
    X = rng.normal(size=(len(labels), n_genes)).astype(np.float32)
    for gene in range(n_classes):
        X[labels == gene, gene] += 6
    names = pd.Index([f"c{row}" for row in range(len(labels))])
    genes = pd.Index([f"g{column}" for column in range(n_genes)])
    return Cells(X, genes, names, labels.astype(np.int64), tuple("abcdef"[: n_classes + 1]))


def prepared(n_genes=40):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, n_genes)).astype(np.float32), np.arange(60) % 3
    X[:, 0] += 4 * y
    return Prepared(Learning(X[:45], y[:45], 3), X[45:], y[45:])


def row(data="d", method="ours", seed=0, size=10, score=0.5, **others):
    known = {
        "family": data,
        "kind": "peer",
        "status": "ok",
        "seconds": 1.0,
        "cpu_seconds": 1.0,
        "classifier": "knn",
        "n_chosen": size,
    }
    values = {"balanced_accuracy": score, "macro_f1": score, "least_recall": score}
    return {"data": data, "method": method, "seed": seed, "size": size, **known, **values, **others}


class TestPrepare:
    def test_small_classes_are_left_out_and_codes_are_consecutive(self):
        found = prepare(cells(), 0)
        assert found.learning.n_classes == 3
        assert set(found.learning.y) == set(found.y_test) == {0, 1, 2}
        assert len(found.learning.y) == 3 * (66 + 16)  # 4 : 1 : 1 of 100 cells, rounded down
        assert len(found.y_test) == 3 * 16

    def test_test_cells_have_no_say_in_the_genes(self, monkeypatch):
        monkeypatch.setattr("panel_accuracy.protocol.MAX_GENES", 10)
        data = cells()
        before = prepare(data, 0)
        is_test = (data.X[:, None, :5] == prepare_test_values(data)).all(axis=2).any(axis=1)
        X = data.X.copy()
        X[is_test, 20:] *= 100
        changed = prepare(Cells(X, data.genes, data.names, data.labels, data.classes), 0)
        np.testing.assert_array_equal(before.learning.X, changed.learning.X)

    def test_one_large_class_is_not_enough(self):
        with pytest.raises(DataError, match="at least 2 are needed"):
            prepare(cells(n_classes=1), 0)


def prepare_test_values(data):
    """First genes of the test cells, shape (1, n_test_cells, 5)."""
    from panel_accuracy.protocol import LEAST_CELLS, SPLIT
    from selectormlp.data.split import split_cells

    split = split_cells(data.labels, SPLIT, min_cluster_size=LEAST_CELLS, rng=np.random.default_rng(0))
    return data.X[split.test][None, :, :5]


def test_scores_are_those_of_the_panel_alone(monkeypatch):
    monkeypatch.setattr("panel_accuracy.protocol.CLASSIFIERS", ["logistic", "knn"])
    scores = {panel: score_panel(prepared(), np.array([panel]), 0) for panel in (0, 5)}
    assert all(score.balanced_accuracy > 0.8 for score in scores[0])
    assert all(score.balanced_accuracy < 0.7 for score in scores[5])
    assert all(score.least_recall <= score.balanced_accuracy for score in scores[0] + scores[5])


class TestMethods:
    def test_options_reach_our_selector(self):
        method = parse_method("discriminant:criterion=log:refine=true")
        assert method.options == {"criterion": "log", "refine": True}
        choice = select(method, prepared().learning, 2, 0)
        assert choice.order[0] == 0
        assert not choice.nested

    @pytest.mark.parametrize("spec", ["nothing", "cosg:mu=2", "mlp:max_epochs"])
    def test_what_cannot_be_run_is_refused_at_the_start(self, spec):
        with pytest.raises(SystemExit, match=spec.partition(":")[0]):
            parse_method(spec)


class TestJobs:
    SIZES = (2, 4, 6)

    def run(self, monkeypatch, method, outcome):
        asked = []

        def fake(method, learning, size, seed, limit_s):
            asked.append(size)
            return outcome(size)

        monkeypatch.setattr(jobs, "select_limited", fake)
        score = lambda prepared, panel, seed: [Score("knn", len(panel) / 10, 0.1, 0.0)]  # noqa: E731
        return asked, jobs.run_job(Job("d", method, 0), "f", prepared(), self.SIZES, 5.0, score)

    def test_a_nested_ranking_is_made_once(self, monkeypatch):
        asked, rows = self.run(monkeypatch, "cosg", lambda size: Outcome("ok", Choice(np.arange(40), True), 2.0))
        assert asked == [6]
        assert [(row["size"], row["balanced_accuracy"], row["seconds"]) for row in rows] == [
            (2, 0.2, 2.0),
            (4, 0.4, 2.0),
            (6, 0.6, 2.0),
        ]

    def test_other_methods_run_for_each_size_until_one_is_over_the_limit(self, monkeypatch):
        late, fine = Outcome("over the limit", seconds=5.0), Outcome("ok", Choice(np.arange(2), False), 1.0)
        asked, rows = self.run(monkeypatch, "spapros", lambda size: fine if size == 2 else late)
        assert asked == [6, 2, 4]
        assert [row["status"] for row in rows] == ["ok", "over the limit", "over the limit"]
        assert "balanced_accuracy" not in rows[1]

    def test_too_few_genes_are_scored_and_counted(self, monkeypatch):
        _, rows = self.run(monkeypatch, "nsforest", lambda size: Outcome("ok", Choice(np.arange(3), True), 1.0))
        assert [row["n_chosen"] for row in rows] == [2, 3, 3]

    def test_sizes_above_half_of_the_genes_are_left_out(self, monkeypatch):
        monkeypatch.setattr(self, "SIZES", (10, 20, 30), raising=False)
        _, rows = self.run(monkeypatch, "cosg", lambda size: Outcome("ok", Choice(np.arange(40), True), 1.0))
        assert [row["size"] for row in rows] == [10, 20]


class TestResults:
    def test_an_interrupted_run_goes_on_where_it_stopped(self, tmp_path):
        path = tmp_path / "results.csv"
        assert open_results(path, retry=False) == set()
        append_job(path, [row(size=10), row(size=25)])
        append_job(path, [row(seed=1), row(seed=1, size=25)])
        path.write_bytes(path.read_bytes()[:-30])  # the power went while the last row was written
        assert open_results(path, retry=False) == {Job("d", "ours", 0)}
        append_job(path, [row(seed=1), row(seed=1, size=25)])
        assert len(read_results(path)) == 4

    def test_failures_are_rows_and_are_tried_again_on_request_only(self, tmp_path):
        path = tmp_path / "results.csv"
        open_results(path, retry=False)
        append_job(path, [row()])
        failure = {"data": "d", "method": "stg", "seed": 0, "size": 10, "kind": "peer", "status": "over the limit"}
        append_job(path, [failure])
        assert read_results(path)["status"].tolist() == ["ok", "over the limit"]
        assert Job("d", "stg", 0) in open_results(path, retry=False)
        assert open_results(path, retry=True) == {Job("d", "ours", 0)}

    def test_only_what_is_late_at_every_size_is_given_up(self):
        late = {"status": "over the limit"}
        rows = [row(**late), row(size=25, **late), row(method="other"), row(method="other", size=25, **late)]
        assert results.over_the_limit(pd.DataFrame(rows)) == {("d", "ours")}
        assert results.over_the_limit(pd.DataFrame()) == set()

    def test_results_of_other_settings_are_not_mixed(self, tmp_path):
        path = tmp_path / "results.csv"
        check_settings(path, {"fixed": {"sizes": [10]}})
        open_results(path, retry=False)
        check_settings(path, {"fixed": {"sizes": [10]}})
        with pytest.raises(SystemExit, match="give another --out"):
            check_settings(path, {"fixed": {"sizes": [10, 25]}})

    def test_another_file_is_not_overwritten(self, tmp_path):
        path = tmp_path / "table.csv"
        path.write_text("a,b\n1,2\n")
        with pytest.raises(SystemExit, match="not a results file"):
            open_results(path, retry=False)


def frame(entries):
    return panel_scores(pd.DataFrame([row(**entry) for entry in entries]))


class TestStatistics:
    def test_differences_are_paired(self):
        """Seeds differ far more than methods do; a pairing sees the constant difference exactly."""
        entries = [
            {"data": data, "seed": seed, "method": method, "score": 0.3 * seed + extra}
            for data in "abc"
            for seed in range(3)
            for method, extra in (("ours", 0.02), ("peer", 0.0))
        ]
        found = paired_difference(frame(entries), "ours", "peer")
        assert found.mean == pytest.approx(0.02)
        assert found.low == pytest.approx(0.02)
        assert found.high == pytest.approx(0.02)
        assert (found.n_data, found.n_families) == (3, 3)

    def test_only_what_both_have_is_compared(self):
        entries = [{"score": 0.5}, {"method": "peer", "score": 0.4}, {"seed": 1, "score": 0.9}]
        assert paired_difference(frame(entries), "ours", "peer").mean == pytest.approx(0.1)
        assert paired_difference(frame(entries), "ours", "peer", sizes=[25]) is None

    @pytest.mark.parametrize("family", [[0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9], [0, 1, 1, 1, 2, 3]])
    def test_the_interval_covers_a_known_mean_as_often_as_it_should(self, family):
        """All families, and the four kept back: 95 % intervals cover zero in 93 to 97 %, a bootstrap in fewer."""
        rng, hits, boot, n_trials = np.random.default_rng(0), 0, 0, 1000
        n = len(family)
        for _ in range(n_trials):
            difference = rng.normal(size=max(family) + 1)[family] + 0.3 * rng.normal(size=n)
            units = pd.DataFrame({"family": family, "data": range(n), "seed": 0, "difference": difference})
            found = mean_difference(units)
            hits += found.low <= 0 <= found.high
            means = difference[rng.integers(n, size=(100, n))].mean(axis=1)
            low, high = np.quantile(means, [0.025, 0.975])
            boot += low <= 0 <= high
        assert 0.93 <= hits / n_trials <= 0.97
        assert boot < hits

    def test_who_is_level_is_called_level(self):
        assert Difference(0.01, -0.002, 0.022, 6, 4).verdict == "level"
        assert str(Difference(0.01, 0.002, 0.018, 6, 4)) == "+0.010 (+0.002 to +0.018) ahead"
        assert Difference(-0.01, -0.018, -0.002, 6, 4).verdict == "behind"
        assert str(Difference(0.0, 0.0, 0.0, 6, 4)) == "+0.000 level"  # the same panels
        assert Difference(0.01, 0.002, 0.018, 1, 1).verdict == ""  # one family says nothing of others

    def test_families_count_once_however_many_data_sets_they_have(self):
        entries = [
            {"family": "f", "data": "a", "score": 1.0},
            {"family": "f", "data": "b", "score": 0.6},
            {"family": "g", "data": "c", "score": 0.4},
        ]
        assert mean_by_size(frame(entries)).loc["ours", 10] == pytest.approx(0.6)

    def test_the_ceiling_of_a_size_is_that_of_the_sets_that_have_it(self):
        entries = [
            {"family": "f", "data": "a", "size": 10},
            {"family": "f", "data": "a", "size": 25},
            {"family": "g", "data": "b", "size": 10},
            {"family": "f", "data": "a", "method": "all-genes", "size": 60, "score": 0.9},
            {"family": "g", "data": "b", "method": "all-genes", "size": 30, "score": 0.5},
        ]
        assert ceiling_by_size(frame(entries)).to_dict() == pytest.approx({10: 0.7, 25: 0.9})
        assert ceiling_by_size(frame(entries[:-1])) is None

    def test_data_sets_that_share_cells_are_drawn_together(self):
        units = pd.DataFrame({"family": ["f", "f"], "data": ["a", "b"], "seed": [0, 0], "difference": [1.0, -1.0]})
        assert set(bootstrap_means(units, n_draws=50)) == {0.0}

    def test_the_choice_among_variants_does_not_see_the_data_set_left_out(self):
        scores = {"a": (0.9, 0.1), "b": (0.4, 0.5), "c": (0.4, 0.5)}
        entries = [
            {"data": data, "method": method, "score": score}
            for data, pair in scores.items()
            for method, score in zip(("x", "y"), pair, strict=True)
        ]
        found = leave_one_out(frame(entries), ["x", "y"]).set_index("data")
        assert found["variant"].to_dict() == {"a": "y", "b": "x", "c": "x"}
        assert found["balanced_accuracy"].to_dict() == {"a": 0.1, "b": 0.4, "c": 0.4}

    def test_methods_that_lack_a_panel_are_not_ranked(self):
        entries = [{"size": 10}, {"size": 25}, {"method": "peer", "size": 10}]
        assert complete_methods(frame(entries)) == ["ours"]


def test_the_report_says_what_failed(tmp_path):
    path = tmp_path / "results.csv"
    open_results(path, retry=False)
    for data in "ab":
        for method, kind in (("discriminant", "ours"), ("t-test", "peer")):
            append_job(path, [row(data, method, size=size, kind=kind, version="1.0") for size in (10, 25)])
    failure = {"data": "a", "method": "stg", "seed": 0, "size": 10, "kind": "peer", "status": "over the limit"}
    append_job(path, [failure])
    text = write_report(path, None, None, tmp_path, ".")
    assert "discriminant minus other methods" in text
    assert "over the limit: 1" in text
    assert (tmp_path / "accuracy_by_size.png").stat().st_size > 5_000
    assert (tmp_path / "accuracy_by_seconds.png").stat().st_size > 5_000


def test_a_method_without_a_size_is_compared_at_the_others(tmp_path):
    path = tmp_path / "results.csv"
    open_results(path, retry=False)
    for data in "ab":
        append_job(path, [row(data, "discriminant", size=size, score=0.6, kind="ours") for size in (10, 25)])
        append_job(path, [row(data, "stg", size=10, score=0.5, kind="peer")])
    text = write_report(path, None, None, tmp_path, ".")
    assert "| stg | +0.100 | 2 (2) | +0.100 | – |" in text.splitlines()


def test_sets_used_for_tuning_stand_apart(tmp_path):
    path = tmp_path / "results.csv"
    open_results(path, retry=False)
    for data, family, score in (("a", "pbmc3k", 0.9), ("b", "elsewhere", 0.6), ("c", "another", 0.5)):
        for method, kind, less in (("discriminant", "ours", 0.0), ("t-test", "peer", 0.1)):
            found = row(data, method, family=family, size=10, kind=kind, score=score - less, version="1.0")
            append_job(path, [found])
    text = write_report(path, None, None, tmp_path, ".")
    assert "1 data set (1 family) used to tune" in text
    assert "2 data sets (2 families) not used to tune" in text
    kept = write_report(path, None, None, tmp_path, ".", "kept-back")
    assert "0.550" in kept
    assert "0.900" not in kept
    assert (tmp_path / "accuracy_by_size_kept_back.png").exists()


def test_a_table_is_read_from_between_two_lines_of_a_page():
    lines = ["| method | k |", "| --- | --- |", "| a | 9 |", "begin", "| other | k |", "| method | k = 10 | s |"]
    page = "\n".join([*lines, "| --- | --- | --- |", "| t-test | 0.5 |  |", "", "| b | 0.1 | 1 |", "end"])
    found = read_table(page, ("begin", "end"), "method")
    assert found.to_dict("index") == {"t-test": {"k = 10": "0.5", "s": ""}}
    with pytest.raises(SystemExit, match="no table with the column 'method'"):
        read_table("nothing", ("begin", "end"), "method")


def test_the_readme_says_what_the_page_of_the_benchmark_says():
    page, readme = ((ROOT / place).read_text() for place in ("docs/benchmark.md", "README.md"))
    assert readme.partition(MARKS[0])[2].partition(MARKS[1])[0].strip() == readme_table(page).strip()


def test_a_report_wants_a_method_that_has_all_panels(tmp_path):
    path = tmp_path / "results.csv"
    open_results(path, retry=False)
    append_job(path, [row("a", "discriminant", size=10, kind="ours")])
    append_job(path, [row("b", "stg", size=10, kind="peer")])
    with pytest.raises(SystemExit, match="let the run finish"):
        write_report(path, None, None, tmp_path, ".")


@pytest.mark.slow
def test_a_selection_runs_in_a_process_that_is_ended_at_the_limit():
    method, learning = parse_method("random"), prepared().learning
    outcome = select_limited(method, learning, 2, 0, 60)
    assert outcome.status == "ok"
    assert len(outcome.choice.order) == 40
    start = time.perf_counter()
    assert select_limited(parse_method("forest"), learning, 2, 0, 0.01).status == "over the limit"
    assert time.perf_counter() - start < 60


def test_columns_of_failures_fit_the_file():
    assert set(row()) | {"version", "peak_mb", "n_cells", "n_genes", "n_classes", "job_rows"} == set(results.COLUMNS)
