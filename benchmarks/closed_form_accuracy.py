"""Score closed-form panels on real data: refitted accuracy, and variance explained, against known choices.

Accuracy: classes of ≥ 40 cells, split 4 : 1 : 1 (at most 1,000 : 250 : 250 cells a class), 2,000 most variable
training genes; panels from training cells; classifiers refitted on training + validation cells, scored by balanced
accuracy on test cells; mean over splits ± their standard deviation, beside the one-split figures measured before.
Variance explained: of all genes of held-out cells (a fifth), by ridge regression from the panel.

Reads SELECTORMLP_DATA, a folder of AnnData files with raw counts and obs["cell_type"].
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np

from protocol import accuracy_splits, by_loadings, explained, load, refitted
from selectormlp.data.cells import Cells
from selectormlp.selectors.base import order_by_score
from selectormlp.selectors.discriminant import DiscriminantSelector
from selectormlp.selectors.markers import MarkerSelector
from selectormlp.selectors.reconstruction import ReconstructionSelector
from selectormlp.selectors.variance import VarianceSelector

SIZES = (10, 25, 50, 100)

BEFORE = {  # logistic/15-NN of one split, criterion "inverse"
    "zeisel_4000g": ".749/.637 .809/.666 .776/.742 .804/.754",
    "cite_cbmc_2000g": ".723/.591 .793/.744 .846/.770 .889/.750",
}

METHODS = {
    "inverse": lambda k: DiscriminantSelector(k),
    "inverse, refined": lambda k: DiscriminantSelector(k, refine=True),
    "bhattacharyya": lambda k: DiscriminantSelector(k, criterion="bhattacharyya"),
    "log": lambda k: DiscriminantSelector(k, criterion="log"),
    "t-test": lambda k: MarkerSelector(k),
}


def report_accuracy(name: str, cells: Cells, n_splits: int, methods: list[str]) -> None:
    scores: dict[str, list] = {method: [] for method in methods}
    took: dict[str, list[float]] = {method: [] for method in methods}
    for X, y, X_refit, y_refit, X_test, y_test in accuracy_splits(cells, n_splits):
        for method in methods:
            by_size = []
            for size in SIZES:
                start = time.perf_counter()
                panel = METHODS[method](size).fit(X, y).get_support()
                took[method].append(time.perf_counter() - start)
                by_size.append(refitted(X_refit[:, panel], y_refit, X_test[:, panel], y_test))
            scores[method].append(by_size)
    print(f"\n{name}: balanced accuracy, logistic/15-NN/forest, at k = {SIZES}; mean of {n_splits} splits ± deviation")
    print(f"{'inverse, before':>18}  {BEFORE[name]}")
    for method in methods:
        mean, deviation = np.mean(scores[method], axis=0), np.std(scores[method], axis=0, ddof=1)
        cells_of = (
            "/".join(f"{m:.3f}±{d:.3f}" for m, d in zip(*row, strict=True)) for row in zip(mean, deviation, strict=True)
        )
        print(f"{method:>18}  {'  '.join(cells_of)}  {np.median(took[method]):.2f} s", flush=True)


def report_explained(name: str, cells: Cells) -> None:
    order = np.random.default_rng(0).permutation(cells.n_cells)
    X, X_test = (cells.X[np.sort(rows)].toarray() for rows in np.split(order, [cells.n_cells * 4 // 5]))
    print(f"\n{name}: share of the variance of {cells.n_genes} genes explained in {len(X_test)} held-out cells")
    choices = {
        "reconstruction, genes": lambda k: ReconstructionSelector(k).fit(X).get_support(indices=True),
        "reconstruction, components": lambda k: (
            ReconstructionSelector(k, target="components").fit(X).get_support(indices=True)
        ),
        "PCA loadings": lambda k: by_loadings(X, k),
        "HVG": lambda k: VarianceSelector(k).fit(X).get_support(indices=True),
        "variance": lambda k: order_by_score(X.var(axis=0))[:k],
    }
    for choice, pick in choices.items():
        start = time.perf_counter()
        shares = [explained(X, X_test, pick(size)) for size in SIZES[1:]]
        figures = "  ".join(f"k={size}: {share:.4f}" for size, share in zip(SIZES[1:], shares, strict=True))
        print(f"{choice:>28}  {figures}  ({time.perf_counter() - start:.1f} s)", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=["accuracy", "explained"])
    parser.add_argument("--data", nargs="*", help="only these data sets")
    parser.add_argument("--methods", nargs="*", default=["inverse"], choices=list(METHODS))
    parser.add_argument("--splits", type=int, default=5)
    settings = parser.parse_args()
    folder = Path(os.environ["SELECTORMLP_DATA"])
    if settings.part != "explained":
        for name in settings.data or BEFORE:
            report_accuracy(name, load(folder, name), settings.splits, settings.methods)
    if settings.part != "accuracy":
        for name in settings.data or ["pbmc3k", "baron_human", "zeisel_4000g"]:
            report_explained(name, load(folder, name))


if __name__ == "__main__":
    main()
