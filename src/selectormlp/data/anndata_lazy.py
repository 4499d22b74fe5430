"""Open AnnData files without reading X: labels and donors in memory, the matrix on disk."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
import pandas as pd

from selectormlp.data.anndata_io import (
    UNS_KEY,
    CellsSource,
    carried_classes,
    categorical,
    class_codes,
    read_labels,
)
from selectormlp.data.anndata_parts import StoredFile, joined_table, open_file
from selectormlp.data.cells import UNKNOWN_CLASS, IntArray, gene_positions
from selectormlp.data.coverage import Coverage
from selectormlp.data.disk import DiskMatrix, StoredPart, open_store
from selectormlp.data.expression import check_normalization
from selectormlp.data.joining import Joining
from selectormlp.data.normalize import Normalization
from selectormlp.data.open_sets import Paths, named_files, open_sets
from selectormlp.data.set_genes import joined_genes
from selectormlp.data.set_summary import SetsSummary, described
from selectormlp.data.split_index import SplitIndex, found_side, is_split_index, read_split_index
from selectormlp.data.stored import StoredCells, StoredMatrix, ValueKind
from selectormlp.data.units import read_units
from selectormlp.data.value_kind import judge_values
from selectormlp.errors import DataError, counted

if TYPE_CHECKING:
    from anndata import AnnData

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class StoredAdata:
    """AnnData files opened as one, with matrices on disk.

    Attributes
    ----------
    table
        The part in memory: requested columns of ``obs``, ``var`` of the first file for the common genes, and the class
        list of a split; no X.
    matrices
        The matrix of each file.
    columns
        Positions of the genes of ``table`` in each file.
    rows
        Rows of the cells of ``table``, counted over all files, if a split took some; None: all.
    layer
        Name of the opened layer; None for X.
    has_raw
        Whether one of the files has a ``.raw``.
    sets
        Summary of the data sets, if several were joined.
    """

    table: AnnData
    matrices: tuple[DiskMatrix, ...]
    columns: tuple[IntArray, ...]
    rows: IntArray | None
    layer: str | None
    has_raw: bool
    sets: SetsSummary | None = None

    def judge(self, normalize: Normalization) -> ValueKind:
        """Tell counts from other values; see :func:`selectormlp.data.value_kind.judge_values`."""
        return judge_values(self.matrices, normalize, layer=self.layer, has_raw=self.has_raw)

    def matrix(self, kind: ValueKind, genes: pd.Index[str]) -> StoredMatrix:
        """Return the expression of some genes, to which counts per 10,000 refer; 0 if a file lacks a gene."""
        wanted = gene_positions(self.table.var_names, genes)
        parts = []
        for matrix, columns in zip(self.matrices, self.columns, strict=True):
            taken = columns[wanted]
            whole = np.array_equal(taken, np.arange(matrix.shape[1]))
            parts.append(StoredPart(matrix, None if whole else taken))
        stored = StoredMatrix(tuple(parts), kind)
        return stored if self.rows is None else stored.take_cells(self.rows)

    def coverage(self, genes: pd.Index[str]) -> Coverage | None:
        """Return which of some genes were measured in which cells of ``table``; None: all genes in all cells."""
        found = None if self.sets is None else self.sets.coverage
        return None if found is None else found.take_genes(gene_positions(self.table.var_names, genes))


def are_paths(given: object) -> TypeGuard[Paths]:
    """Return whether the value is a path or a list of paths.

    Examples
    --------
    >>> are_paths("cells.h5ad"), are_paths([Path("a.h5ad"), Path("b.zarr")]), are_paths(np.eye(2))
    (True, True, False)
    """
    if isinstance(given, str | Path):
        return True
    return isinstance(given, list | tuple) and all(isinstance(path, str | Path) for path in given)


def open_cells(
    paths: Paths, source: CellsSource, *, classes: Sequence[str] | None = None, genes: Sequence[str] | None = None
) -> StoredCells:
    """Open labelled cells of AnnData files, with expression on disk.

    Parameters
    ----------
    paths
        h5ad files, zarr folders, or the index file of one side of a split. X, or the layer, is CSR or dense. From
        several files the common genes are taken, in the order of the first; the log names what is lost.
    source
        Which label column, donors, layer and normalisation, as for cells in memory. ``"auto"`` judges by a sample
        whether the files hold counts; if other cells contradict it, reading them raises.
    classes, genes
        As for :func:`selectormlp.data.anndata_io.cells_from_adata`.

    Returns
    -------
    Cells with a label; those of a class outside ``classes`` get ``UNKNOWN_CLASS``. Names that occur in several files
    are followed by the number of the file (``-0``, ``-1``, …, as ``anndata.concat`` has it).

    Raises
    ------
    DataError
        If a file, column, layer or gene is absent, names repeat, or a matrix is not usable or cannot be read by rows.
    SettingsError
        If ``source.normalize`` is not one of its three values.
    """
    keys = {name: getattr(source, name) for name in ("label_key", "donor_key", "batch_key", "layer")}
    opened = open_adata(paths, **keys)
    return stored_cells(opened, source, classes=classes, genes=genes)


def stored_cells(
    opened: StoredAdata,
    source: CellsSource,
    *,
    classes: Sequence[str] | None = None,
    genes: Sequence[str] | None = None,
) -> StoredCells:
    """Take labelled cells from opened files; see :func:`open_cells`."""
    check_normalization(source.normalize)
    table = opened.table
    names, labels = read_labels(table, source.label_key, exclude=source.exclude_labels)
    if classes is None:
        classes = carried_classes(table, source.label_key, labels) or tuple(labels.cat.categories)
    kind = opened.judge(source.normalize)
    wanted = table.var_names if genes is None else pd.Index(genes)
    X = opened.matrix(kind, wanted)
    rows = names.get_indexer(labels.index)
    if len(rows) < len(names):
        X = X.take_cells(rows)
    coverage = opened.coverage(wanted)
    return StoredCells(
        X=X,
        genes=wanted,
        names=pd.Index(labels.index.astype(str)),
        labels=class_codes(labels, classes),
        classes=tuple(classes),
        donors=read_units(table, source.donor_key, "donor", rows),
        batches=read_units(table, source.batch_key, "batch", rows),
        is_normalized=X.is_counts,
        coverage=None if coverage is None else coverage.take(rows),
    )


def stored_unlabelled_cells(
    opened: StoredAdata,
    *,
    normalize: Normalization = "auto",
    donor_key: str | None = None,
    batch_key: str | None = None,
) -> StoredCells:
    """Take all cells of opened files, without class; see :func:`selectormlp.data.panel_io.unlabelled_cells`."""
    check_normalization(normalize)
    table = opened.table
    X = opened.matrix(opened.judge(normalize), table.var_names)
    return StoredCells(
        X=X,
        genes=table.var_names,
        names=table.obs_names,
        labels=np.full(table.n_obs, UNKNOWN_CLASS, dtype=np.int64),
        classes=(),
        donors=read_units(table, donor_key, "donor"),
        batches=read_units(table, batch_key, "batch"),
        is_normalized=X.is_counts,
        coverage=opened.coverage(table.var_names),
    )


def open_adata(
    paths: Paths | Mapping[str, Path | str],
    *,
    label_key: str | None = None,
    donor_key: str | None = None,
    batch_key: str | None = None,
    layer: str | None = None,
    levels: Sequence[str] = (),
    all_columns: bool = False,
    joining: Joining | None = None,
) -> StoredAdata:
    """Open AnnData files as one: ``var`` and named (or all) columns of ``obs`` are read, X is not.

    Parameters
    ----------
    paths
        One file, several, or several by name of the data set.
    label_key, donor_key, layer
        Columns of ``obs`` and layer of every file.
    levels
        Columns of ``obs`` above the types.
    all_columns
        Whether to read all columns of ``obs``.
    joining
        How several files are joined; they are then ordered by name, whatever the given order. None: in the order given,
        with common genes and unchanged labels.

    Raises
    ------
    DataError
        If a file is absent or cannot be read in parts, a column or layer is absent, or the files have no gene in
        common.
    SettingsError
        If ``joining`` does not fit the files.
    """
    places, names = named_files(paths)
    places = [found_side(place) for place in places]
    index = _split_index(places)
    if index is not None or joining is None or not (len(places) > 1 or joining.is_asked):
        joining, places = None, places if index is None else list(index.paths)
        above = [(key, "label") for key in levels]
        wanted = None if all_columns else ((label_key, "label"), (donor_key, "donor"), (batch_key, "batch"), *above)
        files = tuple(open_file(place, wanted, layer) for place in places)
    else:
        keys: Any = {"label_key": label_key, "donor_key": donor_key, "batch_key": batch_key, "levels": levels}
        files = open_sets(places, names, joining, **keys, layer=layer, all_columns=all_columns)
    genes, columns = joined_genes(files, "intersection" if joining is None else joining.join_genes)
    table = joined_table(files, genes) if index is None else _side(files, genes, index)
    logger.info(
        "opened %s of %s: %d cells × %d genes; expression stays on disk",
        "X" if layer is None else f"layer {layer!r}",
        counted(len(places), "file", "files"),
        table.n_obs,
        table.n_vars,
    )
    has_raw = any(file.has_raw for file in files)
    rows = None if index is None else index.rows
    opened = StoredAdata(table, tuple(file.matrix for file in files), columns, rows, layer, has_raw)
    return opened if joining is None else replace(opened, sets=described(files, table, columns, label_key))


def _side(files: Sequence[StoredFile], genes: pd.Index[str], index: SplitIndex) -> AnnData:
    """Concatenate the cells of one side of a split, without their expression."""
    index.check([file.matrix.shape for file in files])
    table = joined_table(files, genes)
    index.check_cells(table.obs)
    index.check_content()
    table = table[index.rows].copy()
    table.uns[UNS_KEY] = {"label_key": index.label_key, "classes": np.array(index.classes, dtype=object)}
    return table


def read_side(path: Path) -> AnnData:
    """Read the cells of an index file into memory: obs, var, X and layers, and the class list of the split.

    Raises
    ------
    DataError
        If the index, or a file that it names, is not usable.
    """
    index = read_split_index(path)
    files = [open_file(place, None, None) for place in index.paths]
    genes, columns = joined_genes(files, "intersection")
    table = _side(files, genes, index)
    table.obs[index.label_key] = categorical(table.obs[index.label_key], index.label_key, index.classes)
    layers = set.intersection(*(set(open_store(file.matrix.path).get("layers", {})) for file in files))
    for layer in (None, *sorted(layers)):
        matrices = [file.matrix if layer is None else DiskMatrix(file.matrix.path, f"layers/{layer}") for file in files]
        X = StoredAdata(table, tuple(matrices), columns, index.rows, layer, has_raw=False).matrix("any", genes).load()
        if layer is None:
            table.X = X
        else:
            table.layers[layer] = X
    return table


def _split_index(places: Sequence[Path]) -> SplitIndex | None:
    indices = [place for place in places if is_split_index(place)]
    if indices and len(places) > 1:
        raise DataError(f"{str(indices[0])!r} is one side of a split, to be read alone; {len(places)} files are named")
    return read_split_index(indices[0]) if indices else None
