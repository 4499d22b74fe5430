"""Measure what choosing for imaging costs where the technology stays the same, size by size.

On each data set and split, panels are chosen by the discriminant with ``assay="sequencing"`` and ``assay="imaging"``
from the learning cells of ``panel_accuracy``'s protocol; classifiers refitted on them are tested on its test cells.
Each data set and split is written as it is done; the same command goes on where it stopped, and prints a table: mean
balanced accuracy of both, and the paired difference with its 95 % interval over families of data sets.

    SELECTORMLP_DATA=FOLDER PYTHONPATH=benchmarks python benchmarks/assay_cost.py --out cost.csv
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from panel_accuracy.datasets import CACHE, choose
from panel_accuracy.protocol import prepare
from panel_accuracy.statistics import mean_difference
from protocol import refitted
from selectormlp.selectors.discriminant import DiscriminantSelector

SIZES = (10, 25, 50, 100)
COLUMNS = ["family", "data", "seed", "size", "assay", "balanced_accuracy"]


def scores(prepared, classifiers: Sequence[str]) -> Iterator[tuple[int, str, float]]:
    """Yield size, assay and mean balanced accuracy of the classifiers, for sizes up to half of the genes."""
    X, y = prepared.learning.X, prepared.learning.y
    for assay in ("sequencing", "imaging"):
        order = np.argsort(DiscriminantSelector(min(max(SIZES), X.shape[1]), assay=assay).fit(X, y).ranking_)
        for size in SIZES:
            if 2 * size <= X.shape[1]:
                panel = order[:size]
                parts = (X[:, panel], y, prepared.X_test[:, panel], prepared.y_test)
                yield size, assay, float(np.mean(refitted(*parts, classifiers)))


def table(rows: pd.DataFrame) -> str:
    """Write a line a size, as Markdown."""
    wide = rows.pivot_table("balanced_accuracy", ["family", "data", "seed", "size"], "assay").reset_index()
    wide["difference"] = wide["imaging"] - wide["sequencing"]
    lines = ["| genes | data sets (families) | sequencing | imaging | difference |", "|---|---|---|---|---|"]
    for size, found in wide.groupby("size"):
        means = found.groupby("data")[["sequencing", "imaging"]].mean().mean()
        cost = mean_difference(found)
        lines.append(
            f"| {size} | {cost.n_data} ({cost.n_families}) | {means['sequencing']:.3f} | {means['imaging']:.3f} | "
            f"{cost.mean:+.3f} ({cost.low:+.3f} to {cost.high:+.3f}) |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="CSV of results")
    parser.add_argument("--data", nargs="+", default=["all"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--classifiers", nargs="+", default=["logistic", "knn", "forest"])
    parser.add_argument("--cache", type=Path, default=CACHE)
    settings = parser.parse_args()
    old = pd.read_csv(settings.out) if settings.out.exists() else pd.DataFrame(columns=COLUMNS)
    done = set(old[["data", "seed"]].itertuples(index=False, name=None))
    for seed in range(settings.seeds):
        for name, source in choose(settings.data).items():
            if (name, seed) in done:
                continue
            prepared = prepare(source.load(settings.cache), seed)
            rows = [(source.family, name, seed, *found) for found in scores(prepared, settings.classifiers)]
            found = pd.DataFrame(rows, columns=COLUMNS)
            found.to_csv(settings.out, mode="a", header=not settings.out.exists(), index=False)
            print(name, seed, flush=True)
    print(table(pd.read_csv(settings.out)))


if __name__ == "__main__":
    main()
