"""Progress as somebody at a terminal or in a notebook sees it."""

import io
import logging
import re
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
import rich

import selectormlp as sm
from selectormlp.progress import show_from_now_on, showing, step, time_left, track

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal(io.StringIO):
    """A terminal that keeps all that was ever written to it; standard error in a ``with`` block.

    Not in a fixture, since pytest puts a stream of its own in place between setup and test.
    """

    def __enter__(self):
        self.before, sys.stderr = sys.stderr, self
        return self

    def __exit__(self, *_):
        sys.stderr = self.before
        show_from_now_on(False)

    def isatty(self):
        return True

    @property
    def seen(self):
        return ESCAPES.sub("", self.getvalue())

    def wait_for(self, text):
        end = time.monotonic() + 60
        while text not in self.seen:
            assert time.monotonic() < end, f"{text!r} was not drawn:\n{self.seen[-2000:]}"
            time.sleep(0.01)

    def counts(self, what):
        """All ``n of m`` that were drawn beside what."""
        return [(int(n), int(m)) for n, m in re.findall(rf"{re.escape(what)} +\S* +(\d+) of (\d+)", self.seen)]


@pytest.fixture
def at_once(monkeypatch):
    """Draw from the beginning, however short the work."""
    monkeypatch.setattr("selectormlp.progress.DELAY", 0)


@pytest.fixture
def terminal(monkeypatch, at_once):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(rich, "_console", None)  # which a command may have made quiet before
    return Terminal()


@pytest.fixture
def wide(make_adata):
    return make_adata(n_cells=120, n_genes=24)


LABELS = {"label_key": "cell_type"}


def test_a_bar_counts_what_is_done(terminal, capsys):
    with terminal, showing():
        for n_done, item in enumerate(track("abcd", "folding")):
            assert item == "abcd"[n_done]
            terminal.wait_for(f"{n_done} of 4")
    assert {m for _, m in terminal.counts("folding")} == {4}
    ns = [n for n, _ in terminal.counts("folding")]
    assert ns == sorted(ns)
    assert capsys.readouterr().out == ""


def test_units_are_counted_and_work_begins_again(terminal):
    with terminal, showing(), step("reading", 0) as bar:
        bar.restart(30)
        bar.advance(12)
        terminal.wait_for("12 of 30")
        bar.restart(1200)
        bar.advance(1100)
        terminal.wait_for("1,100 of 1,200")
        bar.say("reading [/again]")
        terminal.wait_for("reading [/again]")


def test_steps_within_steps_have_lines_of_their_own(terminal):
    with terminal, showing():
        for outer in track(["a", "b"], "outer"):
            for n, _ in enumerate(track(range(3), f"inner {outer}")):
                terminal.wait_for(f"inner {outer}")
                assert n < 3
            terminal.wait_for(f"{'ab'.index(outer)} of 2")
    assert {m for _, m in terminal.counts("inner b")} == {3}


def test_a_loop_that_is_left_early_leaves_no_line(terminal):
    with terminal, showing():
        for _ in track(range(100), "left early"):
            break
        with step("afterwards", 7):
            terminal.wait_for("0 of 7")
    assert "left early" not in terminal.seen.partition("afterwards")[2]


def test_what_is_done_is_taken_away_and_the_cursor_comes_back(terminal):
    with pytest.raises(ZeroDivisionError), terminal, showing(), step("dividing", 2):
        raise ZeroDivisionError
    assert terminal.getvalue().rstrip().endswith(("\x1b[2K", "\x1b[?25h"))
    assert terminal.getvalue().count("\x1b[?25l") == terminal.getvalue().count("\x1b[?25h")


def test_lines_of_the_log_go_above_and_names_are_no_markup(terminal, package_log):
    sm.set_verbosity("info")
    with terminal, showing(), step("T cell [red]\x1b[2J", 3):
        logging.getLogger("selectormlp.x").info("a line with [/brackets]")
        terminal.wait_for("0 of 3")
    assert "a line with [/brackets]" in terminal.seen
    assert "T cell [red]\\x1b[2J" in terminal.seen


def test_nothing_is_drawn_unasked_nor_of_what_takes_less_than_a_second(terminal, monkeypatch):
    with terminal:
        list(track(range(3), "unasked"))
    monkeypatch.setattr("selectormlp.progress.DELAY", 60)
    with terminal, showing():
        list(track(range(3), "short"))
    assert "unasked" not in terminal.seen
    assert "short" not in terminal.seen


def test_nothing_is_drawn_where_nobody_looks(at_once, capsys):
    with showing():
        list(track(range(3), "to a file"))
    assert capsys.readouterr() == ("", "")


def test_a_function_inside_does_not_silence_who_called_it(terminal):
    with terminal, showing(), showing(False):
        for _ in track([1], "inside"):
            terminal.wait_for("0 of 1")


def test_threads_share_one_place(terminal):
    from contextvars import copy_context
    from threading import Thread

    def work(name):
        with step(name, 5) as bar:
            bar.advance(2)
            terminal.wait_for(name)

    with terminal, showing():
        threads = [Thread(target=copy_context().run, args=(work, name)) for name in ("left", "right")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {*terminal.counts("left"), *terminal.counts("right")} <= {(0, 5), (2, 5)}


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        (lambda a: sm.select(a, **LABELS, n_genes=4), {"trying methods": 3, "discriminant": 3, "markers": 3}),
        (
            lambda a: sm.evaluate(a, ["gene0", "gene1", "gene2"], **LABELS, sizes=[1, 2], n_splits=2, robustness=True),
            {"fitting classifiers, panel": 6, "fitting classifiers, all genes": 2, "disturbing the cells": 7},
        ),
        (
            lambda a: sm.compare(a, [["gene0"], ["gene1", "gene2"]], **LABELS, n_splits=2),
            {"measuring panels": 2, "fitting classifiers, panel 1": 2},
        ),
        (
            lambda a: sm.stability(a, **LABELS, method="variance", n_genes=3, n_repeats=3, donor_key="donor"),
            {"choosing again from part of the cells": 3, "choosing again without one donor": 4},
        ),
        (lambda a: sm.explain(a, ["gene0", "gene1"], **LABELS), {"explaining genes": 2}),
        (lambda a: sm.fit_classifier(a, ["gene0", "gene1"], **LABELS, n_splits=3), {"calibrating": 3}),
    ],
    ids=["auto", "evaluate", "compare", "stability", "explain", "fit_classifier"],
)
def test_functions_say_how_much_there_is_to_do(terminal, wide, work, expected, capsys):
    with terminal:
        work(wide)
    for what, total in expected.items():
        assert (0, total) in terminal.counts(what), terminal.seen[-3000:]
    assert capsys.readouterr().out == ""


def test_a_report_says_what_it_does(terminal, wide, tmp_path):
    with terminal:
        sm.report(wide, ["gene0", "gene1", "gene2"], tmp_path, **LABELS, n_splits=2)
    totals = {"fitting classifiers, panel": 2, "disturbing the cells": 5, "explaining genes": 3}
    for what, total in totals.items():
        assert (0, total) in terminal.counts(what)


def test_networks_say_their_epochs(terminal, wide):
    X, y = wide.X.toarray(), wide.obs["cell_type"].to_numpy()
    with terminal:
        sm.MLP(hidden_sizes=(4,), max_epochs=3, batch_size=40, device="cpu", progress=True, random_state=0).fit(X, y)
    assert (0, 9) in terminal.counts("training")  # batches of all epochs


def test_persist_and_the_budget_count_too(terminal, wide):
    X, y = np.log1p(wide.X.toarray()), wide.obs["cell_type"].to_numpy()
    fast = {"hidden_sizes": (4,), "device": "cpu", "random_state": 0, "progress": True}
    with terminal:
        sm.PersistSelector(2, n_candidates=6, elimination_steps=40, selection_steps=60, **fast).fit(X, y)
    assert (0, 40) in terminal.counts("eliminating genes")
    assert (0, 60) in terminal.counts("selecting genes")
    assert "PERSIST: selecting, 2 genes" in terminal.seen
    with terminal:
        sm.BudgetSelectorMLP(2, first_steps=5, steps=2, panel_steps=5, n_networks=2, **fast).fit(X, y)
    assert (0, 24) in terminal.counts("dropping genes")


def test_reading_from_disk_counts_blocks(terminal, wide, tmp_path):
    wide.write_h5ad(tmp_path / "cells.h5ad")
    with terminal:
        sm.select(tmp_path / "cells.h5ad", **LABELS, n_genes=3, method="discriminant")
    assert (0, 1) in terminal.counts("reading cells")


def test_no_progress_is_drawn_where_it_is_not_wanted(terminal, wide):
    X, y = wide.X.toarray(), wide.obs["cell_type"].to_numpy()
    with terminal:
        sm.select(wide, **LABELS, n_genes=4, progress=False)
        sm.evaluate(wide, ["gene0", "gene1"], **LABELS, n_splits=2, progress=False)
        sm.MLP(hidden_sizes=(4,), max_epochs=1, device="cpu", random_state=0).fit(X, y)
    assert " of " not in terminal.seen


@pytest.mark.parametrize("quiet", [False, True])
def test_commands_draw_on_a_terminal_unless_quiet(terminal, wide, tmp_path, cli, quiet):
    wide.write_h5ad(tmp_path / "cells.h5ad")
    flags = ["--label-key", "cell_type", "--panel", "panel.txt", "--splits", "2", *(["-q"] if quiet else [])]
    (tmp_path / "panel.txt").write_text("gene0\ngene1\n")
    with terminal:
        assert cli("evaluate", "cells.h5ad", *flags, "--out", "found").code == 0
    drawn = terminal.counts("fitting classifiers, panel")
    assert not drawn if quiet else (0, 2) in drawn


@pytest.fixture
def notebook(monkeypatch, at_once):
    """IPython in a kernel of Jupyter, as far as it is used; all that was ever shown, in order."""
    shown = []
    handle = SimpleNamespace(update=lambda table: shown.append(as_text(table)))

    def display(table, display_id):
        shown.append(as_text(table))
        return handle

    shell = SimpleNamespace(kernel=object())
    fake = SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", fake)
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display, HTML=str))
    monkeypatch.setattr("selectormlp.progress.REFRESHED", 0.01)
    return shown


def as_text(table):
    if isinstance(table, str):
        return table
    from rich.console import Console

    console = Console(file=io.StringIO(), width=120)
    console.print(table)
    return console.file.getvalue()


def test_a_notebook_shows_the_same_and_nothing_stays(notebook, capsys):
    with showing():
        for n_done, _ in enumerate(track(range(3), "folding")):
            end = time.monotonic() + 20
            while not any(f"{n_done} of 3" in text for text in list(notebook)):
                assert time.monotonic() < end
                time.sleep(0.01)
    assert notebook[-1] == ""
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("completed", "total", "elapsed", "since", "expected"),
    [
        (1, 5, 10, 0, "0:40 left"),
        (1, 5, 14, 4, "0:36 left"),
        (3, 4, 100, 70, "0:00 left"),
        (0, 5, 65, 65, "1:05"),
        (0, None, 7325, 7325, "2:02:05"),
        (2, 4, 14400, 0, "4:00:00 left"),
    ],
)
def test_the_time_left_is_that_of_the_units_before(completed, total, elapsed, since, expected):
    assert time_left(completed, total, elapsed, since) == expected
