"""Panels side by side, on the same splits and test cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd

from selectormlp.data.cells import FloatArray, IntArray
from selectormlp.evaluation.curve import Curve
from selectormlp.evaluation.intervals import METRICS, split_interval
from selectormlp.evaluation.levels import LevelScores, level_frame
from selectormlp.evaluation.result import Protocol, Splits, UnusableGene
from selectormlp.evaluation.splits import Folds
from selectormlp.evaluation.stability import jaccard
from selectormlp.values import Shown


@dataclass(frozen=True, eq=False)
class ComparedPanel:
    """One of the panels compared.

    Attributes
    ----------
    name
        Given by the user, or the file, or the method.
    genes
        Genes that the data have (for a method: chosen from all cells).
    unusable
        Genes that they lack.
    protocol
        As in :class:`selectormlp.evaluation.result.Evaluation`.
    curve
        Its scores; the last size is the whole panel.
    alone
        Those of the whole panel, normalised by its own counts; see
        :class:`selectormlp.evaluation.result.Evaluation`.
    levels
        Scores at each level of labels above the types, coarse to fine.
    """

    name: str
    genes: tuple[str, ...]
    unusable: tuple[UnusableGene, ...]
    protocol: Protocol
    curve: Curve
    alone: Curve | None = None
    levels: tuple[LevelScores, ...] = ()


@dataclass(frozen=True)
class Difference:
    """The score of one whole panel less that of another, on the same test cells.

    Attributes
    ----------
    first, second
        Names.
    metric
        Which score; that of a level above the types is followed by ``of`` and its name.
    value
        First less second, -1 to 1.
    low, high
        Interval from a bootstrap over test cells, both panels on the same ones.
    split_low, split_high
        Interval about the same from the spread of the difference over the splits; NaN where there is one split.
    """

    first: str
    second: str
    metric: str
    value: float
    low: float
    high: float
    split_low: float
    split_high: float


@dataclass(frozen=True)
class Intersection:
    """Genes that these panels hold, and no other of those compared."""

    panels: tuple[str, ...]
    genes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Comparison(Shown):
    """Panels side by side.

    Attributes
    ----------
    label_key, classifier
        Column of cell types, and the classifier that was refitted.
    panels
        The panels, in the order given; then the methods.
    differences
        For each pair of panels and each score.
    shared
        Genes that each pair of panels shares, shape (n_panels, n_panels); sizes on the diagonal.
    jaccard
        Shared genes / genes in either, shape (n_panels, n_panels).
    splits
        How cells were split, the same for all.
    notes
        What else there is to know, a sentence each.
    seed
        Of all that is random.
    """

    label_key: str
    classifier: str
    panels: tuple[ComparedPanel, ...]
    differences: tuple[Difference, ...]
    shared: IntArray
    jaccard: FloatArray
    splits: Splits
    notes: tuple[str, ...]
    seed: int

    def __repr__(self) -> str:
        """Return the scores of the whole panels."""
        scores = ", ".join(f"{one.name} {one.curve.balanced_accuracy.value[-1]:.3f}" for one in self.panels)
        return f"Comparison(by {self.label_key!r}, {self.classifier}: balanced accuracy {scores})"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the panels."""
        return tuple(panel.name for panel in self.panels)

    def to_frame(self) -> pd.DataFrame:
        """Return one line per whole panel: panel, n_genes, n_unusable, protocol, and each score with low and high.

        ``balanced_accuracy_alone`` and the like are the same of the panel normalised by its own counts, empty where the
        values come from no counts.
        """
        lines = []
        for panel in self.panels:
            line: dict[str, object] = {
                "panel": panel.name,
                "n_genes": int(panel.curve.sizes[-1]),
                "n_unusable": len(panel.unusable),
                "protocol": panel.protocol,
            }
            for name in METRICS:
                found = panel.curve.metric(name)
                line |= {name: found.value[-1], f"{name}_low": found.low[-1], f"{name}_high": found.high[-1]}
            for name in METRICS:
                line[f"{name}_alone"] = np.nan if panel.alone is None else panel.alone.metric(name).value[-1]
            lines.append(line)
        return pd.DataFrame(lines)

    def level_frame(self) -> pd.DataFrame:
        """Return scores at levels above the types, one line per panel, level and size; empty if there are none."""
        parts = [level_frame(one.levels).assign(panel=one.name) for one in self.panels if one.levels]
        if not parts:
            return pd.DataFrame()
        found = pd.concat(parts, ignore_index=True)
        return found[["panel", *found.columns.drop("panel")]]

    def curve_frame(self) -> pd.DataFrame:
        """Return all curves, one line per panel, size and score; see :meth:`Curve.to_frame`."""
        return pd.concat([panel.curve.to_frame() for panel in self.panels], ignore_index=True)

    def difference_frame(self) -> pd.DataFrame:
        """Return one line per pair and score: first, second, metric, value, low, high, split_low, split_high."""
        return pd.DataFrame([vars(found) for found in self.differences], columns=list(Difference.__annotations__))

    def overlap_frame(self) -> pd.DataFrame:
        """Return the Jaccard index of each pair, panels as rows and columns."""
        return pd.DataFrame(self.jaccard, index=pd.Index(self.names, name="panel"), columns=list(self.names))

    def intersections(self) -> tuple[Intersection, ...]:
        """Return the genes by the set of panels that hold them, each gene once, the largest set of genes first."""
        held: dict[tuple[str, ...], list[str]] = {}
        members = [(panel.name, set(panel.genes)) for panel in self.panels]
        for gene in dict.fromkeys(gene for panel in self.panels for gene in panel.genes):
            held.setdefault(tuple(name for name, genes in members if gene in genes), []).append(gene)
        found = (Intersection(names, tuple(genes)) for names, genes in held.items())
        return tuple(sorted(found, key=lambda one: -len(one.genes)))

    def gene_frame(self) -> pd.DataFrame:
        """Return one line per gene of any panel: gene, its place (from 1) in each panel (0: not in it), n_panels."""
        genes = list(dict.fromkeys(gene for panel in self.panels for gene in panel.genes))
        frame = pd.DataFrame({"gene": genes})
        for panel in self.panels:
            places = {gene: place for place, gene in enumerate(panel.genes, start=1)}
            frame[panel.name] = [places.get(gene, 0) for gene in genes]
        frame["n_panels"] = (frame[list(self.names)] > 0).sum(axis=1).astype(np.int64)
        return frame


def paired_differences(
    panels: Sequence[ComparedPanel],
    draws: Sequence[FloatArray],
    folds: Folds,
    confidence: float = 0.95,
    *,
    level_draws: Sequence[Sequence[FloatArray]] = (),
) -> tuple[Difference, ...]:
    """Subtract the scores of each pair of whole panels.

    Parameters
    ----------
    panels
        Measured on the same test cells.
    draws
        For each panel, its scores on resampled test cells (the same for all), shape (n_metrics, n_draws).
    folds
        The splits.
    confidence
        Nominal coverage.
    level_draws
        The same at each level of labels above the types, for each panel; empty where none are named.
    """
    found = _differences(panels, draws, folds, confidence)
    for place, scores in enumerate(panels[0].levels):
        at_level = [replace(panel, curve=panel.levels[place].curve) for panel in panels]
        drawn = [of_panel[place] for of_panel in level_draws]
        found += [
            replace(one, metric=f"{one.metric} of {scores.level.key}")
            for one in _differences(at_level, drawn, folds, confidence)
        ]
    return tuple(found)


def _differences(
    panels: Sequence[ComparedPanel], draws: Sequence[FloatArray], folds: Folds, confidence: float
) -> list[Difference]:
    tail = (1 - confidence) / 2
    found = []
    for first, second in combinations(range(len(panels)), 2):
        for place, metric in enumerate(METRICS):
            one, other = panels[first].curve.metric(metric), panels[second].curve.metric(metric)
            low, high = np.quantile(draws[first][place] - draws[second][place], [tail, 1 - tail])
            by_split = one.split_values[:, -1] - other.split_values[:, -1]
            value = one.value[-1] - other.value[-1]
            ends = split_interval(by_split, value, folds.test_shares, confidence, least=-1)
            found.append(
                Difference(
                    panels[first].name,
                    panels[second].name,
                    metric,
                    float(value),
                    float(low),
                    float(high),
                    *map(float, ends),
                )
            )
    return found


def measure_overlap(panels: Sequence[Sequence[str]]) -> tuple[IntArray, FloatArray]:
    """Count the genes that pairs of panels share, and their Jaccard index, each of shape (n_panels, n_panels).

    Examples
    --------
    >>> shared, alike = measure_overlap([["a", "b"], ["b", "c"]])
    >>> shared.tolist(), alike.round(2).tolist()
    ([[2, 1], [1, 2]], [[1.0, 0.33], [0.33, 1.0]])
    """
    sets = [set(panel) for panel in panels]
    shared = np.array([[len(one & other) for other in sets] for one in sets], dtype=np.int64)
    return shared, np.array([[jaccard(one, other) for other in sets] for one in sets])
