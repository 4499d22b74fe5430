"""An option is declared once: keyword, flag, schema, settings file and provenance follow from its model."""

import importlib.util
import inspect
import json
from functools import partial
from pathlib import Path
from typing import Annotated

import anndata
import numpy as np
import pytest
import typer
import typer.main

import selectormlp as sm
from selectormlp.cli.flags import command_of
from selectormlp.cli.kinds import KINDS, find_kind
from selectormlp.config.files import read_settings, schema_of, settings_text
from selectormlp.config.keywords import typed_dict_text
from selectormlp.config.model import Count, Flag, options_of
from selectormlp.errors import SettingsError
from selectormlp.selection.request import SelectRequest
from selectormlp.selection.select import choose_panel

ROOT = Path(__file__).parents[2]


class WithDummy(SelectRequest):
    """The request of ``select``, with one option more."""

    dummy: Annotated[Count, Flag()] = 3
    """A dummy, from 1 up."""


@pytest.fixture
def flags():
    """Give what a command of this model is called with."""

    def call(*words):
        found = {}

        @command_of(WithDummy)
        def command(ctx: typer.Context, given: dict) -> None:
            found.update(given)

        app = typer.Typer()
        app.command()(command)
        typer.main.get_command(app).main([*map(str, words)], standalone_mode=False)
        return found

    return call


def test_a_new_option_is_a_keyword_of_the_function():
    assert "    dummy: int\n" in typed_dict_text("DummyOptions", WithDummy, ("n_genes",), of="select")
    assert WithDummy(dummy=5).dummy == 5
    with pytest.raises(SettingsError, match="dummy is 0; expected a whole number from 1 up"):
        WithDummy(dummy=0)


PANEL = ["gene0", "gene1"]


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (partial(sm.select, n_genes=2), "lazy"),
        (partial(sm.extend, panel=PANEL, n_new=1), "data"),
        (partial(sm.explain, panel=PANEL), "label_levels"),
        (partial(sm.evaluate, panel=PANEL), "cells_per_type"),
        (partial(sm.compare, panels={"one": PANEL}), "joining"),
        (partial(sm.report, panel=PANEL, out="report.html"), "cells_per_type"),
        (partial(sm.stability, n_genes=2), "cells_per_type"),
        (partial(sm.robustness, panel=PANEL), "cells_per_type"),
        (partial(sm.fit_classifier, panel=PANEL), "model"),
    ],
    ids=lambda part: part.func.__name__ if isinstance(part, partial) else part,
)
def test_an_option_of_the_command_line_alone_is_no_keyword(call, name, make_adata):
    with pytest.raises(SettingsError, match=rf"^('{name}' is an option of the command line|unknown keyword '{name}')"):
        call(make_adata(), label_key="cell_type", **{name: 5})


def test_a_new_option_is_a_flag_with_its_help(flags, capsys):
    assert flags("cells.h5ad", "--dummy", 7) == {"data": (Path("cells.h5ad"),), "dummy": 7}
    flags("--help")
    assert "A dummy, from 1 up." in " ".join(capsys.readouterr().out.split())


def test_a_new_option_is_in_schema_and_settings_file(settings_file):
    described = schema_of(WithDummy)["properties"]["dummy"]
    assert (described["type"], described["minimum"], described["default"]) == ("integer", 1, 3)
    assert described["description"] == "A dummy, from 1 up."
    assert read_settings(WithDummy, settings_file({"dummy": 4})).dummy == 4
    assert json.loads(settings_text(WithDummy(dummy=4)))["dummy"] == 4
    with pytest.raises(SettingsError, match="unknown setting 'dumy'; did you mean 'dummy'"):
        read_settings(WithDummy, settings_file({"dumy": 4}))


def test_a_new_option_is_in_provenance():
    adata = anndata.AnnData(np.random.default_rng(0).poisson(2.0, size=(30, 6)).astype(np.float32))
    panel = choose_panel(adata, WithDummy(n_genes=2, method="variance", dummy=9))
    assert panel.provenance.settings["dummy"] == 9


@pytest.mark.parametrize("command", KINDS)
def test_every_option_says_what_it_is(command):
    for option in options_of(find_kind(command)):
        assert option.help.endswith("."), option.name
        assert option.flag.first or option.heading


def test_about_twelve_flags_come_first():
    for kind in (SelectRequest, find_kind("extend")):
        assert 5 <= sum(option.flag.first for option in options_of(kind)) <= 12


def test_what_is_an_option_of_a_file_cannot_be_pickles(flags, settings_file):
    place = settings_file({"refine": True, "memory": "cache"}, "options.json")
    with pytest.raises(SettingsError, match="memory names a folder of pickles"):
        flags("--options", place)
    assert flags("--options", settings_file({"refine": True}, "fine.json"))["options"] == {"refine": True}


def test_typed_dictionaries_are_those_of_the_models():
    spec = importlib.util.spec_from_file_location("keyword_types", ROOT / "docs" / "keyword_types.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for place, text in module.files():
        assert place.read_text(encoding="utf-8") == text, "run `make keywords`"


FUNCTIONS = [name for name in sm.__all__ if inspect.isfunction(getattr(sm, name))]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_signatures_are_short(name):
    assert len(inspect.signature(getattr(sm, name)).parameters) <= 12
