"""Make the flags of a command from the model of its settings."""

from __future__ import annotations

import collections.abc
import functools
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from selectormlp.config.model import Option, Settings, limits_of, options_of

SHOWN_DEFAULTS = (bool, int, float, str)
"""Types of defaults shown in the help."""


def command_of(kind: type[Settings], *, leave_out: tuple[str, ...] = ()) -> Callable[..., Callable[..., None]]:
    """Make a command from a function and a model: each option of the model becomes a flag or an argument.

    The function takes ``given`` (values from the command line, by settings key), ``ctx`` if needed and, by name, flags
    beside those of the model.

    Parameters
    ----------
    kind
        The model.
    leave_out
        Options that are not flags of this command.
    """
    options = [option for option in options_of(kind) if option.name not in leave_out]

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(function, eval_str=True)
        own = [
            one.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for one in signature.parameters.values()
            if one.name != "given"
        ]
        takes_ctx = "ctx" in signature.parameters
        if not takes_ctx:
            own.append(inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context))
        made = {one.name: (one, option) for option in options for one in _parameters(option)}

        @functools.wraps(function)
        def command(**values: Any) -> None:
            ctx = values["ctx"] if takes_ctx else values.pop("ctx")
            flags = {name: values.pop(name) for name in made}
            sources = {name: ctx.get_parameter_source(name) for name in made}
            named = {name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"}
            function(given=values_of(options, {name: flags[name] for name in named}), **values)

        parameters = sorted([*own, *(one for one, _ in made.values())], key=_place(made))
        command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {one.name: one.annotation for one in parameters}
        del command.__wrapped__  # otherwise typer would read its annotations
        return command

    return decorate


def values_of(options: list[Option], flags: Mapping[str, Any]) -> dict[str, Any]:
    """Turn command-line values into settings by key; read files that flags name.

    Parameters
    ----------
    options
        Options of the model.
    flags
        Values by name of the parameter.

    Raises
    ------
    SettingsError, PanelError
        If a file cannot be read.
    """
    found: dict[str, Any] = {}
    for option in options:
        parts = []
        if option.name in flags:
            value: Any = flags[option.name]
            value = value.value if isinstance(value, StrEnum) else value
            parts.append(_taken(option, value))
        file = f"{option.name}_file"
        if option.flag.file is not None and file in flags:
            parts.append(option.flag.file.read(flags[file]))
        place = found.setdefault(option.section, {}) if option.section and parts else found
        if len(parts) == 2:
            place[option.name] = (*parts[0], *parts[1])
        elif parts:
            place[option.name] = parts[0]
    return found


def needed(ctx: typer.Context, settings: Settings) -> None:
    """Raise unless settings hold everything the command needs."""
    from selectormlp.cli.settings import require

    for option in options_of(type(settings)):
        if option.flag.needed:
            what = f"argument '{option.name.upper()}...'" if option.flag.argument else f"option '{option.flags[0]}'"
            require(ctx, what, option.value_in(settings))


def _place(made: Mapping[str, Any]) -> Callable[[inspect.Parameter], int]:
    """Return a sort key for parameters: context, arguments, flags shown first, the command's own flags, the rest."""

    def place(one: inspect.Parameter) -> int:
        if one.name == "ctx":
            return 0
        if one.name not in made:
            return 3
        option = made[one.name][1]
        return 1 if option.flag.argument else 2 if option.flag.first else 4

    return place


def _parameters(option: Option) -> Iterator[inspect.Parameter]:
    flag, panel = option.flag, option.heading or None
    hint: Any = list[str] if flag.levels else _hint(option.field.annotation)
    if flag.argument:
        text = f"{option.help.rstrip('.')}. Or in the file of --config." if flag.needed else option.help
        metavar = option.flag.names[0] if option.flag.names else None
        info = typer.Argument(help=text, show_default=False, metavar=metavar)
        yield _parameter(option.name, hint | None, None, info)
    elif flag.direct:
        default = option.default
        if not isinstance(default, SHOWN_DEFAULTS):
            hint, default = hint | None, None
        elif isinstance(hint, type) and issubclass(hint, StrEnum):
            default = hint(str(default))
        names = [f"{one}/--no-{one[2:]}" if default is True and one.startswith("--") else one for one in option.flags]
        help_ = f"{option.help} Needed, here or in the file of --config." if flag.needed else option.help
        info = typer.Option(
            *names,
            help=help_,
            rich_help_panel=panel,
            show_default=default not in (None, False, ""),
            **_ends(option),
        )
        yield _parameter(option.name, hint, default, info)
    if flag.file is not None:
        info = typer.Option(flag.file.name, help=flag.file.help, rich_help_panel=panel, show_default=False)
        yield _parameter(f"{option.name}_file", Path | None, None, info)


def _ends(option: Option) -> dict[str, Any]:
    """Return the bounds for click to check and for the help to show."""
    base, limits = limits_of(option.field)
    most = limits.get("le", limits["lt"] - 1 if base is int and "lt" in limits else None)
    return {name: end for name, end in (("min", limits.get("ge")), ("max", most)) if end is not None}


def _taken(option: Option, value: Any) -> Any:
    if option.flag.levels:
        return levels_in(value)
    return _split(value) if option.flag.split else tuple(value) if isinstance(value, list) else value


def levels_in(texts: Iterable[str]) -> tuple[str, ...]:
    """Split names of columns at commas, except commas followed by a blank.

    Examples
    --------
    >>> levels_in(["level1,level2", "type, fine"])
    ('level1', 'level2', 'type, fine')
    """
    return tuple(name for text in texts for name in re.split(r",(?!\s)", text) if name)


def _split(texts: list[str]) -> tuple[str, ...]:
    """Split names at commas."""
    return tuple(name.strip() for text in texts for name in text.split(",") if name.strip())


def _parameter(name: str, hint: Any, default: Any, info: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[hint, info])


def _hint(kind: Any) -> Any:
    """Return the type of a flag: numbers, text, paths, or lists of these."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return _hint(parts[0])
    if origin in (typing.Union, types.UnionType):
        return _hint(next(part for part in parts if part is not type(None)))
    if origin is typing.Literal and all(isinstance(part, str) for part in parts):
        return StrEnum("Choice", {part: part for part in parts})
    if origin is collections.abc.Mapping:
        return list[str]  # NAME=VALUE, which the model splits
    if origin is tuple:
        return list[_hint(parts[0])]  # type: ignore[misc]
    return kind if kind in (bool, int, float, Path) else str
