"""Choose genes of a million cells that stay on disk: memory, and time beside that of reading and multiplying alone.

Goals, for 1,000,000 × 2,000 cells of which a tenth of the values is not zero, and 200 genes: at most 2 GB of memory in
all, and at most 1.5 times the sum of reading the same blocks and of the matrix products of such blocks alone, both
measured in the same run; cost a million cells that does not grow. Each measurement is a process of its own, so that
its peak memory is its own. Files are made once and kept in the folder named (1.6 GB for a million cells).

    python benchmarks/out_of_core.py FOLDER --cells 100000 300000 1000000
    python benchmarks/out_of_core.py FOLDER --figure docs/_static/out_of_core.csv docs/images/out_of_core.png

On a machine that does other work, set OMP_NUM_THREADS=1 and read the processor time, which the figure shows.

Counts are drawn class by class from the profiles of mop_dot_500g where ``SELECTORMLP_DATA`` names a folder that holds
it, and from made-up ones where it does not.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd

N_GENES, N_CLASSES, DENSITY, SIZE = 2_000, 35, 0.1, 200
BLOCK_CELLS = 10_000
GB = 10**9


def class_profiles(rng: np.random.Generator) -> np.ndarray:
    """Return mean counts of each class, shape (n_classes, N_GENES), real ones repeated where genes are too few."""
    place = Path(os.environ.get("SELECTORMLP_DATA", "none")) / "mop_dot_500g.h5ad"
    if not place.exists():
        return rng.gamma(0.3, 0.5, (N_CLASSES, N_GENES))
    adata = anndata.read_h5ad(place)
    labels = adata.obs["cell_type"].astype(str).to_numpy()
    largest = pd.Series(labels).value_counts().index[:N_CLASSES]
    means = np.vstack([np.asarray(adata[labels == name].X.mean(axis=0)).ravel() for name in largest])
    genes = np.arange(N_GENES) % means.shape[1]
    strength = np.where(np.arange(N_GENES) < means.shape[1], 1.0, rng.random(N_GENES))  # repeats say less
    grand = means[:, genes].mean(axis=0)
    return grand + strength * (means[:, genes] - grand)


def draw_block(profiles: np.ndarray, codes: np.ndarray, scale: float, rng: np.random.Generator):
    """Draw counts of some cells, CSR, without holding more than a few of them dense."""
    import scipy.sparse as sp

    blocks = []
    for start in range(0, len(codes), 2_000):
        part = codes[start : start + 2_000]
        depth = rng.gamma(4.0, 0.25, len(part))[:, None]
        blocks.append(sp.csr_array(rng.poisson(scale * depth * profiles[part]).astype(np.float32)))
    return sp.csr_array(sp.vstack(blocks))


def make_file(place: Path, n_cells: int, seed: int = 0) -> None:
    """Write an h5ad file a block at a time, so that making it needs no more memory than using it."""
    rng = np.random.default_rng(seed)
    profiles = class_profiles(rng)
    codes = rng.choice(len(profiles), n_cells, p=rng.dirichlet(np.full(len(profiles), 2.0)))
    scales = np.geomspace(0.01, 100, 60)
    densities = [1 - np.exp(-scale * profiles).mean() for scale in scales]
    scale = float(np.interp(DENSITY, densities, scales))
    names = pd.Index([f"cell{i}" for i in range(n_cells)])
    obs = pd.DataFrame({"cell_type": pd.Categorical([f"type {code}" for code in codes])}, index=names)
    var = pd.DataFrame(index=[f"gene{i}" for i in range(N_GENES)])
    draft = place.with_suffix(".part")
    anndata.AnnData(obs=obs, var=var).write_h5ad(draft)
    with h5py.File(draft, "a") as file:
        X = file.create_group("X")
        X.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": [n_cells, N_GENES]})
        values = X.create_dataset("data", (0,), "f4", maxshape=(None,), chunks=(2**18,))
        indices = X.create_dataset("indices", (0,), "i4", maxshape=(None,), chunks=(2**18,))
        ends = [0]
        for start in range(0, n_cells, BLOCK_CELLS):
            block = draw_block(profiles, codes[start : start + BLOCK_CELLS], scale, rng)
            for dataset, part in ((values, block.data), (indices, block.indices)):
                dataset.resize((ends[-1] + block.nnz,))
                dataset[ends[-1] :] = part
            ends.extend((ends[-1] + block.indptr[1:]).tolist())
        X.create_dataset("indptr", data=np.array(ends, dtype=np.int64))
    draft.replace(place)


def select(place: Path, scheduler: str | None) -> dict[str, object]:
    """Choose the panel; the whole, from opening the file on."""
    import selectormlp as sm

    panel = sm.select(place, label_key="cell_type", n_genes=SIZE, method="discriminant", dask_scheduler=scheduler)
    return {"genes": list(panel.genes)}


def read(place: Path) -> dict[str, object]:
    """Read the same blocks, normalised, one after the other, and do nothing with them."""
    from selectormlp.data.anndata_io import CellsSource
    from selectormlp.data.anndata_lazy import open_cells

    cells = open_cells(place, CellsSource("cell_type"))
    nnz = sum(cells.X[rows].nnz for rows in cells.X.row_blocks())
    return {"density": nnz / cells.n_cells / cells.n_genes}


def multiply(place: Path) -> dict[str, object]:
    """Multiply dense blocks of that many cells by themselves, as a covariance does, and add the products up."""
    from selectormlp.moments.stream import CHUNK_BYTES

    with h5py.File(place) as file:
        n_cells = int(file["X"].attrs["shape"][0])
    n_rows = CHUNK_BYTES // (4 * N_GENES)
    block = np.random.default_rng(0).random((n_rows, N_GENES), dtype=np.float32)
    whole = np.zeros((N_GENES, N_GENES))
    for start in range(0, n_cells, n_rows):
        part = block[: n_cells - start]
        whole += part.T @ part
    return {}


JOBS = {"read": read, "multiply": multiply}
NAMES = {"read": "reading", "multiply": "products"}


def measured(job: str, place: Path, scheduler: str | None) -> dict[str, object]:
    """Run a job in a process of its own."""
    command = [sys.executable, __file__, str(place.parent), "--job", job, "--file", str(place)]
    command += [] if scheduler is None else ["--dask-scheduler", scheduler]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def run_job(job: str, place: Path, scheduler: str | None) -> None:
    import dask.threaded  # noqa: F401  # imports are not what is measured

    import selectormlp.selection.select  # noqa: F401

    imported = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    start, cpu = time.perf_counter(), time.process_time()
    found = select(place, scheduler) if job == "select" else JOBS[job](place)
    found |= {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - cpu,
        "imports_gb": imported / GB,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GB,
    }
    print(json.dumps(found))


def plot(table: pd.DataFrame, file: Path) -> None:
    from matplotlib.figure import Figure

    from selectormlp.plots.figure import COLORS, GREY, finish

    figure = Figure(figsize=(9.2, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    millions = table["cells"] / 1e6
    for color, (job, name) in zip(COLORS, {"select": "choosing 200 genes", **NAMES}.items(), strict=False):
        left.plot(millions, table[f"{job}_cpu_s"], marker="o", color=color, label=name)
    left.set(xlim=(0, None), ylim=(0, None))
    left.legend(frameon=False)
    right.plot(millions, table["peak_gb"], marker="o", color=COLORS[0])
    right.axhline(2, color=GREY, linestyle=":")
    right.set(xlim=(0, None), ylim=(0, 2.2))
    finish(left, title="", xlabel="million cells", ylabel="processor seconds")
    finish(right, title="", xlabel="million cells", ylabel="peak memory, GB")
    figure.savefig(file, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cells", type=int, nargs="+", default=[100_000, 300_000, 1_000_000])
    parser.add_argument("--dask-scheduler")
    parser.add_argument("--job", choices=["select", *JOBS], help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--figure", type=Path, nargs=2, help="draw the table of an earlier run: the table, the image")
    asked = parser.parse_args()
    if asked.figure:
        plot(pd.read_csv(asked.figure[0]), asked.figure[1])
        return
    if asked.job:
        run_job(asked.job, asked.file, asked.dask_scheduler)
        return
    asked.folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for n_cells in asked.cells:
        place = asked.folder / f"cells_{n_cells}.h5ad"
        if not place.exists():
            make_file(place, n_cells)
        found = {job: measured(job, place, asked.dask_scheduler) for job in (*JOBS, "select")}
        line = {"cells": n_cells} | {f"{job}_s": found[job]["seconds"] for job in found}
        line["ratio"] = line["select_s"] / (line["read_s"] + line["multiply_s"])
        line |= {f"{job}_cpu_s": found[job]["cpu_seconds"] for job in found}
        line["cpu_ratio"] = line["select_cpu_s"] / (line["read_cpu_s"] + line["multiply_cpu_s"])
        line |= {key: found["select"][key] for key in ("imports_gb", "peak_gb")}
        line |= {"density": found["read"]["density"], "select_s_per_million": line["select_s"] / n_cells * 1e6}
        lines.append(line)
        print(pd.Series(line).round(3).to_string(), flush=True)
    table = pd.DataFrame(lines)
    table.to_csv(asked.folder / "out_of_core.csv", index=False)
    plot(table, asked.folder / "out_of_core.png")


if __name__ == "__main__":
    main()
