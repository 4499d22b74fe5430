"""One selection in a peer's own environment: ``python -m peers.child cells.npz answer.json``, benchmarks/ on the path.

Reads X, y, and a task (folder, name, sizes, seed, tune_under_s) as JSON; writes genes by size, options, seconds and the
version of the package, or why there are none. Known here: NumPy, and scikit-learn where parameters are tuned.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
import warnings
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from peers.shared import Labels, Peer, Values
from processor import cpu_seconds

INNER = 0.25
"""Share of the learning cells that parameters are judged on."""


def choose(
    peer: Peer, X: Values, y: Labels, sizes: list[int], seed: int, options: dict[str, Any]
) -> dict[int, list[int]]:
    """Choose panels of each size, in one run where smaller ones are the first of the largest."""
    runs = {max(sizes)} if peer.nested else set(sizes)
    orders = {size: [int(column) for column in peer.select(X, y, size, seed, **options)] for size in sorted(runs)}
    for order in orders.values():
        if not order or len(set(order)) < len(order):
            raise ValueError(f"{len(order)} genes named, {len(set(order))} of them different")
    return {size: orders[size if size in orders else max(sizes)][:size] for size in sizes}


def tune(peer: Peer, X: Values, y: Labels, sizes: list[int], seed: int) -> dict[int, dict[str, Any]]:
    """Return the options whose panels do best on a quarter of the learning cells, for each size."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import train_test_split

    X_train, X_judge, y_train, y_judge = train_test_split(X, y, test_size=INNER, stratify=y, random_state=seed)
    best: dict[int, tuple[float, dict[str, Any]]] = {}
    for options in peer.combinations():
        for size, genes in choose(peer, X_train, y_train, sizes, seed, options).items():
            model = LogisticRegression(max_iter=300, class_weight="balanced").fit(X_train[:, genes], y_train)
            score = float(balanced_accuracy_score(y_judge, model.predict(X_judge[:, genes])))
            if size not in best or score > best[size][0]:
                best[size] = (score, options)
    return {size: options for size, (_, options) in best.items()}


def answer(task: dict[str, Any], X: Values, y: Labels) -> dict[str, Any]:
    """Choose at the defaults, and where that is quick, at the best options of the grid too."""
    module = importlib.import_module(f"peers.{task['folder']}.peer")
    peer: Peer = module.PEERS[task["name"]]
    sizes, seed = task["sizes"], task["seed"]
    found: dict[str, Any] = {"version": _version(peer.package)}
    if peer.quick:  # so that loading and compiling are not counted
        with suppress(Exception):
            choose(peer, *made_up(), [5], seed, {})
    start, used = time.perf_counter(), cpu_seconds()
    panels = choose(peer, X, y, sizes, seed, {})
    found |= {"seconds": time.perf_counter() - start, "cpu_seconds": cpu_seconds() - used}
    options: dict[int, dict[str, Any]] = {size: {} for size in sizes}
    if peer.grid and found["seconds"] <= task["tune_under_s"]:
        start = time.perf_counter()
        options = tune(peer, X, y, sizes, seed)
        panels = {size: choose(peer, X, y, [size], seed, options[size])[size] for size in sizes}
        found["tuning_seconds"] = time.perf_counter() - start
    found["panels"] = [{"size": size, "genes": panels[size], "options": options[size]} for size in sizes]
    return found


def made_up() -> tuple[Values, Labels]:
    """Return a few cells of three classes."""
    y = np.repeat(np.arange(3), 40)
    rng = np.random.default_rng(0)
    X = rng.poisson(1 + 3 * (np.arange(40) % 3 == y[:, None]))
    return np.log1p(X).astype(np.float32), y


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return package


def main() -> None:
    cells, place = map(Path, sys.argv[1:3])
    with np.load(cells, allow_pickle=False) as arrays:
        X, y, task = arrays["X"], arrays["y"], json.loads(str(arrays["task"]))
    warnings.simplefilter("ignore")  # of peers; what matters to the result is an error
    np.random.seed(task["seed"])  # noqa: NPY002 - several packages draw from the global state
    try:
        found = answer(task, X, y)
    except Exception as error:
        found = {"failed": f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"}
    draft = place.with_suffix(".draft")
    draft.write_text(json.dumps(found))
    draft.replace(place)


if __name__ == "__main__":
    main()
