"""Try HDF5 files in a separate process before this one opens them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from selectormlp.errors import DataError
from selectormlp.gate.files import check_regular

SECONDS = 30
"""CPU time for a trial, plus one second per ``BYTES_A_SECOND`` of the file."""

BYTES_A_SECOND = 2**26

PATIENCE = 10
"""Factor from CPU time to the limit in wall time, since disks and busy machines are slow."""

MEMORY = 2**32
"""Memory limit of a trial, 4 GiB, including libraries."""

MAX_KNOWN = 1024

_passed: dict[tuple[object, ...], None] = {}
_lock = threading.Lock()


def _nothing() -> None:
    pass


def check_hdf5(place: Path, named: Path | None = None, *, meanwhile: Callable[[], object] = _nothing) -> None:
    """Raise if an HDF5 file points outside itself, claims impossible sizes, or crashes the HDF5 library.

    Another process opens the file first and goes through its links, arrays and attributes. Up to 64 MiB of content, it
    reads everything; beyond, it reads all but plain numbers. A file that passed is tried again only after a change.

    Parameters
    ----------
    place
        The file.
    named
        Name of the file in messages, if different.
    meanwhile
        Called while the other process tries the file, for example to load a library.

    Raises
    ------
    DataError
        If the file fails; the message says why.
    """
    shown = str(named or place)
    check_regular(place)
    key = _signature(place)
    with _lock:
        if key in _passed:
            return
    refusal = _try(place, meanwhile)
    if refusal is not None:
        raise DataError(f"{shown!r} {refusal}")
    with _lock:
        while len(_passed) >= MAX_KNOWN:
            _passed.pop(next(iter(_passed)))
        _passed[key] = None


def _signature(place: Path) -> tuple[object, ...]:
    found = place.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _try(place: Path, meanwhile: Callable[[], object]) -> str | None:
    """Return the reason why a file is refused, or None."""
    from selectormlp.gate import hdf5_trial

    seconds = SECONDS + place.stat().st_size // BYTES_A_SECOND
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
        "OPENBLAS_NUM_THREADS": "1",  # each thread would reserve memory
    }
    try:
        with subprocess.Popen(  # noqa: S603  # this Python, and a script of ours
            [sys.executable, "-P", hdf5_trial.__file__, str(place), str(seconds), str(MEMORY)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        ) as trial:
            try:
                meanwhile()
                said = trial.communicate(timeout=PATIENCE * seconds)[0].decode(errors="replace").splitlines()
            except subprocess.TimeoutExpired:
                trial.kill()
                return _too_long(PATIENCE * seconds)
            except BaseException:
                trial.kill()
                raise
    except (OSError, ValueError):
        said = []
    if not said:  # Python could not be started, for example if embedded in another program
        return _try_here(place)
    if len(said) > 1:
        return json.loads(said[1]).get("refused")  # type: ignore[no-any-return]
    if trial.returncode in (-getattr(signal, "SIGXCPU", 24), -signal.SIGKILL):
        return _too_long(seconds)
    return (
        f"is damaged: reading it ends the HDF5 library (code {trial.returncode}); copy it again, or rewrite it with "
        "adata.write_h5ad()"
    )


def _try_here(place: Path) -> str | None:
    from selectormlp.gate.hdf5_trial import RefusedError, go_through

    try:
        go_through(place)
    except RefusedError as error:
        return str(error)
    except Exception:  # the reader will report it
        return None
    return None


def _too_long(seconds: int) -> str:
    return (
        f"is damaged: reading it does not end within {seconds} s; copy it again, or rewrite it with adata.write_h5ad()"
    )
