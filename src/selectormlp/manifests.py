"""What tells which files of a folder are one result: manifests, hashes, and the run that a file carries."""

from __future__ import annotations

import errno
import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from selectormlp.gate.archives import check_zip
from selectormlp.gate.files import read_start
from selectormlp.gate.hdf5 import check_hdf5
from selectormlp.gate.text import check_json

MANIFEST_SUFFIX = ".manifest.json"

RUN_KEY = "selectormlp_run"
"""Under this name files carry the run that wrote them."""

CARRIERS = (".h5ad", ".npz")
"""Ends of the names of files that may be large and carry their run: they are not hashed."""

MAX_BYTES = 1 << 24
"""Size of the largest manifest or list of renames that is read."""

MAX_BEFORE = 100
"""Files of runs before that a manifest remembers."""

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
    before
        SHA-256 of files of runs that wrote this result before.
    """

    run: str
    written: str
    hashes: dict[str, str]
    before: frozenset[str] = frozenset()


def read_manifest(folder: Path, name: str) -> Manifest | None:
    """Read which files are one result; None if that is not written down."""
    found = read_small_json(folder / f".{name}{MANIFEST_SUFFIX}") or {}
    run, written, files = (found.get(key) for key in ("run", "written", "files"))
    if not isinstance(run, str) or not isinstance(written, str) or not isinstance(files, dict):
        return None
    before = found.get("before")
    return Manifest(
        run,
        written,
        {str(file): str(known) for file, known in files.items() if is_inside(folder, file)},
        frozenset(map(str, before)) if isinstance(before, list) else frozenset(),
    )


def read_small_json(file: Path) -> dict[str, Any] | None:
    """Read a small file of ours; None if it is absent, and {} if it is something else."""
    try:
        text = read_start(file, MAX_BYTES).decode()
        check_json(text)
        found = json.loads(text)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) and found.get("format") == FORMAT else {}


def hash_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def is_inside(folder: Path, path: object) -> bool:
    """Whether a path leads to a file in a folder, or one below that is no link, and is a name that a file can have."""
    if not isinstance(path, str) or "\0" in path:
        return False
    try:
        (folder / path).lstat()
    except ValueError:
        return False
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return False
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts:
        return False
    return not any((folder / Path(*parts[:n])).is_symlink() for n in range(1, len(parts)))


def odd_files(folder: Path, manifest: Manifest | None, files: list[str]) -> list[str]:
    """Return the files that are not as the manifest has them or, without one, not of one run."""
    if manifest is None:
        runs = {file: carried_run(folder / file) for file in files if (folder / file).is_file()}
        return list(runs) if len(set(runs.values())) > 1 else []
    wanted = {file: manifest.hashes[file] for file in files or manifest.hashes if file in manifest.hashes}
    return [
        file
        for file, known in wanted.items()
        if (folder / file).is_file()
        and (carried_run(folder / file) != manifest.run if not known else hash_of(folder / file) != known)
    ]


def is_edited(folder: Path, manifest: Manifest | None, file: str) -> bool:
    """Return whether a file that is not as the manifest has it was changed by somebody since.

    A file of another run, copied or left there, is as one of the runs before wrote it, or older than the manifest.
    """
    if manifest is None:
        return False
    try:
        written = datetime.fromisoformat(manifest.written).timestamp()
        return (folder / file).stat().st_mtime > written and hash_of(folder / file) not in manifest.before
    except (ValueError, OSError):
        return False


def carried_run(path: Path) -> str | None:
    """Return the run that a file carries; None if it carries none or cannot be read, which its reader will say."""
    with suppress(Exception):  # h5py and numpy raise many kinds
        if path.suffix == ".h5ad":
            import h5py

            check_hdf5(path)
            with h5py.File(path) as file:
                value = file["uns"][RUN_KEY][()]
                return value.decode() if isinstance(value, bytes) else str(value)
        if path.suffix == ".npz":
            import numpy as np

            check_zip(path)
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as parts:
                run = json.loads(str(parts["card"])).get(RUN_KEY)
                return None if run is None else str(run)
    return None


def unlisted_files(folder: Path) -> list[Path]:
    """Return the files below a folder that no manifest there lists as they are: somebody else's, or changed since.

    Hidden files are not looked at.
    """
    listed: set[Path] = set()
    for file in folder.rglob(f".*{MANIFEST_SUFFIX}"):
        name = file.name.removeprefix(".").removesuffix(MANIFEST_SUFFIX)
        manifest = read_manifest(file.parent, name)
        if manifest is not None:
            odd = odd_files(file.parent, manifest, [])
            listed |= {file.parent / path for path in manifest.hashes if path not in odd}
    files = (path for path in folder.rglob("*") if not path.name.startswith(".") and not path.is_dir())
    return sorted(path for path in files if path not in listed)
