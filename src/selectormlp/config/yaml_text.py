"""Read YAML settings: plain values of version 1.2, without aliases and tags."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import yaml

from selectormlp.gate.text import check_yaml

STR, SEQ, MAP = "tag:yaml.org,2002:str", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"
NULL, BOOL, INT, FLOAT = (f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float"))

MAX_CHARACTERS = 1 << 18
"""Maximum length of a text, which the parser reads in a few seconds."""

PLAIN = (
    (NULL, r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    (BOOL, r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    (INT, r"[-+]?[0-9]+", list("-+0123456789")),
    (FLOAT, r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
    (FLOAT, r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", list("-+.")),
)
"""Patterns of unquoted scalars and their first letters: YAML 1.2.2, section 10.3.2, without octal and hexadecimal
numbers. (PyYAML reads YAML 1.1, in which ``1e-3`` is text and ``no`` is false.)"""


class _Loader(yaml.SafeLoader):
    """Reads plain values, lists and objects; refuses aliases and tags."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}  # type: ignore[misc]
    yaml_constructors: ClassVar[dict[str | None, Any]] = {}

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases (*name) are not read; write the value out", mark)
        return super().compose_node(parent, index)

    def construct_object_of(self, node: yaml.Node) -> dict[str, Any]:
        if not isinstance(node, yaml.MappingNode):
            raise yaml.constructor.ConstructorError(None, None, "expected an object", node.start_mark)
        found: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key is not text", key.start_mark)
            if key.value in found:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} is given twice", key.start_mark)
            found[key.value] = self.construct_object(value, deep=True)
        return found

    def construct_number(self, node: yaml.ScalarNode) -> int | float:
        text = str(self.construct_scalar(node)).lower()
        return int(text) if node.tag == INT else float(text.replace(".inf", "inf").replace(".nan", "nan"))

    def construct_truth(self, node: yaml.ScalarNode) -> bool:
        return {"true": True, "false": False}[str(self.construct_scalar(node)).lower()]


for _tag, _pattern, _first in PLAIN:
    _Loader.add_implicit_resolver(_tag, re.compile(rf"^(?:{_pattern})$"), _first)
_Loader.add_constructor(STR, yaml.SafeLoader.construct_yaml_str)  # type: ignore[type-var]
_Loader.add_constructor(SEQ, yaml.SafeLoader.construct_yaml_seq)  # type: ignore[type-var]
_Loader.add_constructor(MAP, _Loader.construct_object_of)
_Loader.add_constructor(NULL, lambda _loader, _node: None)
_Loader.add_constructor(BOOL, _Loader.construct_truth)
_Loader.add_constructor(INT, _Loader.construct_number)
_Loader.add_constructor(FLOAT, _Loader.construct_number)
_Loader.add_constructor(None, yaml.SafeLoader.construct_undefined)  # type: ignore[type-var]


def parse_yaml(text: str) -> Any:
    r"""Read one YAML document of plain values, lists and objects.

    Raises
    ------
    ValueError
        If it is not valid YAML, too long or too deeply nested, or has a repeated key, an alias, or a type tag.
    RecursionError
        If lists or objects are nested too deeply.

    Examples
    --------
    >>> parse_yaml("lr: 1e-3\nlayer: no\nmethods: [markers, forest]")
    {'lr': 0.001, 'layer': 'no', 'methods': ['markers', 'forest']}
    """
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"{len(text):,} characters; at most {MAX_CHARACTERS:,} are read: write long settings in JSON")
    check_yaml(text)
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  # the loader accepts plain values only
    except (yaml.YAMLError, KeyError) as error:
        raise ValueError(" ".join(str(error).split())) from error
