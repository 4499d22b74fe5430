"""Train SelectorMLP for an epoch on cells that stay on disk: memory, time, and the share of it that is reading.

Goal, for 1,000,000 × 2,000 cells of which a tenth of the values is not zero: at most 3 GB of memory in all, helper
processes counted (what they share with the first process counted once; Linux only). The files are those of
out_of_core.py, made here where they are absent. Validation cells are 10,000.

    python benchmarks/out_of_core_training.py FOLDER --cells 100000 1000000 --workers 0 1
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd

from out_of_core import GB, make_file

N_VALIDATION = 10_000
GOAL_GB = 3.0


def memory_of(process: int) -> int:
    """Return what a process and its children take, in bytes, shared pages divided among those that share them."""
    total = 0
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
        children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii").split()
        total += sum(memory_of(int(child)) for child in children)
    except OSError:  # it ended meanwhile
        pass
    return total


class PeakMemory(threading.Thread):
    """Looks at the memory of this process and its children every tenth of a second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0

    def run(self) -> None:
        """Look, until this process ends."""
        while True:
            self.peak = max(self.peak, memory_of(os.getpid()))
            time.sleep(0.1)


def open_sides(place: Path):
    """Open the file and set validation cells aside."""
    from selectormlp.data.anndata_io import CellsSource
    from selectormlp.data.anndata_lazy import open_cells

    cells = open_cells(place, CellsSource("cell_type"))
    held_out = np.zeros(cells.n_cells, dtype=bool)
    held_out[np.random.default_rng(0).choice(cells.n_cells, N_VALIDATION, replace=False)] = True
    return cells.take(~held_out), cells.take(held_out)


def train(place: Path, reading) -> dict[str, object]:
    from selectormlp.selectors.selector_mlp import SelectorMLP

    train, validation = open_sides(place)
    selector = SelectorMLP(max_epochs=1, alpha=0.001, random_state=0, device="cpu")
    selector.fit_stored(train, validation=validation, reading=reading)
    return selector.history_.iloc[-1][["val_mean_per_class_accuracy", "train_mean_per_class_accuracy"]].to_dict()


def read(place: Path, reading) -> dict[str, object]:
    """Go through the batches of an epoch and do nothing with them."""
    from selectormlp.data.stored_batches import StoredBatches

    cells, _ = open_sides(place)
    batches = StoredBatches(cells.X, cells.labels, 256, shuffle=True, reading=reading)
    return {"batches": sum(1 for _ in batches)}


JOBS = {"read": read, "train": train}


def run_job(job: str, place: Path, settings: dict[str, int]) -> None:
    import selectormlp.selectors.selector_mlp  # noqa: F401  # imports are not what is measured
    from selectormlp.data.stored_batches import Reading

    watch = PeakMemory()
    watch.start()
    start = time.perf_counter()
    found = JOBS[job](place, Reading(**settings))
    print(json.dumps(found | {"seconds": time.perf_counter() - start, "peak_gb": watch.peak / GB}))


def measured(job: str, place: Path, settings: dict[str, int]) -> dict[str, float]:
    """Run a job in a process of its own."""
    command = [sys.executable, __file__, str(place.parent), "--job", job, "--file", str(place)]
    done = subprocess.run([*command, "--settings", json.dumps(settings)], check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cells", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--workers", type=int, nargs="+", default=[0])
    parser.add_argument("--blocks", type=int, nargs="+", default=[128])
    parser.add_argument("--buffer-mb", type=int, default=256)
    parser.add_argument("--job", choices=list(JOBS), help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--settings", type=json.loads, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.job:
        run_job(asked.job, asked.file, asked.settings)
        return
    asked.folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for n_cells in asked.cells:
        place = asked.folder / f"cells_{n_cells}.h5ad"
        if not place.exists():
            make_file(place, n_cells)
        for n_workers in asked.workers:
            for block_size in asked.blocks:
                settings = {
                    "n_workers": n_workers,
                    "block_size": block_size,
                    "buffer_bytes": asked.buffer_mb * 2**20,
                }
                found = {job: measured(job, place, settings) for job in JOBS}
                line = {"cells": n_cells, "workers": n_workers, "block": block_size}
                line |= {"read_s": found["read"]["seconds"], "train_s": found["train"].pop("seconds"), **found["train"]}
                lines.append(line)
                print(pd.Series(line).round(3).to_string(), flush=True)
    table = pd.DataFrame(lines)
    table.to_csv(asked.folder / "out_of_core_training.csv", index=False)
    worst = table["peak_gb"].max()
    print(f"at most {worst:.2f} GB (goal: {GOAL_GB} GB)")


if __name__ == "__main__":
    main()
