"""Allow several label columns after one flag: ``--label-key level1 level2 level3``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer.core

FLAG = "--label-key"

DATA_SUFFIXES = (".h5ad", ".zarr", ".gz", ".json", ".h5")
"""Suffixes of data files; a word with one of them, or an existing file, is not a column."""


class LevelsCommand(typer.core.TyperCommand):
    """A command whose ``--label-key`` takes several columns, coarse to fine."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat the flag before each further column, then parse as usual."""
        return super().parse_args(ctx, list(repeated_flags(args)))


def repeated_flags(args: Sequence[str]) -> Iterator[str]:
    """Repeat the flag before each word after its value, up to the next flag or data file.

    Examples
    --------
    >>> list(repeated_flags(["--label-key", "level1", "type", "cells.h5ad", "--size", "9"]))
    ['--label-key', 'level1', '--label-key', 'type', 'cells.h5ad', '--size', '9']
    """
    state = "outside"
    for word in args:
        if state == "value":
            state = "after"
        elif word == FLAG:
            state = "value"
        elif word.startswith(f"{FLAG}="):
            state = "after"
        elif state == "after" and not word.startswith("-") and not _is_data(word):
            yield FLAG
        else:
            state = "outside"
        yield word


def _is_data(word: str) -> bool:
    place = Path(word)
    try:
        return place.suffix.lower() in DATA_SUFFIXES or place.exists()
    except (OSError, ValueError):  # too long for a path, or with NUL
        return False
