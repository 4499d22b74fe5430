"""Labels along a tree: each cell gets the deepest node that its classifier is sure of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sklearn.isotonic import IsotonicRegression

from selectormlp.data.cells import FloatArray, IntArray
from selectormlp.data.label_tree import LabelTree

NEVER = np.inf
"""Confidence from which a level labels where no confidence is enough."""


class TreeCard(BaseModel):
    """What a classifier's file says of its tree of labels, and from which confidence each level labels.

    ``thresholds`` and ``shares`` are of the levels, coarse to fine, those of the types last; a threshold of None: the
    level labels no cell. ``shares`` are those of the cells, none learned from, that stop at each level.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    levels: list[str] = Field(min_length=1)
    paths: dict[str, list[str]]
    precision: float = Field(gt=0, lt=1)
    thresholds: list[float | None]
    shares: list[float]

    @model_validator(mode="after")
    def _consistent(self) -> TreeCard:
        self.tree()  # refuses what is none
        n_levels = len(self.levels) + 1
        if len(self.thresholds) != n_levels or len(self.shares) != n_levels:
            raise ValueError(f"thresholds or shares of another number of levels than {n_levels}")
        if not all(0 <= value <= 1 for value in (*self.shares, *(t for t in self.thresholds if t is not None))):
            raise ValueError("thresholds or shares outside 0 to 1")
        return self

    def tree(self) -> LabelTree:
        """Return the tree."""
        return LabelTree({name: tuple(path) for name, path in self.paths.items()}, tuple(self.levels))

    @property
    def cuts(self) -> FloatArray:
        """Minimum confidence of each level, infinite if none is enough, shape (n_levels,)."""
        return np.array([NEVER if value is None else value for value in self.thresholds])


@dataclass(frozen=True, eq=False)
class LevelLabels:
    """Best node of each cell at each level, and the level at which it stops.

    Attributes
    ----------
    levels
        Names of the levels, coarse to fine, that of the types last.
    nodes
        The most probable node of each cell at each level, shape (n_cells, n_levels).
    confidences
        Its probability: the sum of those of its types, shape (n_cells, n_levels).
    stops
        The deepest sure level, a position in ``levels``; -1 for none, shape (n_cells,).
    """

    levels: tuple[str, ...]
    nodes: npt.NDArray[np.object_]
    confidences: FloatArray
    stops: IntArray

    @property
    def labels(self) -> npt.NDArray[np.object_]:
        """Node at which each cell stops, of the coarsest level if none is sure, shape (n_cells,)."""
        found: npt.NDArray[np.object_] = self.nodes[np.arange(len(self.stops)), np.maximum(self.stops, 0)]
        return found

    def to_frame(self, cells: pd.Index[str]) -> pd.DataFrame:
        """Return the best node and its confidence at each level above the types, one line per cell."""
        columns: dict[str, object] = {}
        for place, level in enumerate(self.levels[:-1]):
            columns[f"best {level}"] = self.nodes[:, place]
            columns[f"confidence of {level}"] = self.confidences[:, place]
        return pd.DataFrame(columns, index=cells)


def label_levels(
    probabilities: FloatArray, classes: Sequence[str], tree: LabelTree, cuts: FloatArray, types: str
) -> LevelLabels:
    """Find the deepest node that each cell is sure of.

    Parameters
    ----------
    probabilities
        Of the types, shape (n_cells, n_classes).
    classes
        Types, all of the tree.
    tree
        The nodes above them.
    cuts
        Confidence from which each level labels, coarse to fine, that of the types last, shape (n_levels,).
    types
        What the level of the types is called.

    Examples
    --------
    >>> tree = LabelTree({"CA1": ("neuron",), "S1": ("neuron",), "Astro": ("glia",)}, ("level1",))
    >>> found = label_levels(np.array([[0.5, 0.4, 0.1]]), ["CA1", "S1", "Astro"], tree, np.array([0.8, 0.8]), "type")
    >>> found.labels, found.confidences.round(2), found.levels[found.stops[0]]
    (array(['neuron'], dtype=object), array([[0.9, 0.5]]), 'level1')
    """
    nodes, confidences = [], []
    for names, summed in _by_level(probabilities, classes, tree):
        nodes.append(np.array(names, dtype=object)[summed.argmax(axis=1)])
        confidences.append(summed.max(axis=1))
    sure = np.stack(confidences, axis=1)
    is_sure = sure >= cuts
    deepest = is_sure.shape[1] - 1 - is_sure[:, ::-1].argmax(axis=1)
    stops = np.where(is_sure.any(axis=1), deepest, -1).astype(np.int64)
    return LevelLabels((*tree.levels, types), np.stack(nodes, axis=1), sure, stops)


def calibrate_levels(
    probabilities: FloatArray, true: IntArray, classes: Sequence[str], tree: LabelTree, precision: float
) -> TreeCard:
    """Find the confidence from which each level labels, so that even its least sure labels are right often enough.

    Parameters
    ----------
    probabilities
        Of cells that nothing was learned from, shape (n_cells, n_classes).
    true
        Their class codes, shape (n_cells,).
    classes, tree
        As in :func:`label_levels`.
    precision
        How often labels of the least confidence that is enough are to be right.

    Notes
    -----
    From the types upwards, each level takes the least confidence at which enough of its labels are right, by isotonic
    regression of right on confidence; not enough are where right / (labelled + 1) from there on is below ``precision``,
    so that few cells do not make a level sure. The level above has what is left over. Were it the mean that is to be
    right, easy cells would pay for guesses about the others.

    References
    ----------
    Zadrozny, Elkan, "Transforming classifier scores into accurate multiclass probability estimates", KDD 2002.

    Examples
    --------
    >>> tree = LabelTree({"CA1": ("neuron",), "S1": ("neuron",), "Astro": ("glia",)}, ("level1",))
    >>> likely = np.array([[0.5, 0.25, 0.25]] * 20 + [[0.02, 0.02, 0.96]] * 20)
    >>> true = np.array([0, 1] * 10 + [2] * 20)  # the first half of the cells: CA1 or S1
    >>> calibrate_levels(likely, true, ["CA1", "S1", "Astro"], tree, 0.9).thresholds
    [0.75, 0.96]
    """
    levels = list(_by_level(probabilities, classes, tree))
    places = [*(tree.nodes(level, classes)[1] for level in range(len(tree.levels))), np.arange(len(classes))]
    left = np.ones(len(true), dtype=np.bool_)
    thresholds: list[float | None] = []
    shares: list[float] = []
    for (_, summed), parents in zip(reversed(levels), reversed(places), strict=True):
        confidence, right = summed.max(axis=1), summed.argmax(axis=1) == parents[true]
        cut = _least_confidence(confidence[left], right[left], precision)
        labelled = left & (confidence >= (NEVER if cut is None else cut))
        thresholds.append(cut)
        shares.append(float(labelled.mean()))
        left &= ~labelled
    return TreeCard(
        levels=list(tree.levels),
        paths={name: list(path) for name, path in zip(classes, tree.of(classes), strict=True)},
        precision=precision,
        thresholds=thresholds[::-1],
        shares=shares[::-1],
    )


def _by_level(
    probabilities: FloatArray, classes: Sequence[str], tree: LabelTree
) -> list[tuple[Sequence[str], FloatArray]]:
    """Return names and probabilities of the nodes of each level, coarse to fine, the types last."""
    found: list[tuple[Sequence[str], FloatArray]] = []
    for level in range(len(tree.levels)):
        names, parents = tree.nodes(level, classes)
        belongs = np.eye(len(names))[parents]
        found.append((names, np.minimum(probabilities @ belongs, 1.0)))
    return [*found, (classes, probabilities)]


def _least_confidence(confidence: FloatArray, right: npt.NDArray[np.bool_], precision: float) -> float | None:
    """Return the minimum confidence at which enough labels are right, or None."""
    if not len(confidence):
        return None
    found = IsotonicRegression().fit_transform(confidence, right.astype(np.float64))
    enough = confidence[found >= precision]
    if not len(enough):
        return None
    cut = float(enough.min())
    labelled = confidence >= cut
    return min(cut, 1.0) if right[labelled].sum() >= precision * (labelled.sum() + 1) else None


def check_paths(paths: Mapping[str, Sequence[str]], classes: Sequence[str]) -> None:
    """Refuse a tree that is of other types than a classifier.

    Raises
    ------
    ValueError
        If types differ.
    """
    if set(paths) != set(classes):
        raise ValueError("the tree of labels is of other types than the classes")
