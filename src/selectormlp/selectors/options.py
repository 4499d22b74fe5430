"""Values for the parameters of a selector, checked against their types before anything is learned."""

from __future__ import annotations

import typing
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation

from selectormlp.errors import SettingsError, nearest
from selectormlp.selectors.base import GeneSelector


def set_options(
    selector: GeneSelector, options: Mapping[str, Any], *, method: str, closed: Collection[str] = ()
) -> None:
    """Set parameters that a user has named.

    Parameters
    ----------
    selector
        Not yet fitted; altered.
    options
        Values by name. Numbers and arrays of NumPy are taken as Python's.
    method
        Name of the method, for messages.
    closed
        Parameters that are not for users.

    Raises
    ------
    SettingsError
        If there is no such parameter, or a value is of another type than the parameter.

    Examples
    --------
    >>> from selectormlp.selectors.registry import find_method
    >>> set_options(find_method("discriminant").make(), {"ridge": "much"}, method="discriminant")
    Traceback (most recent call last):
        ...
    selectormlp.errors.SettingsError: ridge of the method 'discriminant' is 'much'; input should be a valid number
    """
    known = [name for name in selector.get_params(deep=False) if name not in closed]
    hints = _hints(type(selector))
    values = {name: _as_python(value) for name, value in options.items()}
    for name, value in values.items():
        if name not in known:
            raise SettingsError(f"the method {method!r} has no option {name!r}; {nearest(str(name), known)}")
        if name in hints:
            _check(name, value, hints[name], method)
    selector.set_params(**values)


def _check(name: str, value: Any, hint: Any, method: str) -> None:
    try:
        TypeAdapter(hint, config=ConfigDict(strict=True, arbitrary_types_allowed=True)).validate_python(value)
    except (PydanticSchemaGenerationError, PydanticUndefinedAnnotation):  # a type that pydantic knows nothing of
        return
    except ValidationError as error:
        messages = dict.fromkeys(problem["msg"] for problem in error.errors())
        expected = " or ".join(message[:1].lower() + message[1:] for message in messages)
        shown = repr(value) if len(repr(value)) <= 80 else f"{repr(value)[:80]}…"
        raise SettingsError(f"{name} of the method {method!r} is {shown}; {expected}") from error


def _hints(kind: type[GeneSelector]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(kind.__init__)
    except NameError:  # a type that is imported for type checkers only
        return {}


def _as_python(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    return value.tolist() if isinstance(value, np.ndarray) else value
