"""What is found out about a panel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from selectormlp.data.cells import FloatArray
from selectormlp.errors import counted
from selectormlp.evaluation.curve import Curve, LevelOff
from selectormlp.evaluation.hierarchy import Hierarchy
from selectormlp.evaluation.intervals import Estimate
from selectormlp.evaluation.label_test import LabelTest
from selectormlp.evaluation.levels import LevelScores
from selectormlp.evaluation.measured import MeasuredScores
from selectormlp.evaluation.published.scores import PublishedMeasures
from selectormlp.evaluation.robustness import Robustness
from selectormlp.evaluation.stability import Stability
from selectormlp.evaluation.technologies import OtherTechnology
from selectormlp.evaluation.unsupervised import Unsupervised
from selectormlp.values import Shown

Protocol = Literal["external", "other cells", "reselected", "optimistic"]


@dataclass(frozen=True)
class UnusableGene:
    """A gene of a panel that the data lack, with the nearest names that they have (may be none)."""

    name: str
    suggestions: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Splits:
    """How cells were split into those learned from and those tested.

    Attributes
    ----------
    scheme
        ``"stratified"`` (at random within each class), ``"grouped"`` (no donor on both sides) or
        ``"leave one donor out"``; or ``"leave one batch out"``.
    n_splits
        Number of splits; each test cell is tested once.
    n_cells, n_test
        Cells that take part, and those that are tested.
    donor_key
        Column of donors, or of batches where these are left out; or None.
    n_donors
        Number of them, 0 where they are not used.
    """

    scheme: str
    n_splits: int
    n_cells: int
    n_test: int
    donor_key: str | None
    n_donors: int

    @property
    def for_new_donors(self) -> bool:
        """Whether the spread over splits speaks of new donors: these are kept apart, in two splits or more."""
        return self.donor_key is not None and self.n_splits > 1


@dataclass(frozen=True, eq=False)
class Evaluation(Shown):
    """Scores of a panel, on cells that neither the panel nor the classifiers have seen, if there are any.

    Attributes
    ----------
    label_key
        Column of cell types.
    classifier
        Name of the classifier that was refitted.
    genes
        Genes of the panel that the data have, in the panel's order, by the data's names.
    unusable
        Genes of the panel that they lack.
    classes
        Class names.
    protocol
        ``"external"``: the panel names no cells that it was learned on, so splits are fair as far as is known.
        ``"other cells"``: it is tested on cells that it was not learned on. ``"reselected"``: the same method chose
        again from the training cells of each split; the score is of the method with these settings, not of this
        list. ``"optimistic"``: it was learned on the test cells too, and its method cannot be run again here.
    optimistic
        Whether the scores are too good.
    notes
        What else there is to know, a sentence each.
    splits
        How cells were split.
    curve
        The panel's.
    random
        Of random panels of the same sizes, predictions of all of them pooled: the floor.
    alone
        The panel's, its values normalised by its own counts, as an assay that measures no other genes has to; None
        where the values are not counts, and counts cannot be recovered.
    ceiling
        Of all genes (one size). Of at most 2,000 of most variance in the training cells, see ``sizes``.
    level_off
        Where the curve comes near the ceiling.
    unsupervised, hierarchy, robustness, stability
        None where not asked for.
    seed
        Of splits, random panels, classifiers and bootstrap.
    versions
        Of Python and the packages that decide the numbers.
    data_hash
        Of the cells, see ``hash_cells``.
    as_measured
        The whole panel on these cells as an assay would measure them; None where no assay was named.
    label_test
        What is left of the labels on counts that had no part in them; None where that was not asked for.
    elsewhere
        The panel on real cells of another technology; None where none were given.
    levels
        Scores of the panel at each level of labels above the types, coarse to fine; empty where none are named.
    published
        Measures of Spapros, NS-Forest and geneBasis; None where they were not asked for.
    """

    label_key: str
    classifier: str
    genes: tuple[str, ...]
    unusable: tuple[UnusableGene, ...]
    classes: tuple[str, ...]
    protocol: Protocol
    optimistic: bool
    notes: tuple[str, ...]
    splits: Splits
    curve: Curve
    random: Curve
    ceiling: Curve
    alone: Curve | None
    level_off: LevelOff
    unsupervised: Unsupervised | None
    hierarchy: Hierarchy | None
    robustness: Robustness | None
    stability: Stability | None
    seed: int
    versions: dict[str, str]
    data_hash: str
    as_measured: MeasuredScores | None = None
    elsewhere: OtherTechnology | None = None
    label_test: LabelTest | None = None
    levels: tuple[LevelScores, ...] = ()
    published: PublishedMeasures | None = None

    def __repr__(self) -> str:
        """Return the scores of the whole panel between floor and ceiling."""
        panel, random, ceiling = (
            float(curve.balanced_accuracy.value[-1]) for curve in (self.curve, self.random, self.ceiling)
        )
        warning = ", OPTIMISTIC" if self.optimistic else ""
        alone = "" if self.alone is None else f"{self.alone.balanced_accuracy.value[-1]:.3f} by its own counts, "
        return (
            f"Evaluation({counted(len(self.genes), 'gene')} by {self.label_key!r}, {self.classifier}: balanced "
            f"accuracy {panel:.3f} ({alone}random genes {random:.3f}, all genes {ceiling:.3f}){warning})"
        )

    @property
    def curves(self) -> tuple[Curve, ...]:
        """The curves: of the panel, of random panels, of all genes, and of the panel alone where it was measured."""
        return (self.curve, self.random, self.ceiling, *([] if self.alone is None else [self.alone]))

    @property
    def for_new_donors(self) -> bool:
        """Whether the intervals shown are those for new donors; see :class:`Splits`."""
        return self.splits.for_new_donors

    def interval(self, estimate: Estimate) -> tuple[FloatArray, FloatArray]:
        """Return the interval of a score to be shown: over splits for new donors where donors are known, else cells."""
        return estimate.interval(over_splits=self.for_new_donors)

    def to_frame(self) -> pd.DataFrame:
        """Return the curves, one line per size and score; see :meth:`Curve.to_frame`."""
        return pd.concat([curve.to_frame() for curve in self.curves], ignore_index=True)

    def class_frame(self) -> pd.DataFrame:
        """Return the recall of each class at each size, of all curves; see :meth:`Curve.class_frame`."""
        return pd.concat([curve.class_frame() for curve in self.curves], ignore_index=True)

    def confusion_frame(self) -> pd.DataFrame:
        """Return the confusion of the whole panel: true classes as rows, predicted ones as columns, in cells."""
        names = pd.Index(self.classes, name="true")
        return pd.DataFrame(self.curve.confusions[-1], index=names, columns=list(self.classes))

    def unusable_frame(self) -> pd.DataFrame:
        """Return a line for each gene that the data lack: gene, suggestions (text)."""
        names = np.array([gene.name for gene in self.unusable], dtype=object)
        return pd.DataFrame({"gene": names, "suggestions": ["; ".join(gene.suggestions) for gene in self.unusable]})
