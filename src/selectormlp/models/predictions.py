"""What a panel's classifier says of cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from selectormlp.data.cells import BoolArray, FloatArray
from selectormlp.errors import counted
from selectormlp.models.partial import MissingGenes
from selectormlp.models.stopping import LevelLabels
from selectormlp.values import Shown

UNSURE = "unsure"
"""Label of a cell whose highest probability is below the confidence wanted, or that is like no type learned."""


@dataclass(frozen=True, eq=False)
class Predictions(Shown):
    """What a classifier says of cells.

    Attributes
    ----------
    cells
        Names.
    classes
        Class names.
    probabilities
        Calibrated, shape (n_cells, n_classes); rows sum to 1.
    min_confidence
        Highest probability from which a cell gets a label.
    empty
        Cells whose values are zero in all genes of the panel, shape (n_cells,): their probabilities say nothing.
    novelty
        How little each cell is like any type that was learned, less the cut-off of its type: above 0 it is taken to be
        of none of them; shape (n_cells,). None for a classifier that was written before there was such a score.
    missing
        Genes of the panel that the data lack, and what that costs; None where they have all.
    levels
        Best nodes at the levels of a tree of labels, and where each cell stops; None for a classifier without a tree.
    """

    cells: pd.Index[str]
    classes: tuple[str, ...]
    probabilities: FloatArray
    min_confidence: float
    empty: BoolArray
    novelty: FloatArray | None = None
    missing: MissingGenes | None = None
    levels: LevelLabels | None = None

    def __repr__(self) -> str:
        """Return how many cells got a label, and why others got none."""
        n_unsure = int((self.labels == UNSURE).sum())
        return (
            f"Predictions({counted(len(self.cells), 'cell')}, {counted(len(self.classes), 'type')}: {n_unsure:,} "
            f"unsure, of which {int(self.novel.sum()):,} are like no type learned)"
        )

    @property
    def confidence(self) -> FloatArray:
        """Highest probability of each cell, shape (n_cells,)."""
        highest: FloatArray = self.probabilities.max(axis=1)
        return highest

    @property
    def best(self) -> npt.NDArray[np.object_]:
        """The most probable class of each cell, shape (n_cells,)."""
        names: npt.NDArray[np.object_] = np.array(self.classes, dtype=object)[self.probabilities.argmax(axis=1)]
        return names

    @property
    def novel(self) -> BoolArray:
        """Whether each cell is like no type that was learned, shape (n_cells,)."""
        if self.novelty is None:
            return np.zeros(len(self.cells), dtype=np.bool_)
        found: BoolArray = (self.novelty > 0) & ~self.empty
        return found

    @property
    def labels(self) -> npt.NDArray[np.object_]:
        """As ``best``, but ``"unsure"`` where the confidence is below ``min_confidence``, or the cell is novel.

        Cells without counts are unsure too. With ``min_confidence`` 0 every cell that has counts gets a label. Along a
        tree of labels, it is the deepest node that is sure, and ``"unsure"`` where not even the coarsest is.
        """
        if self.levels is None:
            return np.where(self._may_label & (self.confidence >= self.min_confidence), self.best, UNSURE)
        return np.where(self._may_label & (self.levels.stops >= 0), self.levels.labels, UNSURE)

    @property
    def stopped_at(self) -> npt.NDArray[np.object_]:
        """Level of each cell's label, shape (n_cells,); empty where it has none, or there is no tree of labels."""
        if self.levels is None:
            return np.full(len(self.cells), "", dtype=object)
        names = np.array([*self.levels.levels, ""], dtype=object)  # a stop of -1 takes the last
        return np.where(self._may_label, names[self.levels.stops], "")

    @property
    def _may_label(self) -> BoolArray:
        """Which cells have counts, and are of a type that was learned, as far as that matters."""
        novel = self.novel if self.min_confidence > 0 else np.zeros(len(self.cells), dtype=np.bool_)
        return ~self.empty & ~novel

    def to_frame(self) -> pd.DataFrame:
        """Return one line per cell, indexed by name: label, best, confidence, class probabilities, novelty, novel.

        The last two are there where the classifier scores novelty. Along a tree of labels, ``level`` (that of the
        label) follows the label, and the best node and its confidence at each level above the types come before the
        probabilities.
        """
        front = pd.DataFrame(
            {"label": self.labels, "best": self.best, "confidence": self.confidence}, index=self.cells.rename("cell")
        )
        if self.levels is not None:
            front.insert(1, "level", self.stopped_at)
            front = front.join(self.levels.to_frame(front.index))
        columns = [f"probability of {name}" for name in self.classes]
        frame = pd.concat([front, pd.DataFrame(self.probabilities, index=front.index, columns=columns)], axis=1)
        return frame if self.novelty is None else frame.assign(novelty=self.novelty, novel=self.novel)
