"""Run the benchmark: pairs × draws × methods, each row appended to a CSV as soon as it is known.

Stop it at any time; the same command goes on where it stopped. ``--quick`` takes two draws and no forest.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from other_technology.methods import METHODS, order
from other_technology.pairs import Pair, crossed_pairs, real_pairs, simulated_pairs
from other_technology.report import report
from other_technology.scoring import draw_cells, score

SIZES = (8, 10, 15, 20, 25, 40, 60)
"""Numbers of genes, as far as half of the shared genes goes."""

SOURCES: Mapping[str, Callable[[int], Iterator[Pair]]] = {
    "real": lambda _: real_pairs(),
    "crossed": lambda _: crossed_pairs(),
    "simulated": lambda seed: simulated_pairs(seed=seed),
}
"""Pairs by group, given the seed of simulated assays."""

COLUMNS = ["family", "pair", "draw", "method", "size", "measure", "classifier", "balanced_accuracy"]


def rows_of(
    pair: Pair, seed: int, methods: Iterable[str], classifiers: Sequence[str], sizes: Sequence[int], done: set
) -> pd.DataFrame:
    """Score the panels of a draw that are not done yet; equal panels are scored once."""
    draw = draw_cells(pair, seed)
    sizes = [size for size in sizes if 2 * size <= len(pair.genes)]
    known: dict[tuple[frozenset[int], tuple[str, ...]], list] = {}
    rows = []
    for method in methods:
        wanted = tuple(name for name in classifiers if (pair.name, seed, method, name) not in done)
        ranked = order(method, pair, draw, max(sizes)) if wanted else ()
        for size in sizes if wanted else ():
            panel = frozenset(ranked[:size].tolist())
            if (panel, wanted) not in known:
                known[panel, wanted] = list(score(pair, draw, sorted(panel), wanted))
            rows += [(pair.family, pair.name, seed, method, size, *found) for found in known[panel, wanted]]
    return pd.DataFrame(rows, columns=COLUMNS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse, run what is not done yet, append, report."""
    settings = _parser().parse_args(arguments)
    classifiers = ["logistic", "knn"] if settings.quick else settings.classifiers
    draws = 2 if settings.quick else settings.draws
    settings.out.parent.mkdir(parents=True, exist_ok=True)
    old = pd.read_csv(settings.out) if settings.out.exists() else pd.DataFrame(columns=COLUMNS)
    done = set(old[["pair", "draw", "method", "classifier"]].itertuples(index=False, name=None))
    warnings.filterwarnings("ignore")
    for pair in SOURCES[settings.pairs](settings.seed):
        for seed in range(draws):
            rows = rows_of(pair, seed, settings.methods, classifiers, settings.sizes, done)
            rows.to_csv(settings.out, mode="a", header=not settings.out.exists(), index=False)
        print(f"{pair.name}: {len(pair.types)} types, {len(pair.genes)} genes", flush=True)
    print(report(pd.read_csv(settings.out)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="CSV of results")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES))
    parser.add_argument("--draws", type=int, default=5, help="bootstraps of the reference")
    parser.add_argument("--pairs", choices=list(SOURCES), default="real", help="crossed: cortex to hypothalamus")
    parser.add_argument("--classifiers", nargs="+", default=["logistic", "knn", "forest"])
    parser.add_argument("--seed", type=int, default=0, help="of simulated assays")
    parser.add_argument("--quick", action="store_true", help="two draws, no forest")
    return parser


if __name__ == "__main__":
    main()
