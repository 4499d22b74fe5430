"""Tolerate standard streams that are closed, full, or lack characters in their encoding."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

PLAIN = {"≥": ">=", "≤": "<=", "×": "x", "–": "-", "—": "-", "…": "...", "→": "->", "±": "+/-", "²": "2", "Σ": "sum"}
"""ASCII replacements of the characters that the commands print."""


def _degrade(error: UnicodeError) -> tuple[str, int]:
    """Replace characters that an encoding lacks by their ASCII equivalent, or by a question mark."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(PLAIN.get(character, "?") for character in missing), error.end


codecs.register_error("selectormlp", _degrade)


class _Tolerant:
    """A text stream that drops output after its reader has closed it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._left = False

    def write(self, text: str) -> int:
        if not self._left:
            try:
                return self._stream.write(text)
            except BrokenPipeError:
                self._leave()
        return len(text)

    def flush(self) -> None:
        if not self._left:
            try:
                self._stream.flush()
            except BrokenPipeError:
                self._leave()

    def _leave(self) -> None:
        self._left = True
        _to_nowhere(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _to_nowhere(stream: TextIO) -> None:
    """Redirect a stream to the null device, so that Python can flush it at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stream.fileno())
    finally:
        os.close(nowhere)


@contextmanager
def tolerant_streams() -> Iterator[None]:
    """Tolerate standard streams that are closed, lose their reader, or lack characters, while the block runs.

    Raises
    ------
    OSError
        If output of the block cannot be written, as on a full disk.
    """
    before = sys.stdout, sys.stderr
    given: list[TextIO | None] = [*before]  # None if closed by the caller
    nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # closed below
    streams = [nowhere if one is None else one for one in given]
    for stream in streams:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="selectormlp")
    wrapped: list[Any] = [_Tolerant(stream) for stream in streams]
    sys.stdout, sys.stderr = wrapped
    try:
        yield
        sys.stdout.flush()
    except OSError:
        try:
            sys.stdout.flush()
        except OSError:  # the reader is gone
            _to_nowhere(streams[0])
        raise
    finally:
        sys.stdout, sys.stderr = before
        nowhere.close()
