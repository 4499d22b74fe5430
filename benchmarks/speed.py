"""What everything costs: one table of times, each beside a reference or a limit of the same run; on a GPU too, if any.

Times are wall-clock seconds of this machine, those of ``evaluate`` and ``report`` processor seconds of the whole
command. Run it with nothing else running, for comparable figures with OMP_NUM_THREADS=2. On a machine that is busy
with other work, ``--processor`` counts processor seconds on CPUs; OMP_NUM_THREADS=1 then keeps threads that wait from
being counted:

    python benchmarks/speed.py [--quick] [--processor] [--data baron_human.h5ad --label-key cell_type --donor-key batch]
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import scanpy as sc
import scipy.sparse as sp
import torch
from anndata import AnnData

import gpu_speed
import training_speed
from gpu_speed import Row, show
from selection_speed import Clock, PeakMemory, make_data, product_seconds, seconds
from selectormlp import AutoSelector, DiscriminantSelector, MarkerSelector, ReconstructionSelector
from selectormlp.moments.stream import moments_of
from selectormlp.networks.mlp import NetworkSpec
from selectormlp.networks.module import TrainingSpec
from selectormlp.networks.training import train_network

GB = 10**9


def selection_rows(
    n_cells: int, n_classes: int, n_genes: int, *, sparse: bool, goals: dict[str, str], clock: Clock
) -> list[Row]:
    """Time selection and moments beside the product XᵀX of a dense matrix of the same size."""
    X, y = make_data(n_cells, 2000, n_classes, sparse=sparse)
    size = f"{n_cells:,} × 2,000 {'CSR' if sparse else 'dense'}"
    moments_of(X[:500], y[:500])  # wakes the threads of the linear algebra
    product = product_seconds(X, clock)
    repeats = 1 if n_cells > 50_000 else 3
    with PeakMemory() as memory:
        chosen = seconds(lambda: DiscriminantSelector(n_genes).fit(X, y), repeats, clock)
    goal = f"{goals['discriminant']}; {memory.bytes / GB:.2f} GB above data"
    rows = [Row(f"discriminant, {size}, {n_genes} genes", chosen, "dense XᵀX", product, goal)]
    tried = seconds(lambda: AutoSelector(100, random_state=0).fit(X, y), repeats, clock)
    hundred = seconds(lambda: DiscriminantSelector(100).fit(X, y), repeats, clock)
    rows.append(Row(f"auto, {size}, 100 genes", tried, "discriminant, 100 genes", hundred, goals["auto"]))
    within = seconds(lambda: moments_of(X, y, total=False), repeats, clock)
    rows.append(Row(f"within covariance, {size}", within, "dense XᵀX", product, "at most 2.5 times"))
    rebuilt = seconds(lambda: ReconstructionSelector(n_genes).fit(X), repeats, clock)
    rows.append(Row(f"reconstruction, {size}, {n_genes} genes", rebuilt, "dense XᵀX", product))
    marked = seconds(lambda: MarkerSelector(n_genes).fit(X, y), repeats, clock)
    adata = AnnData(sp.csr_matrix(X) if sparse else X, obs={"label": np.char.add("t", y.astype(str))})
    adata.obs["label"] = adata.obs["label"].astype("category")
    peer = seconds(lambda: sc.tl.rank_genes_groups(adata, "label", method="t-test"), repeats, clock)
    rows.append(Row(f"markers (t-test), {size}", marked, "scanpy's t-test", peer))
    return rows


def training_rows(clock: Clock) -> list[Row]:
    """Time an epoch of the published network on CPUs beside its products alone."""
    rng = np.random.default_rng(0)
    train = training_speed.cells(training_speed.N_TRAIN, rng)
    validation = training_speed.cells(training_speed.N_VALIDATION, rng)
    network = NetworkSpec(training_speed.N_GENES, training_speed.N_CLASSES)

    def epochs(number: int) -> float:
        settings = TrainingSpec(max_epochs=number, device="cpu")
        return seconds(lambda: train_network(*train, network, settings, validation=validation), 1, clock)

    epochs(1)
    products = seconds(lambda: training_speed.products_of_an_epoch(256), 3, clock)
    epoch = (epochs(1 + training_speed.EPOCHS) - epochs(1)) / training_speed.EPOCHS
    name = f"epoch on CPUs, {training_speed.N_TRAIN:,} × {training_speed.N_GENES:,}"
    return [Row(name, epoch, "its products alone", products, f"at most {training_speed.GOAL} times")]


def command_rows(data: str, label_key: str, donor_key: str | None) -> list[Row]:
    """Count the processor seconds of ``evaluate`` and ``report`` of 100 genes, beside those of choosing them."""
    donors = ["--donor-key", donor_key] if donor_key else []
    common = [data, "--label-key", label_key, *donors]
    with tempfile.TemporaryDirectory() as folder:
        panel = ["--panel", f"{folder}/panel/panel.json"]

        def processor(command: str, *more: str) -> float:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            program = [sys.executable, "-m", "selectormlp", command, *common, *more, "--quiet"]
            subprocess.run(program, check=True, stdout=subprocess.DEVNULL)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

        chosen = processor("select", "--n-genes", "100", "--method", "discriminant", "--out", f"{folder}/panel")
        name = Path(data).stem
        return [
            Row(f"{command}, {name}, 100 genes (processor)", taken, "select (processor)", chosen, goal)
            for command, goal in (("report", "45 s"), ("evaluate", "45 s"))
            for taken in (processor(command, *panel, "--out", f"{folder}/{command}"),)
        ]


def gpu_rows(*, quick: bool) -> Iterator[Callable[[], list[Row]]]:
    """Yield what there is to measure on a GPU."""
    yield lambda: gpu_speed.training_rows(20_000, 4_000, quick=quick)
    yield gpu_speed.persist_rows
    if not quick:
        large = make_data(100_000, gpu_speed.N_GENES, gpu_speed.N_CLASSES, sparse=True)
        yield lambda: gpu_speed.training_rows(154_401, 30_875, quick=False)
        yield lambda: gpu_speed.covariance_rows(*large)
        yield lambda: gpu_speed.selection_rows(*large, quick=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the small sizes alone")
    parser.add_argument("--processor", action="store_true", help="count processor seconds on CPUs")
    parser.add_argument("--data", help="AnnData file of counts, for evaluate and report")
    parser.add_argument("--label-key", default="cell_type")
    parser.add_argument("--donor-key")
    settings = parser.parse_args()
    on_gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    unit = "processor seconds" if settings.processor else "wall-clock seconds"
    print(
        f"{dt.datetime.now(tz=dt.UTC):%Y-%m-%d}, {platform.machine()}, {os.cpu_count()} CPU cores, {on_gpu}, Python "
        f"{platform.python_version()}, torch {torch.__version__}, numpy {np.__version__}, OMP_NUM_THREADS="
        f"{os.environ.get('OMP_NUM_THREADS', 'not set')}, {unit}",
        flush=True,
    )
    small, large = ({"discriminant": f"{a} s", "auto": f"{b} s"} for a, b in ((1, 3), (5, 10)))
    clock = time.process_time if settings.processor else time.perf_counter
    show(selection_rows(5_000, 15, 100, sparse=False, goals=small, clock=clock))
    if not settings.quick:
        show(selection_rows(100_000, 25, 500, sparse=True, goals=large, clock=clock))
    show(training_rows(clock))
    if settings.data:
        show(command_rows(settings.data, settings.label_key, settings.donor_key))
    if torch.cuda.is_available():
        for part in gpu_rows(quick=settings.quick):
            show(part())
    else:
        print("no CUDA device: nothing is measured on a GPU")


if __name__ == "__main__":
    main()
