"""Write files atomically: readers see the old file or the new one, never part of one."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from selectormlp.errors import OutputError
from selectormlp.locks import remove_locks, writing_in

DRAFT_MARK = ".part"
"""In the name of a file that is being written, or that a process was writing when it was killed."""


def is_draft(path: Path) -> bool:
    """Return whether a file is one that :func:`written_whole` has not finished.

    Examples
    --------
    >>> is_draft(Path(".last.4711.part.ckpt")), is_draft(Path("last.ckpt"))
    (True, False)
    """
    return path.name.startswith(".") and f"{DRAFT_MARK}." in f"{path.name}."


def remove_drafts(folder: Path, stem: str = "*") -> None:
    """Remove partial files of killed processes from a folder that no other process writes to.

    Parameters
    ----------
    folder
        Where to look; it may be absent.
    stem
        Only drafts of files of this name (without suffix).
    """
    for path in folder.glob(f".{stem}.*"):
        if is_draft(path):
            remove(path)


def remove(path: Path) -> None:
    """Remove a file or folder that may be absent; a link is removed, not what it leads to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def flush_file(path: Path) -> None:
    """Have the disk hold what was written to a file or to all files in a folder, whatever happens to the power."""
    if path.is_dir():
        for inner in path.iterdir():
            flush_file(inner)
        flush_folders([path])
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush_folders(folders: Iterable[Path]) -> None:
    """Have the disk hold the names in folders; file systems that cannot do that on its own are left to it."""
    for folder in dict.fromkeys(folders):
        with suppress(OSError):
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def ensure_folder(path: Path | str) -> Path:
    """Make a folder that can be written to.

    Raises
    ------
    OutputError
        If it cannot be made or written to.
    """
    return ensure_folders(path)[0]


def ensure_folders(*paths: Path | str) -> tuple[Path, ...]:
    """Make folders that can be written to: all of them or, where one cannot be, none.

    Raises
    ------
    OutputError
        If one cannot be made or written to.
    """
    folders = tuple(map(Path, paths))
    flush_folders(folder.parent for folder in _make(folders))
    return folders


def check_folders(*paths: Path | str) -> None:
    """Refuse folders that cannot be made or written to, before the long work; nothing is left behind.

    Raises
    ------
    OutputError
        If one cannot be made or written to.
    """
    _remove(_make(tuple(map(Path, paths))))


def check_files(*paths: Path | str) -> None:
    """Refuse files that cannot be written, before the long work; nothing is left behind.

    Raises
    ------
    OutputError
        If one is a folder, or its folder cannot be made or written to.
    """
    places = tuple(map(Path, paths))
    for place in places:
        if place.is_dir():
            raise OutputError(f"cannot write {str(place)!r}, which is a folder; move it away or choose another place")
    check_folders(*(place.parent for place in places))


def _make(folders: tuple[Path, ...]) -> list[Path]:
    """Make folders and try to write to them; return those that are new, parents first."""
    made: list[Path] = []
    for folder in folders:
        try:
            made += reversed([place for place in (folder, *folder.parents) if not place.exists()])
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            _remove(made)
            raise OutputError(_refusal(folder, error)) from error
    return made


def _remove(made: list[Path]) -> None:
    for place in reversed(made):
        with suppress(OSError):
            place.rmdir()


def _refusal(folder: Path, error: OSError) -> str:
    with suppress(OSError):
        for place in (folder, *folder.parents):
            if place.exists() and not place.is_dir():
                inside = "" if place == folder else f"cannot write to the folder {str(folder)!r}: "
                return f"{inside}{str(place)!r} is a file; name a folder"
    return f"cannot write to the folder {str(folder)!r} ({error.strerror or error}); choose one that you may write to"


@dataclass(eq=False)
class Stage:
    """Files of one result that are whole and wait for the others, to be renamed into place together.

    Attributes
    ----------
    folder
        Of the result, absolute.
    run
        What tells this result from those of other runs.
    drafts
        Where each file is until then, by its place.
    removed
        Files of the result before that are to go.
    """

    folder: Path
    run: str
    drafts: dict[Path, Path] = field(default_factory=dict)
    removed: list[Path] = field(default_factory=list)
    locks: ExitStack = field(default_factory=ExitStack)

    def holds(self, place: Path) -> bool:
        """Whether a file is part of the result: by its name, without following links."""
        return place.is_relative_to(self.folder)

    def add(self, place: Path, draft: Path) -> None:
        """Keep a draft for later; one of the same place is replaced."""
        before = self.drafts.pop(place, None)
        if before is not None:
            remove(before)
        self.drafts[place] = draft

    def drop(self) -> None:
        """Remove what waits."""
        for draft in self.drafts.values():
            remove(draft)
        self.locks.close()


CURRENT: ContextVar[Stage | None] = ContextVar("current", default=None)
"""The result that is being written, if any: files in its folder wait for each other."""


@contextmanager
def written_whole(*targets: Path | str, at_once: bool = False, flush: bool = True) -> Iterator[tuple[Path, ...]]:
    """Write files beside their places, have the disk hold them, and rename them into place once all are whole.

    Drafts have names that nobody can guess, so that no two writers share one and none follows a link that waits for
    it. Those that killed processes have left in a folder are removed where nobody else is writing in it. Of a result
    of several files, see :func:`selectormlp.results.whole_result`, files wait for each other.

    Parameters
    ----------
    targets
        The files to be written; their folders are made where absent.
    at_once
        Do not wait: for logs and checkpoints, which are no results.
    flush
        Whether the disk must hold the files before they get their names. Without, a power cut may leave an empty file.

    Yields
    ------
    A path to write to for each target. Should the block fail, nothing of it is left and what stood at the
    targets still does.

    Raises
    ------
    OutputError
        If a folder cannot be written to, a target is a folder, or the disk is full.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> target = Path(mkdtemp()) / "table.csv"
    >>> with written_whole(target) as (draft,):
    ...     _ = draft.write_text("gene")
    >>> target.read_text()
    'gene'
    """
    places = [Path(target) for target in targets]
    check_files(*places)
    folders = ensure_folders(*dict.fromkeys(place.parent for place in places))
    drafts = [place.parent / f".{place.stem}.{secrets.token_hex(8)}{DRAFT_MARK}{place.suffix}" for place in places]
    stage = None if at_once else CURRENT.get()
    with ExitStack() as stack:
        for folder in folders:
            waits = stage is not None and stage.holds(real_place(folder))
            (stage.locks if stage is not None and waits else stack).enter_context(writing_in(folder, _clear))
        try:
            yield tuple(drafts)
            if flush:
                for draft in drafts:
                    flush_file(draft)
            _put(dict(zip(places, drafts, strict=True)), at_once=at_once, flush=flush)
        except OSError as error:
            raise OutputError(f"cannot write {str(places[0])!r} ({error.strerror or error})") from error
        finally:
            for draft in drafts:
                if not _waits(draft):
                    remove(draft)


COMMIT_SUFFIX = ".commit"
"""Ends the name of the list of files of a result that are on their way into place."""


def clear_leftovers(folder: Path) -> None:
    """Remove partial files of killed processes from a folder and its subfolders, unless a process is writing there."""
    for place in (folder, *folder.glob("*/")):
        with writing_in(place, _clear):
            pass


def real_place(path: Path) -> Path:
    """Return where a file or folder is: links on the way are followed, one in its place is not."""
    return path.parent.resolve() / path.name


def _put(drafts: dict[Path, Path], *, at_once: bool, flush: bool) -> None:
    stage = CURRENT.get()
    for place, draft in drafts.items():
        full = real_place(place)
        if stage is not None and not at_once and stage.holds(full):
            stage.add(full, real_place(draft))
        else:
            draft.replace(place)
    if flush:
        flush_folders(place.parent for place in drafts)


def _waits(draft: Path) -> bool:
    stage = CURRENT.get()
    return stage is not None and real_place(draft) in stage.drafts.values()


def _clear(folder: Path) -> None:
    """Remove drafts, unless a killed process has left a result here, or in a run's folder above, that needs them."""
    near = (folder, *list(folder.absolute().parents)[:2])
    if all(is_draft(path) for place in near for path in place.glob(f".*{COMMIT_SUFFIX}")):
        remove_drafts(folder)
        remove_locks(folder)
