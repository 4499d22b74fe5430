"""The published measures of a panel, together."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from selectormlp.data.cells import Cells, FloatArray, IntArray, as_matrix
from selectormlp.errors import DataError, SettingsError, counted
from selectormlp.evaluation.neighborhoods import components, nearest_cells
from selectormlp.evaluation.published.boosted import boosted_confusion
from selectormlp.evaluation.published.clusterings import agreement, areas, clusterings
from selectormlp.evaluation.published.correlation import (
    KnownMarkers,
    correlate_markers,
    marker_columns,
    one_minus_mean,
    pearson,
    share_unrepeated,
)
from selectormlp.evaluation.published.one_split import Marking, best_marking
from selectormlp.evaluation.published.overlap import SIZES, overlap_area, overlap_curve
from selectormlp.evaluation.published.preservation import N_NEIGHBORS, cell_scores, gene_scores
from selectormlp.evaluation.published.steps import share_above
from selectormlp.evaluation.unsupervised import MAX_CELLS
from selectormlp.panel.markers import measure_markers

logger = logging.getLogger(__name__)

OWN_MARKERS = 5
"""Markers of each type that are taken from the data where none are named."""


@dataclass(frozen=True)
class Measure:
    """One published measure of a panel.

    Attributes
    ----------
    source
        Whose it is: Spapros, NS-Forest or geneBasis.
    name
        What it is called here.
    value
        1 is best; NaN where it could not be taken.
    """

    source: str
    name: str
    value: float


@dataclass(frozen=True, eq=False)
class PublishedMeasures:
    """Measures of Spapros, NS-Forest and geneBasis.

    Attributes
    ----------
    measures
        One value each.
    panel
        Genes of the panel.
    accuracies
        Recall of each type by boosted trees; without those of fewer than 40 cells, empty without XGBoost.
    markings
        The genes that mark each type best.
    genes, gene_correlations, gene_scores
        All genes; Spearman's correlation of each with its mean over neighbours by all genes; the share of it that the
        panel keeps, NaN where that is 0.25 or below. Shapes (n_genes,).
    cells, cell_scores
        The cells that were measured (3,000 at random where there are more), and how near their neighbours by the panel
        are by all genes; shape (n_cells,).
    notes
        What was left out, or taken otherwise than published, a sentence each.
    """

    measures: tuple[Measure, ...]
    panel: tuple[str, ...]
    accuracies: Mapping[str, float]
    markings: tuple[Marking, ...]
    genes: pd.Index[str]
    gene_correlations: FloatArray
    gene_scores: FloatArray
    cells: pd.Index[str]
    cell_scores: FloatArray
    notes: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return a line per measure: source, measure, value."""
        lines = [(one.source, one.name, one.value) for one in self.measures]
        return pd.DataFrame(lines, columns=["source", "measure", "value"])

    def type_frame(self) -> pd.DataFrame:
        """Return a line per type: its recall by boosted trees, and F-beta, precision and recall of its best genes."""
        lines = [
            (one.type, self.accuracies.get(one.type, np.nan), one.f_beta, one.precision, one.recall, self._names(one))
            for one in self.markings
        ]
        return pd.DataFrame(lines, columns=["type", "forest_recall", "f_beta", "precision", "recall", "genes"])

    def _names(self, marking: Marking) -> str:
        return "; ".join(self.panel[place] for place in marking.genes)

    def gene_frame(self) -> pd.DataFrame:
        """Return a line per gene that was scored: gene, correlation by all genes, score."""
        kept = ~np.isnan(self.gene_scores)
        return pd.DataFrame(
            {
                "gene": self.genes[kept],
                "correlation": self.gene_correlations[kept],
                "score": self.gene_scores[kept],
            }
        )

    def cell_frame(self) -> pd.DataFrame:
        """Return a line per cell: cell, score."""
        return pd.DataFrame({"cell": self.cells, "score": self.cell_scores})


def measure_published(
    cells: Cells, genes: IntArray, *, markers: Mapping[str, Sequence[str]] | None = None, seed: int = 0
) -> PublishedMeasures:
    """Take the measures that Spapros, NS-Forest and geneBasis judge panels by.

    Parameters
    ----------
    cells
        Log values; at most 3,000 at random are measured.
    genes
        Columns of the panel, shape (k,).
    markers
        Known markers of types; None takes the five genes of each type with the largest AUC in these cells.
    seed
        Of the sample, clusters and trees.

    Raises
    ------
    DataError
        If there are fewer than 31 cells.
    """
    if cells.n_cells <= SIZES[-1]:
        raise DataError(f"{counted(cells.n_cells, 'cell')}; the published measures need {SIZES[-1] + 1}")
    rows = np.sort(np.random.default_rng(seed).permutation(cells.n_cells)[:MAX_CELLS])
    sample, notes = cells.take(rows), list[str]()
    if len(rows) < cells.n_cells:
        notes.append(f"Published measures: on {len(rows):,} of {cells.n_cells:,} cells.")
    panel = as_matrix(sample.X[:, genes])
    whole, ours = components(sample.X, seed=seed), components(panel, seed=seed)
    near_all, near_ours = (nearest_cells(points, SIZES[-1] - 1) for points in (whole, ours))
    few = slice(None), slice(N_NEIGHBORS)
    correlation = pearson(panel, panel)
    known = _known_markers(sample, genes, markers, notes)
    logger.info("clustering cells into 5 to 60 clusters")
    coarse, fine = areas(agreement(clusterings(ours, seed=seed), clusterings(whole, seed=seed)))
    accuracies = _accuracies(sample, genes, seed, notes)
    markings = tuple(best_marking(panel, sample.labels, sample.classes))
    of_cells = cell_scores(whole, near_ours[few], near_all[few])
    gene_correlations, of_genes = gene_scores(sample.X, near_ours[few], near_all[few])
    recalls = np.array(list(accuracies.values())) if accuracies else np.array([np.nan])
    values = {
        ("Spapros", "clusters, 5 to 20"): coarse,
        ("Spapros", "clusters, 21 to 60"): fine,
        ("Spapros", "neighbours kept"): overlap_area(overlap_curve(near_ours, near_all)),
        ("Spapros", "forest accuracy"): float(recalls.mean()),
        ("Spapros", "types with forest accuracy above 0.8"): share_above(recalls),
        ("Spapros", "genes, 1 - mean correlation"): one_minus_mean(correlation),
        ("Spapros", "genes, share with correlation below 0.8"): share_unrepeated(correlation),
        ("Spapros", "markers, mean correlation"): known.per_marker,
        ("Spapros", "markers expressed, mean correlation"): known.per_expressed_marker,
        ("Spapros", "best marker of each type, mean correlation"): known.per_type,
        ("NS-Forest", "F-beta, mean over types"): float(np.mean([one.f_beta for one in markings])),
        ("geneBasis", "cell neighbourhoods, mean"): float(np.nanmean(of_cells)),
        ("geneBasis", "genes, mean"): _mean_or_nan(of_genes),
    }
    return PublishedMeasures(
        tuple(Measure(source, name, value) for (source, name), value in values.items()),
        tuple(map(str, cells.genes[genes])),
        accuracies,
        markings,
        cells.genes,
        gene_correlations,
        of_genes,
        sample.names,
        of_cells,
        tuple(notes),
    )


def _mean_or_nan(values: FloatArray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _known_markers(
    cells: Cells, genes: IntArray, markers: Mapping[str, Sequence[str]] | None, notes: list[str]
) -> KnownMarkers:
    """Correlate the markers that are named, or those that the cells themselves give."""
    if markers is None:
        notes.append(
            f"Marker correlation: no markers were named, so the {OWN_MARKERS} of largest AUC of each type here."
        )
        auc = np.nan_to_num(measure_markers(cells).auc)
        best = np.argsort(-auc, axis=1, kind="stable")[:, :OWN_MARKERS]
        markers = {name: cells.genes[row].tolist() for name, row in zip(cells.classes, best, strict=True)}
    columns, names, types = marker_columns(markers, cells.genes)
    if not columns:
        raise DataError("none of the markers is in the data")
    return correlate_markers(as_matrix(cells.X[:, genes]), cells.X, columns, names, types)


def _accuracies(cells: Cells, genes: IntArray, seed: int, notes: list[str]) -> dict[str, float]:
    """Return the recall of each type by boosted trees; where that cannot be had, say why."""
    logger.info("fitting boosted trees")
    try:
        codes, confusion = boosted_confusion(as_matrix(cells.X[:, genes]), cells.labels, seed=seed)
    except (DataError, SettingsError) as error:
        notes.append(f"The forest accuracy was not measured: {error}.")
        logger.warning("the forest accuracy was not measured: %s", error)
        return {}
    return {cells.classes[code]: float(recall) for code, recall in zip(codes, np.diag(confusion), strict=True)}
