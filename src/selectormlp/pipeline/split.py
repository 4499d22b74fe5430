"""The first step: one AnnData file into training, validation and test files."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from selectormlp.data.anndata_files import read_adata, write_adata
from selectormlp.data.anndata_io import read_labels, subset_with_classes
from selectormlp.data.anndata_lazy import open_adata
from selectormlp.data.cells import IntArray
from selectormlp.data.disk import DiskMatrix
from selectormlp.data.expression import choose_expression
from selectormlp.data.split import split_cells
from selectormlp.data.split_index import SPLIT_NAME, SplitIndex, hash_names, index_for, write_split_index
from selectormlp.data.units import read_units
from selectormlp.errors import DataError, counted, quoted
from selectormlp.files import written_whole
from selectormlp.manifests import RUN_KEY
from selectormlp.pipeline.settings import SplitSettings
from selectormlp.results import current_run, whole_result

if TYPE_CHECKING:
    from anndata import AnnData

logger = logging.getLogger(__name__)

SIDE_NAMES = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class SplitReport:
    """What the split step wrote.

    Attributes
    ----------
    files
        The three files, or their indices, in the order training, validation, test.
    cells
        Cells of each class (rows) on each side (columns).
    """

    files: tuple[Path, ...]
    cells: pd.DataFrame


def split_file(settings: SplitSettings) -> SplitReport:
    """Split one AnnData file and write ``adata_train.h5ad``, ``adata_val.h5ad`` and ``adata_test.h5ad``.

    All three carry the same ordered class list, in ``uns`` and as the categories of the label column. With
    ``settings.write`` ``"index"``, expression is not read, and ``adata_train.index.npz`` and so on say which cells of
    which file(s) lie on each side. Files that the other way of writing has left in the folder are removed.

    Raises
    ------
    DataError
        If the file, its labels, donors or matrix are not usable, or the classes are too small.
    OutputError
        If the files cannot be written, or another process is at it; then none of them is.
    """
    copies, indices = _side_files(settings.save_dir)
    files, others = (indices, copies) if settings.write == "index" else (copies, indices)
    with whole_result(settings.save_dir, SPLIT_NAME, replaces=[other.name for other in others]):
        for other in others:
            if other.exists():
                logger.info("%s, of an earlier split, is removed", other)
        return _split(settings, files)


def _side_files(folder: Path) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Return the three files as copies of cells and as indices."""
    copies = tuple(folder / f"adata_{side}.h5ad" for side in SIDE_NAMES)
    return copies, tuple(map(index_for, copies))


def _split(settings: SplitSettings, files: tuple[Path, ...]) -> SplitReport:
    cells = _open(settings) if settings.write == "index" else _read(settings)
    logger.info(
        "read %s: %d cells × %d genes", ", ".join(map(str, settings.paths)), cells.adata.n_obs, cells.adata.n_vars
    )
    labels, key = cells.labels, settings.donor_column
    split = split_cells(
        labels.cat.codes.to_numpy().astype(np.int64),
        settings.sizes,
        min_cluster_size=settings.min_cluster_size,
        donors=read_units(cells.adata, key, "donor", cells.rows),
        shuffle=settings.shuffle,
        rng=np.random.default_rng(settings.shuffle_seed),
    )
    classes = [labels.cat.categories[code] for code in split.kept_classes]
    dropped = [name for name in labels.cat.categories if name not in set(classes)]
    if dropped:
        logger.info(
            "%s left out, for fewer than %d cells: %s",
            counted(len(dropped), "class is", "classes are"),
            settings.min_cluster_size,
            ", ".join(dropped),
        )
    sides = (split.train, split.validation, split.test)
    cells.write(files, settings.y_column, sides, classes)
    counts = {
        name: labels.iloc[side].value_counts().reindex(classes, fill_value=0)
        for name, side in zip(SIDE_NAMES, sides, strict=True)
    }
    unlearned = counts["train"].index[counts["train"] == 0].tolist()
    if unlearned:
        logger.warning(
            "no cell of %s is in training, so nothing will be learned of such types; let more donors hold them, leave "
            "them out (exclude_labels), or split without donors",
            quoted(unlearned),
        )
    for name, path, side in zip(SIDE_NAMES, files, sides, strict=True):
        logger.info("%s: %d cells of %d classes in %s", name, len(side), int((counts[name] > 0).sum()), path)
    return SplitReport(files, pd.DataFrame(counts))


@dataclass(frozen=True, eq=False)
class _Source:
    """What is split: labelled cells, in memory or on disk."""

    adata: AnnData
    labels: pd.Series
    rows: IntArray
    """Where in ``adata`` the labelled cells are."""

    matrices: tuple[DiskMatrix, ...] = ()

    def write(self, files: tuple[Path, ...], label_key: str, sides: tuple[IntArray, ...], classes: list[str]) -> None:
        """Write the three files."""
        for file, side in zip(files, sides, strict=True):
            with written_whole(file) as (draft,):
                self._write_side(draft, label_key, side, classes)

    def _write_side(self, draft: Path, label_key: str, side: IntArray, classes: list[str]) -> None:
        if self.matrices:
            write_split_index(self._index(label_key, side, classes), draft)
            return
        part = subset_with_classes(self.adata, self.labels.index, side, label_key=label_key, classes=classes)
        part.uns[RUN_KEY] = current_run()
        write_adata(part, draft)

    def _index(self, label_key: str, side: IntArray, classes: list[str]) -> SplitIndex:
        rows = self.rows[side]
        return SplitIndex(
            paths=tuple(matrix.path for matrix in self.matrices),
            rows=rows,
            shapes=tuple(matrix.shape for matrix in self.matrices),
            label_key=label_key,
            classes=tuple(classes),
            names_hash=hash_names(self.adata.obs_names[rows]),
        )


def _read(settings: SplitSettings) -> _Source:
    adata = read_adata(settings.adata_path)
    names, labels = read_labels(adata, settings.y_column, exclude=settings.exclude_labels)
    choose_expression(adata, layer=settings.layer, normalize=settings.normalize)  # refuses what no step could read
    return _Source(adata, labels, names.get_indexer(labels.index))


def _open(settings: SplitSettings) -> _Source:
    opened = open_adata(
        settings.paths, label_key=settings.y_column, donor_key=settings.donor_column, layer=settings.layer
    )
    if opened.rows is not None:
        raise DataError(f"{str(settings.paths[0])!r} is one side of a split already; name the files that were split")
    names, labels = read_labels(opened.table, settings.y_column, exclude=settings.exclude_labels)
    opened.judge(settings.normalize)  # refuses what no step could read
    return _Source(opened.table, labels, names.get_indexer(labels.index), opened.matrices)
