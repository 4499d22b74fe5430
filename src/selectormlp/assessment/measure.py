"""Evaluation settings, splits, and the scores of one set of genes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from selectormlp.assessment.protocol import Verdict
from selectormlp.assessment.request import Measuring
from selectormlp.config.model import MAX_SEED, check_whole
from selectormlp.data.anndata_io import cells_from_adata, drop_unlisted
from selectormlp.data.cells import BoolArray, Cells, FloatArray, IntArray
from selectormlp.data.count_scale import CountScale
from selectormlp.data.source import Source
from selectormlp.data.symbols import named_by_symbol, other_names
from selectormlp.errors import DataError, SettingsError
from selectormlp.evaluation.counts import count_scale
from selectormlp.evaluation.curve import (
    Curve,
    predict_folds,
    summarise,
)
from selectormlp.evaluation.intervals import bootstrap_scores
from selectormlp.evaluation.levels import Level, LevelScores, measure_type_mistakes
from selectormlp.evaluation.refit import refitter_of
from selectormlp.evaluation.result import Splits
from selectormlp.evaluation.splits import Folds, make_folds
from selectormlp.progress import step, track
from selectormlp.values import settle

if TYPE_CHECKING:
    from anndata import AnnData

logger = logging.getLogger(__name__)

MAX_TRAIN = 20_000
"""Maximum number of training cells per split. With more, fitting 100 genes takes several seconds."""


@dataclass(frozen=True)
class Judging:
    """How panels are to be measured.

    Attributes
    ----------
    source
        Where to look in the object; ``label_key`` is not None.
    classifier
        See :func:`selectormlp.evaluation.refit.refitter_of`.
    n_splits, confidence, seed
        As :func:`selectormlp.evaluate` takes them.

    Raises
    ------
    SettingsError
        If one is out of range.
    """

    source: Source
    classifier: Any = "logistic"
    n_splits: int = 5
    confidence: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        settle(self)
        refitter_of(self.classifier)
        check_whole("n_splits", self.n_splits, least=2)
        check_whole("seed", self.seed, least=0, most=MAX_SEED)
        if not isinstance(self.confidence, int | float) or not 0 < self.confidence < 1:
            raise SettingsError(
                f"confidence is {self.confidence!r}; expected a number above 0 and below 1, such as 0.95"
            )

    @property
    def classifier_name(self) -> str:
        """Name of the classifier."""
        return refitter_of(self.classifier)[0]

    def refit(self) -> Any:
        """Make an unfitted classifier."""
        return refitter_of(self.classifier, self.seed)[1]()


def judging_of(request: Measuring) -> Judging:
    """Return how panels are measured, as a request says."""
    return Judging(request, request.classifier, request.n_splits, request.confidence, request.seed)


def read_for_judging(adata: AnnData, source: Source) -> tuple[Cells, pd.Index[Any] | None]:
    """Read labelled cells, and second gene names where asked for.

    Raises
    ------
    DataError, SettingsError
        As :func:`selectormlp.data.anndata_io.cells_from_adata` does; and where there are fewer than two classes.
    """
    cells = drop_unlisted(cells_from_adata(adata, source.labelled()))
    present = np.unique(cells.labels)
    if len(present) < 2:
        raise DataError(
            f"all {cells.n_cells} labelled cells are of one class ({cells.classes[present[0]]!r}); at least 2 are "
            "needed: use another label column"
        )
    cells = replace(
        cells,
        labels=np.searchsorted(present, cells.labels).astype(np.int64),
        classes=tuple(cells.classes[code] for code in present),
    )
    cells = named_by_symbol(cells, adata, source.gene_name_key)
    return cells, other_names(adata, cells.genes, source.gene_name_key)


@dataclass(frozen=True, eq=False)
class Measured:
    """One set of genes, measured.

    Attributes
    ----------
    curve
        Its scores.
    draws
        Of the bootstrap, shape (n_metrics, n_draws, n_sizes).
    levels, level_draws
        The same at each level of labels above the types.
    """

    curve: Curve
    draws: FloatArray
    levels: tuple[LevelScores, ...] = ()
    level_draws: tuple[FloatArray, ...] = ()


def measure(
    name: str,
    cells: Cells,
    folds: Folds,
    orders: Sequence[IntArray],
    sizes: IntArray,
    judging: Judging,
    *,
    scale: CountScale | None = None,
    levels: Sequence[Level] = (),
) -> Measured:
    """Refit, predict and score one set of genes per split; see :func:`selectormlp.evaluation.curve.predict_folds`.

    Raises
    ------
    SettingsError
        If the classifier cannot be fitted or fails.
    """
    logger.info(
        "%s: refitting %s in %d splits at %s genes",
        name,
        judging.classifier_name,
        len(folds),
        ", ".join(map(str, sizes)),
    )
    true = cells.labels[folds.test_rows]
    try:
        with step(f"fitting classifiers, {name}", len(folds) * len(sizes)) as bar:
            predicted = predict_folds(
                cells.X, cells.labels, folds, orders, sizes, judging.refit, scale=scale, advance=bar.advance
            )
    except ValueError as error:
        reason = " ".join(str(error).split())[:300]
        raise SettingsError(f"the classifier {judging.classifier_name!r} cannot be used here: {reason}") from error
    draws = bootstrap_scores(true, predicted, cells.n_classes, seed=judging.seed)
    curve = summarise(name, cells.classes, sizes, true, predicted, folds, draws=draws, confidence=judging.confidence)
    above = [_at_level(level, curve, true, predicted, folds, judging) for level in levels]
    return Measured(curve, draws, tuple(scores for scores, _ in above), tuple(drawn for _, drawn in above))


def _at_level(
    level: Level, curve: Curve, true: IntArray, predicted: IntArray, folds: Folds, judging: Judging
) -> tuple[LevelScores, FloatArray]:
    """Score predictions of types at a level above them."""
    true, predicted = level.parents[true], level.parents[predicted]
    draws = bootstrap_scores(true, predicted, len(level.nodes), seed=judging.seed)
    scores = summarise(
        curve.name, level.nodes, curve.sizes, true, predicted, folds, draws=draws, confidence=judging.confidence
    )
    return LevelScores(level, scores, measure_type_mistakes(curve.confusions, level.parents)), draws


PANEL_ALONE = "panel alone"
"""Name of the curve of a panel that is normalised by its own counts."""


def measure_alone(
    cells: Cells, folds: Folds, orders: Sequence[IntArray], sizes: IntArray, judging: Judging
) -> tuple[Curve | None, str]:
    """Score a panel normalised by its own counts, as an assay that measures no other genes has to.

    Returns
    -------
    The curve and a note about it; None instead of the curve if the values are not counts.
    """
    scale = count_scale(cells)
    if scale is None:
        return None, (
            "The panel was not scored by its own counts alone, since the values are neither counts nor log1p-normalised"
            " counts: a targeted assay, which cannot normalise by all genes, may do worse."
        )
    found = measure(PANEL_ALONE, cells, folds, orders, sizes, judging, scale=scale).curve
    share = found.balanced_accuracy.value[-1]
    return found, (
        f"Normalised by the panel's own counts, as in a targeted assay, balanced accuracy is {share:.3f}; the other "
        "scores use values normalised by all genes."
    )


def fold_cells(cells: Cells, testable: BoolArray, judging: Judging) -> Folds:
    """Split cells as the settings say: each batch is left out once, where there are any; else donors are kept apart."""
    whole = cells.batches is not None
    folds = make_folds(
        cells.labels,
        n_splits=judging.n_splits,
        donors=cells.batches if whole else cells.donors,
        testable=testable,
        max_train=MAX_TRAIN,
        seed=judging.seed,
        unit="batch" if whole else "donor",
    )
    return folds if not whole or cells.donors is None else _without_donors_of_tests(cells, folds, cells.donors)


def _without_donors_of_tests(cells: Cells, folds: Folds, donors: npt.NDArray[np.str_]) -> Folds:
    """Learn from no donor of the batch that is left out."""
    train = tuple(rows[~np.isin(donors[rows], donors[test])] for rows, test in folds)
    if any(len(np.unique(cells.labels[rows])) < 2 for rows in train):
        raise DataError(
            "donors are in several batches, so too few cells are left to learn from when a batch and its donors are "
            "left out; leave the donor column out (donor_key, --donor-key), or the batches (batch_key, --batch-key)"
        )
    return replace(folds, train=train)


def panel_orders(verdict: Verdict, genes: IntArray, cells: Cells, folds: Folds) -> list[IntArray]:
    """Return the genes of each split: the panel, or those that its method chooses from the training cells."""
    recipe = verdict.recipe
    if recipe is None:
        return [genes] * len(folds)
    return [recipe.choose(cells.take(train)) for train in track(folds.train, "choosing again in each split")]


def describe_splits(cells: Cells, folds: Folds, judging: Judging) -> Splits:
    """Describe how cells were split."""
    units = cells.donors if cells.batches is None else cells.batches
    return Splits(
        scheme=folds.scheme,
        n_splits=len(folds),
        n_cells=cells.n_cells,
        n_test=len(folds.test_rows),
        donor_key=judging.source.batch_key or judging.source.donor_key,
        n_donors=0 if units is None else len(np.unique(units)),
    )
