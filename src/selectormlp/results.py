"""Results of several files: whole or not at all, and never one of two runs.

Files of a result wait beside their places until all are whole. Then a list of the renames is written down (the commit),
the renames are made, and a manifest is left that says which files belong together. A process killed before the commit
leaves the result before; after it, whoever reads or writes next makes the remaining renames. The manifest holds a run's
name, which h5ad files and indices of splits carry too, and hashes of the other files, so that files of
two runs are told apart however they came to lie beside each other. Results without a manifest, as version 0.1.0 wrote
them, stay readable.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from selectormlp.errors import InputError, OutputError, quoted
from selectormlp.files import (
    COMMIT_SUFFIX,
    CURRENT,
    Stage,
    ensure_folder,
    flush_folders,
    is_draft,
    remove,
    written_whole,
)
from selectormlp.locks import is_being_written, only_writer
from selectormlp.manifests import (
    CARRIERS,
    FORMAT,
    MANIFEST_SUFFIX,
    MAX_BEFORE,
    hash_of,
    is_edited,
    is_inside,
    odd_files,
    read_manifest,
    read_small_json,
)

logger = logging.getLogger(__name__)

MAX_WAIT_S = 60.0
"""How long a reader waits for a writer that is at its renames."""


def current_run() -> str | None:
    """Return the name of the run whose result is being written, for files that carry it; None outside of one."""
    stage = CURRENT.get()
    return None if stage is None else stage.run


@contextmanager
def whole_result(
    folder: Path | str, name: str, *, run: str | None = None, replaces: Iterable[str] = (), clear: bool = False
) -> Iterator[None]:
    """Write the files of one result: all of them come into place together when the block ends, or none.

    Within another result of the same folder or one above, files wait for that.

    Parameters
    ----------
    folder
        Of the result; other files in it are left alone.
    name
        Of the result, which no other in this folder has.
    run
        What tells it from other results; by default random.
    replaces
        Files in the folder that would be of the result before, if they are there; they are removed.
    clear
        Whether to remove also what the manifest of the result before lists and this one does not have.

    Raises
    ------
    OutputError
        If the folder cannot be written to, or another process or thread is writing this result.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> place = Path(mkdtemp())
    >>> with whole_result(place, "genes"):
    ...     with written_whole(place / "a.csv", place / "b.csv") as (first, second):
    ...         _ = first.write_text("gene"), second.write_text("gene")
    ...     (place / "a.csv").exists()
    False
    >>> check_together(place, "genes")
    []
    """
    new = [path for path in (Path(folder), *Path(folder).parents) if not path.exists()]
    place = ensure_folder(folder).resolve()
    outer = CURRENT.get()
    if outer is not None and outer.holds(place):
        before = set(outer.drafts)
        yield
        _addread_manifest(outer, place, name, [path for path in outer.drafts if path not in before], replaces, clear)
        return
    try:
        with only_writer(place, name, new):
            _recover(place, name)
            stage = Stage(place, run or uuid4().hex)
            token = CURRENT.set(stage)
            try:
                yield
                if stage.drafts:
                    _addread_manifest(stage, place, name, list(stage.drafts), replaces, clear)
                    _commit(stage, name)
            finally:
                CURRENT.reset(token)
                stage.drop()
    finally:
        for path in new:
            with suppress(OSError):  # it holds something
                path.rmdir()


def _addread_manifest(
    stage: Stage, folder: Path, name: str, files: list[Path], replaces: Iterable[str], clear: bool
) -> None:
    """Say which files belong together, as one more file of the result; find out what of the last one is to go."""
    files = [path for path in files if path.is_relative_to(folder) and not path.name.endswith(MANIFEST_SUFFIX)]
    before = read_manifest(folder, name)
    hashes = {
        path.relative_to(folder).as_posix(): "" if path.suffix in CARRIERS else hash_of(stage.drafts[path])
        for path in files
    }
    going = [*replaces, *(before.hashes if before is not None and clear else ())]
    stage.removed += [folder / file for file in going if file not in hashes and is_inside(folder, file)]
    replaced = [path.name for path in (*files, *stage.removed) if path.exists()]
    if replaced:
        when = "" if before is None else f" of {before.written}"
        logger.info("%s: replaces the results%s (%s)", folder, when, quoted(replaced, most=4))
    known = {} if before is None else dict.fromkeys((*before.hashes.values(), *sorted(before.before)))
    older = [known_hash for known_hash in known if known_hash and known_hash not in hashes.values()][:MAX_BEFORE]
    content = {"format": FORMAT, "run": stage.run, "written": _now(), "files": hashes, "before": older}
    with written_whole(folder / f".{name}{MANIFEST_SUFFIX}") as (draft,):
        draft.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _commit(stage: Stage, name: str) -> None:
    """Write down the renames, from when on the result counts as written, and make them."""
    moves = [
        [path.relative_to(stage.folder).as_posix() for path in (draft, place)] for place, draft in stage.drafts.items()
    ]
    going = [path for path in stage.removed if path not in stage.drafts]
    removed = [path.relative_to(stage.folder).as_posix() for path in going]
    list_file = stage.folder / f".{name}{COMMIT_SUFFIX}"
    with written_whole(list_file, at_once=True) as (draft,):
        draft.write_text(json.dumps({"format": FORMAT, "moves": moves, "removed": removed}), encoding="utf-8")
    stage.drafts.clear()  # from now on they are on the list, and stay for whoever finishes it
    try:
        _move(stage.folder, moves, removed)
        list_file.unlink()
    except OSError as error:
        raise OutputError(
            f"cannot write {str(stage.folder)!r} ({error.strerror or error}); fix the cause, then read or write it "
            "again"
        ) from error


def _move(folder: Path, moves: list[list[str]], removed: list[str]) -> None:
    """Make the renames that are still to be made."""
    for draft, place in moves:
        with suppress(FileNotFoundError):
            (folder / draft).replace(folder / place)
    for file in removed:
        remove(folder / file)
    flush_folders(dict.fromkeys((folder / place).parent for _, place in moves))


def _recover(folder: Path, name: str) -> None:
    """Make the renames that a killed process has not come to; the caller is the only writer."""
    list_file = folder / f".{name}{COMMIT_SUFFIX}"
    found = read_small_json(list_file)
    if found is None:
        return
    moves: Any = found.get("moves")
    removed: Any = found.get("removed")
    if not _are_moves(folder, moves) or not isinstance(removed, list):
        raise OutputError(f"{str(list_file)!r} is not a list of renames of this program; remove it")
    logger.info("%s: bringing %r into place, which a process that was stopped had written", folder, name)
    try:
        _move(folder, moves, [file for file in removed if is_inside(folder, file)])
        list_file.unlink()
    except OSError as error:
        raise OutputError(f"cannot write {str(folder)!r} ({error.strerror or error})") from error


def _are_moves(folder: Path, moves: Any) -> bool:
    """Whether these are renames of drafts to places beside them, none of which leads out of the folder."""
    return isinstance(moves, list) and all(
        isinstance(pair, list)
        and len(pair) == 2
        and all(is_inside(folder, path) for path in pair)
        and is_draft(Path(pair[0]))
        and Path(pair[0]).parent == Path(pair[1]).parent
        for pair in moves
    )


def check_together(
    folder: Path | str,
    name: str,
    files: Iterable[str] = (),
    *,
    repeat: str = "",
    by_hand: Callable[[str], bool] | None = None,
) -> list[str]:
    """Refuse files of a result that are not of one run; a result that was stopped half way into place is finished.

    Parameters
    ----------
    folder, name
        Of the result.
    files
        Those that matter, as paths in the folder; those that are not there do not. By default all of the manifest.
    repeat
        What to do again.
    by_hand
        Tells of a file that is not as it was written whether its content may be somebody's edit of it. Those of which
        it may, and that are newer than the result and not of a run before, are no reason to refuse.

    Returns
    -------
    Files that were edited.

    Raises
    ------
    InputError
        If files are of different runs, or altered.
    """
    place = Path(folder)
    end = time.monotonic() + MAX_WAIT_S
    while True:
        _settle(place, name)
        manifest = read_manifest(place, name)
        odd = odd_files(place, manifest, list(files))
        edited = [file for file in odd if by_hand and is_edited(place, manifest, file) and by_hand(file)]
        if odd == edited:
            return edited
        steady = manifest == read_manifest(place, name) and not is_being_written(place, name)
        if steady or time.monotonic() > end:
            odd = [file for file in odd if file not in edited]
            raise InputError(
                f"in {str(place)!r}, {quoted(odd)} {'is' if len(odd) == 1 else 'are'} not of the same run as the rest, "
                f"or changed since: repeat {repeat or repr(name)}, or move what you want to use to a folder of its own"
            )
        time.sleep(0.05)


def _settle(folder: Path, name: str) -> None:
    """Wait for a writer that is at its renames, or make those of one that was killed."""
    end = time.monotonic() + MAX_WAIT_S
    while (folder / f".{name}{COMMIT_SUFFIX}").exists():
        try:
            with only_writer(folder, name):
                _recover(folder, name)
        except OutputError as error:
            if not is_being_written(folder, name) or time.monotonic() > end:
                raise InputError(f"the result {name!r} in {str(folder)!r} is incomplete: {error}") from error
            time.sleep(0.05)
