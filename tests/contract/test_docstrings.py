"""What users may call is documented whole: every parameter, attribute and error, and an example, which pytest runs."""

import dataclasses
import inspect
import re
from pathlib import Path

import pytest

import selectormlp as sm

PUBLIC = {name: getattr(sm, name) for name in sm.__all__ if callable(getattr(sm, name))}
PUBLIC |= {f"plots.{name}": getattr(sm.plots, name) for name in sm.plots.__all__}
FUNCTIONS = {name: kind for name, kind in PUBLIC.items() if inspect.isfunction(kind)}
RESULTS = {name: kind for name, kind in PUBLIC.items() if dataclasses.is_dataclass(kind)}
SELECTORS = {name: kind for name, kind in PUBLIC.items() if hasattr(kind, "get_support")}
HAVE_EXAMPLES = {**FUNCTIONS, **SELECTORS}


def section(kind, title):
    """Text of a section of a docstring, empty if it has none."""
    parts = re.split(r"\n([A-Z][A-Za-z ]+)\n-{3,}\n", inspect.cleandoc(kind.__doc__))
    return dict(zip(parts[1::2], parts[2::2], strict=True)).get(title, "")


def names_in(text):
    """Names that a section explains: its lines that are not indented, without a type."""
    heads = (line.split(":")[0] for line in text.splitlines() if line and line[0] != " ")
    return {name.strip().lstrip("*") for head in heads for name in head.split(",")}


def chain_of(kind):
    return [parent for parent in kind.__mro__ if parent.__module__.startswith("selectormlp.")]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_explain_their_parameters_and_no_others(name):
    taken = set(inspect.signature(FUNCTIONS[name]).parameters)
    assert names_in(section(FUNCTIONS[name], "Parameters")) == taken


@pytest.mark.parametrize("name", SELECTORS)
def test_selectors_explain_their_parameters(name):
    kinds = [sm.SelectorMLP] if name == "MLP" else chain_of(SELECTORS[name])  # the MLP refers to it
    explained = set().union(*(names_in(section(kind, "Parameters")) for kind in kinds))
    assert set(inspect.signature(SELECTORS[name]).parameters) <= explained


@pytest.mark.parametrize("name", RESULTS)
def test_results_explain_their_fields(name):
    explained = names_in(section(RESULTS[name], "Attributes"))
    assert {field.name for field in dataclasses.fields(RESULTS[name]) if field.name[0] != "_"} <= explained


@pytest.mark.parametrize("name", HAVE_EXAMPLES)
def test_functions_and_selectors_have_an_example(name):
    assert ">>> " in section(HAVE_EXAMPLES[name], "Examples")
    assert "+SKIP" not in HAVE_EXAMPLES[name].__doc__


@pytest.mark.parametrize("name", sorted(SELECTORS.keys() - {"RandomSelector"}))
def test_selectors_say_where_their_idea_comes_from(name):
    assert section(SELECTORS[name], "References") or section(SELECTORS[name], "See Also")


@pytest.mark.parametrize("file", sorted(Path(sm.__file__).parent.rglob("*.py")), ids=lambda file: file.stem)
def test_modules_say_what_they_are_for(file):
    assert file.read_text(encoding="utf-8").removeprefix("r").startswith('"""')
