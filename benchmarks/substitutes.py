"""How good the substitutes are that ``explain`` names.

A panel is chosen from training cells and explained on them. For each of its genes in turn, logistic regression is refitted
on the panel without the gene, and on the panel with its substitute instead; both are scored on test cells.

    SELECTORMLP_DATA=FOLDER python benchmarks/substitutes.py baron_human --genes 100
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
from protocol import load
from sklearn.metrics import balanced_accuracy_score

import selectormlp as sm
from selectormlp.data.anndata_files import read_adata
from selectormlp.evaluation.refit import make_classifier, refit_predict
from selectormlp.evaluation.splits import make_folds


def score(cells, genes, train, test) -> float:
    X = cells.take_genes(genes).X
    predicted = refit_predict(make_classifier("logistic"), X[train], cells.labels[train], X[test])
    return float(balanced_accuracy_score(cells.labels[test], predicted))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--genes", type=int, default=100)
    parser.add_argument("--splits", type=int, default=3, help="of which the first two thirds of a split choose")
    given = parser.parse_args()
    folder = Path(os.environ["SELECTORMLP_DATA"])
    for name in given.data:
        adata, cells = read_adata(folder / f"{name}.h5ad"), load(folder, name)
        lost, kept, distinct, none, rank = [], [], [], [], []
        for train, test in make_folds(cells.labels, n_splits=given.splits):
            part = adata[cells.names[train]].copy()
            panel = sm.select(part, label_key="cell_type", n_genes=given.genes, method="discriminant")
            why = sm.explain(part, panel, label_key="cell_type").genes
            whole = score(cells, panel.genes, train, test)
            named = [gene.substitute for gene in why if gene.substitute]
            distinct.append(len(set(named)))
            none.append(len(why) - len(named))
            losses = []
            for gene in why:
                rest = [other for other in panel.genes if other != gene.gene]
                losses.append(whole - score(cells, rest, train, test))
                if gene.substitute:
                    lost.append(-losses[-1])
                    kept.append(score(cells, [*rest, gene.substitute], train, test) - whole)
            rank.append(np.corrcoef([gene.loss for gene in why], losses)[0, 1])
        gain = np.array(kept) - np.array(lost)
        print(
            f"{name}, {given.genes} genes, {given.splits} splits: {np.mean(distinct):.1f} distinct substitutes for "
            f"{given.genes - np.mean(none):.1f} genes; less the whole panel: without the gene {np.mean(lost):+.4f}, with "
            f"the substitute {np.mean(kept):+.4f}; difference {gain.mean():+.4f} ± "
            f"{gain.std(ddof=1) / np.sqrt(len(gain)):.4f} (standard error, {len(gain)} genes)",
            flush=True,
        )


if __name__ == "__main__":
    main()
