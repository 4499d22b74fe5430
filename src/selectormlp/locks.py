"""Locks that the kernel takes away from a process that ends, however it ends."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from selectormlp.errors import OutputError

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows has none
    fcntl = None

logger = logging.getLogger(__name__)

HELD = (errno.EWOULDBLOCK, errno.EACCES)
"""Error numbers if another process has the lock; any other means that locks do not work."""

MAX_TRIES = 100
"""Times that a lock is asked for whose file was removed in between."""

LOCK_SUFFIX = ".lock"

NOFOLLOW: int = getattr(os, "O_NOFOLLOW", 0)

_held: dict[Path, tuple[Path, ...]] = {}
"""Locks of results that this process is writing, and the folders that were made for each."""

_handles: set[int] = set()
"""Open locks of this process."""

_AT_WORK: ContextVar[frozenset[Path]] = ContextVar("at_work", default=frozenset())


def _lock(handle: int, *, shared: bool = False, wait: bool = False) -> bool | None:
    """Lock what is open; say whether that worked, or None where the file system has no locks."""
    if fcntl is None:
        return None
    kind = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
    try:
        fcntl.flock(handle, kind)
    except OSError as error:
        return False if error.errno in HELD else None
    return True


@contextmanager
def writing_in(folder: Path, clear: Callable[[Path], None]) -> Iterator[None]:
    """Lock a folder for writing. If no other process holds the lock, partial files are removed first.

    Any number may write at a time. Where the file system has no locks on folders, nothing is cleared.

    Parameters
    ----------
    folder
        It exists.
    clear
        Removes what killed processes have left in it.
    """
    full = folder.absolute()
    if full in _AT_WORK.get():  # by this writer itself
        yield
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        yield
        return
    _handles.add(handle)
    _AT_WORK.set(_AT_WORK.get() | {full})
    try:
        if _lock(handle):
            clear(folder)
        _lock(handle, shared=True, wait=True)
        yield
    finally:
        _AT_WORK.set(_AT_WORK.get() - {full})
        _close(handle)


@contextmanager
def only_writer(folder: Path, name: str, made: Sequence[Path] = ()) -> Iterator[None]:
    """Refuse to write a result that another process or thread is writing.

    Parameters
    ----------
    folder
        Of the result; it exists.
    name
        Of the result: others may be written to the same folder meanwhile.
    made
        Folders that were made for it, the innermost first; see :func:`let_go`.

    Raises
    ------
    OutputError
        If another is writing it.
    """
    file = folder / f".{name}{LOCK_SUFFIX}"
    handle = _locked_file(file, name)
    _held[file] = tuple(made)
    if handle is not None:
        _handles.add(handle)
    try:
        yield
    finally:
        _held.pop(file, None)
        if handle is not None and handle in _handles:
            with suppress(OSError):
                file.unlink()
            _close(handle)


def _close(handle: int) -> None:
    """Close a lock, unless a fork has."""
    if handle in _handles:
        _handles.discard(handle)
        os.close(handle)


def _leave_to_parent() -> None:
    """Close the locks in a forked process, such as one that reads ahead: a lock lasts while any process has it open."""
    for handle in list(_handles):
        with suppress(OSError):
            _close(handle)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)


def let_go() -> None:
    """Remove the locks of this process, and the folders that it made and has put nothing into: it ends at once."""
    for file, made in list(_held.items()):
        with suppress(OSError):
            file.unlink(missing_ok=True)
            for folder in made:
                folder.rmdir()


def is_being_written(folder: Path, name: str) -> bool:
    """Whether a process or thread is writing a result just now."""
    try:
        handle = os.open(folder / f".{name}{LOCK_SUFFIX}", os.O_RDONLY | NOFOLLOW)
    except OSError:
        return False
    try:
        return _lock(handle, shared=True) is False
    finally:
        os.close(handle)


def remove_locks(folder: Path) -> None:
    """Remove the locks that killed processes have left in a folder."""
    for file in folder.glob(f".*{LOCK_SUFFIX}"):
        with suppress(OSError):
            handle = os.open(file, os.O_RDWR | NOFOLLOW)
            try:
                if _lock(handle) and os.path.samestat(os.fstat(handle), file.lstat()):
                    file.unlink()
            finally:
                os.close(handle)


def _locked_file(file: Path, name: str) -> int | None:
    """Make and lock a file; None where there are no locks.

    Who had it before removes it as it lets go: what was locked then is a file without a name, and the next one is
    tried.
    """
    for _ in range(MAX_TRIES):
        try:
            handle = os.open(file, os.O_RDWR | os.O_CREAT | NOFOLLOW, 0o666)
        except OSError as error:
            raise OutputError(f"cannot write {str(file)!r} ({error.strerror or error})") from error
        got = _lock(handle)
        if got is None:
            os.close(handle)
            with suppress(OSError):
                file.unlink()
            logger.warning("%s: this file system has no locks; let nothing else write to it meanwhile", file.parent)
            return None
        if not got:
            os.close(handle)
            break
        with suppress(OSError):
            if os.path.samestat(os.fstat(handle), file.lstat()):
                return handle
        os.close(handle)
    raise OutputError(
        f"another process is writing {name!r} to {str(file.parent)!r}; wait until it has ended, or name another folder"
    )
