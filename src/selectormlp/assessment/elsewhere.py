"""Evaluating a panel on real cells of another technology."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from selectormlp.assessment.genes import match_genes
from selectormlp.assessment.measure import MAX_TRAIN, Judging, read_for_judging
from selectormlp.data.cells import Cells, FloatArray, IntArray, dense
from selectormlp.data.source import Source
from selectormlp.data.subsample import subsample
from selectormlp.errors import DataError, SettingsError, counted, quoted
from selectormlp.evaluation.counts import count_scale, counts_of
from selectormlp.evaluation.curve import default_sizes
from selectormlp.evaluation.splits import make_folds
from selectormlp.evaluation.technologies import OtherTechnology, Side, score_elsewhere
from selectormlp.panel.panel import Panel

if TYPE_CHECKING:
    from anndata import AnnData

    from selectormlp.assessment.request import EvaluateRequest, LearnAssayRequest

logger = logging.getLogger(__name__)

LEAST_CELLS = 10
"""Minimum number of cells of a type on each side; types with fewer are left out."""


@dataclass(frozen=True, eq=False)
class Elsewhere:
    """Two technologies side by side, ready to be scored.

    Attributes
    ----------
    reference, measured
        Counts of the panel's genes that both have, and common types.
    donors
        Of the measured cells, or None.
    genes, classes
        Genes of the panel, and common types.
    notes
        What was left out.
    """

    reference: Side
    measured: Side
    donors: np.ndarray[tuple[int], np.dtype[np.str_]] | None
    genes: tuple[str, ...]
    classes: tuple[str, ...]
    notes: tuple[str, ...]


def check_no_measured(request: EvaluateRequest) -> None:
    """Raise if options of measured cells are given without measured cells.

    Raises
    ------
    SettingsError
        With the options.
    """
    names = ["measured_label_key", "measured_layer", *([] if request.maps_files else ["label_map"])]
    given = [name for name in names if getattr(request, name) is not None]
    if given:
        raise SettingsError(
            f"{quoted(given)} {'is' if len(given) == 1 else 'are'} given without measured cells; name them "
            "(measured, --measured), or leave it out"
            + ("; a label map of several files has the columns data, label and common" if "label_map" in given else "")
        )


def match_technologies(
    adata: AnnData, measured: AnnData, panel: Panel | None, request: EvaluateRequest | LearnAssayRequest
) -> Elsewhere:
    """Find the genes and types that two technologies share.

    Parameters
    ----------
    adata, measured
        Cells of both.
    panel
        Genes that matter; None: all that both have.
    request
        Where to look.

    Raises
    ------
    DataError
        If a column is absent, values are not counts, or fewer than two types are on both sides.
    PanelError
        If no gene of the panel is on both sides.
    SettingsError
        If the label map is not usable.
    """
    mapping = request.labels_elsewhere()
    here, aliases = read_for_judging(adata, request)
    there, other_aliases = _read_measured(measured, request)
    columns, places, notes = _shared_genes((here.genes, aliases), (there.genes, other_aliases), panel)
    labels = _common(here, mapping.reference), _common(there, mapping.measured)
    classes, note = _shared_types(*labels)
    sides: list[Side] = []
    kept: list[IntArray] = []
    for cells, types, genes in ((here, labels[0], columns), (there, labels[1], places)):
        codes = pd.Index(classes).get_indexer(pd.Index(types))
        rows = np.flatnonzero(codes >= 0)
        sides.append(Side(_counts(cells, genes, rows), codes[rows].astype(np.int64)))
        kept.append(rows)
    donors = None if there.donors is None else there.donors[kept[1]]
    used = tuple(map(str, here.genes[columns]))
    return Elsewhere(sides[0], sides[1], donors, used, classes, (*notes, *note))


def score_measured(found: Elsewhere, sizes: tuple[int, ...] | None, judging: Judging) -> OtherTechnology:
    """Score a panel on the measured cells; sizes above the genes that both sides have are left out."""
    n_genes = len(found.genes)
    wanted = default_sizes(n_genes).tolist() if sizes is None else sizes
    measured_at = np.array(sorted({*(size for size in wanted if size < n_genes), n_genes}), dtype=np.int64)
    logger.info(
        "cells of another technology: %s, %s, %s of both",
        counted(len(found.measured.labels), "cell", "cells"),
        counted(len(found.classes), "type", "types"),
        counted(n_genes, "gene", "genes"),
    )
    folds = make_folds(
        found.measured.labels,
        n_splits=judging.n_splits,
        donors=found.donors,
        max_train=MAX_TRAIN,
        seed=judging.seed,
    )
    codes = found.reference.labels
    rows = subsample(codes, np.random.default_rng(judging.seed), share=min(1.0, MAX_TRAIN / len(codes)))
    reference = Side(found.reference.counts[rows], codes[rows])
    curves = score_elsewhere(
        reference,
        found.measured,
        found.classes,
        measured_at,
        folds,
        judging.refit,
        confidence=judging.confidence,
        seed=judging.seed,
    )
    return OtherTechnology(found.genes, found.classes, len(codes), len(found.measured.labels), curves, found.notes)


def _read_measured(
    measured: AnnData, request: EvaluateRequest | LearnAssayRequest
) -> tuple[Cells, pd.Index[str] | None]:
    """Read measured cells: X, with donors where their column is there too."""
    key = request.measured_label_key or request.label_key
    source = Source(
        label_key=key,
        layer=request.measured_layer,
        donor_key=request.donor_key if request.donor_key in measured.obs else None,
        gene_name_key=request.gene_name_key if request.gene_name_key in measured.var else None,
    )
    try:
        return read_for_judging(measured, source)
    except DataError as error:
        hint = "" if request.measured_label_key else "; name their label column as measured_label_key"
        raise DataError(f"the measured cells: {error}{hint}") from error


Names = tuple["pd.Index[str]", "pd.Index[str] | None"]
"""Names of genes, and second ones."""


def _shared_genes(here: Names, there: Names, panel: Panel | None) -> tuple[IntArray, IntArray, list[str]]:
    """Return columns on both sides, in the same order, and what was left out."""
    if panel is None:
        shared = here[0].intersection(there[0], sort=False)
        if not len(shared):
            raise DataError("no gene is on both sides; use the same gene names, or name a column of second names")
        return here[0].get_indexer(shared), there[0].get_indexer(shared), []
    columns, _ = match_genes(panel, *here, warn=False)
    names = tuple(map(str, here[0][columns]))
    places, absent = match_genes(Panel(names), *there, warn=False)
    lacking = {gene.name for gene in absent}
    if not lacking:
        return columns, places, []
    one = len(lacking) == 1
    note = (
        f"{counted(len(lacking), 'gene', 'genes')} of the panel {'is' if one else 'are'} not among the measured cells' "
        f"and {'takes' if one else 'take'} no part there: {quoted(sorted(lacking), most=10)}."
    )
    logger.warning("%s", note)
    return columns[[name not in lacking for name in names]], places, [note]


def _common(cells: Cells, mapping: Mapping[str, str] | None) -> list[str]:
    """Return the common type of each cell; "" where it has none."""
    known = [name if mapping is None else mapping.get(name, "") for name in cells.classes]
    return [known[code] if code >= 0 else "" for code in cells.labels]


def _shared_types(reference: list[str], measured: list[str]) -> tuple[tuple[str, ...], list[str]]:
    numbers = [pd.Series(side).value_counts() for side in (reference, measured)]
    both = sorted(set(numbers[0].index) & set(numbers[1].index) - {""})
    classes = tuple(name for name in both if min(number[name] for number in numbers) >= LEAST_CELLS)
    if len(classes) < 2:
        shown = [quoted([name for name in number.index if name][:3]) or "none" for number in numbers]
        raise SettingsError(
            f"{counted(len(classes), 'type has', 'types have')} {LEAST_CELLS} cells or more on both sides, and 2 are "
            f"needed (here {shown[0]}; measured {shown[1]}); name a table of labels that mean the same as label_map "
            "(--label-map)"
        )
    notes = []
    few = [name for name in both if name not in classes]
    if few:
        notes.append(f"Types of fewer than {LEAST_CELLS} cells on a side take no part: {quoted(few, most=10)}.")
    alone = [sum(number[name] for name in number.index if name not in both) for number in numbers]
    if any(alone):
        notes.append(
            f"{alone[0]:,} cells of the reference and {alone[1]:,} measured ones are of types without a partner."
        )
    return classes, notes


def _counts(cells: Cells, genes: IntArray, rows: IntArray) -> FloatArray:
    scale = count_scale(cells)
    if scale is None:
        raise DataError(
            "cells of two technologies are compared by counts, and these are neither counts nor log1p-normalised "
            "counts; give counts in X, or in the layer that --layer names"
        )
    few = replace(cells, X=cells.X[:, genes], genes=cells.genes[genes]).X[rows]
    return np.asarray(counts_of(dense(few).astype(np.float64), scale, rows), dtype=np.float64)
