"""Measure what choosing for imaging costs where the technology stays the same, size by size.

On each data set and split, panels are chosen by the discriminant with ``assay="sequencing"`` and ``assay="imaging"``
from the learning cells of ``panel_accuracy``'s protocol; classifiers refitted on them are tested on its test cells.
Printed: mean balanced accuracy of both, and the difference with its 95 % interval over families of data sets.

Run with ``PYTHONPATH=benchmarks``; data as there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from panel_accuracy.datasets import CACHE, choose
from panel_accuracy.protocol import prepare
from panel_accuracy.statistics import mean_difference
from protocol import refitted
from selectormlp.selectors.discriminant import DiscriminantSelector

SIZES = (10, 25, 50, 100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", default=["all"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--classifiers", nargs="+", default=["logistic", "knn", "forest"])
    parser.add_argument("--cache", type=Path, default=CACHE)
    settings = parser.parse_args()
    rows = []
    for name, source in choose(settings.data).items():
        cells = source.load(settings.cache)
        for seed in range(settings.seeds):
            prepared = prepare(cells, seed)
            X, y = prepared.learning.X, prepared.learning.y
            for assay in ("sequencing", "imaging"):
                order = np.argsort(DiscriminantSelector(max(SIZES), assay=assay).fit(X, y).ranking_)
                for size in SIZES:
                    panel = order[:size]
                    parts = (X[:, panel], y, prepared.X_test[:, panel], prepared.y_test)
                    score = float(np.mean(refitted(*parts, settings.classifiers)))
                    rows.append((source.family, name, seed, size, assay, score))
        print(name, flush=True)
    table = pd.DataFrame(rows, columns=["family", "data", "seed", "size", "assay", "score"])
    wide = table.pivot_table("score", ["family", "data", "seed", "size"], "assay").reset_index()
    wide["difference"] = wide["imaging"] - wide["sequencing"]
    for size, found in wide.groupby("size"):
        means = found.groupby("data")[["sequencing", "imaging"]].mean().mean()
        print(f"{size} genes: {means['sequencing']:.3f} → {means['imaging']:.3f}, {mean_difference(found)}")


if __name__ == "__main__":
    main()
