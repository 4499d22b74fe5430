"""Handle Ctrl-C and SIGTERM: exit without results and without a traceback."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any, NoReturn

_stopped = threading.Event()


def was_stopped() -> bool:
    """Whether a signal has arrived: later errors follow from it."""
    return _stopped.is_set()


def watch_signals() -> None:
    """Let both signals raise :class:`KeyboardInterrupt`, and hide the errors that follow.

    Compiled code may swallow the exception or replace it: it is raised again, and tracebacks are not shown.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _stop)
    hook, thread_hook, last = sys.unraisablehook, threading.excepthook, sys.excepthook

    def unraisable(found: Any) -> None:
        if not was_stopped():
            hook(found)
        elif found.exc_type is not None and issubclass(found.exc_type, KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)

    def in_thread(found: Any) -> None:
        if not was_stopped():
            thread_hook(found)

    def uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if was_stopped():
            sys.stderr.write("Aborted.\n")
        else:
            last(kind, error, trace)

    sys.unraisablehook, threading.excepthook, sys.excepthook = unraisable, in_thread, uncaught


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    _stopped.set()
    raise KeyboardInterrupt
