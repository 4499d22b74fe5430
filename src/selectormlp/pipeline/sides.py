"""The cells of the sides of a split: in memory, or left on disk."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from selectormlp.data.anndata_files import read_adata
from selectormlp.data.anndata_io import CellsSource, cells_from_adata, drop_unlisted
from selectormlp.data.anndata_lazy import open_cells
from selectormlp.data.cells import Cells
from selectormlp.data.split_index import SPLIT_NAME, SUFFIX
from selectormlp.data.stored import AnyCells, StoredCells
from selectormlp.data.subsample import subsample
from selectormlp.errors import DataError, InputError
from selectormlp.manifests import read_manifest
from selectormlp.models.model import Model
from selectormlp.results import check_together

logger = logging.getLogger(__name__)


def side_file(folder: Path, side: str) -> Path:
    """Find the file of a side of a split: a copy of its cells, or an index of them.

    Raises
    ------
    DataError
        If both are there.
    """
    copy, index = folder / f"adata_{side}.h5ad", folder / f"adata_{side}{SUFFIX}"
    if copy.exists() and index.exists():
        raise DataError(
            f"{str(folder)!r} holds both {copy.name!r} and {index.name!r}, which may be of different splits; remove "
            "the one that is not wanted, or split again into an empty folder"
        )
    return index if index.exists() else copy


def check_split(folder: Path) -> None:
    """Refuse sides of different splits, as a split that was stopped in the middle could have left them.

    Raises
    ------
    DataError
        If their files are not of one run of the split step.
    """
    names = [f"adata_{side}{suffix}" for suffix in (".h5ad", SUFFIX) for side in ("train", "val", "test")]
    try:
        check_together(folder, SPLIT_NAME, names, repeat="'selectormlp split_data'")
    except InputError as error:
        raise DataError(str(error)) from error


def split_run(folder: Path) -> str | None:
    """Return the name of the run that split the cells of a folder; None where that is not written down.

    Raises
    ------
    DataError
        If the sides are of different runs. A split that was stopped half way into place is finished first.
    """
    check_split(folder)
    manifest = read_manifest(folder, SPLIT_NAME)
    return None if manifest is None else manifest.run


def check_same_split(folder: Path, model: Model, named: Path) -> None:
    """Refuse a model that learned from another split than the one in a folder, whose test cells it may have seen.

    Models and splits that record no run are accepted.

    Raises
    ------
    DataError
        If the runs differ.
    """
    found = split_run(folder)
    if found is not None and model.split is not None and found != model.split:
        raise DataError(
            f"{str(named)!r} learned from another split than the one in {str(folder)!r}, so it may have seen its test "
            "cells: train again on this split ('selectormlp train'), or score other cells with 'selectormlp evaluate'"
        )


def stays_on_disk(path: Path, lazy: bool | None) -> bool:
    """Return whether the expression of a side is to stay on disk: as asked or, by default, where there is an index."""
    return path.name.endswith(SUFFIX) if lazy is None else lazy


def open_side(
    path: Path, source: CellsSource, *, classes: Sequence[str] | None = None, genes: Sequence[str] | None = None
) -> StoredCells:
    """Open one side of a split and leave its expression on disk.

    Parameters
    ----------
    path
        An AnnData file, or the index of a side.
    source
        Where in it to look.
    classes, genes
        As for :func:`selectormlp.data.anndata_io.cells_from_adata`.

    Returns
    -------
    Its cells; without ``classes``, those that are in the class list of the split.

    Raises
    ------
    DataError
        If the file is absent or not usable.
    """
    with _named(path):
        cells = open_cells(path, source, classes=classes, genes=genes)
    logger.info("opened %s: %d cells × %d genes, %d classes", path, cells.n_cells, cells.n_genes, cells.n_classes)
    return cells if classes is not None else drop_unlisted(cells)


def load_side(
    path: Path, source: CellsSource, *, classes: Sequence[str] | None = None, genes: Sequence[str] | None = None
) -> Cells:
    """Read one side of a split into memory; see :func:`open_side`."""
    with _named(path):
        if path.name.endswith(SUFFIX):
            cells = open_cells(path, source, classes=classes, genes=genes).load()
        else:
            cells = cells_from_adata(read_adata(path), source, classes=classes, genes=genes)
    logger.info("read %s: %d cells × %d genes, %d classes", path, cells.n_cells, cells.n_genes, cells.n_classes)
    return cells if classes is not None else drop_unlisted(cells)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Add the name of the file to errors."""
    try:
        yield
    except DataError as error:
        raise error if repr(str(path)) in str(error) else DataError(f"{str(path)!r}: {error}") from error


def read_sides(
    read: Callable[..., AnyCells],
    folder: Path,
    source: CellsSource,
    *,
    caps: tuple[int | None, int | None],
    rng: np.random.Generator,
) -> tuple[AnyCells, AnyCells]:
    """Read the training and validation side of a split, or open them.

    Parameters
    ----------
    read
        :func:`open_side` or :func:`load_side`.
    folder
        Where the split step has left them.
    source
        Where in them to look.
    caps
        The most cells of a class on each side, or None.
    rng
        Chooses the cells of a class that are kept.

    Returns
    -------
    Both sides, with the same genes and one class list.

    Raises
    ------
    DataError
        If a file is absent or not usable.
    """
    check_split(folder)
    train = cap_classes(read(side_file(folder, "train"), source), caps[0], rng)
    validation = read(side_file(folder, "val"), source, genes=tuple(train.genes))
    return same_classes(train, cap_classes(validation, caps[1], rng))


def cap_classes(cells: AnyCells, most: int | None, rng: np.random.Generator) -> AnyCells:
    """Keep at most this many cells of each class, at random; None keeps all."""
    if most is None or cells.class_counts().max() <= most:
        return cells
    capped = cells.take(subsample(cells.labels, rng, per_class=most))
    logger.info("classes are capped at %d cells again: %d of %d cells are kept", most, capped.n_cells, cells.n_cells)
    return capped


def same_classes(train: AnyCells, validation: AnyCells) -> tuple[AnyCells, AnyCells]:
    """Give both sides one class list; a class that one of them lacks stays a class."""
    classes = (*train.classes, *(name for name in validation.classes if name not in set(train.classes)))
    places = np.array([classes.index(name) for name in validation.classes])
    return (
        replace(train, classes=classes),
        replace(validation, classes=classes, labels=places[validation.labels]),
    )
