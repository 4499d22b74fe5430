"""Write docs/commands.md from the commands themselves; a test keeps it in step (`make command-reference`)."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import typer.main

from selectormlp.cli.app import app

PLACE = Path(__file__).with_name("commands.md")
HEAD = """# Commands

What `selectormlp COMMAND --help` says, on one page. Wrong input ends with one line on the standard error and exit
code 2. `python -m selectormlp` is the same program.

<!-- Written by docs/command_reference.py from the commands: change these, then run `make command-reference`. -->
"""
SAID_DEFAULT = re.compile(r"\[default: (.+)\]$")
WORDS = {"Path": "path", "int": "number", "float": "number", "str": "text"}


def reference() -> str:
    """Return the page."""
    commands = typer.main.get_command(app).commands
    overview = [f"| [`{name}`](#{_anchor(name)}) | {_sentence(commands[name].help)} |" for name in commands]
    parts = [HEAD, "\n".join(["| command | what it does |", "|---|---|", *overview]), ""]
    for name, command in commands.items():
        parts.append("\n".join(_command(name, command)))
    return "\n".join(parts).rstrip() + "\n"


def _anchor(name: str) -> str:
    return f"command-{name.replace('_', '-')}"


def _sentence(text: str | None) -> str:
    return " ".join((text or "").split())


def _command(name: str, command: Any) -> Iterator[str]:
    hints = _hints(command.callback)
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and one.name != "help"]
    yield f"({_anchor(name)})=\n## {name}\n"
    yield f"{_sentence(command.help)}\n"
    yield "```text"
    needed = [one for one in [*arguments, *options] if one.required]
    yield " ".join([f"selectormlp {name}", *(_usage(one, hints[one.name]) for one in needed), "[OPTIONS]"])
    yield "```\n"
    yield f"{_sentence(command.epilog)}\n"
    yield "| argument or option | value | default | meaning |\n|---|---|---|---|"
    for one in [*arguments, *options]:
        yield _row(one, hints[one.name])
    yield ""


def _hints(callback: Any) -> dict[str, Any]:
    """Return the annotation of each parameter: those of typer are in the way of what it is called with."""
    wrapped = inspect.unwrap(callback)
    return typing.get_type_hints(wrapped)


def _usage(parameter: Any, hint: Any) -> str:
    """Return a parameter as it stands on the command line."""
    if parameter.param_type_name == "argument":
        return (parameter.metavar or parameter.name.upper()) + ("..." if parameter.nargs == -1 else "")
    return f"{parameter.opts[0]} {_value(hint).upper()}"


def _row(parameter: Any, hint: Any) -> str:
    is_argument = parameter.param_type_name == "argument"
    names = (
        [parameter.metavar or parameter.name.upper()] if is_argument else [*parameter.opts, *parameter.secondary_opts]
    )
    shown = ", ".join(f"`{name}`" for name in names)
    meaning, default = _sentence(parameter.help), _default(parameter)
    said = SAID_DEFAULT.search(meaning)  # what depends on the data is said in the help
    if said is not None:
        meaning, default = meaning[: said.start()].rstrip(), default or said.group(1)
    value = " ".join(filter(None, [_value(hint), _span(parameter)]))
    return f"| {shown} | {value} | {default} | {_escaped(meaning)} |"


def _span(parameter: Any) -> str:
    known = getattr(parameter, "type", parameter)  # of typer 0.20 the type knows it, of later ones the parameter
    least, most = getattr(known, "min", None), getattr(known, "max", None)
    if least is not None and most is not None:
        return f"from {least} to {most}"
    return "" if least is None else f"≥ {least}"


def _value(hint: Any) -> str:
    """Say in a word what a parameter takes; nothing for a flag."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return _value(next(part for part in typing.get_args(hint) if part is not type(None)))
    if typing.get_origin(hint) is typing.Literal:
        return " or ".join(f"`{one}`" for one in typing.get_args(hint))
    if typing.get_origin(hint) is list:
        return f"{_value(typing.get_args(hint)[0])}, repeatable"
    if hint is bool:
        return ""
    if isinstance(hint, type) and issubclass(hint, Enum):
        return " or ".join(f"`{one.value}`" for one in hint)
    return WORDS[hint.__name__]


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    default = parameter.default
    if default is None or default is False or callable(default) or default == ():
        return ""
    return f"`{default.value if isinstance(default, Enum) else default}`"


def _escaped(text: str) -> str:
    return text.replace("|", r"\|").replace("*", r"\*")


if __name__ == "__main__":
    PLACE.write_text(reference(), encoding="utf-8")
