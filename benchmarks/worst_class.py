"""Measure what an aim for the worst class (``min_recall``) gains there and costs in the mean.

On each data set and split, panels are chosen by the discriminant with and without the aim, from the learning cells of
``panel_accuracy``'s protocol, and scored on its test cells. Run with ``PYTHONPATH=benchmarks``; data as there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from panel_accuracy.datasets import CACHE, choose
from panel_accuracy.methods import as_cells
from panel_accuracy.protocol import Prepared, prepare, score_panel
from selectormlp.workflow.ranking import rank_genes


def scores(prepared: Prepared, n_genes: int, seed: int, options: dict) -> tuple[float, float]:
    """Choose a panel; return its balanced accuracy and least recall on test cells, mean over classifiers."""
    order = rank_genes(as_cells(prepared.learning), "auto", n_genes=n_genes, options=options, seed=seed).order
    found = score_panel(prepared, order[:n_genes], seed)
    return np.mean([one.balanced_accuracy for one in found]), np.mean([one.least_recall for one in found])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", default=["all"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--size", type=int, default=25)
    parser.add_argument("--min-recall", type=float, default=0.7)
    parser.add_argument("--cache", type=Path, default=CACHE)
    settings = parser.parse_args()
    plain = {"contenders": ["discriminant"]}
    differences = []
    print(f"{settings.size} genes, aim {settings.min_recall:g}; worst class and mean, without and with the aim")
    for name, source in choose(settings.data).items():
        cells = source.load(settings.cache)
        rows = []
        for seed in range(settings.seeds):
            prepared = prepare(cells, seed)
            before = scores(prepared, settings.size, seed, plain)
            after = scores(prepared, settings.size, seed, {**plain, "min_recall": settings.min_recall})
            rows.append([*before, *after])
        mean, least, mean_aimed, least_aimed = np.mean(rows, axis=0)
        differences.append((least_aimed - least, mean_aimed - mean))
        print(f"{name:18s} worst {least:.3f} → {least_aimed:.3f}   mean {mean:.3f} → {mean_aimed:.3f}", flush=True)
    gain, cost = np.mean(differences, axis=0)
    print(f"mean over data sets: worst {gain:+.3f}, mean {cost:+.3f}")


if __name__ == "__main__":
    main()
