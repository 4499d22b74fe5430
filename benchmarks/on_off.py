"""Genes read as on or off: the discriminant on binarised values beside PERSIST and the discriminant on log values.

Panels are chosen from training cells as in protocol.py and tested on binarised values (above 0): mean balanced accuracy
of logistic regression, 15-NN and a random forest, over splits. Reads SELECTORMLP_DATA.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np

from protocol import accuracy_splits, load, refitted
from selectormlp.selectors.binary import BinaryDiscriminantSelector
from selectormlp.selectors.discriminant import DiscriminantSelector
from selectormlp.selectors.persist import PersistSelector

METHODS = {
    "discriminant-binary": lambda k, _: BinaryDiscriminantSelector(k),
    "discriminant": lambda k, _: DiscriminantSelector(k),
    "PERSIST": lambda k, seed: PersistSelector(k, random_state=seed),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="*", default=["zeisel_4000g", "pbmc3k", "baron_human", "cite_cbmc_2000g"])
    parser.add_argument("--splits", type=int, default=2)
    parser.add_argument("--size", type=int, default=25)
    given = parser.parse_args()
    for name in given.data:
        cells = load(Path(os.environ["SELECTORMLP_DATA"]), name)
        scores: dict[str, list[float]] = {}
        seconds: dict[str, float] = {}
        for seed, (X, y, X_refit, y_refit, X_test, y_test) in enumerate(accuracy_splits(cells, given.splits)):
            for method, make in METHODS.items():
                start = time.process_time()
                panel = make(given.size, seed).fit(X, y).get_support(indices=True)
                seconds[method] = time.process_time() - start
                on, on_test = ((part[:, panel] > 0).astype(np.float32) for part in (X_refit, X_test))
                scores.setdefault(method, []).append(float(np.mean(refitted(on, y_refit, on_test, y_test))))
        for method, found in scores.items():
            print(f"{name}, {given.size} genes, {method}: {np.mean(found):.3f} ({seconds[method]:.1f} s)", flush=True)


if __name__ == "__main__":
    main()
