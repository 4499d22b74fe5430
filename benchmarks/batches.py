"""Panels chosen with and without batches, measured on a batch that was left out; and simulated shifts.

    python benchmarks/batches.py real --out docs/_static/batches.csv
    python benchmarks/batches.py simulated --out docs/_static/batches_simulated.csv
    python benchmarks/batches.py speed --out docs/_static/batches_speed.csv
    python benchmarks/batches.py figure

Real data: each batch in turn is left out, genes are chosen from the others with cells pooled (``pooled``) and with
their batches (``new-study``, ``corrected``, ``worst``), and logistic regression and 15 nearest neighbours are refitted
on the genes and tested on the batch that was left out. Nothing is tuned: what the model needs is estimated from the
cells that genes are chosen from. Data from the folders that SELECTORMLP_DATA and SELECTORMLP_IMAGING name.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy.stats import t as t_law
from sklearn.metrics import balanced_accuracy_score

from selectormlp.data.anndata_io import CellsSource, cells_from_adata
from selectormlp.evaluation.refit import make_classifier
from selectormlp.plots.figure import COLORS, GREY, RULE
from selectormlp.selectors.discriminant import DiscriminantSelector

DATA = ("pbmc_3chem", "kang_2donor", "merfish_poa_sc", "baron_human", "mop_dot_500g")
KINDS = ("pooled", "new-study", "corrected", "worst")
SIZES = (10, 25, 50)
LEAST_CELLS = 10
"""Cells of a type to learn from, below which it takes no part in a fold."""
MAX_GENES = 2000
COLOURS = dict(zip(KINDS, (GREY, *COLORS[:3]), strict=True))
FOLDER = Path(__file__).parents[1] / "docs" / "_static"


def choose(X, y, batches, kind, n_genes):
    """Return columns in order."""
    told = {} if kind == "pooled" else {"batches": batches}
    options = {} if kind == "pooled" else {"combine": kind}
    selector = DiscriminantSelector(n_genes, max_genes=MAX_GENES, device="cpu", **options)
    return np.argsort(selector.fit(X, y, **told).ranking_)[:n_genes]


def scores(X, y, train, test, columns):
    """Return the balanced accuracy of two refitted classifiers, averaged."""
    few = X[:, columns]
    few = few.toarray() if sp.issparse(few) else few
    found = []
    for name in ("logistic", "knn"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # types that the batch lacks
            predicted = make_classifier(name).fit(few[train], y[train]).predict(few[test])
            found.append(balanced_accuracy_score(y[test], predicted))
    return float(np.mean(found))


def real(names, kinds, least_tested=1):
    """Leave each batch out once; types of fewer than ``least_tested`` cells there are not scored."""
    for name in names:
        folders = [Path(os.environ[key]) for key in ("SELECTORMLP_DATA", "SELECTORMLP_IMAGING")]
        place = next(path for folder in folders if (path := folder / f"{name}.h5ad").exists())
        cells = cells_from_adata(anndata.read_h5ad(place), CellsSource("cell_type", batch_key="batch"))
        for left_out in np.unique(cells.batches):
            train = np.flatnonzero(cells.batches != left_out)
            counts = np.bincount(cells.labels[train], minlength=cells.n_classes)
            kept = counts[cells.labels] >= LEAST_CELLS
            train = train[kept[train]]
            test = np.flatnonzero((cells.batches == left_out) & kept)
            tested = np.bincount(cells.labels[test], minlength=cells.n_classes)
            test = test[tested[cells.labels[test]] >= least_tested]
            if len(np.unique(cells.labels[test])) < 2:
                continue
            for kind in kinds:
                order = choose(cells.X[train], cells.labels[train], cells.batches[train], kind, max(SIZES))
                for size in SIZES:
                    score = scores(cells.X, cells.labels, train, test, order[:size])
                    yield {"data": name, "batch": left_out, "kind": kind, "n_genes": size, "score": score}


def simulated_cells(unbalanced, seed, n_batches=4, n_types=6, n_genes=300, n_cells=2400):
    """Types with weak markers in batches whose levels differ; a type is mostly in one batch, or evenly in all."""
    rng = np.random.default_rng(seed)
    y = rng.integers(n_types, size=n_cells)
    home = np.arange(n_types) % n_batches
    even = rng.integers(n_batches, size=n_cells)
    batches = np.where(rng.random(n_cells) < 0.85, home[y], even) if unbalanced else even
    means = np.zeros((n_types, n_genes))
    markers = rng.permutation(n_genes)[: 8 * n_types].reshape(n_types, 8)
    for code, genes in enumerate(markers):
        means[code, genes] = 1.2
    shifted = rng.permutation(n_genes)[: n_genes // 4]
    shift = np.zeros((n_batches + 1, n_genes))
    shift[:, shifted] = rng.normal(scale=1.5, size=(n_batches + 1, len(shifted)))
    X = means[y] + shift[batches] + rng.normal(size=(n_cells, n_genes))
    new = np.repeat(np.arange(n_types), 100)
    unseen = means[new] + shift[n_batches] + rng.normal(size=(len(new), n_genes))
    return np.vstack([X, unseen]), np.append(y, new), np.append(batches, np.full(len(new), n_batches))


def simulated(n_draws=20):
    """Choose on simulated batches and test on one that is not among them."""
    for design in ("unbalanced", "balanced"):
        for seed in range(n_draws):
            X, y, batches = simulated_cells(design == "unbalanced", seed)
            train, test = np.flatnonzero(batches < 4), np.flatnonzero(batches == 4)
            for kind in KINDS:
                columns = choose(X[train], y[train], batches[train], kind, 25)
                score = scores(X, y, train, test, columns)
                yield {"design": design, "draw": seed, "kind": kind, "n_genes": 25, "score": score}


def speed(n_cells, n_batches=20, n_genes=2000, n_types=30):
    """Choose from cells on disk with and without batches, each in a process of its own, three times in turn."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "cells.h5ad"
        rng = np.random.default_rng(0)
        labels = rng.integers(n_types, size=n_cells)
        rate = rng.gamma(0.3, 1.0, size=(n_types, n_genes))
        blocks = [
            sp.csr_matrix(rng.poisson(0.3 * rate[labels[start : start + 5000]]).astype(np.float32))
            for start in range(0, n_cells, 5000)
        ]
        obs = pd.DataFrame(
            {
                "cell_type": pd.Categorical([f"type {code}" for code in labels]),
                "batch": pd.Categorical([f"batch {i}" for i in np.arange(n_cells) * n_batches // n_cells]),
            },
            index=[f"c{i}" for i in range(n_cells)],
        )
        anndata.AnnData(sp.vstack(blocks, format="csr"), obs=obs).write_h5ad(place)
        del blocks
        for turn in range(3):
            for kind in ("pooled", "new-study"):
                output = subprocess.run(
                    [sys.executable, __file__, "one", "--data", str(place), "--kind", kind],
                    check=True,
                    capture_output=True,
                    text=True,
                ).stdout
                seconds, megabytes = map(float, output.split()[-2:])
                yield {
                    "n_cells": n_cells,
                    "turn": turn,
                    "kind": kind,
                    "processor_seconds": seconds,
                    "megabytes": megabytes,
                }


def one(place, kind):
    """Choose once, and print processor seconds and the most memory that was taken."""
    import selectormlp as sm

    start = time.process_time()
    options = {} if kind == "pooled" else {"batch_key": "batch"}
    sm.select(place, label_key="cell_type", n_genes=50, method="discriminant", progress=False, **options)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(time.process_time() - start, used)


def summary(table):
    """Return paired differences from pooling, with 95 % intervals over batches (Student's t)."""
    wide = table.pivot_table(index=["data", "batch", "n_genes"], columns="kind", values="score").reset_index()
    rows = []
    for name, part in [*wide.groupby("data", sort=False), ("all", wide)]:
        for kind in KINDS[1:]:
            differences = (part[kind] - part["pooled"]).groupby([part["data"], part["batch"]]).mean()
            if name == "all":
                differences = differences.groupby("data").mean()
            differences = differences.dropna()  # a way that was not run on some data
            half = t_law.ppf(0.975, len(differences) - 1) * differences.std(ddof=1) / np.sqrt(len(differences))
            mean = differences.mean()
            rows.append(
                {
                    "data": name,
                    "kind": kind,
                    "n_units": len(differences),
                    "pooled": part["pooled"].mean(),
                    "difference": mean,
                    "low": mean - half,
                    "high": mean + half,
                }
            )
    return pd.DataFrame(rows)


def figure():
    """Draw differences from pooling on real data, and scores on simulated batches."""
    from matplotlib.figure import Figure

    found = summary(pd.read_csv(FOLDER / "batches.csv"))
    found.round(4).to_csv(FOLDER / "batches_summary.csv", index=False)
    fake = pd.read_csv(FOLDER / "batches_simulated.csv")
    fig = Figure(figsize=(10, 4), layout="constrained")
    left, right = fig.subplots(1, 2)
    names = list(dict.fromkeys(found["data"]))
    for offset, kind in zip((-0.22, 0.0, 0.22), KINDS[1:], strict=True):
        part = found[found["kind"] == kind].set_index("data").loc[names]
        places = np.arange(len(names)) + offset
        errors = [part["difference"] - part["low"], part["high"] - part["difference"]]
        left.errorbar(
            part["difference"], places, xerr=errors, fmt="o", ms=4, capsize=2, label=kind, color=COLOURS[kind]
        )
    left.axvline(0, color=GREY, lw=0.8)
    left.set_yticks(range(len(names)), names)
    left.invert_yaxis()
    left.set_xlabel("balanced accuracy, difference from pooling\n(batch left out, 10, 25 and 50 genes)")
    left.legend(frameon=False)
    designs = ("unbalanced", "balanced")
    for place, kind in enumerate(KINDS):
        part = [fake[(fake["design"] == design) & (fake["kind"] == kind)]["score"] for design in designs]
        at = np.arange(2) + 0.2 * (place - 1.5)
        errors = [2.09 * values.std(ddof=1) / np.sqrt(len(values)) for values in part]
        right.errorbar(
            at,
            [values.mean() for values in part],
            yerr=errors,
            fmt="o",
            ms=4,
            capsize=2,
            label=kind,
            color=COLOURS[kind],
        )
    right.set_xticks(range(2), ["types unevenly\nin batches", "types evenly\nin batches"])
    right.set_ylabel("balanced accuracy on a new batch (simulated)")
    right.legend(frameon=False)
    for axes, along in ((left, "x"), (right, "y")):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis=along, color=RULE, lw=0.6)
        axes.set_axisbelow(True)
    fig.savefig(FOLDER.parent / "images" / "batches.png", dpi=150)
    print(found.round(4).to_string())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("real", "simulated", "speed", "one", "figure"))
    parser.add_argument("--data", nargs="*", default=list(DATA))
    parser.add_argument("--kind", default="pooled")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS))
    parser.add_argument("--n-cells", type=int, default=1_000_000)
    parser.add_argument("--least-tested", type=int, default=1, help="cells of a type in the batch left out")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    if asked.what == "one":
        return one(asked.data[0], asked.kind)
    if asked.what == "figure":
        return figure()
    rows = []
    source = {
        "real": lambda: real(asked.data, asked.kinds, asked.least_tested),
        "simulated": simulated,
        "speed": lambda: speed(asked.n_cells),
    }
    for row in source[asked.what]():
        rows.append(row)
        pd.DataFrame(rows).to_csv(asked.out, index=False)
    return None


if __name__ == "__main__":
    main()
