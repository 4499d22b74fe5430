"""How many cells of a type that was never learned ``predict`` flags.

Each type of 15 cells or more is left out in turn, before genes are chosen. The panel is chosen, and its classifier
fitted, on four fifths of the other cells, on which the cut-off is set, too; the last fifth tells how many known cells
are flagged.

    SELECTORMLP_DATA=FOLDER python benchmarks/novelty.py pbmc3k baron_human cite_cbmc_2000g --genes 50
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

import selectormlp as sm
from selectormlp.data.anndata_files import read_adata

LEAST_CELLS = 15


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--genes", type=int, default=50)
    given = parser.parse_args()
    for name in given.data:
        adata = read_adata(Path(os.environ["SELECTORMLP_DATA"]) / f"{name}.h5ad")
        types = adata.obs["cell_type"].astype(str).to_numpy()
        tested = np.random.default_rng(0).random(adata.n_obs) < 0.2
        flagged, unsure, alarms = [], [], []
        for left_out, n_cells in zip(*np.unique(types, return_counts=True), strict=True):
            if n_cells < LEAST_CELLS:
                continue
            is_new = types == left_out
            learned = adata[~is_new & ~tested].copy()
            panel = sm.select(learned, label_key="cell_type", n_genes=given.genes, method="discriminant")
            classifier = sm.fit_classifier(learned, panel, label_key="cell_type")
            found, known = (sm.predict(adata[rows].copy(), classifier) for rows in (is_new, ~is_new & tested))
            taken_for = np.unique(found.best, return_counts=True)
            flagged.append(float((found.labels == "unsure").mean()))
            unsure.append(float((found.confidence < found.min_confidence).mean()))
            alarms.append(float(known.novel.mean()))
            print(
                f"{name}, without {left_out} ({n_cells} cells): {flagged[-1]:.2f} flagged ({unsure[-1]:.2f} by "
                f"confidence alone), mostly taken for {taken_for[0][taken_for[1].argmax()]}; known cells "
                f"{alarms[-1]:.3f}",
                flush=True,
            )
        print(
            f"{name}, {given.genes} genes, {len(flagged)} types: median {np.median(flagged):.2f} flagged (mean "
            f"{np.mean(flagged):.2f}), by confidence alone {np.median(unsure):.2f}; known cells {np.mean(alarms):.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
