"""A memory limit that a command cannot keep: one line, before the kernel ends the process without a word."""

from __future__ import annotations

import os
import sys
import threading
import time

from selectormlp.locks import let_go
from selectormlp.memory import GB, Limit, limits, shortage_line

LEAST_SPACE = int(0.6 * GB)
"""Address space that the libraries of a command take without any data; measured 0.45 GB."""

LEAST_GROUP = int(0.25 * GB)
"""Memory that they take; measured 0.24 GB."""

MARGIN = 48_000_000
"""Bytes that a control group must have left: the kernel ends a process that takes more, without a word."""

PAUSE_S = 0.02


def check_memory_limits() -> str | None:
    """Return why a command cannot even start, in one line; else watch the limit of its control group."""
    group = None
    for limit in limits():
        if "ulimit" in limit.name and limit.allowed < LEAST_SPACE:
            return _too_small(limit, LEAST_SPACE)
        if "group" in limit.name:
            if limit.allowed < LEAST_GROUP:
                return _too_small(limit, LEAST_GROUP)
            group = limit
    if group is not None:
        threading.Thread(target=_watch, name="memory", daemon=True).start()
    return None


def _too_small(limit: Limit, least: int) -> str:
    return (
        f"{limit.name} allows {limit.allowed / GB:.2f} GB, and a command takes {least / GB:.2f} GB before it reads "
        "anything; allow more memory"
    )


def _watch() -> None:
    while True:
        left = min((limit.free for limit in limits() if "group" in limit.name), default=MARGIN)
        if left < MARGIN:
            sys.stderr.write(f"selectormlp: error: {shortage_line()}\n")
            sys.stderr.flush()
            let_go()
            os._exit(2)
        time.sleep(PAUSE_S)
