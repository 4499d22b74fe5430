r"""Check the nesting depth of text before it is parsed.

Parsers recurse, or store every prefix of a dotted key (for ``a.a.a…``, memory grows with the square of the length), so
the depth is limited first. The check reads the text once.
"""

from __future__ import annotations

import re

MAX_DEPTH = 64
"""Maximum depth of lists or objects, and number of parts of a dotted key; settings need five."""

_TEXT_JSON = re.compile(r'"(?:[^"\\]++|\\.|\\\Z)*+(?:"|\Z)', re.DOTALL)
_TEXT_TOML = re.compile(
    r'"""(?:[^"\\]++|\\.|\\\Z|"(?!""))*+(?:"""|\Z)'
    r"|'''(?:[^']++|'(?!''))*+(?:'''|\Z)"
    r'|"(?:[^"\\\n]++|\\.)*+"?'
    r"|'[^'\n]*+'?"
    r"|#[^\n]*+",
    re.DOTALL,
)
"""Both match all text after a quote, closed or not, so that no text is scanned twice."""

_BRACKETS = re.compile(r"[\[\]{}]")
_KEY_PART = re.compile(r"[^\s.=\[\]{},]++[ \t]*+")


def check_json(text: str) -> None:
    """Raise for JSON that is nested too deeply.

    Raises
    ------
    ValueError
        If the depth is above the limit.

    Examples
    --------
    >>> check_json('{"methods": ["markers [[[", "forest"]}')
    >>> check_json("[" * 1000)
    Traceback (most recent call last):
    ValueError: lists or objects are nested too deeply (more than 64 levels)
    """
    _check_brackets(_TEXT_JSON.sub("", text))


def check_toml(text: str) -> None:
    """Raise for TOML that is nested too deeply, by brackets or dotted keys.

    Raises
    ------
    ValueError
        If the depth is above the limit.

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
    r"""Raise for YAML that is nested too deeply, by brackets, or by indented or repeated dashes and question marks.

    Brackets in strings and comments count too, since only a parser could tell them apart; settings hold few.

    Raises
    ------
    ValueError
        If the depth is above the limit.

    Examples
    --------
    >>> check_yaml("methods:\n  - markers\n  - forest")
    >>> check_yaml("- " * 1000)
    Traceback (most recent call last):
    ValueError: lists or objects are nested too deeply (more than 64 levels)
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
    raise ValueError(f"lists or objects are nested too deeply (more than {MAX_DEPTH} levels)")
