"""Write the results of a command as CSV files, all or none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from selectormlp.evaluation.compare import Comparison
from selectormlp.evaluation.levels import level_frame
from selectormlp.evaluation.result import Evaluation
from selectormlp.files import written_whole
from selectormlp.models.predictions import Predictions
from selectormlp.panel.storage import shielded

RANKING_NAME = "ranked_genes.csv"
"""Name of the file with all genes of a training run, best first."""


def evaluation_tables(found: Evaluation) -> dict[str, pd.DataFrame]:
    """Return the tables of an evaluation by file name.

    Always: ``summary`` (data, settings and notes), ``scores``, ``classes``, ``confusion`` and ``confused`` (the
    commonest errors). If measured: ``unusable``, ``unsupervised``, ``redundancy``, ``hierarchy``, ``coarse_classes``,
    ``levels``, ``robustness``, ``probes`` (loss of each probe), ``as_measured`` (in a simulated assay), ``measured``
    and ``measured_classes`` (on cells of another technology), ``measures`` (of Spapros, NS-Forest and geneBasis) with
    ``measures_types``, ``measures_genes`` and ``measures_cells``, ``label_pairs`` (separation of types on held-out
    counts), ``stability`` and ``overlaps``.
    """
    tables = {
        "summary": _summary(found),
        "scores": found.to_frame(),
        "classes": found.class_frame(),
        "confusion": found.confusion_frame().reset_index(),
        "confused": found.curve.confused_pairs(),
    }
    if found.unusable:
        tables["unusable"] = found.unusable_frame()
    if found.unsupervised is not None:
        tables["unsupervised"] = found.unsupervised.to_frame().reset_index()
        tables["redundancy"] = found.unsupervised.redundancy_frame()
    if found.hierarchy is not None:
        tables["hierarchy"] = found.hierarchy.to_frame()
        tables["coarse_classes"] = found.hierarchy.class_frame()
    if found.levels:
        tables["levels"] = level_frame(found.levels)
    if found.robustness is not None:
        tables["robustness"] = found.robustness.to_frame()
        if found.robustness.probes is not None:
            tables["probes"] = found.robustness.probes.to_frame()
    if found.as_measured is not None:
        tables["as_measured"] = found.as_measured.to_frame()
    if found.elsewhere is not None:
        tables["measured"] = found.elsewhere.to_frame()
        tables["measured_classes"] = found.elsewhere.class_frame()
    if found.published is not None:
        tables["measures"] = found.published.to_frame()
        tables["measures_types"] = found.published.type_frame()
        tables["measures_genes"] = found.published.gene_frame()
        tables["measures_cells"] = found.published.cell_frame()
    if found.label_test is not None:
        tables["label_pairs"] = found.label_test.pairs
    if found.stability is not None:
        tables["stability"] = found.stability.to_frame()
        tables["overlaps"] = found.stability.overlap_frame()
    return {f"{name}.csv": table for name, table in tables.items()}


def comparison_tables(found: Comparison) -> dict[str, pd.DataFrame]:
    """Return the tables of a comparison by file name.

    They are panels, curves, differences, overlap and genes; and levels, if there are any above the types.
    """
    levels = found.level_frame()
    return {
        "panels.csv": found.to_frame(),
        "curves.csv": found.curve_frame(),
        "differences.csv": found.difference_frame(),
        "overlap.csv": found.overlap_frame().reset_index(),
        "genes.csv": found.gene_frame(),
        **({} if levels.empty else {"levels.csv": levels}),
    }


def prediction_tables(found: Predictions) -> dict[str, pd.DataFrame]:
    """Return the table of predictions by file name."""
    return {"predictions.csv": found.to_frame().reset_index()}


def write_tables(folder: Path | str, tables: Mapping[str, pd.DataFrame]) -> list[Path]:
    """Write tables to a folder; as in ``panel.csv``, text is safe to open in a spreadsheet.

    To write several sets of files as one result, use :func:`selectormlp.results.whole_result`.

    Returns
    -------
    The files.

    Raises
    ------
    OutputError
        If the folder cannot be written to.
    """
    files = [Path(folder) / name for name in tables]
    with written_whole(*files) as drafts:
        for draft, table in zip(drafts, tables.values(), strict=True):
            safe_table(table).to_csv(draft, index=False, lineterminator="\n")
    return files


def safe_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table in which a spreadsheet takes no text or header for a formula.

    Examples
    --------
    >>> safe_table(pd.DataFrame({"gene": ["=1+1", "CD3E"], "score": [-1.0, 2.0]})).to_csv(index=False).split()
    ['gene,score', "'=1+1,-1.0", 'CD3E,2.0']
    """
    safe = table.rename(columns=lambda name: shielded(str(name)))
    for place in range(safe.shape[1]):
        if not pd.api.types.is_numeric_dtype(safe.dtypes.iloc[place]):
            column = [shielded(value) if isinstance(value, str) else value for value in safe.iloc[:, place]]
            safe.isetitem(place, column)
    return safe


def _summary(found: Evaluation) -> pd.DataFrame:
    level, splits = found.level_off, found.splits
    lines: list[tuple[str, object]] = [
        ("label_key", found.label_key),
        ("classifier", found.classifier),
        ("n_genes", len(found.genes)),
        ("n_unusable", len(found.unusable)),
        ("protocol", found.protocol),
        ("optimistic", found.optimistic),
        ("splits", splits.scheme),
        ("n_splits", splits.n_splits),
        ("n_cells", splits.n_cells),
        ("n_test", splits.n_test),
        ("donor_key", splits.donor_key or ""),
        ("n_donors", splits.n_donors),
        ("level_off_metric", level.metric),
        ("level_off_distance", level.distance),
        ("level_off_size", "" if level.size is None else level.size),
        ("level_off_low", "" if level.low is None else level.low),
        ("level_off_high", "" if level.high is None else level.high),
        ("seed", found.seed),
        ("data_hash", found.data_hash),
        *((f"version_of_{name}", version) for name, version in found.versions.items()),
        *(("note", note) for note in found.notes),
        *(("note_measured", note) for note in ([] if found.elsewhere is None else found.elsewhere.notes)),
    ]
    return pd.DataFrame(lines, columns=["what", "value"], dtype=object)
