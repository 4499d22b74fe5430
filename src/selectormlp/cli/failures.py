"""Exit codes of commands, and the line that explains a failure."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from importlib.metadata import version

import typer

from selectormlp.causes import chain
from selectormlp.cli.stopping import was_stopped
from selectormlp.errors import SelectorMLPError, printable
from selectormlp.memory import is_shortage, shortage_line

REFUSED = 2
"""Exit code if input, settings or the machine do not allow the request."""
UNFORESEEN = 70
"""Exit code of an internal error: ``EX_SOFTWARE`` of sysexits.h."""
INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 plus the number of the signal, as in shells."""


def exit_code(command: Callable[[], int | None]) -> int:
    """Run a command and return its exit code; if it fails, print one line on standard error.

    Parameters
    ----------
    command
        Returns an exit code; None for 0.
    """
    try:
        return command() or 0
    except KeyboardInterrupt:
        return _interrupted()
    except typer.Abort:  # end of input at a prompt
        _say("aborted")
        return 1
    except Exception as error:
        return _interrupted() if was_stopped() or _holds_interruption(error) else _failed(error)


def _failed(error: Exception) -> int:
    if isinstance(error, SelectorMLPError):
        return refuse(str(error))
    if is_shortage(error):
        return refuse(shortage_line(error))
    if isinstance(error, OSError):
        return refuse(str(error))
    return _unforeseen(error)  # last resort


def refuse(message: str) -> int:
    """Print in one line why a command cannot run; return the exit code."""
    _say(f"error: {message}")
    return REFUSED


def _say(message: str) -> None:
    sys.stderr.write(f"selectormlp: {printable(' '.join(message.split()))}\n")


def _interrupted() -> int:
    _say("stopped")
    return INTERRUPTED


def _holds_interruption(error: BaseException | None) -> bool:
    """Return whether a library has wrapped an interruption in its own error."""
    return any(isinstance(link, KeyboardInterrupt) for link in chain(error))


def _unforeseen(error: Exception) -> int:
    text = " ".join(f"{type(error).__name__}: {error}".split())
    short = text if len(text) <= 200 else f"{text[:200]}…"
    try:
        place = f"the traceback is in {_write_traceback(error)}; please report it"
    except OSError as failure:
        place = f"the traceback could not be written ({failure})"
    _say(f"internal error: {short}; {place}")
    return UNFORESEEN


def _write_traceback(error: Exception) -> str:
    handle, place = tempfile.mkstemp(prefix="selectormlp_traceback_", suffix=".txt")
    with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(f"selectormlp {version('selectormlp')}, Python {sys.version.split()[0]}\n{sys.argv}\n\n")
        file.writelines(traceback.format_exception(error))
    return place
