"""The results file: tidy rows, appended job by job, so that an interrupted run goes on where it stopped."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from selectormlp.files import ensure_folder, written_whole

COLUMNS = (
    "data",
    "family",
    "method",
    "kind",
    "version",
    "seed",
    "size",
    "n_chosen",
    "status",
    "seconds",
    "cpu_seconds",
    "peak_mb",
    "classifier",
    "balanced_accuracy",
    "macro_f1",
    "least_recall",
    "n_cells",
    "n_genes",
    "n_classes",
    "job_rows",
)
"""``size`` is what was asked for, ``n_chosen`` what was given; ``seconds`` is the wall time of the selection (of the
one run that gave all sizes, where there was one) and ``cpu_seconds`` what it took of all cores; ``job_rows`` counts
the rows of one data set, method and seed. Rows whose status is not ``ok`` have no classifier and no scores."""


class Job(NamedTuple):
    """What is run and recorded as one: a data set, a method as it was written, and a seed."""

    data: str
    method: str
    seed: int


def read_results(path: Path) -> pd.DataFrame:
    """Read the rows of finished jobs; a job that was cut short while it was written is left out.

    Parameters
    ----------
    path
        The CSV; where absent, no rows.

    Raises
    ------
    SystemExit
        If it is not a file of this benchmark.
    """
    if not path.exists():
        return pd.DataFrame(columns=list(COLUMNS))
    text = path.read_bytes()
    if not text.endswith(b"\n"):
        text = text[: text.rfind(b"\n") + 1]
    lines = text.decode().splitlines()
    if not lines or tuple(lines[0].split(",")) != COLUMNS:
        raise SystemExit(f"{path} is not a results file of this benchmark; choose another name")
    rows = pd.read_csv(StringIO("\n".join(lines)), dtype={"method": str, "status": str, "version": str})
    keys = list(Job._fields)
    rows = rows.drop_duplicates([*keys, "size", "classifier"])
    whole = rows.groupby(keys)["job_rows"].transform("size") == rows["job_rows"]
    return rows[whole].reset_index(drop=True)


def finished(rows: pd.DataFrame) -> set[Job]:
    """List the jobs that have rows."""
    return {Job(*key) for key in rows[list(Job._fields)].drop_duplicates().itertuples(index=False, name=None)}


def over_the_limit(rows: pd.DataFrame) -> set[tuple[str, str]]:
    """List data sets and methods of which a seed was over the time limit at every size.

    Other seeds would take as long; they are not tried unless asked for.
    """
    if rows.empty:
        return set()
    late = rows["status"].eq("over the limit").groupby([rows[key] for key in Job._fields]).all()
    return {(job[0], job[1]) for job in late[late].index}


def open_results(path: Path, *, retry: bool) -> set[Job]:
    """Make the file ready to be appended to, and list the jobs that are done.

    Parameters
    ----------
    path
        The CSV, made where absent; what an interruption has left behind is removed.
    retry
        Whether jobs with a row that is not ``ok`` are run again.
    """
    rows = read_results(path)
    if retry and len(rows):
        bad = rows["status"].ne("ok").groupby([rows[key] for key in Job._fields]).transform("any")
        rows = rows[~bad]
    ensure_folder(path.parent)
    with written_whole(path) as (draft,):
        rows.to_csv(draft, index=False)
    return finished(rows)


def append_job(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Append all rows of a job in one write, and see that it is on the disk."""
    filled = list(rows)
    frame = pd.DataFrame([{**row, "job_rows": len(filled)} for row in filled], columns=list(COLUMNS))
    text = frame.to_csv(index=False, header=False).encode()
    handle = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(handle, text)
        os.fsync(handle)
    finally:
        os.close(handle)


def check_settings(path: Path, settings: Mapping[str, Any]) -> None:
    """Keep the settings of the run beside the results; refuse to mix rows of different ones.

    Parameters
    ----------
    path
        The CSV; the settings lie beside it as ``.json``.
    settings
        ``fixed`` must be the same in every run that adds to the file; the others are those of the last run.

    Raises
    ------
    SystemExit
        If rows of other sizes or another protocol are there.
    """
    record = path.with_suffix(".json")
    if record.exists() and path.exists():
        before = json.loads(record.read_text())["fixed"]
        fixed = json.loads(json.dumps(settings["fixed"]))
        if before != fixed:
            raise SystemExit(f"{path} holds results of {before}; this run has {fixed}: give another --out")
    ensure_folder(path.parent)
    with written_whole(record) as (draft,):
        draft.write_text(json.dumps(settings, indent=1) + "\n")
