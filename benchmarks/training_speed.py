"""What an epoch of training costs beside its matrix products alone.

20,000 training and 4,000 validation cells × 2,000 genes (10 % density), 25 classes, the published network and
settings: an epoch is all training steps and the evaluation of both sets. Where there is a CUDA device, the same epoch
there beside the CPU's. Run it with nothing else running:

    python benchmarks/training_speed.py
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import scipy.sparse as sp
import torch

from selectormlp.networks.mlp import NetworkSpec
from selectormlp.networks.module import TrainingSpec
from selectormlp.networks.training import train_network

N_TRAIN, N_VALIDATION, N_GENES, N_CLASSES, DENSITY = 20_000, 4_000, 2_000, 25, 0.1
EPOCHS, REPEATS = 3, 3
GOAL = 1.8


def cells(n_cells: int, rng: np.random.Generator) -> tuple[sp.csr_array, np.ndarray]:
    """Draw sparse expression with class-dependent genes."""
    labels = rng.integers(N_CLASSES, size=n_cells)
    X = sp.random_array((n_cells, N_GENES), density=DENSITY, format="csr", dtype=np.float32, rng=rng)
    return sp.csr_array(X), labels


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def products_of_an_epoch(batch_size: int) -> None:
    """Do the float32 products of one epoch: forward, weight gradients, input gradients of all but the first layer."""
    sizes = [N_GENES, 512, 128, 64, N_CLASSES]
    weights = [torch.randn(out, inner) for inner, out in pairwise(sizes)]
    for n_cells, trains in ((N_TRAIN, True), (N_TRAIN, False), (N_VALIDATION, False)):
        size = batch_size if trains else 2048
        inputs = [torch.randn(size, inner) for inner in sizes]
        for start in range(0, n_cells, size):
            rows = min(size, n_cells - start)
            for layer, weight in enumerate(weights):
                _ = inputs[layer][:rows] @ weight.T
                if trains:
                    gradient = inputs[layer + 1][:rows]
                    _ = gradient.T @ inputs[layer][:rows]
                    if layer:
                        _ = gradient @ weight


def main() -> None:
    rng = np.random.default_rng(0)
    train, validation = cells(N_TRAIN, rng), cells(N_VALIDATION, rng)
    network = NetworkSpec(N_GENES, N_CLASSES)

    def epochs(number: int, device: str = "cpu") -> float:
        settings = TrainingSpec(max_epochs=number, device=device)
        return seconds(lambda: train_network(*train, network, settings, validation=validation))

    products_of_an_epoch(256)
    epochs(1)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    print("epoch (s)  products alone (s)  ratio")
    ratios = []
    for _ in range(REPEATS):
        products = min(seconds(lambda: products_of_an_epoch(256)) for _ in range(2))
        epoch = (epochs(1 + EPOCHS) - epochs(1)) / EPOCHS
        ratios.append(epoch / products)
        print(f"{epoch:9.2f}  {products:18.2f}  {ratios[-1]:5.2f}")
    print(f"median ratio {np.median(ratios):.2f} (goal: at most {GOAL})")
    if torch.cuda.is_available():
        epochs(1, "cuda")
        on_gpu = (epochs(1 + EPOCHS, "cuda") - epochs(1, "cuda")) / EPOCHS
        print(f"on {torch.cuda.get_device_name()}: {on_gpu:.2f} s an epoch, {epoch / on_gpu:.1f} times faster")


if __name__ == "__main__":
    main()
