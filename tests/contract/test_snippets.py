"""What the pages tell readers to type works: every command is understood, and every example in Python runs."""

import re
import shlex
from pathlib import Path

import pytest
import typer

import selectormlp as sm
from selectormlp.cli.app import app

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
FENCE_OF_PYTHON = re.compile(r"^[ >]*(```|~~~) *({code-block} *)?(python3?|py|pycon)\b", flags=re.MULTILINE)
SLOW_PAGES = {"persist.md"}  # trains networks
PLACEHOLDER = re.compile(r"…|\$\w+|<[\w-]+>")


def pages():
    written = (page for page in sorted((ROOT / "docs").rglob("*.md")) if not {"_build", "generated"} & set(page.parts))
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *written]


def blocks(page, kind):
    return [text for found, text in BLOCK.findall(page.read_text(encoding="utf-8")) if found == kind]


def commands(page):
    """Lists of arguments after ``selectormlp`` in the shell examples of a page."""
    for block in blocks(page, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True) if "<<" not in line else []
            words = words[: words.index("&")] if "&" in words else words
            if "selectormlp" in words and not PLACEHOLDER.search(line):
                at = words.index("selectormlp")
                if words[:at][-1:] in ([], ["-m"], ["srun"]):
                    yield words[at + 1 :]


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_is_understood(page):
    group = typer.main.get_command(app)
    for arguments in commands(page):
        command = group.commands[arguments[0]]
        with command.make_context(arguments[0], list(arguments[1:])):
            pass


INLINE = re.compile(r"`(?:selectormlp )?(\w+) [^`\n]*--[^`\n]*`")


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_options_named_in_a_line_are_those_of_the_command(page):
    group = typer.main.get_command(app)
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for found in INLINE.finditer(text):
        command = group.commands.get(found[1])
        if command is None:  # another program
            continue
        known = {name for option in command.get_params(typer.Context(command)) for name in option.opts}
        named = set(re.findall(r"(?<![\w-])--[\w-]+", found[0]))
        assert named <= known, f"{found[0]} names {sorted(named - known)}"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with ``cells.h5ad``: the blood cells that come with scanpy, under the names of the README."""
    adata = sm.datasets.pbmc68k()
    adata.obs["cell_type"] = adata.obs["bulk_labels"]
    adata.write_h5ad(tmp_path / "cells.h5ad")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.learned
def test_python_of_the_readme_runs(folder):
    names = {}
    for block in blocks(ROOT / "README.md", "python"):
        exec(block, names)
    assert len(names["panel"].genes) == 25
    assert (folder / "accuracy.png").stat().st_size > 1000
    assert (folder / "report.html").stat().st_size > 10_000


def pages_of_python():
    """Pages of the documentation that have examples in Python; tutorials are executed by `make docs`."""
    for page in pages():
        if page.is_relative_to(ROOT / "docs") and blocks(page, "python"):
            name = page.relative_to(ROOT / "docs").as_posix()
            yield pytest.param(page, id=name, marks=[pytest.mark.slow] if name in SLOW_PAGES else [])


@pytest.mark.parametrize("page", list(pages_of_python()))
def test_python_of_a_page_runs_from_top_to_bottom(page, folder):
    names = {}
    for block in blocks(page, "python"):
        exec(block, names)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_example_in_python_is_run(page):
    assert len(FENCE_OF_PYTHON.findall(page.read_text(encoding="utf-8"))) == len(blocks(page, "python"))


@pytest.mark.slow
def test_commands_of_the_readme_run(folder, cli):
    ran = []
    for arguments in commands(ROOT / "README.md"):
        if "cells.h5ad" in arguments:  # the others want the settings files of the published workflow, tested elsewhere
            outcome = cli(*arguments)
            assert outcome.code == 0, outcome.err
            ran.append(arguments[0])
    assert {"select", "run"} <= set(ran)
    assert len((folder / "panel" / "genes.txt").read_text().split()) == 100
    assert (folder / "panel" / "report.html").exists()
