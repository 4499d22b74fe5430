"""Genes of a file that cannot be loaded are chosen in a process whose memory is limited."""

import subprocess
import sys
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

pytestmark = pytest.mark.slow

N_CELLS, N_GENES, N_CLASSES, STORED = 200_000, 2_000, 5, 600
LIMIT = 700 * 2**20
"""Bytes above what imports took: far less than the 960 MB of the values alone."""

PROGRAM = """
import resource, sys
from pathlib import Path
import selectormlp as sm, anndata, h5py, scipy.sparse, sklearn.preprocessing
from selectormlp.selection import steps
from selectormlp.moments.dask import Workers
import dask, threadpoolctl
small, large, how, limit = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
sm.select(small, label_key="cell_type", n_genes=5)  # loads what is loaded when first used, threads' stacks included
taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + limit, taken + limit))
if how == "lazy":
    print(*sm.select(large, label_key="cell_type", n_genes=5).genes)
else:
    try:
        anndata.read_h5ad(large)
    except MemoryError:
        print("does not fit")
"""


def write(place, n_cells):
    """Write counts of which each class has one gene of its own, block by block."""
    rng = np.random.default_rng(0)
    codes = np.arange(n_cells) % N_CLASSES
    obs = pd.DataFrame(
        {"cell_type": pd.Categorical([f"type {c}" for c in codes])}, index=np.arange(n_cells).astype(str)
    )
    anndata.AnnData(obs=obs, var=pd.DataFrame(index=[f"gene{i}" for i in range(N_GENES)])).write_h5ad(place)
    with h5py.File(place, "a") as file:
        X = file.create_group("X")
        X.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": [n_cells, N_GENES]})
        values = X.create_dataset("data", (n_cells * STORED,), "f4")
        indices = X.create_dataset("indices", (n_cells * STORED,), "i4")
        X.create_dataset("indptr", data=np.arange(n_cells + 1, dtype=np.int64) * STORED)
        for start in range(0, n_cells, 10_000):
            block = codes[start : start + 10_000]
            columns = np.sort(rng.permutation(N_GENES - N_CLASSES)[:STORED] + N_CLASSES)
            where = np.tile(columns, (len(block), 1))
            where[:, 0] = block  # the gene of its class
            counts = 1.0 + rng.poisson(0.5, where.shape)
            counts[:, 0] += 8
            place_in_file = slice(start * STORED, (start + len(block)) * STORED)
            values[place_in_file], indices[place_in_file] = counts.ravel(), where.ravel()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cells")
    write(folder / "small.h5ad", 20_000)
    write(folder / "large.h5ad", N_CELLS)
    return folder / "small.h5ad", folder / "large.h5ad"


def run(files, how):
    command = [sys.executable, "-c", PROGRAM, *map(str, files), how, str(LIMIT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
def test_genes_are_chosen_within_memory_that_loading_breaks(files):
    assert run(files, "loading") == "does not fit"
    assert sorted(run(files, "lazy").split()) == [f"gene{i}" for i in range(N_CLASSES)]


def test_small_files_are_csr_as_anndata_has_them(files):
    X = anndata.read_h5ad(files[0]).X
    assert sp.issparse(X)
    assert X.has_canonical_format
