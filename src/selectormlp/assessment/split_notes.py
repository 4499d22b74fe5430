"""Notes on how cells are split and tested: donors unused, cells not tested, optimistic scores."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from selectormlp.assessment.measure import MAX_TRAIN
from selectormlp.assessment.protocol import Verdict
from selectormlp.data.cells import Cells
from selectormlp.data.source import Source
from selectormlp.errors import counted, quoted
from selectormlp.evaluation import notes
from selectormlp.evaluation.cautions import donor_notes
from selectormlp.evaluation.notes import Caution, cautions_of
from selectormlp.evaluation.splits import Dropped, Folds

if TYPE_CHECKING:
    from anndata import AnnData

logger = logging.getLogger(__name__)

MAX_NAMED = 10
"""Maximum number of types that a note lists."""

DONOR_NAMES = re.compile(
    r"(^|[^a-z])(donor|batch|sample|patient|individual|subject|specimen|library|replicate|orig[._]ident|mouse|animal)",
    re.IGNORECASE,
)
"""Names of ``obs`` columns that are likely to hold donors or batches."""


def unused_donors(adata: AnnData, source: Source, also_known: Sequence[str | None] = ()) -> Caution | None:
    """Warn of columns that look like donors if no donor column is given; else None.

    A column looks like donors if its name suggests it (donor, batch, sample, patient, …) and cells share its values.
    """
    if source.donor_key is not None or source.batch_key is not None:
        return None
    known = {source.label_key, *also_known}
    found = {}
    for name in map(str, adata.obs.columns):
        if name in known or not DONOR_NAMES.search(name):
            continue
        n_values = adata.obs[name].nunique()
        if 2 <= n_values <= max(2, adata.n_obs // 5):
            found[name] = n_values
    return notes.donors_unused(found) if found else None


def opening_notes(
    adata: AnnData, source: Source, verdicts: Sequence[Verdict], coarse_key: str | None = None
) -> list[str]:
    """Return notes on how panels are tested, and log warnings of optimistic scores."""
    donors = unused_donors(adata, source, [coarse_key, *source.label_levels])
    said = list(dict.fromkeys([*(verdict.note for verdict in verdicts), *([donors] if donors else [])]))
    for warning in cautions_of(said):
        logger.warning("%s", warning)
    return said


def split_notes(cells: Cells, folds: Folds) -> list[str]:
    """Return notes on cells that are not tested and on unusual splits."""
    said = [_dropped_note(cells, part) for part in folds.dropped]
    n_unlearned = folds.n_untested - sum(part.n_cells for part in folds.dropped)
    if n_unlearned:
        said.append(
            f"{counted(n_unlearned, 'cell is', 'cells are')} not tested, since no cell of "
            f"{'its' if n_unlearned == 1 else 'their'} class was left to learn from: "
            f"{_named_classes(cells, folds)}."
        )
    if folds.dropped and n_unlearned:
        said.append(f"In all, {counted(folds.n_untested, 'cell is', 'cells are')} not tested.")
    lone = donor_notes(cells)
    for note in lone:
        logger.warning("%s", note)
    said += lone
    if len(folds) == 1:
        said.append("There is one split only, so no interval over splits (split_low and split_high are empty).")
    if max(len(train) for train in folds.train) >= MAX_TRAIN - cells.n_classes and cells.n_cells > MAX_TRAIN:
        said.append(f"Classifiers learned from a random {MAX_TRAIN:,} cells in each split.")
    return said


def _named_classes(cells: Cells, folds: Folds) -> str:
    """Name the classes with untested cells; those without any tested cell come first."""
    tested = np.bincount(cells.labels[folds.test_rows], minlength=cells.n_classes)
    parts = [
        f"{cells.classes[code]!r} ({'all' if not tested[code] else f'{number:,}'} of its cells)"
        for code, number in sorted(folds.unlearned, key=lambda part: tested[part[0]] > 0)
    ]
    return ", ".join(parts[:MAX_NAMED]) + (f" and {len(parts) - MAX_NAMED} more" if len(parts) > MAX_NAMED else "")


def _dropped_note(cells: Cells, part: Dropped) -> str:
    """Return a note on cells that could not be tested, with the reason."""
    n_donors = len(part.donors)
    what = "A part of the cells"
    if n_donors:
        what = f"Donor{'' if n_donors == 1 else 's'} {quoted(part.donors)}"
    classes = quoted(cells.classes[code] for code in part.learned)
    others = "other donors" if n_donors else "other cells"
    why = f"the {others} are all of one class ({classes})"
    if len(part.learned) != 1:
        why = f"the {others} hold none of {'its' if n_donors < 2 else 'their'} classes"
    return f"{what} could not be left out, since {why}: {counted(part.n_cells, 'cell is', 'cells are')} not tested."
