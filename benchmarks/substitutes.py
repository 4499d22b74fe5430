"""How good the substitutes are that ``explain`` names.

A panel is chosen from training cells and explained on them. For each of its genes in turn, logistic regression is
refitted on the panel without the gene, and on the panel with its substitute instead; both are scored on test cells.

    SELECTORMLP_DATA=FOLDER python benchmarks/substitutes.py baron_human --genes 100
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
from sklearn.metrics import accuracy_score, balanced_accuracy_score

import selectormlp as sm
from protocol import load
from selectormlp.data.anndata_files import read_adata
from selectormlp.evaluation.refit import make_classifier, refit_predict
from selectormlp.evaluation.splits import make_folds


def score(cells, genes, train, test) -> np.ndarray:
    """Return accuracy and balanced accuracy on test cells."""
    X, true = cells.take_genes(genes).X, cells.labels[test]
    predicted = refit_predict(make_classifier("logistic"), X[train], cells.labels[train], X[test])
    return np.array([accuracy_score(true, predicted), balanced_accuracy_score(true, predicted)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--genes", type=int, default=100)
    parser.add_argument("--splits", type=int, default=3)
    given = parser.parse_args()
    folder = Path(os.environ["SELECTORMLP_DATA"])
    for name in given.data:
        adata, cells = read_adata(folder / f"{name}.h5ad"), load(folder, name)
        without, instead, named = [], [], []
        for train, test in make_folds(cells.labels, n_splits=given.splits):
            part = adata[cells.names[train]].copy()
            panel = sm.select(part, label_key="cell_type", n_genes=given.genes, method="discriminant")
            whole = score(cells, panel.genes, train, test)
            found = [gene for gene in sm.explain(part, panel, label_key="cell_type").genes if gene.substitute]
            named.append((len(found), len({gene.substitute for gene in found})))
            for gene in found:
                rest = [other for other in panel.genes if other != gene.gene]
                without.append(score(cells, rest, train, test) - whole)
                instead.append(score(cells, [*rest, gene.substitute], train, test) - whole)
        gain = np.array(instead) - np.array(without)
        error = gain.std(axis=0, ddof=1) / np.sqrt(len(gain))
        n_genes, n_distinct = np.mean(named, axis=0)
        print(f"{name}, {given.genes} genes, {given.splits} splits: {n_genes:.1f} genes have a substitute, of which")
        print(f"{n_distinct:.1f} are distinct; less the whole panel, and the difference with its standard error:")
        for place, what in enumerate(("accuracy", "balanced accuracy")):
            print(
                f"  {what}: left out {np.mean(without, axis=0)[place]:+.5f}, replaced "
                f"{np.mean(instead, axis=0)[place]:+.5f}, difference {gain.mean(axis=0)[place]:+.5f} ± "
                f"{error[place]:.5f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
