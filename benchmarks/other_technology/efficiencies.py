"""Efficiencies of genes, learned from one pair and used in another.

Printed: for each pair, the spread of the efficiencies and what the expression level explains of them in held-out genes;
the rank correlation of the efficiencies of one instrument across two references; and, for MERFISH, balanced accuracy
of panels chosen with the efficiencies learned from the *other* reference and other slices, less that of ``imaging``,
beside the same efficiencies permuted over genes, and their mean alone.

    SELECTORMLP_IMAGING=FOLDER PYTHONPATH=benchmarks python -m other_technology.efficiencies
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from other_technology.pairs import Codes, Pair, crossed_pairs, real_pairs
from other_technology.scoring import Draw, draw_cells, score
from selectormlp.panel.assay import ASSAYS, Assay
from selectormlp.panel.calibration import Calibration, learn_assay
from selectormlp.selectors.discriminant import DiscriminantSelector

SIZES = (8, 10, 15, 25)

TAUGHT_BY = {
    "poa_sc__merfish_3slices.coarse": "zeisel__merfish_neurons",
    "poa_sc__merfish_neurons.coarse": "zeisel__merfish_3slices",
    "zeisel__merfish_3slices": "poa_sc__merfish_neurons.coarse",
    "zeisel__merfish_neurons": "poa_sc__merfish_3slices.coarse",
}
"""Pair that efficiencies are learned from, by the pair that they are used in: no cell is in both."""

SPECIFICITY = ASSAYS["imaging"].specificity


def learned(pair: Pair) -> Calibration:
    """Learn the instrument of a pair from all its cells."""
    sides = pair.reference, pair.measured
    return learn_assay(*(side.counts for side in sides), *(side.codes for side in sides), pair.genes)


def assays_of(found: Calibration) -> dict[str, Assay]:
    """Return what panels are chosen for, by name."""
    known = found.assay.gene_efficiencies or {}
    shuffled = np.random.default_rng(0).permutation(list(known.values()))
    permuted = dict(zip(known, shuffled.tolist(), strict=True))
    common = {"specificity": SPECIFICITY, "efficiency": found.assay.efficiency}
    return {
        "imaging": ASSAYS["imaging"],
        "efficiencies of genes": Assay(**common, gene_efficiencies=known),
        "permuted": Assay(**common, gene_efficiencies=permuted),
        "mean alone": Assay(**common),
    }


def panel(pair: Pair, draw: Draw, assay: Assay) -> Codes:
    """Rank genes for an assay, best first."""
    X = pd.DataFrame(pair.X[draw.reference], columns=list(pair.genes))
    selector = DiscriminantSelector(max(SIZES), assay=assay).fit(X, pair.reference.codes[draw.reference])
    return np.argsort(selector.ranking_)


def rows_of(pair: Pair, seed: int, assays: Mapping[str, Assay]) -> list[tuple]:
    """Score the panels of a bootstrap."""
    draw = draw_cells(pair, seed)
    rows = []
    for name, assay in assays.items():
        ranked = panel(pair, draw, assay)
        for size in SIZES:
            found = score(pair, draw, np.sort(ranked[:size]), ["logistic", "knn"])
            rows += [(pair.name, seed, name, size, *one) for one in found]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=2, help="bootstraps of the reference")
    settings = parser.parse_args()
    warnings.filterwarnings("ignore")
    pairs = {pair.name: pair for source in (real_pairs, crossed_pairs) for pair in source()}
    found = {name: learned(pair) for name, pair in pairs.items()}
    for name, one in found.items():
        print(
            f"{name}: {len(one.genes)} genes, spread {one.spread:.2f}, explained by level {one.explained:.2f} (chance "
            f"{one.explained_by_chance:.2f})"
        )
    for here, there in list(TAUGHT_BY.items())[:2]:
        first, second = (pd.Series(found[name].log_efficiency, list(found[name].genes)) for name in (here, there))
        both = first.index.intersection(second.index)
        print(f"{here}, {there}: Spearman {spearmanr(first[both], second[both]).statistic:.2f}, {len(both)} genes")
    rows = []
    for name, teacher in TAUGHT_BY.items():
        for seed in range(settings.draws):
            rows += rows_of(pairs[name], seed, assays_of(found[teacher]))
    columns = ["pair", "draw", "assay", "size", "measure", "classifier", "accuracy"]
    table = pd.DataFrame(rows, columns=columns).pivot_table("accuracy", "assay", "measure")
    table["all"] = table.mean(axis=1)
    print(f"less imaging, {settings.draws} bootstraps, {SIZES} genes")
    print((table - table.loc["imaging"]).round(3).to_string())


if __name__ == "__main__":
    main()
