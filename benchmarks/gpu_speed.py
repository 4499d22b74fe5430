"""What a GPU brings: one table of training, covariances and selection, each beside a reference of the same run.

Training: an epoch of the published network (all steps, and the evaluation of both sets) beside a plain PyTorch step
captured as a CUDA graph on resident cells, beside the loop that sends each batch to the GPU, and beside the CPU.
Goal: at most 2.5 times the captured step. Run it with nothing else running:

    python benchmarks/gpu_speed.py [--quick] [--csv FILE]
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import os
import platform
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from selection_speed import make_data
from selectormlp import (
    AutoSelector,
    DiscriminantSelector,
    PersistSelector,
    UnsupervisedPersistSelector,
)
from selectormlp.moments.moments import Moments
from selectormlp.moments.on_device import moments_on_device
from selectormlp.moments.stream import moments_of, row_chunks
from selectormlp.networks.mlp import NetworkSpec
from selectormlp.networks.module import TrainingSpec
from selectormlp.networks.training import train_network

N_GENES, N_CLASSES, BATCH = 2_000, 25, 256
EVALUATED_AT_ONCE = 1 << 15
GOAL = 2.5


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    work: str
    seconds: float
    reference: str
    reference_seconds: float
    goal: str = ""


def seconds(job: Callable[[], object], repeats: int = 1) -> float:
    """Return the least time of some runs, the GPU's work included."""
    times = []
    for _ in range(repeats):
        torch.cuda.synchronize()
        start = time.perf_counter()
        job()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times)


def cells(n_cells: int, rng: np.random.Generator) -> tuple[sp.csr_array, np.ndarray]:
    """Draw sparse expression, a tenth of it stored."""
    blocks = []
    for start in range(0, n_cells, 10_000):
        values = rng.random((min(10_000, n_cells - start), N_GENES), dtype=np.float32)
        blocks.append(sp.csr_array(np.where(values < 0.1, 10 * values, 0)))
    return sp.csr_array(sp.vstack(blocks)), rng.integers(N_CLASSES, size=n_cells)


class PlainNetwork(nn.Module):
    """The published network as one writes it down: noise, gene weights, three hidden layers."""

    def __init__(self) -> None:
        super().__init__()
        sizes = [N_GENES, 512, 128, 64]
        self.weight = nn.Parameter(0.2 * torch.randn(N_GENES))
        layers: list[nn.Module] = []
        for inner, out in pairwise(sizes):
            layers += [nn.Linear(inner, out), nn.LeakyReLU(0.2), nn.Dropout(0.3)]
        self.layers = nn.Sequential(*layers, nn.Linear(64, N_CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        """Score the classes."""
        if self.training:
            x = x + 0.2 * torch.randn_like(x)
        return self.layers(x * self.weight)


class PlainTraining:
    """Plain PyTorch on resident dense cells, its step captured as a CUDA graph."""

    def __init__(self, train: tuple, validation: tuple) -> None:
        self.sides = [
            (torch.from_numpy(X.toarray()).cuda(), torch.from_numpy(labels).cuda()) for X, labels in (train, validation)
        ]
        self.network = PlainNetwork().cuda()
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=3e-4, weight_decay=0.3, fused=True, capturable=True
        )
        self.rows = torch.zeros(BATCH, dtype=torch.int64, device="cuda")
        waiting = torch.cuda.Stream()
        waiting.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(waiting):
            for _ in range(3):
                self.step()
        torch.cuda.current_stream().wait_stream(waiting)
        self.graph = torch.cuda.CUDAGraph()
        self.optimiser.zero_grad(set_to_none=True)
        with torch.cuda.graph(self.graph):
            self.step()

    def step(self) -> None:
        """Take one step on the rows that lie ready."""
        X, labels = self.sides[0]
        self.optimiser.zero_grad(set_to_none=True)
        logits = self.network(X[self.rows])
        loss = F.cross_entropy(logits, labels[self.rows]) + 0.05 * self.network.weight.abs().sum()
        loss.backward()
        self.optimiser.step()

    def epoch(self) -> list[Tensor]:
        """Take all whole batches in a random order, then score both sets."""
        self.network.train()
        order = torch.randperm(len(self.sides[0][1]), device="cuda")
        for start in range(0, len(order) - BATCH + 1, BATCH):
            self.rows.copy_(order[start : start + BATCH])
            self.graph.replay()
        self.network.eval()
        scores = []
        with torch.inference_mode():
            for X, labels in self.sides:
                for start in range(0, len(labels), EVALUATED_AT_ONCE):
                    part = slice(start, start + EVALUATED_AT_ONCE)
                    logits = self.network(X[part])
                    scores += [F.cross_entropy(logits, labels[part]), (logits.argmax(1) == labels[part]).sum()]
        return [score.cpu() for score in scores]


def captured_seconds(train: tuple, validation: tuple, n_epochs: int) -> float:
    """Time an epoch of the plain training; its memory is given back."""
    plain = PlainTraining(train, validation)
    plain.epoch()
    return seconds(lambda: [plain.epoch() for _ in range(n_epochs)], 2) / n_epochs


def epoch_seconds(train: tuple, validation: tuple, spec: TrainingSpec, n_epochs: int, repeats: int) -> float:
    """Time an epoch, what comes before the first and after the last taken off."""
    network = NetworkSpec(N_GENES, N_CLASSES)

    def run(n: int) -> float:
        return seconds(
            lambda: train_network(*train, network, replace(spec, max_epochs=n), validation=validation), repeats
        )

    return (run(1 + n_epochs) - run(1)) / n_epochs


def training_rows(n_train: int, n_validation: int, *, quick: bool) -> list[Row]:
    rng = np.random.default_rng(0)
    train, validation = cells(n_train, rng), cells(n_validation, rng)
    n_epochs = max(2, (400_000 if quick else 1_500_000) // n_train)
    name = f"epoch, {n_train:,} + {n_validation:,} × {N_GENES:,}"
    captured = captured_seconds(train, validation, n_epochs)
    on_gpu = TrainingSpec(device="cuda")
    resident = epoch_seconds(train, validation, on_gpu, n_epochs, 2)
    rows = [Row(name, resident, "plain captured step", captured, f"{resident / captured:.2f}, at most {GOAL}")]
    sparse = epoch_seconds(train, validation, replace(on_gpu, memory_gb=0.5 * n_train * N_GENES * 4e-9), n_epochs, 1)
    rows.append(Row("  cells sparse on the GPU", sparse, "plain captured step", captured))
    for precision in ("tf32", "bf16"):
        rounded = epoch_seconds(train, validation, replace(on_gpu, precision=precision), n_epochs, 1)
        rows.append(Row(f"  {precision}", rounded, "plain captured step, float32", captured))
    batches = epoch_seconds(train, validation, replace(on_gpu, resident=False), 2, 1)
    rows.append(Row("  a batch at a time (the ordinary loop)", batches, "plain captured step", captured))
    if n_train <= 20_000:
        on_cpu = epoch_seconds(train, validation, TrainingSpec(device="cpu"), 2, 1)
        rows.append(Row(f"  on {torch.get_num_threads()} CPU threads", on_cpu, "plain captured step", captured))
    return rows


def covariance_rows(X: sp.csr_array, y: np.ndarray) -> list[Row]:
    weights = np.ones(int(y.max()) + 1)

    def on(device: str, matrix: np.ndarray | sp.csr_array, **kept: bool) -> Moments:
        chunks = ((matrix[rows], y[rows]) for rows in row_chunks(matrix))
        return moments_on_device(chunks, cell_weights=weights, device=device, **kept)

    dense = X.toarray()

    def product() -> Tensor:
        uploaded = torch.from_numpy(dense).cuda()
        return (uploaded.T @ uploaded).cpu()

    product()
    on("cuda", X)
    plain = seconds(product, 3)
    rows = []
    name = f"{X.shape[0]:,} × {X.shape[1]:,}"
    for kind, matrix in (("dense", dense), ("CSR", X)):
        within = seconds(lambda matrix=matrix: on("cuda", matrix, total=False), 3)
        rows.append(Row(f"within covariance, {name}, {kind}", within, "upload and XᵀX, PyTorch", plain))
    on_cpu = seconds(lambda: moments_of(X, y, cell_weights=weights, total=False))
    rows.append(
        Row(f"  the same, CSR, {torch.get_num_threads()} CPU threads", on_cpu, "upload and XᵀX, PyTorch", plain)
    )
    exact = moments_of(X.astype(np.float64), y, cell_weights=weights, total=False).within
    scale = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
    error = np.abs((on("cuda", X, total=False).within - exact) / scale).max()
    print(f"largest relative error of a covariance from the GPU: {error:.1e} (at most 1e-6)")
    return rows


def selection_rows(X: sp.csr_array, y: np.ndarray, *, quick: bool) -> list[Row]:
    rows = []
    name = f"{X.shape[0]:,} × {X.shape[1]:,}, 100 genes"
    taken = {
        device: seconds(lambda d=device: DiscriminantSelector(100, device=d).fit(X, y), 2) for device in ("cuda", "cpu")
    }
    rows.append(Row(f"discriminant, {name}", taken["cuda"], "on the CPU", taken["cpu"]))
    if not quick:
        chosen = seconds(lambda: AutoSelector(100, random_state=0).fit(X, y))
        rows.append(Row(f"auto, {name}", chosen, "discriminant on the CPU", taken["cpu"]))
    return rows


def persist_rows() -> list[Row]:
    X, y = make_data(2_300, 2_000, 15, sparse=True)
    rows = []
    for kind in (PersistSelector, UnsupervisedPersistSelector):
        taken, chosen = {}, {}
        for device in ("cuda", "cpu", "auto"):
            selector = kind(25, device=device, random_state=0)
            taken[device] = seconds(lambda s=selector: s.fit(X, y))
            chosen[device] = selector.device_
        rows.append(Row(f"{kind.__name__}, 2,300 × 2,000, 25 genes", taken["cuda"], "on the CPU", taken["cpu"]))
        rows.append(Row(f"  device auto: {chosen['auto']}", taken["auto"], "the faster of both", min(taken.values())))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer epochs, and no auto")
    parser.add_argument("--csv", type=Path)
    settings = parser.parse_args()
    if not torch.cuda.is_available():
        print("no CUDA device: nothing is measured")
        return
    print(
        f"{dt.datetime.now(tz=dt.UTC):%Y-%m-%d}, {torch.cuda.get_device_name()}, {os.cpu_count()} CPU cores, Python "
        f"{platform.python_version()}, torch {torch.__version__}, numpy {np.__version__}",
        flush=True,
    )
    rows: list[Row] = []
    large = make_data(100_000, N_GENES, N_CLASSES, sparse=True)
    parts: list[Callable[[], list[Row]]] = [
        lambda: training_rows(20_000, 4_000, quick=settings.quick),
        lambda: training_rows(154_401, 30_875, quick=settings.quick),
        persist_rows,
        lambda: covariance_rows(*large),
        lambda: selection_rows(*large, quick=settings.quick),
    ]
    failed = False
    for part in parts:
        try:
            rows += show(part())
        except Exception:  # what comes after is measured all the same
            traceback.print_exc()
            failed = True
    if settings.csv:
        with settings.csv.open("w", newline="") as stream:
            table = csv.writer(stream)
            table.writerow(["work", "seconds", "reference", "reference_seconds", "goal"])
            table.writerows([[r.work, r.seconds, r.reference, r.reference_seconds, r.goal] for r in rows])
    if failed:
        raise SystemExit(1)


def show(rows: list[Row]) -> list[Row]:
    for row in rows:
        ratio = row.seconds / row.reference_seconds
        print(
            f"{row.work:55s} {row.seconds:8.3f} s   {row.reference:30s} {row.reference_seconds:8.3f} s   "
            f"ratio {ratio:6.2f}  {row.goal}",
            flush=True,
        )
    return rows


if __name__ == "__main__":
    main()
