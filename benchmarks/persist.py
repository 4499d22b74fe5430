"""PERSIST beside other choices of a panel, and beside the published program where a path to it is given.

Accuracy (zeisel_4000g, 25 genes): as in protocol.py, on log values and on values binarised at 0; further, panels
are scored as other technologies would measure them: with counts thinned to 25 % (classifiers refitted on thinned
cells), and with a gain of each gene drawn log-normal, σ = 1 (classifiers fitted on the cells as they were, tested on
cells after the gain, which leaves binarised values as they are). Mean over splits.

Profiles (zeisel_4000g, pbmc3k; 25 and 50 genes; no labels): on a fifth of the cells held out, share of the variance of
all genes that ridge regression from the panel explains, share of "expressed or not" that it calls right, and how many
of a cell's 15 nearest neighbours in 50 components of all genes are its neighbours by the panel.

`--published PATH` takes a clone of the published program (https://github.com/iancovert/persist), which is run on the
first split in a process of its own, under a time limit. Reads SELECTORMLP_DATA; see protocol.py.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.neighbors import NearestNeighbors

from peers.persist.peer import choose
from protocol import by_loadings, explained, load, refitted, split_of
from selectormlp.data.cells import Cells
from selectormlp.data.normalize import log1p_cp10k
from selectormlp.selectors.discriminant import DiscriminantSelector
from selectormlp.selectors.markers import MarkerSelector
from selectormlp.selectors.persist import PersistSelector, UnsupervisedPersistSelector
from selectormlp.selectors.random_order import RandomSelector
from selectormlp.selectors.reconstruction import ReconstructionSelector
from selectormlp.selectors.variance import VarianceSelector

ACCURACY_DATA, SIZE = "zeisel_4000g", 25

SUPERVISED = {
    "PERSIST": lambda k, seed: PersistSelector(k, random_state=seed),
    "PERSIST, cells weighted alike": lambda k, seed: PersistSelector(k, random_state=seed, class_weight=None),
    "discriminant": lambda k, _: DiscriminantSelector(k),
    "t-test": lambda k, _: MarkerSelector(k),
    "reconstruction": lambda k, _: ReconstructionSelector(k),
    "HVG": lambda k, _: VarianceSelector(k),
    "random": lambda k, seed: RandomSelector(k, random_state=seed),
}


def binary(values: np.ndarray) -> np.ndarray:
    return (values > 0).astype(np.float32)


def conditions(counts: Cells, split, genes: np.ndarray, seed: int) -> dict[str, tuple[np.ndarray, ...]]:
    """Return refit and test cells, all of the most variable genes, under each condition."""
    rng = np.random.default_rng([seed, 1])
    rows = (np.concatenate([split.train, split.validation]), split.test)
    refit, test = (counts.X[part].toarray() for part in rows)
    thin = [rng.binomial(part.astype(np.int64), 0.25).astype(np.float32) for part in (refit, test)]
    gain = rng.lognormal(0.0, 1.0, refit.shape[1]).astype(np.float32)
    plain, plain_test = log1p_cp10k(refit)[:, genes], log1p_cp10k(test)[:, genes]
    return {
        "log": (plain, plain_test),
        "binarised": (binary(plain), binary(plain_test)),
        "thinned": tuple(log1p_cp10k(part)[:, genes] for part in thin),
        "thinned, binarised": tuple(binary(part[:, genes]) for part in thin),
        "gain": (plain, log1p_cp10k(test * gain)[:, genes]),
    }


def report_accuracy(folder: Path, seeds: range, published: Path | None, limit_s: float) -> None:
    cells, counts = load(folder, ACCURACY_DATA), load(folder, ACCURACY_DATA, normalize="none")
    scores: dict[str, list] = {}
    took: dict[str, list] = {}
    for seed in seeds:
        split, genes = split_of(cells, seed)
        X, y = cells.X[split.train].toarray()[:, genes], cells.labels[split.train]
        by_condition = conditions(counts, split, genes, seed)
        y_refit = cells.labels[np.concatenate([split.train, split.validation])]
        y_test = cells.labels[split.test]
        panels = {}
        for name, make in SUPERVISED.items():
            start, cpu = time.perf_counter(), time.process_time()
            panels[name] = make(SIZE, seed).fit(X, y).get_support(indices=True)
            took.setdefault(name, []).append((time.perf_counter() - start, time.process_time() - cpu))
        if seed == seeds[0] and published is not None:
            panels["published"], took["published"] = run_published(published, seed, limit_s)
        for name, panel in panels.items():
            if panel is None:
                continue
            found = [
                refitted(refit[:, panel], y_refit, test[:, panel], y_test) for refit, test in by_condition.values()
            ]
            scores.setdefault(name, []).append(found)
        print_accuracy(list(by_condition), scores, took, seed + 1 - seeds[0])


def print_accuracy(conditions: list[str], scores: dict[str, list], took: dict[str, list], n_splits: int) -> None:
    print(f"\n{ACCURACY_DATA}, k = {SIZE}: balanced accuracy, logistic/15-NN/forest; mean of {n_splits} split(s)")
    print(f"{'':>30}  " + "  ".join(f"{name:>20}" for name in conditions) + "  seconds (of processor)")
    for name, found in scores.items():
        figures = "  ".join("/".join(f"{score:.3f}" for score in row).rjust(20) for row in np.mean(found, axis=0))
        wall, cpu = np.median(took[name], axis=0)
        print(f"{name:>30}  {figures}  {wall:.1f} ({cpu:.1f})", flush=True)


def run_published(path: Path, seed: int, limit_s: float) -> tuple[np.ndarray | None, list[tuple[float, float]]]:
    """Run the published program on one split, in a process of its own."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    try:
        done = subprocess.run(
            [sys.executable, __file__, "--published", str(path), "--work", str(seed)],
            capture_output=True,
            text=True,
            timeout=limit_s,
        )
        lines = done.stdout.splitlines() or [""]
        panel = np.array(json.loads(lines[-1])) if done.returncode == 0 else None
        said = done.stderr[-500:]
    except subprocess.TimeoutExpired:
        panel, said = None, f"no result within {limit_s:.0f} s"
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    genes = 0 if panel is None else len(set(panel.tolist()))
    print(f"published program: {wall:.0f} s, {cpu:.0f} s of processor, {genes} distinct genes. {said}", flush=True)
    return panel, [(wall, cpu)]


def work_published(path: Path, folder: Path, seed: int) -> None:
    """Choose genes with the published program at its defaults, and print their positions as JSON."""
    cells = load(folder, ACCURACY_DATA)
    split, genes = split_of(cells, seed)
    classes = np.unique(cells.labels[split.train])
    learning, judging = (
        (cells.X[rows][:, genes].toarray(), np.searchsorted(classes, cells.labels[rows]))
        for rows in (split.train, split.validation)
    )
    print(json.dumps(choose(path, learning, judging, SIZE, 0).tolist()))


def neighbours(values: np.ndarray) -> np.ndarray:
    return NearestNeighbors(n_neighbors=15).fit(values).kneighbors(return_distance=False)


def report_profiles(folder: Path, name: str) -> None:
    cells = load(folder, name)
    order = np.random.default_rng(0).permutation(cells.n_cells)
    X, X_test = (cells.X[np.sort(rows)].toarray() for rows in np.split(order, [cells.n_cells * 4 // 5]))
    full = neighbours(PCA(50, random_state=0).fit(X).transform(X_test))
    choices = {
        "PERSIST, hurdle": lambda k: UnsupervisedPersistSelector(k, random_state=0).fit(X).get_support(indices=True),
        "PERSIST, mse": lambda k: (
            UnsupervisedPersistSelector(k, loss="mse", random_state=0).fit(X).get_support(indices=True)
        ),
        "reconstruction": lambda k: ReconstructionSelector(k).fit(X).get_support(indices=True),
        "PCA loadings": lambda k: by_loadings(X, k),
        "HVG": lambda k: VarianceSelector(k).fit(X).get_support(indices=True),
        "random": lambda k: RandomSelector(k, random_state=0).fit(X).get_support(indices=True),
    }
    print(f"\n{name}: {cells.n_genes} genes of {len(X_test)} held-out cells: variance, on/off, neighbours; seconds")
    for size in (25, 50):
        for choice, pick in choices.items():
            start, cpu = time.perf_counter(), time.process_time()
            panel = pick(size)
            wall, cpu = time.perf_counter() - start, time.process_time() - cpu
            called = Ridge(1.0).fit(X[:, panel], binary(X)).predict(X_test[:, panel]) > 0.5
            near = neighbours(X_test[:, panel])
            shared = np.mean([len(set(a) & set(b)) / 15 for a, b in zip(full, near, strict=True)])
            right = (called == (X_test > 0)).mean()
            print(
                f"k={size} {choice:>16}  {explained(X, X_test, panel):.4f}  {right:.4f}  {shared:.4f}  "
                f"{wall:.1f} ({cpu:.1f} of processor)",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=["accuracy", "profiles"])
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--published", type=Path, help="clone of the published program")
    parser.add_argument("--limit-s", type=float, default=3600.0, help="for the published program")
    parser.add_argument("--first-split", type=int, default=5, help="splits 0 to 4 served to settle the defaults")
    parser.add_argument("--work", type=int, help=argparse.SUPPRESS)
    settings = parser.parse_args()
    folder = Path(os.environ["SELECTORMLP_DATA"])
    if settings.work is not None:
        work_published(settings.published, folder, settings.work)
        return
    if settings.part != "profiles":
        seeds = range(settings.first_split, settings.first_split + settings.splits)
        report_accuracy(folder, seeds, settings.published, settings.limit_s)
    if settings.part != "accuracy":
        for name in ("zeisel_4000g", "pbmc3k"):
            report_profiles(folder, name)


if __name__ == "__main__":
    main()
