"""Types of options as one reads them: without what our models note beside each (limits, flags, readers of files)."""

from __future__ import annotations

import inspect
from typing import Any, get_type_hints

from pydantic import BaseModel

INNER = ("model_config", "heading")
"""Members of every model that say how it is built, not what it holds."""


class _Made:
    """A default that is made anew for each object."""

    def __repr__(self) -> str:
        return "..."


def plain_signature(cls: type) -> inspect.Signature:
    """Return how a class is called: types without notes, and ``...`` for defaults that are made anew."""
    signature, hints = inspect.signature(cls), {}
    for base in filter(_is_ours, reversed(cls.__mro__)):
        hints |= plain_annotations(base)
    found = []
    for one in signature.parameters.values():
        default = _Made() if repr(one.default) == "<factory>" else one.default
        found.append(one.replace(annotation=hints.get(one.name, one.annotation), default=default))
    return signature.replace(parameters=found, return_annotation=inspect.Signature.empty)


def plain_annotations(cls: type) -> dict[str, Any]:
    """Return the types of the attributes that a class declares itself, without notes."""
    declared = {"__annotations__": inspect.get_annotations(cls), "__module__": cls.__module__}
    return get_type_hints(type(cls.__name__, (), declared))


def _is_ours(cls: type) -> bool:
    return cls.__module__.startswith("selectormlp.")


def _call(app: Any, what: str, name: str, obj: Any, options: Any, signature: str | None, returned: str | None) -> Any:
    del app, name, options
    if what != "class" or signature is None or not any(mark in signature for mark in ("Annotated", "<factory>")):
        return None
    from sphinx.util.inspect import stringify_signature

    return stringify_signature(plain_signature(obj), unqualified_typehints=True), returned


def _declare(app: Any) -> None:
    """Let the models of this process, which only writes pages, declare plain types."""
    del app
    import selectormlp as sm

    for name in sm.__all__:
        for cls in getattr(getattr(sm, name), "__mro__", ()):
            if issubclass(cls, BaseModel) and _is_ours(cls):
                cls.__annotations__ = plain_annotations(cls)


def _skip(app: Any, what: str, name: str, obj: object, skip: bool, options: Any) -> bool | None:
    del app, what, obj, options
    return True if name in INNER else (skip or None)


def setup(app: Any) -> dict[str, Any]:
    """Connect them."""
    app.connect("builder-inited", _declare)
    app.connect("autodoc-process-signature", _call)
    app.connect("autodoc-skip-member", _skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
