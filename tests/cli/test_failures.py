"""How commands end: the last net, interruptions, streams that are closed, left, full, or lack characters."""

import io
import logging
import os
import re
import sys
from pathlib import Path

import pandas as pd
import pytest

from selectormlp.cli import failures
from selectormlp.cli.streams import tolerant_streams
from selectormlp.cli.terminal import print_files, print_panel, print_split, set_up_log
from selectormlp.panel.panel import Panel


@pytest.fixture
def failing(monkeypatch):
    """Make the command ``schema`` raise an error."""

    def fail(error):
        def raise_it(*_):
            raise error

        monkeypatch.setattr("selectormlp.cli.kinds.find_kind", raise_it)

    return fail


def wrapped():
    try:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            raise RuntimeError("callback failed") from None
    except RuntimeError as error:
        error.__suppress_context__ = False
        return error


def test_an_unforeseen_error_is_one_line_and_a_file_with_the_traceback(cli, failing, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    failing(KeyError("a\nb"))
    outcome = cli("schema", "train", unforeseen=True)
    assert outcome.code == 70
    assert outcome.out == ""
    assert len(outcome.err.splitlines()) == 1
    assert "internal error: KeyError: 'a\\nb'" in outcome.err
    place = re.search(r"the traceback is in (\S+); please report it", outcome.err)[1]
    text = Path(place).read_text()
    assert "Traceback" in text
    assert "raise_it" in text
    assert "schema" in text


@pytest.mark.parametrize("error", [KeyboardInterrupt(), wrapped()], ids=["plain", "wrapped"])
def test_an_interruption_is_130(cli, failing, error):
    failing(error)
    outcome = cli("schema", "train")
    assert (outcome.code, outcome.err) == (130, "selectormlp: stopped\n")


def test_short_memory_says_what_to_do(cli, failing):
    failing(MemoryError("Unable to allocate 3 TiB"))
    outcome = cli("schema", "train")
    assert outcome.code == 2
    assert outcome.err.startswith("selectormlp: error: out of memory (Unable to allocate 3 TiB); use fewer")


def test_a_traceback_that_cannot_be_written_is_said(capsys, monkeypatch):
    def full(**_):
        raise OSError("disk full")

    monkeypatch.setattr("tempfile.mkstemp", full)
    assert failures.exit_code(lambda: 1 // 0) == failures.UNFORESEEN
    assert "ZeroDivisionError" in (said := capsys.readouterr().err)
    assert "the traceback could not be written (disk full)" in said


def test_a_reader_that_leaves_is_no_error(monkeypatch):
    read, write = os.pipe()
    stream = os.fdopen(write, "w")
    monkeypatch.setattr(sys, "stdout", stream)
    os.close(read)
    with tolerant_streams():
        for _ in range(3):
            sys.stdout.write("x" * 100_000)
            sys.stdout.flush()
    stream.close()


def test_closed_streams_are_no_error(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    with tolerant_streams():
        print_files([Path("a")])
        sys.stderr.write("b")
    assert sys.stdout is None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_the_output_is_an_error(monkeypatch):
    with open("/dev/full", "w") as stream:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdout", stream)
        with pytest.raises(OSError, match="No space left"), tolerant_streams():
            sys.stdout.write("x")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp932", "cp437", "utf-8"])
def test_an_encoding_that_lacks_characters_degrades(monkeypatch, encoding):
    bytes_written = io.BytesIO()
    stream = io.TextIOWrapper(bytes_written, encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    with tolerant_streams():
        sys.stdout.write("≥ 3 × 4 – π\n")
        print_panel(Panel(("β",)))
    text = bytes_written.getvalue().decode(encoding)
    line = text.splitlines()[0]
    assert line in {"≥ 3 × 4 – π", ">= 3 x 4 - ?", ">= 3 × 4 – ?", "≥ 3 x 4 - π", "≥ 3 × 4 - π", ">= 3 × 4 - π"}
    assert (line == "≥ 3 × 4 – π") == (encoding == "utf-8")


NAMES = [
    "Neuron [glut]",
    "Neuron [gaba]",
    "[/x]",
    "[red]T[/red]",
    ":smile:",
    "B \x1b[2J\x1b]0;title\x07",
    "NK \x9b31m \u202ex",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_printed_as_they_are_and_steer_nothing(capsys, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "120")
    print_split(pd.DataFrame({"train": [5]}, index=[name]))
    print_panel(Panel(("a",), reasons=(f"marker of {name}",)))
    print_files([Path(name.replace("/", "-"))])
    set_up_log(quiet=False)
    logging.getLogger("selectormlp").warning("type %s is small", name)
    caught = capsys.readouterr()
    assert not set("\x1b\x07\x9b\u202e") & set(caught.out + caught.err)
    if name.isprintable():
        assert caught.out.count(name.replace("/", "-")) + caught.out.count(name) >= 2
        assert f"type {name} is small" in caught.err
    else:
        assert "\\x1b[2J" in caught.out or "\\x9b31m \\u202ex" in caught.out


def test_control_codes_in_a_flag_are_escaped(cli):
    outcome = cli("schema", "tr\x1b[2Jain")
    assert outcome.code == 2
    assert "\x1b" not in outcome.err


@pytest.mark.parametrize(
    ("method", "options", "words"),
    [
        (
            "discriminant",
            {"ridge": "much"},
            "ridge of the method 'discriminant' is 'much'; input should be a valid number",
        ),
        ("discriminant", {"ridge": [1]}, "ridge of the method 'discriminant' is [1]"),
        ("markers", {"method": 3}, "method of the method 'markers' is 3"),
        ("selector_mlp", {"hidden_sizes": ["a"]}, "hidden_sizes of the method 'selector_mlp' is ['a']"),
        ("selector_mlp", {"max_epochs": 2.5}, "max_epochs of the method 'selector_mlp' is 2.5"),
        ("forest", {"n_estimators": None}, "n_estimators of the method 'forest' is None"),
        ("auto", {"n_folds": "3"}, "n_folds of the method 'auto' is '3'"),
        ("auto", {"contenders": {"forest": {"n_estimators": "3"}}}, "n_estimators of the method 'forest' is '3'"),
    ],
)
def test_options_of_the_wrong_type_are_one_line(cli, adata, settings_file, tmp_path, method, options, words):
    adata.write_h5ad(tmp_path / "cells.h5ad")
    settings = {"data": ["cells.h5ad"], "label_key": "cell_type", "n_genes": 3, "method": method, "options": options}
    outcome = cli("select", "--config", settings_file(settings), "--out", "panel")
    assert outcome.code == 2
    assert words in outcome.err.splitlines()[-1]
    assert not (tmp_path / "panel" / "panel.json").exists()


def test_errors_that_name_each_other_as_their_cause_end(cli, monkeypatch):
    def fail(*arguments, **keywords):
        outer, inner = ValueError("outer"), OSError("inner")
        outer.__cause__, inner.__cause__ = inner, outer
        raise outer

    monkeypatch.setattr("selectormlp.cli.app.app", fail)
    outcome = cli("demo", unforeseen=True)
    assert outcome.code == 70
    assert "ValueError: outer" in outcome.err
