"""One selection in a process of its own, which is ended at the time limit."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
import threading
import time
import warnings
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from panel_accuracy.methods import Choice, Method, select, warm_up
from panel_accuracy.protocol import Learning
from processor import cpu_seconds

START_S = 300.0
"""Time for loading packages and the run on made-up cells, which are not counted."""

MB = 2**20

PRELOADED = ["panel_accuracy.methods", "scanpy", "torch"]
"""What the process that new ones are forked from has imported: seconds that each would take otherwise."""

_running: set[multiprocessing.process.BaseProcess] = set()
_stopping = threading.Event()


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of a selection.

    Attributes
    ----------
    status
        ``ok``, ``over the limit``, ``not installed`` or ``failed: reason``.
    choice
        The genes, or None.
    seconds
        Wall time of the selection; of one that was ended, the limit; NaN where it failed.
    cpu_seconds
        Time that a core spent on it, which other work on the machine does not change; NaN where there is no choice.
    peak_mb
        What the process took at its peak, with packages and data, in MiB; NaN where it failed.
    """

    status: str
    choice: Choice | None = None
    seconds: float = float("nan")
    cpu_seconds: float = float("nan")
    peak_mb: float = float("nan")


def select_limited(method: Method, learning: Learning, size: int, seed: int, limit_s: float) -> Outcome:
    """Choose genes in a new process; end it, with all that it started, when the time is over.

    Parameters
    ----------
    method, learning, size, seed
        As :func:`panel_accuracy.methods.select` takes them.
    limit_s
        Seconds that the selection may take, loading of packages not counted.
    """
    if _stopping.is_set():
        return Outcome("failed: stopped")
    context = multiprocessing.get_context("forkserver")  # of imports alone, so that each method starts equal
    context.set_forkserver_preload(PRELOADED)
    ours, theirs = context.Pipe()
    child = context.Process(target=_child, args=(theirs, method, learning, size, seed))
    child.start()
    _running.add(child)
    theirs.close()
    try:
        found = _receive(ours, START_S)
        if isinstance(found, str) and found == "ready":
            found = _receive(ours, limit_s)
            if found is None:
                return Outcome("over the limit", seconds=limit_s)
        if isinstance(found, Outcome):
            return found
        return Outcome("failed: its process ended" if found == "ended" else "failed: it did not start in time")
    finally:
        _end(child)
        _running.discard(child)
        ours.close()


def end_all() -> None:
    """End the selections that run in other threads, and let them start no others."""
    _stopping.set()
    for child in list(_running):
        _kill(child)


def _receive(connection: Connection, timeout_s: float) -> object:
    """Wait for a message; None where none came in time."""
    try:
        return connection.recv() if connection.poll(timeout_s) else None
    except (EOFError, ConnectionError):
        return "ended"


def _end(child: multiprocessing.process.BaseProcess) -> None:
    child.join(0.5)  # one that has sent its result is about to end by itself
    _kill(child)
    child.join()


def _kill(child: multiprocessing.process.BaseProcess) -> None:
    """Kill a process and the group that it leads, which outlives it where a peer leaves workers behind."""
    with suppress(ProcessLookupError, PermissionError):
        if child.pid is not None:
            os.killpg(child.pid, signal.SIGKILL)
    if child.is_alive():
        child.kill()  # it had not yet made a group of its own


def _child(connection: Connection, method: Method, learning: Learning, size: int, seed: int) -> None:
    os.setsid()  # a group of its own, so that what it starts ends with it
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    np.random.seed(seed)  # noqa: NPY002 - several packages draw from the global state
    with Path(os.devnull).open("w") as sink, redirect_stdout(sink), redirect_stderr(sink), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of peers; what matters to the result is an error or a status
        connection.send(_attempt(connection, method, learning, size, seed))
    connection.close()


def _end_with_parent(parent: int) -> None:
    """End this group once the run that started it is gone, however that came about."""
    while os.getppid() == parent:
        time.sleep(1)
    os.killpg(0, signal.SIGKILL)


def _attempt(connection: Connection, method: Method, learning: Learning, size: int, seed: int) -> Outcome:
    try:
        with suppress(ValueError, IndexError, RuntimeError, KeyError):  # made-up cells too few for a method
            warm_up(method)
        connection.send("ready")
        start, cpu_start = time.perf_counter(), cpu_seconds()
        choice = select(method, learning, size, seed)
        seconds, used = time.perf_counter() - start, cpu_seconds() - cpu_start
    except ImportError as error:
        return Outcome(f"not installed ({error.name or error})")
    except Exception as error:
        return Outcome(f"failed: {type(error).__name__}: {' '.join(str(error).split())[:200]}")
    order = np.asarray(choice.order, dtype=np.int64)
    if len(set(order.tolist())) < len(order) or not len(order):
        return Outcome(f"failed: {len(order)} genes named, {len(set(order.tolist()))} of them different")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Outcome("ok", Choice(order, choice.nested), seconds, used, peak / MB)
