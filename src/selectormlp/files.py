"""Writing files so that a name never stands for half a file."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from selectormlp.errors import OutputError

DRAFT_MARK = ".part"
"""In the name of a file that is being written, or that a process was writing when it was killed."""


def is_draft(path: Path) -> bool:
    """Tell whether a file is one that :func:`written_whole` has not finished.

    Examples
    --------
    >>> is_draft(Path(".last.4711.part.ckpt")), is_draft(Path("last.ckpt"))
    (True, False)
    """
    return path.name.startswith(".") and f"{DRAFT_MARK}." in f"{path.name}."


def remove_drafts(folder: Path, stem: str = "*") -> None:
    """Remove what killed processes have left half written in a folder that nobody else writes to.

    Parameters
    ----------
    folder
        Where to look; it may be absent.
    stem
        Only drafts of files of this name (without suffix).
    """
    for path in folder.glob(f".{stem}.*"):
        if is_draft(path):
            path.unlink(missing_ok=True)


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
    _make(folders)
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


@contextmanager
def written_whole(*targets: Path | str) -> Iterator[tuple[Path, ...]]:
    """Write files beside their places and rename them into place together, once all are whole.

    Parameters
    ----------
    targets
        The files to be written; their folders are made where absent.

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
    ensure_folders(*(place.parent for place in places))
    drafts = [place.parent / f".{place.stem}.{os.getpid()}{DRAFT_MARK}{place.suffix}" for place in places]
    try:
        yield tuple(drafts)
        for draft, place in zip(drafts, places, strict=True):
            draft.replace(place)
    except OSError as error:
        raise OutputError(f"cannot write {str(places[0])!r} ({error.strerror or error})") from error
    finally:
        for draft in drafts:
            if draft.is_dir():
                shutil.rmtree(draft, ignore_errors=True)
            else:
                draft.unlink(missing_ok=True)
