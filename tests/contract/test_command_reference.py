"""The page of commands is what the commands say."""

import importlib.util
from pathlib import Path

import pytest
import typer.main

from selectormlp.cli.app import app

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def page():
    place = DOCS / "command_reference.py"
    spec = importlib.util.spec_from_file_location("command_reference", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.reference()


def test_the_page_in_the_docs_is_the_one_that_the_commands_give(page):
    written = (DOCS / "commands.md").read_text(encoding="utf-8")
    assert written == page, "the commands have changed; run `make command-reference`"


def test_the_page_has_every_command_with_every_option(page):
    sections = dict(part.split("\n", 1) for part in page.split("\n## ")[1:])
    commands = typer.main.get_command(app).commands
    assert list(sections) == list(commands)
    for name, command in commands.items():
        for parameter in command.params:
            for option in parameter.opts if parameter.param_type_name == "option" else ():
                assert (f"`{option}`" in sections[name]) == (option != "--help"), (name, option)
