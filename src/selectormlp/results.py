"""Results of several files: whole or not at all, and never one of two runs.

Files of a result wait beside their places until all are whole. Then a list of the renames is written down (the commit),
the renames are made, and a manifest is left that says which files belong together. A process killed before the commit
leaves the result before; after it, whoever reads or writes next makes the remaining renames. The manifest holds a run's
name, which h5ad files, indices of splits and ``panel.json`` carry too, and hashes of the other files, so that files of
two runs are told apart however they came to lie beside each other. Results without a manifest, as version 0.1.0 wrote
them, stay readable.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
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

logger = logging.getLogger(__name__)

MANIFEST_SUFFIX = ".manifest.json"

RUN_KEY = "selectormlp_run"
"""Under this name files carry the run that wrote them."""

CARRIERS = (".h5ad", ".npz")
"""Ends of the names of files that may be large and carry their run: they are not hashed."""

MOST_BYTES = 1 << 24
"""Size of the largest manifest or list of renames that is read."""

MOST_WAIT_S = 10.0
"""How long a reader waits for a writer that is at its renames."""

FORMAT = "selectormlp-result 1"


@dataclass(frozen=True)
class Manifest:
    """Which files are one result.

    Attributes
    ----------
    run
        Name of the run that wrote them.
    written
        When, UTC.
    hashes
        SHA-256 of each file, by its path in the folder; "" for one that carries its run.
    """

    run: str
    written: str
    hashes: dict[str, str]


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
    """
    new = [path for path in (Path(folder), *Path(folder).parents) if not path.exists()]
    place = ensure_folder(folder).resolve()
    outer = CURRENT.get()
    if outer is not None and outer.holds(place):
        before = set(outer.drafts)
        yield
        _add_manifest(outer, place, name, [path for path in outer.drafts if path not in before], replaces, clear)
        return
    try:
        with only_writer(place, name):
            _recover(place, name)
            stage = Stage(place, run or uuid4().hex)
            token = CURRENT.set(stage)
            try:
                yield
                if stage.drafts:
                    _add_manifest(stage, place, name, list(stage.drafts), replaces, clear)
                    _commit(stage, name)
            finally:
                CURRENT.reset(token)
                stage.drop()
    finally:
        for path in new:
            with suppress(OSError):  # it holds something
                path.rmdir()


def _add_manifest(
    stage: Stage, folder: Path, name: str, files: list[Path], replaces: Iterable[str], clear: bool
) -> None:
    """Say which files belong together, as one more file of the result; find out what of the last one is to go."""
    files = [path for path in files if path.is_relative_to(folder)]
    before = _manifest(folder, name)
    hashes = {
        path.relative_to(folder).as_posix(): "" if path.suffix in CARRIERS else _hash(stage.drafts[path])
        for path in files
    }
    going = [*replaces, *(before.hashes if before is not None and clear else ())]
    stage.removed += [folder / file for file in going if file not in hashes and _is_inside(folder, file)]
    replaced = [path.name for path in (*files, *stage.removed) if path.exists()]
    if replaced:
        when = "" if before is None else f" of {before.written}"
        logger.info("%s: replaces the results%s (%s)", folder, when, quoted(replaced, most=4))
    content = {"format": FORMAT, "run": stage.run, "written": _now(), "files": hashes}
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
    try:
        _move(stage.folder, moves, removed)
        list_file.unlink()
    except OSError as error:
        raise OutputError(
            f"cannot write {str(stage.folder)!r} ({error.strerror or error}); mend that, and read or write it again"
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
    found = _json(list_file)
    if found is None:
        return
    moves: Any = found.get("moves")
    removed: Any = found.get("removed")
    if not _are_moves(folder, moves) or not isinstance(removed, list):
        raise OutputError(f"{str(list_file)!r} is not a list of renames of this program; remove it")
    logger.info("%s: bringing %r into place, which a process that was stopped had written", folder, name)
    try:
        _move(folder, moves, [file for file in removed if _is_inside(folder, file)])
        list_file.unlink()
    except OSError as error:
        raise OutputError(f"cannot write {str(folder)!r} ({error.strerror or error})") from error


def _are_moves(folder: Path, moves: Any) -> bool:
    """Whether these are renames of drafts to places beside them, none of which leads out of the folder."""
    return isinstance(moves, list) and all(
        isinstance(pair, list)
        and len(pair) == 2
        and all(_is_inside(folder, path) for path in pair)
        and is_draft(Path(pair[0]))
        and Path(pair[0]).parent == Path(pair[1]).parent
        for pair in moves
    )


def _is_inside(folder: Path, path: object) -> bool:
    """Whether a path leads to a file in a folder, or one below that is no link."""
    if not isinstance(path, str) or "\0" in path:
        return False
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts:
        return False
    return not any((folder / Path(*parts[:n])).is_symlink() for n in range(1, len(parts)))


def check_together(folder: Path | str, name: str, files: Iterable[str] = (), *, repeat: str = "") -> None:
    """Refuse files of a result that are not of one run; a result that was stopped half way into place is finished.

    Parameters
    ----------
    folder, name
        Of the result.
    files
        Those that matter, as paths in the folder; those that are not there do not. By default all of the manifest.
    repeat
        What to do again.

    Raises
    ------
    InputError
        If files are of different runs, or altered.
    """
    place = Path(folder)
    end = time.monotonic() + MOST_WAIT_S
    while True:
        _settle(place, name)
        manifest = _manifest(place, name)
        odd = _odd_files(place, manifest, list(files))
        if not odd:
            return
        steady = manifest == _manifest(place, name) and not is_being_written(place, name)
        if steady or time.monotonic() > end:
            raise InputError(
                f"in {str(place)!r}, {quoted(odd)} {'is' if len(odd) == 1 else 'are'} not of the same run as the rest, "
                f"or changed since: repeat {repeat or repr(name)}, or move what you want to use to a folder of its own"
            )
        time.sleep(0.05)


def _settle(folder: Path, name: str) -> None:
    """Wait for a writer that is at its renames, or make those of one that was killed."""
    end = time.monotonic() + MOST_WAIT_S
    while (folder / f".{name}{COMMIT_SUFFIX}").exists():
        try:
            with only_writer(folder, name):
                _recover(folder, name)
        except OutputError as error:
            if not is_being_written(folder, name) or time.monotonic() > end:
                raise InputError(f"the result {name!r} in {str(folder)!r} is half in its place: {error}") from error
            time.sleep(0.05)


def _odd_files(folder: Path, manifest: Manifest | None, files: list[str]) -> list[str]:
    """Return the files that are not as the manifest has them or, without one, not of one run."""
    if manifest is None:
        runs = {file: carried_run(folder / file) for file in files if (folder / file).is_file()}
        return list(runs) if len(set(runs.values())) > 1 else []
    wanted = {file: manifest.hashes[file] for file in files or manifest.hashes if file in manifest.hashes}
    return [
        file
        for file, known in wanted.items()
        if (folder / file).is_file()
        and (carried_run(folder / file) != manifest.run if not known else _hash(folder / file) != known)
    ]


def carried_run(path: Path) -> str | None:
    """Return the run that a file carries; None if it carries none or cannot be read, which its reader will say."""
    with suppress(Exception):  # h5py and numpy raise many kinds
        if path.suffix == ".h5ad":
            import h5py

            with h5py.File(path) as file:
                value = file["uns"][RUN_KEY][()]
                return value.decode() if isinstance(value, bytes) else str(value)
        if path.suffix == ".npz":
            import numpy as np

            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as parts:
                run = json.loads(str(parts["card"])).get(RUN_KEY)
                return None if run is None else str(run)
    return None


def result_time(folder: Path | str, name: str) -> str | None:
    """Return when a result was written (UTC, ISO 8601); None if it has no manifest."""
    manifest = _manifest(Path(folder), name)
    return None if manifest is None else manifest.written


def _manifest(folder: Path, name: str) -> Manifest | None:
    found = _json(folder / f".{name}{MANIFEST_SUFFIX}") or {}
    run, written, files = (found.get(key) for key in ("run", "written", "files"))
    if not isinstance(run, str) or not isinstance(written, str) or not isinstance(files, dict):
        return None
    return Manifest(run, written, {str(file): str(known) for file, known in files.items() if _is_inside(folder, file)})


def _json(file: Path) -> dict[str, Any] | None:
    """Read a small file of ours; None if it is absent, and {} if it is something else."""
    try:
        with file.open("rb") as stream:
            found = json.loads(stream.read(MOST_BYTES))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) and found.get("format") == FORMAT else {}


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
