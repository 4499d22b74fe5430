r"""How deep text may be nested, looked at before it is parsed.

Parsers recurse, or keep each beginning of a long dotted key (``a.a.a…`` takes memory that grows with the square of
its length), so depth is bounded first. The look goes through the text once.
"""

from __future__ import annotations

import re

MAX_DEPTH = 64
"""Lists or objects in each other, or parts of a dotted key; settings need five."""

_TEXT_JSON = re.compile(r'"(?:[^"\\]++|\\.|\\\Z)*+(?:"|\Z)', re.DOTALL)
_TEXT_TOML = re.compile(
    r'"""(?:[^"\\]++|\\.|\\\Z|"(?!""))*+(?:"""|\Z)'
    r"|'''(?:[^']++|'(?!''))*+(?:'''|\Z)"
    r'|"(?:[^"\\\n]++|\\.)*+"?'
    r"|'[^'\n]*+'?"
    r"|#[^\n]*+",
    re.DOTALL,
)
"""Both match whatever follows a quote, closed or not, so that no text is gone through twice."""

_BRACKETS = re.compile(r"[\[\]{}]")
_KEY_PART = re.compile(r"[^\s.=\[\]{},]++[ \t]*+")


def check_json(text: str) -> None:
    """Refuse JSON that is nested too deep.

    Raises
    ------
    ValueError
        With the depth allowed.

    Examples
    --------
    >>> check_json('{"methods": ["markers [[[", "forest"]}')
    >>> check_json("[" * 1000)
    Traceback (most recent call last):
    ValueError: lists or objects lie in each other too deep (more than 64 levels)
    """
    _check_brackets(_TEXT_JSON.sub("", text))


def check_toml(text: str) -> None:
    """Refuse TOML that is nested too deep, by brackets or by dotted keys.

    Raises
    ------
    ValueError
        With the depth allowed.

    Examples
    --------
    >>> check_toml('training.lr = 0.1')
    >>> check_toml("a" + ".a" * 100 + " = 1")
    Traceback (most recent call last):
    ValueError: a key has more than 64 parts (a.b.c…)
    """
    bare = _TEXT_TOML.sub(lambda found: "" if found[0][0] == "#" else "q", text)
    _check_brackets(bare)
    parts, end = 1, 0
    for part in _KEY_PART.finditer(bare):
        joined = part.start() > end and bare[end : part.start()].strip(" \t") == "."
        parts = parts + 1 if joined else 1
        if parts > MAX_DEPTH:
            raise ValueError(f"a key has more than {MAX_DEPTH} parts (a.b.c…)")
        end = part.end()


def check_yaml(text: str) -> None:
    r"""Refuse YAML that is nested too deep, by brackets, or by indented or repeated dashes and question marks.

    Brackets in texts and comments count too, since only a parser could tell; settings hold few.

    Raises
    ------
    ValueError
        With the depth allowed.

    Examples
    --------
    >>> check_yaml("methods:\n  - markers\n  - forest")
    >>> check_yaml("- " * 1000)
    Traceback (most recent call last):
    ValueError: lists or objects lie in each other too deep (more than 64 levels)
    """
    _check_brackets(text)
    levels: list[int] = []
    for line in text.splitlines():
        content = line.lstrip(" -?:\t")
        if not content and not line.strip():
            continue
        opened = line[: len(line) - len(content)]
        column = len(opened) - len(opened.lstrip(" "))
        while levels and levels[-1] >= column:
            levels.pop()
        levels += range(column, column + 1 + sum(opened.count(mark) for mark in "-?:"))
        if len(levels) > MAX_DEPTH:
            _refuse()


def _check_brackets(text: str) -> None:
    depth = 0
    for mark in _BRACKETS.finditer(text):
        depth = depth + 1 if mark[0] in "[{" else max(0, depth - 1)
        if depth > MAX_DEPTH:
            _refuse()


def _refuse() -> None:
    raise ValueError(f"lists or objects lie in each other too deep (more than {MAX_DEPTH} levels)")
