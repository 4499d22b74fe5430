"""The keywords that a function takes beside those it names, as the text of a typed dictionary made from a model."""

from __future__ import annotations

import textwrap
import types
import typing
from collections.abc import Collection, Mapping
from typing import Any

from selectormlp.config.model import Option, Settings, options_of
from selectormlp.errors import SettingsError

WIDTH = 116
"""Characters of a line of help."""


def keyword_options(kind: type[Settings], named: Collection[str]) -> list[Option]:
    """Return the options of a model that are keywords of its function: neither of a section nor in its signature."""
    options = (option for option in options_of(kind) if not option.section)
    return [option for option in options if option.flag.keyword and option.name not in named]


def only_keywords(kind: type[Settings], given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a Python function was given by name, as it is.

    Raises
    ------
    SettingsError
        If a name is that of an option which the command line alone has.

    Examples
    --------
    >>> from selectormlp.assessment.request import CompareRequest
    >>> only_keywords(CompareRequest, {"n_splits": 2})
    {'n_splits': 2}
    >>> only_keywords(CompareRequest, {"cells_per_type": 2})
    Traceback (most recent call last):
    selectormlp.errors.SettingsError: 'cells_per_type' is an option of the command line, which reads files; leave it out
    """
    options = options_of(kind)
    hidden = {option.name for option in options if not option.flag.keyword} | {option.section for option in options}
    for name in given:
        if name in hidden:
            raise SettingsError(f"{name!r} is an option of the command line, which reads files; leave it out")
    return given


def typed_dict_text(name: str, kind: type[Settings], named: Collection[str], *, of: str) -> str:
    """Return the source of a typed dictionary of keywords.

    Parameters
    ----------
    name
        Its name.
    kind
        Model whose options are meant.
    named
        Options that the function's signature names.
    of
        The function, for the docstring.

    Examples
    --------
    >>> from typing import Annotated
    >>> from pydantic import Field, create_model
    >>> from selectormlp.config.model import Flag
    >>> lr = Field(0.1, description="Learning rate.")
    >>> Example = create_model("Example", __base__=Settings, lr=(Annotated[float, Flag()], lr))
    >>> print(typed_dict_text("ExampleOptions", Example, (), of="train"))
    class ExampleOptions(TypedDict, total=False):
        \"\"\"Options of :func:`train` beside those that its signature names.\"\"\"
    <BLANKLINE>
        lr: float
        \"\"\"Learning rate.\"\"\"
    <BLANKLINE>
    """
    lines = [f"class {name}(TypedDict, total=False):"]
    lines += [f'    """Options of :func:`{of}` beside those that its signature names."""', ""]
    for option in keyword_options(kind, named):
        lines.append(f"    {option.name}: {type_text(option.field.annotation)}")
        quoted = f'"""{option.help}"""'
        lines += [f"    {line}" for line in textwrap.wrap(quoted, WIDTH, break_long_words=False)]
    return "\n".join(lines) + "\n"


def type_text(kind: Any) -> str:
    """Return a type as a user's program states it; what is turned into a tuple or a dictionary may be any such.

    Examples
    --------
    >>> type_text(tuple[str, ...]), type_text(int | None)
    ('Sequence[str]', 'int | None')
    """
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return type_text(parts[0])
    if origin in (typing.Union, types.UnionType):
        return " | ".join(dict.fromkeys(type_text(part) for part in parts))
    if origin is typing.Literal:
        return f"Literal[{', '.join(f'{part!r}' for part in parts)}]".replace("'", '"')
    if origin is tuple:
        return f"Sequence[{type_text(parts[0])}]"
    if origin in (dict, Mapping):
        return f"Mapping[{type_text(parts[0])}, {type_text(parts[1])}] | None"
    return "None" if kind is type(None) else str(getattr(kind, "__name__", kind))
