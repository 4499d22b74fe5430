"""The first step: one AnnData file into training, validation and test files."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from selectormlp.data.anndata_files import read_adata, write_adata
from selectormlp.data.anndata_io import choose_expression, read_donors, read_labels, subset_with_classes
from selectormlp.data.split import split_cells
from selectormlp.files import written_whole
from selectormlp.workflow.settings import SplitSettings

logger = logging.getLogger(__name__)

SIDE_NAMES = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class SplitReport:
    """What the split step wrote.

    Attributes
    ----------
    files
        The three files, in the order training, validation, test.
    cells
        Cells of each class (rows) on each side (columns).
    """

    files: tuple[Path, ...]
    cells: pd.DataFrame


def split_file(settings: SplitSettings) -> SplitReport:
    """Split one AnnData file and write ``adata_train.h5ad``, ``adata_val.h5ad`` and ``adata_test.h5ad``.

    All three carry the same ordered class list, in ``uns`` and as the categories of the label column.

    Raises
    ------
    DataError
        If the file, its labels, donors or matrix are not usable, or the classes are too small.
    OutputError
        If the files cannot be written; then none of them is.
    """
    adata = read_adata(settings.adata_path)
    logger.info("read %s: %d cells × %d genes", settings.adata_path, adata.n_obs, adata.n_vars)
    names, labels = read_labels(adata, settings.y_column, exclude=settings.exclude_labels)
    choose_expression(adata, layer=settings.layer, normalize=settings.normalize)  # refuses what no step could read
    rows = names.get_indexer(labels.index)
    donors = None if settings.donor_column is None else read_donors(adata, settings.donor_column)[rows]
    split = split_cells(
        labels.cat.codes.to_numpy().astype(np.int64),
        settings.sizes,
        min_cluster_size=settings.min_cluster_size,
        donors=donors,
        shuffle=settings.shuffle,
        rng=np.random.default_rng(settings.shuffle_seed),
    )
    classes = [labels.cat.categories[code] for code in split.kept_classes]
    dropped = [name for name in labels.cat.categories if name not in set(classes)]
    if dropped:
        logger.info(
            "%d class(es) with fewer than %d cells are left out: %s",
            len(dropped),
            settings.min_cluster_size,
            ", ".join(dropped),
        )
    files = tuple(settings.save_dir / f"adata_{side}.h5ad" for side in SIDE_NAMES)
    sides = (split.train, split.validation, split.test)
    with written_whole(*files) as drafts:
        for draft, side in zip(drafts, sides, strict=True):
            part = subset_with_classes(adata, labels.index, side, label_key=settings.y_column, classes=classes)
            write_adata(part, draft)
    counts = {
        name: labels.iloc[side].value_counts().reindex(classes, fill_value=0)
        for name, side in zip(SIDE_NAMES, sides, strict=True)
    }
    for name, path, side in zip(SIDE_NAMES, files, sides, strict=True):
        logger.info("%s: %d cells of %d classes in %s", name, len(side), int((counts[name] > 0).sum()), path)
    return SplitReport(files, pd.DataFrame(counts))
