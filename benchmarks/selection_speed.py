"""Time closed-form selection on made-up data against a plain matrix product and scanpy's t-test.

Goals: 5,000 × 2,000, 15 classes, 100 genes in 1 s; 100,000 × 2,000 CSR (10 % stored), 25 classes, 500 genes in 15 s
on two cores, with at most 1 GB above imports and data; each covariance within 2.5 products XᵀX of the same size and
type. Run with OMP_NUM_THREADS=2 for comparable figures.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from selectormlp.moments.stream import moments_of
from selectormlp.selectors.discriminant import DiscriminantSelector
from selectormlp.selectors.markers import MarkerSelector
from selectormlp.selectors.reconstruction import ReconstructionSelector

GB = 10**9


def make_data(n_cells: int, n_genes: int, n_classes: int, *, sparse: bool, seed: int = 0):
    """Draw log1p counts with class means; sparse ones store about a tenth."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n_cells)
    rates = rng.gamma(0.3, 0.4 if sparse else 2.0, (n_classes, n_genes))
    blocks = []
    for start in range(0, n_cells, 5_000):
        block = np.log1p(rng.poisson(rates[y[start : start + 5_000]])).astype(np.float32)
        blocks.append(sp.csr_array(block) if sparse else block)
    return (sp.csr_array(sp.vstack(blocks)) if sparse else np.vstack(blocks)), y


Clock = Callable[[], float]
"""Wall clock, or that of the processor, which a busy machine hardly changes."""


def seconds(job: Callable[[], object], repeats: int, clock: Clock = time.perf_counter) -> float:
    """Return the least time of some runs."""
    times = []
    for _ in range(repeats):
        start = clock()
        job()
        times.append(clock() - start)
    return min(times)


class PeakMemory:
    """Most memory held inside the block above what was held at its start, in bytes (Linux only)."""

    def __enter__(self) -> PeakMemory:
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts again, from what is held now
        self._start = self._status("VmRSS")
        return self

    def __exit__(self, *failure: object) -> None:
        self.bytes = self._status("VmHWM") - self._start

    @staticmethod
    def _status(key: str) -> int:
        found = re.search(rf"{key}:\s+(\d+) kB", Path("/proc/self/status").read_text())
        return 1024 * int(found[1])


def product_seconds(X, clock: Clock = time.perf_counter) -> float:
    """Time XᵀX of a dense matrix of the same shape and type, by blocks of rows where it would take above 1 GB."""
    n_cells, n_genes = X.shape
    n_rows = min(n_cells, 10_000)
    dense = np.random.default_rng(0).random((n_rows, n_genes), dtype=np.float32)
    return seconds(lambda: dense.T @ dense, 3, clock) * n_cells / n_rows


def report(name: str, X, y, n_genes: int, goal_s: float, repeats: int) -> None:
    density = X.nnz / (X.shape[0] * X.shape[1]) if sp.issparse(X) else 1.0
    print(f"\n{name}: {X.shape[0]} cells × {X.shape[1]} genes, {density:.0%} stored, {len(set(y.tolist()))} classes")
    seconds(lambda: moments_of(X[:500], y[:500]), 1)  # wake the threads of the linear algebra
    with PeakMemory() as memory:
        chosen = seconds(lambda: DiscriminantSelector(n_genes).fit(X, y), repeats)
    print(
        f"DiscriminantSelector, k={n_genes}: {chosen:.2f} s (goal {goal_s:g} s); {memory.bytes / GB:.2f} GB above data"
    )
    product = product_seconds(X)
    print(f"dense XᵀX, float32: {product:.2f} s")
    for kept in ("within", "total"):
        taken = seconds(lambda kept=kept: moments_of(X, y, within=kept == "within", total=kept == "total"), repeats)
        print(f"{kept} covariance: {taken:.2f} s, {taken / product:.2f} products (goal 2.5)")
    both = seconds(lambda: moments_of(X, y), repeats)
    print(f"both covariances: {both:.2f} s, {both / product:.2f} products (goal 5)")
    rebuilt = seconds(lambda: ReconstructionSelector(n_genes).fit(X), repeats)
    print(f"ReconstructionSelector, k = {n_genes}: {rebuilt:.2f} s")
    ranked = seconds(lambda: MarkerSelector(n_genes).fit(X, y), repeats)
    print(f"scanpy t-test ranking: {ranked:.2f} s; discriminant takes {chosen / ranked:.2f} of it")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["small", "large"])
    only = parser.parse_args().only
    if only != "large":
        report("small", *make_data(5_000, 2_000, 15, sparse=False), n_genes=100, goal_s=1, repeats=3)
    if only != "small":
        report("large", *make_data(100_000, 2_000, 25, sparse=True), n_genes=500, goal_s=15, repeats=1)


if __name__ == "__main__":
    main()
