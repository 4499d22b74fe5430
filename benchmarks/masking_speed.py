"""How much faster the masked curve is than predicting again at every size, with the same predictions.

40 sizes × 6 orders of genes on 5,000 × 2,000 cells, the published network: against 240 plain forward passes of
cells whose other genes are really set to zero. Run it with nothing else running:

    python benchmarks/masking_speed.py
"""

from __future__ import annotations

import time

import numpy as np
import scipy.sparse as sp
import torch

from selectormlp.evaluation.masking import masked_hits, masking_sizes
from selectormlp.networks.mlp import NetworkSpec, SelectorNetwork
from selectormlp.selectors.selector_mlp import SelectorMLP

N_CELLS, N_GENES, N_CLASSES, N_ORDERS, REPEATS = 5_000, 2_000, 25, 6, 3
GOAL = 6.0


@torch.inference_mode()
def plain_hits(
    network: SelectorNetwork, X: torch.Tensor, labels: np.ndarray, orders: list[np.ndarray], sizes: np.ndarray
) -> tuple[np.ndarray, float]:
    """Predict from masked cells, one forward pass a size and order; time the forward passes alone."""
    hits = np.zeros((len(orders), len(sizes), N_CLASSES), dtype=np.int64)
    seconds = 0.0
    for row, order in enumerate(orders):
        masked = torch.zeros_like(X)
        done = 0
        for column, size in enumerate(sizes):
            group = torch.from_numpy(order[done:size])
            masked[:, group] = X[:, group]
            done = int(size)
            start = time.perf_counter()
            logits = torch.cat([network(block) for block in masked.split(2048)])
            seconds += time.perf_counter() - start
            predicted = logits.argmax(dim=1).numpy()
            hits[row, column] = np.bincount(labels[predicted == labels], minlength=N_CLASSES)
    return hits, seconds


def main() -> None:
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    X = sp.csr_array(sp.random_array((N_CELLS, N_GENES), density=0.1, format="csr", dtype=np.float32, rng=rng))
    labels = rng.integers(N_CLASSES, size=N_CELLS)
    network = SelectorNetwork(NetworkSpec(N_GENES, N_CLASSES)).eval()
    selector = SelectorMLP()
    selector.classes_ = np.arange(N_CLASSES)
    selector.adopt_network(network)
    sizes = masking_sizes(N_GENES, 50)[:-1]
    orders = [rng.permutation(N_GENES) for _ in range(N_ORDERS)]
    dense = torch.from_numpy(X.toarray())

    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; {len(sizes)} sizes × {N_ORDERS} orders")
    print("plain forward passes (s)  masked curve (s)  ratio  same hits")
    ratios = []
    for _ in range(REPEATS):
        expected, plain = plain_hits(network, dense, labels, orders, sizes)
        start = time.perf_counter()
        hits = masked_hits(selector, X, labels, orders, sizes)
        curve = time.perf_counter() - start
        ratios.append(plain / curve)
        same = 1 - np.abs(hits - expected).sum() / (len(orders) * len(sizes) * N_CELLS)
        print(f"{plain:24.2f}  {curve:16.2f}  {ratios[-1]:5.1f}  {same:.6f}")
    print(f"median ratio {np.median(ratios):.1f} (goal: at least {GOAL:.0f})")


if __name__ == "__main__":
    main()
