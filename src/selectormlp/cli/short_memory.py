"""Detect memory limits that a command cannot keep, before the kernel kills the process without a message."""

from __future__ import annotations

import os
import sys
import threading
import time

from selectormlp.locks import let_go
from selectormlp.memory import GB, Limit, limits, shortage_line

LEAST_SPACE = int(0.6 * GB)
"""Address space of a command's libraries, without data; measured 0.45 GB."""

LEAST_GROUP = int(0.25 * GB)
"""Memory of these libraries; measured 0.24 GB."""

MARGIN = 48_000_000
"""Free bytes that a control group must keep: the kernel kills processes above its limit without a message."""

PAUSE_S = 0.02


def check_memory_limits() -> str | None:
    """Return in one line why a command cannot start; else watch the limit of its control group."""
    group = None
    for limit in limits():
        if "ulimit" in limit.name:
            if limit.allowed < LEAST_SPACE:
                return _too_small(limit, LEAST_SPACE)
            _reserve_for_products()
        if "group" in limit.name:
            if limit.allowed < LEAST_GROUP:
                return _too_small(limit, LEAST_GROUP)
            group = limit
    if group is not None:
        threading.Thread(target=_watch, name="memory", daemon=True).start()
    return None


def _reserve_for_products() -> None:
    """Let the libraries of NumPy and SciPy take their work memory now: without any left, OpenBLAS ends the process."""
    import numpy as np
    from scipy.linalg.blas import dgemm

    square = np.ones((128, 128))
    dgemm(1.0, square @ square, square)


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
