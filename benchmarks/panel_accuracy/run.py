"""Run the benchmark: data sets × methods × seeds, each row appended to a CSV as soon as it is known.

Stop it at any time; the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any

import numpy as np
import pandas as pd

from panel_accuracy.datasets import CACHE, DataSet, choose
from panel_accuracy.jobs import run_job
from panel_accuracy.limited import end_all
from panel_accuracy.methods import DEFAULT, parse_method
from panel_accuracy.protocol import LEAST_CELLS, MAX_GENES, SIZES, SPLIT, Prepared, Score, prepare, score_panel
from panel_accuracy.results import Job, append_job, check_settings, open_results, over_the_limit, read_results
from processor import processor_name
from selectormlp.data.cells import IntArray
from selectormlp.errors import DataError
from selectormlp.evaluation.refit import CLASSIFIERS


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse, run what is not done yet, append."""
    settings = _parser().parse_args(arguments)
    data = choose(settings.data)
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "1")  # one core a method, so that times can be compared; new processes read it
    for method in settings.methods:
        parse_method(method)  # refused now rather than after hours
    check_settings(settings.out, _record(settings))
    done = open_results(settings.out, retry=settings.retry)
    jobs = [Job(name, method, seed) for name in data for seed in range(settings.seeds) for method in settings.methods]
    left = [job for job in jobs if job not in done]
    hopeless = over_the_limit(read_results(settings.out))
    print(f"{len(jobs)} jobs, {len(jobs) - len(left)} of them done before; results go to {settings.out}", flush=True)
    spawn = get_context("spawn")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ending the run ends what it has started, too
    with (
        ProcessPoolExecutor(settings.jobs, spawn, initializer=_end_with_the_pool) as scorers,
        ThreadPoolExecutor(settings.jobs) as runners,
    ):
        running: dict[Future[list[dict[str, Any]]], Job] = {}
        try:
            for job, cells in _prepared(left, data, settings.cache):
                if (job.data, job.method) in hopeless and not settings.every_seed:
                    continue
                family, score = data[job.data].family, partial(_score_in, scorers, settings.classifiers)
                task = runners.submit(run_job, job, family, cells, settings.sizes, settings.time_limit, score)
                running[task] = job
                if len(running) == settings.jobs:
                    hopeless |= _record_finished(running, settings.out)
            while running:
                _record_finished(running, settings.out)
        except KeyboardInterrupt:
            end_all()
            raise SystemExit("stopped; the same command goes on from here") from None


def _end_with_the_pool() -> None:
    """Let a scorer end with its pool: a key or a signal to the whole group would leave the pool waiting for it."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _prepared(jobs: Sequence[Job], data: Mapping[str, DataSet], cache: Path) -> Iterator[tuple[Job, Prepared]]:
    """Load and split what the jobs want, one data set and one split at a time."""
    for name, of_data in groupby(jobs, key=lambda job: job.data):
        try:
            cells = data[name].load(cache)
            for seed, of_seed in groupby(of_data, key=lambda job: job.seed):
                prepared = prepare(cells, seed)
                yield from ((job, prepared) for job in of_seed)
        except (DataError, OSError, CalledProcessError) as error:
            print(f"{name} is left out: {' '.join(str(error).split())}", flush=True)


def _score_in(
    pool: ProcessPoolExecutor, classifiers: Sequence[str], prepared: Prepared, panel: IntArray, seed: int
) -> list[Score]:
    """Score a panel in a process of the pool; it gets the panel's columns only."""
    X, X_test = prepared.learning.X[:, panel], prepared.X_test[:, panel]
    part = replace(prepared, learning=replace(prepared.learning, X=X), X_test=X_test)
    return pool.submit(score_panel, part, np.arange(len(panel)), seed, classifiers).result()


def _record_finished(running: dict[Future[list[dict[str, Any]]], Job], path: Path) -> set[tuple[str, str]]:
    """Wait for a job to finish, append its rows, and return the data sets and methods that are over the limit."""
    hopeless: set[tuple[str, str]] = set()
    for task in wait(running, return_when=FIRST_COMPLETED).done:
        job = running.pop(task)
        what = f"{datetime.now(UTC):%H:%M:%S} {job.data} {job.method} seed {job.seed}"
        if error := task.exception():  # not of the method, which would be a row: a fault here; the rest goes on
            print(f"{what}: not recorded: {error!r}", flush=True)
            continue
        rows = task.result()
        append_job(path, rows)
        hopeless |= over_the_limit(pd.DataFrame(rows))
        worst = next((row["status"] for row in rows if row["status"] != "ok"), "ok")
        print(f"{what}: {worst}, {max((row['seconds'] for row in rows), default=0.0):.1f} s", flush=True)
    return hopeless


def _record(settings: argparse.Namespace) -> dict[str, Any]:
    """Say what the results depend on, and where and when they were made."""
    packages = ("selectormlp", "numpy", "scipy", "scikit-learn", "scanpy", "torch")
    return {
        "fixed": {
            "sizes": sorted(settings.sizes),
            "least_cells": LEAST_CELLS,
            "split": SPLIT.as_array().tolist(),
            "most_genes": MAX_GENES,
            "classifiers": [name for name in CLASSIFIERS if name in settings.classifiers],
        },
        "last_run": {
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "time_limit_s": settings.time_limit,
            "jobs": settings.jobs,
            "cores": os.cpu_count(),
            "processor": processor_name(),
            "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
            "packages": {name: version(name) for name in packages},
        },
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="panel_accuracy.run", description=__doc__)
    parser.add_argument("--data", nargs="+", default=["all"], help="names, 'wheels', 'kept-back' or 'all' (default)")
    parser.add_argument("--methods", nargs="+", default=list(DEFAULT), help="name or name:option=value:option=value")
    parser.add_argument("--seeds", type=int, default=5, help="number of splits (default 5)")
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES), help="genes of a panel")
    parser.add_argument(
        "--classifiers", nargs="+", default=list(CLASSIFIERS), choices=CLASSIFIERS, help="refitted (default all)"
    )
    parser.add_argument("--time-limit", type=float, default=600, help="seconds that a selection may take (default 600)")
    parser.add_argument("--jobs", type=int, default=1, help="methods run at the same time, one core each (default 1)")
    parser.add_argument("--out", type=Path, default=Path("bench_results/results.csv"), help="CSV to append to")
    parser.add_argument("--cache", type=Path, default=CACHE, help=f"folder for downloaded wheels (default {CACHE})")
    parser.add_argument("--every-seed", action="store_true", help="go on with methods that are over the limit on a set")
    parser.add_argument("--retry", action="store_true", help="run jobs again that did not end well")
    return parser


if __name__ == "__main__":
    main()
