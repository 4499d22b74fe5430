"""``--help`` of every command is complete: what it does, an example, every option with its meaning."""

import re
import subprocess
import sys

import pytest
import typer.main

import selectormlp
from selectormlp.cli.app import app

COMMANDS = typer.main.get_command(app).commands


def words_of(text):
    """The text without boxes, backticks and line breaks."""
    return " ".join(re.sub(r"[╭╮╰╯│─]", " ", text.replace("`", "")).split())


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")


def test_the_commands_are_those_promised():
    seed_steps = {"split_data", "train", "feature_selection", "run", "demo"}
    panels = {"select", "extend", "explain", "evaluate", "compare", "predict", "report"}
    assert set(COMMANDS) == seed_steps | panels | {"inspect", "rerun", "schema"}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_complete(cli, command):
    outcome = cli(command, "--help")
    assert (outcome.code, outcome.err) == (0, "")
    said = words_of(outcome.out)
    assert f"Example: selectormlp {command} " in said
    assert words_of(COMMANDS[command].help) in said
    for parameter in COMMANDS[command].params:
        for name in (
            parameter.opts if parameter.param_type_name == "option" else [parameter.metavar or parameter.name.upper()]
        ):
            assert name in said or name.lower() in said, name
        if parameter.name != "help":
            assert words_of(parameter.help) in said, parameter.name


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_a_seed_and_can_be_quiet(command):
    options = {name for parameter in COMMANDS[command].params for name in parameter.opts}
    assert ("--quiet" in options) == (command != "schema")  # which says nothing else
    no_seed = ("explain", "inspect", "predict", "rerun", "schema")  # nothing random, or as recorded
    assert ("--seed" in options) == (command not in no_seed)


def test_version_is_that_of_the_package(cli):
    outcome = cli("--version")
    assert (outcome.code, outcome.out.strip()) == (0, f"selectormlp {selectormlp.__version__}")


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_help_lists_the_commands(cli, arguments):
    outcome = cli(*arguments)
    assert outcome.code == (0 if arguments else 2)
    for command in COMMANDS:
        assert command in outcome.out + outcome.err


def test_the_command_line_starts_without_heavy_libraries():
    heavy = ["anndata", "lightning", "matplotlib", "numpy", "pandas", "scanpy", "scipy", "sklearn", "torch"]
    code = f"import sys, selectormlp.cli.app; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
