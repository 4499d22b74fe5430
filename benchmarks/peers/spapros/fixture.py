"""Write what Spapros and NS-Forest measure on made-up cells: ``python -m peers.spapros.fixture FILE``.

Runs in Spapros' environment, with NS-Forest's folder of packages added by PYTHONPATH; tests compare with the numbers.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData

N_CELLS, N_GENES, N_TYPES = 240, 80, 4
PANEL = [0, 1, 2, 3, 5, 9, 14, 22, 40, 61]
NUMBERS = (3, 12)
KS = [5, 10, 15, 20, 25, 30]


def cells() -> tuple[np.ndarray, np.ndarray]:
    """Make log values of four types, with genes that mark them, genes that repeat others, and noise."""
    rng = np.random.default_rng(7)
    y = np.arange(N_CELLS) % N_TYPES
    rates = rng.gamma(0.6, 1.0, (N_TYPES, N_GENES))
    rates[:, 40:] = rates[:1, 40:]
    counts = rng.poisson(rates[y] * rng.lognormal(0, 0.3, (N_CELLS, 1)))
    counts[:, 9] = counts[:, 0] + rng.poisson(0.05, N_CELLS)
    return (np.log1p(counts) + rng.uniform(0, 0.2, counts.shape)).round(4).astype(np.float32), y  # no two cells alike


def main() -> None:
    if not hasattr(np, "in1d"):
        np.in1d = np.isin  # noqa: NPY201
    from nsforest.nsforesting.mydecisiontreeevaluation import myDecisionTreeEvaluation
    from spapros.evaluation import metrics

    X, y = cells()
    names = [f"g{column}" for column in range(N_GENES)]
    labels = pd.Categorical([f"type{code}" for code in y])
    rows = [f"c{row}" for row in range(N_CELLS)]
    adata = AnnData(X, obs=pd.DataFrame({"celltype": labels}, index=rows), var=pd.DataFrame(index=names))
    panel = [names[column] for column in PANEL]
    markers = {"type0": ["g0", "g4", "g7"], "type1": ["g1", "g11"], "type2": ["g2", "g30", "g50"], "type3": ["g3"]}
    quiet = {"verbosity": 0}

    correlation = metrics.correlation_matrix(adata, **quiet)
    own = metrics.gene_set_correlation_matrix(panel, correlation, ordered=False, **quiet)
    marker_table = metrics.marker_correlation_matrix(adata, markers, **quiet)
    best = metrics.max_marker_correlations(panel, marker_table, per_marker_min_mean=0.025, **quiet)
    near, near_all = (metrics.knns(adata, genes=genes, ks=KS, **quiet) for genes in (panel, "all"))
    curve = metrics.mean_overlaps(near, near_all, KS, **quiet)
    clusters, clusters_all = (
        metrics.leiden_clusterings(part, list(NUMBERS), **quiet) for part in (adata[:, panel].copy(), adata)
    )
    nmis = metrics.clustering_nmis(clusters, clusters_all, list(NUMBERS), **quiet)
    confusion = metrics.xgboost_forest_classification(adata, panel, ct_key="celltype", n_jobs=1)[0]
    dummies = pd.get_dummies(adata.obs["celltype"])
    marked = {}
    for name in dummies:
        genes, scores = myDecisionTreeEvaluation(adata, dummies, name, panel[:6], beta=0.5, combinations=True)
        marked[name] = {"genes": genes, "f_beta": scores.iloc[0], "precision": scores.iloc[1], "recall": scores.iloc[2]}

    found = {
        "X": X.astype(float).round(4).tolist(),
        "labels": y.tolist(),
        "panel": PANEL,
        "markers": markers,
        "gene_corr": [metrics.summary_metric_correlation_mean(own), metrics.summary_metric_correlation_percentage(own)],
        "marker_corr": metrics.summary_marker_corr(best, "celltype"),
        "neighbours": {"panel": _lists(near), "all": _lists(near_all)},
        "knn_curve": curve["mean"].to_dict(),
        "knn_overlap": metrics.summary_knn_AUC(curve),
        "clusters": {"panel": _clusters(clusters), "all": _clusters(clusters_all)},
        "nmis": {number: value for number, value in nmis["nmi"].items() if value == value},
        "nmi_area": metrics.summary_nmi_AUCs(nmis, [list(NUMBERS)])[f"nmi_{NUMBERS[0]}_{NUMBERS[1]}"],
        "nmi_areas": metrics.summary_nmi_AUCs(_wide(nmis), [[5, 20], [21, 60]]),
        "confusion": np.asarray(confusion, dtype=float).round(8).tolist(),
        "confusion_types": list(confusion.index),
        "forest": [
            metrics.summary_metric_diagonal_confusion_mean(confusion),
            metrics.summary_metric_diagonal_confusion_percentage(confusion, threshold=0.8),
        ],
        "nsforest": marked,
    }
    Path(sys.argv[1]).write_text(json.dumps(found, default=float, separators=(",", ":")) + "\n")


def _lists(frame: pd.DataFrame) -> list[list[int]]:
    """Return the 29 neighbours of each cell."""
    return frame[[column for column in frame if column.startswith("k30_")]].astype(int).to_numpy().tolist()


def _clusters(frame: pd.DataFrame) -> dict[int, list[int]]:
    some = frame.drop(columns="resolution").dropna()
    return {int(number): row.astype(int).tolist() for number, row in some.iterrows()}


def _wide(nmis: pd.DataFrame) -> pd.DataFrame:
    """Return agreements over the numbers that Spapros takes by default."""
    return nmis.reindex(range(5, 61))


if __name__ == "__main__":
    main()
