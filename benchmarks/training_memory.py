"""Peak memory of training on sparse cells, beside imports and data.

100,000 × 2,000 cells in CSR (10 % density), 25 classes, the published network, one epoch with evaluation of the
training cells and 10,000 validation cells. Linux only (reads VmHWM):

    python benchmarks/training_memory.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.sparse as sp

from selectormlp.networks.mlp import NetworkSpec
from selectormlp.networks.module import TrainingSpec
from selectormlp.networks.training import train_network

N_TRAIN, N_VALIDATION, N_GENES, N_CLASSES, PER_CELL = 100_000, 10_000, 2_000, 25, 200
GOAL_GB = 1.0


def memory_gb(key: str) -> float:
    """Read ``VmRSS`` (now) or ``VmHWM`` (peak) of this process."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1]) / 1e6


def cells(n_cells: int, rng: np.random.Generator) -> tuple[sp.csr_array, np.ndarray]:
    """Draw sparse expression, block by block so that drawing it leaves no peak of its own."""
    indices = np.empty((n_cells, PER_CELL), dtype=np.int32)
    for row in range(n_cells):
        start = rng.integers(N_GENES // PER_CELL)
        indices[row] = np.arange(start, N_GENES, N_GENES // PER_CELL)[:PER_CELL]
    data = rng.random(n_cells * PER_CELL, dtype=np.float32)
    indptr = np.arange(0, n_cells * PER_CELL + 1, PER_CELL, dtype=np.int32)
    X = sp.csr_array((data, indices.ravel(), indptr), shape=(n_cells, N_GENES))
    return X, rng.integers(N_CLASSES, size=n_cells)


def main() -> None:
    rng = np.random.default_rng(0)
    train, validation = cells(N_TRAIN, rng), cells(N_VALIDATION, rng)
    before = memory_gb("VmRSS")
    train_network(
        *train, NetworkSpec(N_GENES, N_CLASSES), TrainingSpec(max_epochs=1, device="cpu"), validation=validation
    )
    above = memory_gb("VmHWM") - before
    print(f"imports and data {before:.2f} GB; training adds {above:.2f} GB at its peak (goal: at most {GOAL_GB} GB)")


if __name__ == "__main__":
    main()
