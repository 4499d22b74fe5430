"""Seconds and peak memory of choosing from several files, pooled and each a batch, against the same cells in one.

Run ``python benchmarks/several_files.py FOLDER [--files 20] [--cells 50000] [--genes 1000]``. Each choice runs in a
process of its own, which reports its peak memory; the files are made first and stay in the folder.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import anndata
import h5py
import numpy as np
import scipy.sparse as sp

N_TYPES = 20
"""Types of the drawn cells."""

DENSITY = 0.1
"""About the share of values that are not zero."""


def draw(n_cells: int, n_genes: int, seed: int, *, shuffled: bool) -> anndata.AnnData:
    """Draw counts of cells, each type with markers of its own; ``shuffled`` puts genes in an order of their own."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, N_TYPES, n_cells)
    per_cell = max(1, int(DENSITY * n_genes))
    columns = rng.integers(0, n_genes, (n_cells, per_cell))
    own = rng.random((n_cells, per_cell)) < 0.2
    columns[own] = columns[own] // N_TYPES * N_TYPES % n_genes
    columns = np.where(own, np.minimum(columns + labels[:, None], n_genes - 1), columns)
    values = 1.0 + rng.poisson(0.5, columns.shape)
    rows = np.repeat(np.arange(n_cells), per_cell)
    X = sp.csr_matrix((values.ravel().astype(np.float32), (rows, columns.ravel())), shape=(n_cells, n_genes))
    adata = anndata.AnnData(X)
    adata.obs_names = [f"s{seed}c{i}" for i in range(n_cells)]
    adata.var_names = [f"gene{i}" for i in range(n_genes)]
    adata.obs["cell_type"] = [f"type {label}" for label in labels]
    return adata[:, rng.permutation(n_genes)].copy() if shuffled else adata


def make_files(folder: Path, n_files: int, n_cells: int, n_genes: int, *, shuffled: bool) -> tuple[list[Path], Path]:
    """Write the files, and one with all their cells."""
    kind = "shuffled" if shuffled else "alike"
    parts = [folder / f"{kind}{number:02}.h5ad" for number in range(n_files)]
    for number, part in enumerate(parts):
        if not part.exists():
            draw(n_cells, n_genes, number, shuffled=shuffled).write_h5ad(part)
    whole = folder / "whole.h5ad"
    if not whole.exists():
        same = parts if not shuffled else [folder / f"alike{number:02}.h5ad" for number in range(n_files)]
        anndata.experimental.concat_on_disk(same, whole)
        with h5py.File(whole) as file:
            assert file["X/data"].shape[0] > 0
    return parts, whole


def choose(files: list[str], pooled: bool) -> None:
    """Choose genes, and print the seconds and the peak memory in GB."""
    import selectormlp as sm

    start = time.perf_counter()
    sm.select(files, label_key="cell_type", n_genes=50, method="discriminant", pool_files=pooled, progress=False)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    busy = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps([time.perf_counter() - start, busy.ru_utime + busy.ru_stime, peak]))


def measured(files: list[Path], pooled: bool) -> list[float]:
    """Choose in a process of its own."""
    flags = ["--pooled"] if pooled else []
    done = subprocess.run(
        [sys.executable, __file__, *flags, "--choose", *map(str, files)], capture_output=True, text=True, check=True
    )
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Make the files, choose, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--cells", type=int, default=50_000)
    parser.add_argument("--genes", type=int, default=1000)
    parser.add_argument("--choose", nargs="+")
    parser.add_argument("--pooled", action="store_true", help="with --choose")
    given = parser.parse_args()
    if given.choose:
        choose(given.choose, given.pooled)
        return
    given.folder.mkdir(parents=True, exist_ok=True)
    sizes = (given.files, given.cells, given.genes)
    alike, whole = make_files(given.folder, *sizes, shuffled=False)
    shuffled, _ = make_files(given.folder, *sizes, shuffled=True)
    rows = {
        "one file": ([whole], False),
        "files, pooled": (alike, True),
        "files, genes in other orders, pooled": (shuffled, True),
        "files, each a batch": (alike, False),
    }
    found = {name: np.min([measured(*asked) for _ in range(2)], axis=0) for name, asked in rows.items()}
    print("| cells in | seconds | processor | GB | of one file |")
    print("|---|---|---|---|---|")
    for name, (seconds, busy, peak) in found.items():
        ratio = found[name] / found["one file"]
        print(f"| {name} | {seconds:.1f} | {busy:.1f} | {peak:.2f} | {ratio[0]:.2f}, {ratio[1]:.2f}, {ratio[2]:.2f} |")


if __name__ == "__main__":
    main()
