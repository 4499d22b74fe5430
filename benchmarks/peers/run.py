"""Peers, each in an environment of its own, beside our methods: ``python -m peers.run``; see docs/peers.md.

One split of each data set; each answer is a JSON file of ``--out``, so that the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from panel_accuracy.datasets import CACHE, choose
from panel_accuracy.limited import select_limited
from panel_accuracy.methods import parse_method
from panel_accuracy.protocol import Prepared, prepare, score_panel
from peers.environments import FOLDERS, HERE, environment, folder_of
from processor import processor_name
from selectormlp.files import ensure_folder, written_whole

DATA = ("pbmc3k", "zeisel", "mop_dot_500g", "worm_neuron")
SIZES = (25, 50)
SPLIT = 5
"""Of each data set; splits 0 to 4 served to settle our defaults."""

OURS = ("discriminant", "auto", "t-test", "wilcoxon", "forest", "all-genes", "random")
PEERS = tuple(name for names in FOLDERS.values() for name in names)
WALL = 20
"""Wall time after which a peer is ended, in limits: these are of processor time, which other work does not change."""

CLASSIFIERS = ("logistic", "knn", "forest")
"""Refitted on a panel; the mean of their balanced accuracies is its score."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is not done yet."""
    settings = _parser().parse_args(arguments)
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = "1"
    ensure_folder(settings.out)
    for name, data in choose(settings.data).items():
        prepared = None
        for method in settings.methods:
            place = settings.out / f"{name}.{method}.json"
            if place.exists():
                continue
            prepared = prepared or prepare(data.load(settings.cache), settings.split)
            found = _peer(method, prepared, settings) if method in PEERS else _ours(method, prepared, settings)
            found |= {"data": name, "method": method, "split": settings.split, "limit_s": settings.limit_s}
            found |= {"date": f"{datetime.now(UTC):%Y-%m-%d}", "processor": processor_name()}
            for panel in found.get("panels", []):
                scores = score_panel(prepared, np.array(panel["genes"]), settings.split, CLASSIFIERS)
                panel["scores"] = {score.classifier: round(score.balanced_accuracy, 5) for score in scores}
            with written_whole(place) as (draft,):
                draft.write_text(json.dumps(found))
            said = found.get("failed") or f"{found['seconds']:.1f} s"
            print(f"{datetime.now(UTC):%H:%M:%S} {name} {method}: {said}", flush=True)


def _ours(name: str, prepared: Prepared, settings: argparse.Namespace) -> dict[str, Any]:
    """Choose with a method of this package, each size in a run of its own where that makes a difference."""
    method, panels, seconds, cpu = parse_method(name), [], [], []
    n_genes = prepared.learning.X.shape[1]
    for size in [n_genes] if name == "all-genes" else settings.sizes:
        outcome = select_limited(method, prepared.learning, size, settings.split, settings.limit_s)
        if outcome.choice is None:
            return {"failed": outcome.status}
        seconds.append(outcome.seconds)
        cpu.append(outcome.cpu_seconds)
        panels.append({"size": size, "genes": outcome.choice.order[:size].tolist(), "options": {}})
    return {"version": method.version, "seconds": max(seconds), "cpu_seconds": max(cpu), "panels": panels}


def _peer(name: str, prepared: Prepared, settings: argparse.Namespace) -> dict[str, Any]:
    """Choose in the peer's environment, within the limit."""
    folder = folder_of(name)
    try:
        python = environment(folder, settings.environments, settings.python)
    except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
        return {"failed": f"could not be installed: {error}"}
    task = {"folder": folder, "name": name, "sizes": settings.sizes, "seed": settings.split}
    task["tune_under_s"] = settings.tune_under_s
    with tempfile.TemporaryDirectory() as scratch:
        cells, place = Path(scratch) / "cells.npz", Path(scratch) / "answer.json"
        np.savez(cells, X=prepared.learning.X, y=prepared.learning.y, task=np.array(json.dumps(task)))
        variables = {**os.environ, "PYTHONPATH": str(HERE.parent), "PYTHONDONTWRITEBYTECODE": "1"}
        started = subprocess.Popen(
            [str(python), "-m", "peers.child", str(cells), str(place)],
            env=variables,
            cwd=scratch,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a group of its own, so that what it starts ends with it
            preexec_fn=partial(_limit_processor, int(settings.limit_s)),
        )
        late = {"failed": f"over the limit of {settings.limit_s:g} s of processor"}
        try:
            _, said = started.communicate(timeout=WALL * settings.limit_s)
        except subprocess.TimeoutExpired:
            said = ""
            return late
        finally:
            with suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGKILL)
            started.wait()
        if place.exists():
            found: dict[str, Any] = json.loads(place.read_text())
            return found
        if started.returncode == -signal.SIGXCPU:
            return late
        return {"failed": f"its process ended: {next(iter(reversed(said.strip().splitlines())), '')[:200]}"}


def _limit_processor(limit_s: int) -> None:
    """Let the system end this process when it has used so many seconds of processor."""
    resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s + 5))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="peers.run", description=__doc__)
    parser.add_argument("--data", nargs="+", default=list(DATA), help="names of data sets")
    parser.add_argument("--methods", nargs="+", default=[*OURS, *PEERS], choices=[*OURS, *PEERS], metavar="NAME")
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES), help="genes of a panel")
    parser.add_argument("--split", type=int, default=SPLIT, help=f"seed of the split (default {SPLIT})")
    parser.add_argument(
        "--limit-s", type=float, default=2400.0, help="seconds of processor a peer and data set (default 2400)"
    )
    parser.add_argument(
        "--tune-under-s",
        type=float,
        default=20.0,
        help="tune a peer's two main parameters where a run at its defaults takes no longer (default 20)",
    )
    parser.add_argument("--out", type=Path, default=Path("bench_results/peers"), help="folder of answers")
    parser.add_argument("--environments", type=Path, default=Path(".peers"), help="folder of environments")
    parser.add_argument("--python", default=sys.executable, help="Python that environments are made with")
    parser.add_argument("--cache", type=Path, default=CACHE, help=f"folder for downloaded wheels (default {CACHE})")
    return parser


if __name__ == "__main__":
    main()
