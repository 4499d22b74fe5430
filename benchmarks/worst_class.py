"""Measure what an aim for the worst class (``min_recall``) gains there and costs in the mean.

On each data set and split, panels are chosen by the discriminant with and without the aim, from the learning cells of
``panel_accuracy``'s protocol, and classifiers refitted on them are tested on its test cells. Three figures, each a mean
over the classifiers: the recall of the worst class; that of the classes that fell short of the aim in trials on the
learning cells (test cells have no say in which ones; NaN where none did); balanced accuracy.

Run with ``PYTHONPATH=benchmarks``; data as there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from panel_accuracy.datasets import CACHE, choose
from panel_accuracy.protocol import Prepared, prepare, refit_on_panel
from panel_accuracy.statistics import mean_difference
from selectormlp.auto.selector import AutoSelector
from selectormlp.selectors.discriminant import DiscriminantSelector

FIGURES = ["worst class", "classes that fell short", "all classes"]


def compare(prepared: Prepared, n_genes: int, aim: float, seed: int) -> pd.DataFrame:
    """Choose with and without the aim; return the figures, a row each, without and with it."""
    X, y = prepared.learning.X, prepared.learning.y
    aimed = AutoSelector(n_genes, contenders=["discriminant"], min_recall=aim, random_state=seed).fit(X, y)
    plain = DiscriminantSelector(n_genes).fit(X, y)
    short = aimed.trials_[0].recalls < aim
    figures = {}
    for name, selector in {"without": plain, "with": aimed}.items():
        confusions = refit_on_panel(prepared, selector.get_support(indices=True), seed)
        found = np.array([confusion.recalls for confusion in confusions.values()])
        figures[name] = [found.min(axis=1).mean(), found[:, short].mean() if short.any() else np.nan, found.mean()]
    return pd.DataFrame(figures, index=pd.Index(FIGURES, name="figure"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", default=["all"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--size", type=int, default=25)
    parser.add_argument("--min-recall", type=float, default=0.7)
    parser.add_argument("--cache", type=Path, default=CACHE)
    settings = parser.parse_args()
    tables = []
    print(f"{settings.size} genes, aim {settings.min_recall:g}; without → with the aim: {', '.join(FIGURES)}")
    for name, source in choose(settings.data).items():
        cells = source.load(settings.cache)
        for seed in range(settings.seeds):
            figures = compare(prepare(cells, seed), settings.size, settings.min_recall, seed)
            tables.append(figures.assign(family=source.family, data=name, seed=seed))
        means = pd.concat(tables[-settings.seeds :]).groupby("figure")[["without", "with"]].mean().loc[FIGURES]
        print(f"{name:18s} {'   '.join(f'{a:.3f} → {b:.3f}' for a, b in means.to_numpy())}", flush=True)
    results = pd.concat(tables)
    results["difference"] = results["with"] - results["without"]
    for figure in FIGURES:
        difference = mean_difference(results.loc[figure].dropna(subset="difference"))
        print(f"{figure}: {difference}, {difference.n_data} data sets")


if __name__ == "__main__":
    main()
