"""Count splits: how often noise is taken for something, and whether a type that was cut is listed and no other.

    python benchmarks/count_split.py null --seeds 20 --out FILE.csv
    python benchmarks/count_split.py cut --data baron_human zeisel_4000g pbmc_3chem pbmc3k --out FILE.csv

``null``: cells of one type, counts of 300 genes drawn from the negative binomial with dispersions of .2 to 1 and depths
that vary evenly or a great deal, cut into four by the clustering of the package itself, and these clusters given as
types. ``cut``: real cells; one type in turn is cut into three by the clustering, and the pairs that are listed are
compared with the pairs of its parts. Data from the folders that SELECTORMLP_DATA and SELECTORMLP_IMAGING name.
"""

from __future__ import annotations

import argparse
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import scipy.sparse as sp

from selectormlp.evaluation.label_test import cluster_into, components, judge_labels

N_GENES = 300
LARGE_TYPE = 100
"""Cells from which a type is cut."""


def homogeneous_cells(seed: int, spread: float, n_cells: int = 400) -> sp.csr_array:
    """Draw cells of one type: dispersions differ between genes, log depths have the standard deviation ``spread``."""
    rng = np.random.default_rng(seed)
    rate = rng.lognormal(0.0, spread, n_cells)[:, None] * rng.lognormal(0.0, 0.8, N_GENES)
    dispersion = rng.uniform(0.2, 1.0, N_GENES)
    return sp.csr_array(rng.poisson(rng.gamma(1 / dispersion, rate * dispersion)).astype(float))


def null(n_seeds: int) -> Iterator[dict]:
    """Judge clusters of one type."""
    for seed in range(n_seeds):
        for spread in (0.2, 0.8):
            counts = homogeneous_cells(1000 + seed, spread)
            labels = cluster_into(components(counts), 4, seed=seed)
            found = judge_labels(counts, labels, tuple(f"cluster {i}" for i in range(labels.max() + 1)), seed=seed)
            n_apart = len(found.pairs) - len(found.not_apart)
            yield {"seed": seed, "spread": spread, "something": found.is_something, "score": found.score,
                   "limit": found.limit, "n_pairs": len(found.pairs), "n_apart": n_apart}  # fmt: skip


def cut(names: list[str], n_types: int, seed: int) -> Iterator[dict]:
    """Cut each of the largest types in turn, and count the pairs that are listed."""
    for name in names:
        folders = [Path(os.environ[key]) for key in ("SELECTORMLP_DATA", "SELECTORMLP_IMAGING")]
        adata = anndata.read_h5ad(next(path for folder in folders if (path := folder / f"{name}.h5ad").exists()))
        counts = sp.csr_array(adata.X.astype(np.float64))
        column = "level1" if name == "zeisel_4000g" else "cell_type"
        labels = adata.obs[column].astype(str).to_numpy().astype(object)
        sizes = pd.Series(labels).value_counts()
        for victim in [None, *sizes[sizes >= LARGE_TYPE].index[:n_types]]:
            given = labels.copy()
            if victim is not None:
                rows = np.flatnonzero(labels == victim)
                parts = cluster_into(components(counts[rows]), 3, seed=seed)
                given[rows] = [f"{victim} part {part}" for part in parts]
            classes, codes = np.unique(given.astype(str), return_inverse=True)
            found = judge_labels(counts, codes, tuple(map(str, classes)), seed=seed)
            own = [all(one.startswith(f"{victim} part ") for one in pair) for pair in found.not_apart]
            n_parts = int(sum(one.startswith(f"{victim} part ") for one in classes))
            yield {"data": name, "cut": victim or "", "something": found.is_something, "score": found.score,
                   "limit": found.limit, "n_pairs": len(found.pairs), "pairs_of_parts": n_parts * (n_parts - 1) // 2,
                   "listed_of_parts": sum(own), "listed_of_others": len(own) - sum(own),
                   "others": "; ".join("/".join(p) for p, mine in zip(found.not_apart, own, strict=True) if not mine),
                   }  # fmt: skip


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("null", "cut"))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--data", nargs="*", default=["baron_human", "zeisel_4000g", "pbmc_3chem", "pbmc3k"])
    parser.add_argument("--types", type=int, default=2, help="how many of the largest types are cut, one at a time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = []
    for row in null(asked.seeds) if asked.what == "null" else cut(asked.data, asked.types, asked.seed):
        rows.append(row)
        print(row, flush=True)
        if asked.out:
            pd.DataFrame(rows).to_csv(asked.out, index=False)


if __name__ == "__main__":
    main()
