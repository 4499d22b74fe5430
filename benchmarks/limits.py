"""What limits cost: searching within them against filtering a finished ranking, and both beside the free panel.

    SELECTORMLP_DATA=FOLDER python benchmarks/limits.py [--splits 5] [--size 50] [--ways WAY ...] [--out FILE.csv]

Each data set and split: a free panel of ``size`` genes by ``discriminant``; its counts per cell in every type are
the use; then panels that keep 75 and 50 % of that use in every type, once by search within the limits, once by walking
the free ranking and passing over what would break them. Scored as benchmarks/protocol.py says. Prints the mean loss
of balanced accuracy against the free panel, paired over splits, with t intervals over data sets.

    python benchmarks/limits.py --brute-force 300

Compares the objective with the best of all panels, on so many random problems of at most 12 genes.
"""

from __future__ import annotations

import argparse
import itertools
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from protocol import load, refitted, split_of
from selectormlp.errors import SettingsError
from selectormlp.moments.discriminant import DiscriminantObjective
from selectormlp.moments.stream import balanced_cell_weights, moments_of
from selectormlp.panel.completion import Completion
from selectormlp.panel.limits import Limit
from selectormlp.selectors.discriminant import DiscriminantSelector

SHARES = (0.75, 0.5)

WAYS: dict[str, dict[str, Any]] = {
    "searched": {"exchange_rounds": 0},
    "exchanged": {},
    "refined": {"refine": True, "max_refine_s": 60.0},
}
"""Options of the discriminant: the search alone, with the exchange that limits bring, and until nothing improves."""


def type_counts(counts, labels) -> np.ndarray:
    """Return mean counts per cell, shape (n_types, n_genes)."""
    return np.array(
        [np.asarray(counts[labels == code].mean(axis=0, dtype=np.float64)).ravel() for code in np.unique(labels)]
    )


def filtered(ranking: np.ndarray, limits: list[Limit], size: int) -> np.ndarray:
    """Walk a ranking and pass over what may not follow."""
    completion = Completion(limits, np.ones(len(ranking), dtype=bool), [], size)
    for gene in np.argsort(ranking):
        if len(completion.chosen) < size and completion.may_follow(int(gene)):
            completion.choose(int(gene))
    return np.array(completion.chosen)


def one_split(cells, counts, seed: int, size: int, ways: Sequence[str]) -> list[dict]:
    split, genes = split_of(cells, seed)
    refit = np.concatenate([split.train, split.validation])
    X, y = cells.X[split.train][:, genes].toarray(), cells.labels[split.train]
    use = type_counts(counts.X[split.train][:, genes], y)
    free = DiscriminantSelector(size).fit(X, y)
    panel = np.flatnonzero(free.get_support())

    def score(chosen):
        parts = [cells.X[rows][:, genes[chosen]].toarray() for rows in (refit, split.test)]
        return float(np.mean(refitted(parts[0], cells.labels[refit], parts[1], cells.labels[split.test])))

    rows = [{"split": seed, "share": 1.0, "way": "free", "accuracy": score(panel), "largest_use": 1.0}]
    for share in SHARES:
        bounds = share * use[:, panel].sum(axis=1)
        limits = [
            Limit(f"type {code}", amounts, high=bound)
            for code, (amounts, bound) in enumerate(zip(use, bounds, strict=True))
        ]
        for way in ("filtered", *ways):
            start = time.process_time()
            if way == "filtered":
                chosen = filtered(free.ranking_, limits, size)
            else:
                found = DiscriminantSelector(size, limits=limits, device="cpu", **WAYS[way]).fit(X, y)
                chosen = np.flatnonzero(found.get_support())
            seconds = time.process_time() - start
            largest = float((use[:, chosen].sum(axis=1) / bounds).max())
            same = {"split": seed, "share": share, "way": way, "seconds": seconds, "largest_use": largest}
            rows.append({**same, "accuracy": score(chosen)})
    return rows


def brute_force(n_problems: int) -> None:
    """Compare greedy and exchanged panels with the best of all that keep the limits."""
    excess: dict[str, list[float]] = {"greedy": [], "exchanged": []}
    impossible = 0
    for seed in range(n_problems):
        rng = np.random.default_rng(seed)
        n_genes, size, n_types = 12, 4, 4
        y = np.repeat(np.arange(n_types), 40)
        X = rng.normal(size=(len(y), n_genes)) + rng.exponential(1.5, (n_types, n_genes))[y]
        limits = [
            Limit("cost", amounts := rng.exponential(1, n_genes), high=float(np.sort(amounts)[:size].sum() * 1.3)),
            Limit("set", (rng.random(n_genes) < 0.4).astype(float), low=1, high=2),
        ]
        weights = balanced_cell_weights(np.bincount(y), np.ones(n_types))
        moments = moments_of(X, y, cell_weights=weights, within=True, total=False)

        def loss(panel, moments=moments):
            objective = DiscriminantObjective(moments)
            for gene in panel:
                objective.choose(int(gene))
            return objective.current_loss

        feasible = [
            p
            for p in itertools.combinations(range(n_genes), size)
            if all(limit.is_kept(np.array(p)) for limit in limits)
        ]
        try:
            greedy = DiscriminantSelector(size, limits=limits, exchange_rounds=0).fit(X, y)
        except SettingsError:
            assert not feasible
            impossible += 1
            continue
        best = min(map(loss, feasible))
        exchanged = DiscriminantSelector(size, limits=limits, refine=True).fit(X, y)
        for name, found in (("greedy", greedy), ("exchanged", exchanged)):
            panel = np.argsort(found.ranking_)[:size]
            assert tuple(sorted(panel)) in feasible
            excess[name].append(loss(panel) / best - 1)
    print(f"{n_problems} problems, {impossible} without any panel (by trying all: the same)")
    for name, values in excess.items():
        quantiles = np.quantile(values, [0.5, 0.9, 1.0])
        share = np.mean(np.array(values) < 1e-9)
        print(f"{name}: best found in {share:.0%}; loss above the best: ", end="")
        print(f"median {quantiles[0]:.2%}, 90 % {quantiles[1]:.2%}, worst {quantiles[2]:.2%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--size", type=int, default=50)
    parser.add_argument("--data", nargs="*", default=None, help="names of data sets; all by default")
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS), help="beside filtering")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--brute-force", type=int, metavar="N")
    args = parser.parse_args()
    if args.brute_force:
        brute_force(args.brute_force)
        return
    folder = Path(os.environ["SELECTORMLP_DATA"])
    rows = []
    for name in args.data or sorted(path.stem for path in folder.glob("*.h5ad")):
        cells, counts = load(folder, name), load(folder, name, "none")
        for seed in range(args.splits):
            rows += [{"data": name, **row} for row in one_split(cells, counts, seed, args.size, args.ways)]
            print(name, seed, flush=True)
            if args.out:
                pd.DataFrame(rows).to_csv(args.out, index=False)
    frame = pd.DataFrame(rows)
    free = frame[frame["way"] == "free"].set_index(["data", "split"])["accuracy"]
    frame["loss"] = [free[row.data, row.split] - row.accuracy for row in frame.itertuples()]
    for (share, way), found in frame[frame["way"] != "free"].groupby(["share", "way"]):
        by_data = found.groupby("data")["loss"].mean()
        half = stats.t.ppf(0.975, len(by_data) - 1) * by_data.sem()
        print(f"{share:.0%} {way:>9}: loss {by_data.mean():.4f} ± {half:.4f}; ", end="")
        print(f"largest use of a limit {found['largest_use'].max():.6f}; ", end="")
        print(f"{found['seconds'].median():.1f} s of processor, at most {found['seconds'].max():.1f}")
    kept = frame[frame["way"] != "free"]
    losses = kept.pivot_table(index=["share", "data"], columns="way", values="loss")
    for way in args.ways:
        for share, gain in (losses["filtered"] - losses[way]).groupby("share"):
            half = stats.t.ppf(0.975, len(gain) - 1) * gain.sem()
            print(f"{share:.0%} {way}: gain over filtering {gain.mean():.4f} ± {half:.4f}, {len(gain)} data sets")


if __name__ == "__main__":
    main()
