"""Check the target of ``rerun``: it never writes through links or over files it did not write."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from pathlib import Path

from selectormlp.errors import OutputError, quoted
from selectormlp.files import ensure_folder, written_whole
from selectormlp.manifests import unlisted_files

logger = logging.getLogger(__name__)

MARK = ".rerun.json"
"""Marker file of a folder made by ``rerun``."""

APPENDED = ("run_log.txt",)
"""Files that are appended to, not replaced."""

OWN_FOLDERS = ("logs", "checkpoints")
"""Folders in which each training has its own folder."""


def check_target(target: Path) -> None:
    """Raise if ``rerun`` may not write to a folder; nothing is created.

    Raises
    ------
    OutputError
        If it is a link or holds one, or holds files that this command did not write or that were changed since.
    """
    if target.is_symlink():
        raise OutputError(f"{str(target)!r} is a link, which 'rerun' does not follow; name a folder with --out")
    if not target.is_dir() or not any(target.iterdir()):
        return
    links = [path.relative_to(target) for path in target.rglob("*") if path.is_symlink()]
    if links:
        raise OutputError(f"{str(target)!r} holds links ({quoted(links, most=3)}); name another folder with --out")
    if not (target / MARK).is_file():
        raise OutputError(
            f"{str(target)!r} is there already and was not made by 'rerun', which replaces nothing else; name another "
            "folder with --out, or move this one away"
        )
    others = [path for path in (file.relative_to(target) for file in unlisted_files(target)) if not _is_log(path)]
    if others:
        raise OutputError(
            f"{str(target)!r} holds files that 'rerun' did not write, or that were changed since "
            f"({quoted(others, most=3)}); name another folder with --out, or move them away"
        )
    logger.info("%s: what 'rerun' wrote there before is replaced", target)


def mark_target(target: Path, source: Path) -> None:
    """Mark a folder as made by ``rerun``.

    Raises
    ------
    OutputError
        If it cannot be written to.
    """
    ensure_folder(target)
    content = {"rerun_of": str(source.absolute()), "begun": datetime.now(UTC).isoformat(timespec="milliseconds")}
    with written_whole(target / MARK) as (draft,):
        draft.write_text(json.dumps(content) + "\n", encoding="utf-8")


def _is_log(path: Path) -> bool:
    return path.name in APPENDED or any(part in OWN_FOLDERS for part in path.parts[:-1])
