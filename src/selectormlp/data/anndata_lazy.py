"""AnnData files opened without reading X: labels and donors in memory, the matrix left on disk."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

import numpy as np
import numpy.typing as npt
import pandas as pd

from selectormlp.data.anndata_files import check_parts, container_of
from selectormlp.data.anndata_io import (
    UNS_KEY,
    CellsSource,
    carried_classes,
    check_column,
    check_normalization,
    class_codes,
    holds_counts,
    read_donors,
    read_labels,
)
from selectormlp.data.cells import UNKNOWN_CLASS, IntArray, check_unique, gene_positions
from selectormlp.data.disk import DiskMatrix, open_store
from selectormlp.data.normalize import Normalization, is_whole, stored_values
from selectormlp.data.split_index import SplitIndex, found_side, is_split_index, read_split_index
from selectormlp.data.stored import StoredCells, StoredMatrix, StoredPart, ValueKind
from selectormlp.errors import DataError, counted, nearest, quoted

if TYPE_CHECKING:
    from anndata import AnnData

logger = logging.getLogger(__name__)

Paths: TypeAlias = "Path | str | Sequence[Path | str]"
"""One file, or several that follow each other."""

SAMPLE_PLACES, SAMPLE_CELLS = 8, 64
"""Whether a file holds counts is judged by so many cells at each of so many places, spread over the file."""


@dataclass(frozen=True, eq=False)
class StoredAdata:
    """AnnData files taken as one, whose matrices are on disk.

    Attributes
    ----------
    table
        What is in memory: the columns of ``obs`` that were asked for, ``var`` of the first file for the genes that all
        files have, and the class list that a split left; no X.
    matrices
        The matrix of each file.
    columns
        Where in each file the genes of ``table`` are.
    rows
        The cells of ``table``, counted over all files, where a split took some of them; None: all.
    layer
        What was opened: a layer, or X (None).
    has_raw
        Whether one of the files has a ``.raw``.
    """

    table: AnnData
    matrices: tuple[DiskMatrix, ...]
    columns: tuple[IntArray, ...]
    rows: IntArray | None
    layer: str | None
    has_raw: bool

    def matrix(self, kind: ValueKind, genes: pd.Index[str]) -> StoredMatrix:
        """Return the expression of some genes, which counts per 10,000 will refer to."""
        wanted = gene_positions(self.table.var_names, genes)
        parts = []
        for matrix, columns in zip(self.matrices, self.columns, strict=True):
            taken = columns[wanted]
            whole = np.array_equal(taken, np.arange(matrix.shape[1]))
            parts.append(StoredPart(matrix, None if whole else taken))
        stored = StoredMatrix(tuple(parts), kind)
        return stored if self.rows is None else stored.take_cells(self.rows)


def are_paths(given: object) -> TypeGuard[Paths]:
    """Tell paths, one or a list of them, from anything else.

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
    """Open labelled cells of AnnData files and leave their expression on disk.

    Parameters
    ----------
    paths
        h5ad files, zarr folders, or the index file of one side of a split. X, or the layer, is CSR or dense. Of
        several files the genes in common are taken, in the order of the first; the log says what is lost.
    source
        Which label column, donors, layer and normalisation, as for cells in memory. ``"auto"`` judges by a sample
        whether the files hold counts; should other cells contradict it, reading those is an error.
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
    opened = open_adata(paths, label_key=source.label_key, donor_key=source.donor_key, layer=source.layer)
    return stored_cells(opened, source, classes=classes, genes=genes)


def stored_cells(
    opened: StoredAdata,
    source: CellsSource,
    *,
    classes: Sequence[str] | None = None,
    genes: Sequence[str] | None = None,
) -> StoredCells:
    """Take labelled cells of files that are open; see :func:`open_cells`."""
    check_normalization(source.normalize)
    table = opened.table
    names, labels = read_labels(table, source.label_key, exclude=source.exclude_labels)
    if classes is None:
        classes = carried_classes(table, source.label_key) or tuple(labels.cat.categories)
    kind = judge_values(opened, source.normalize)
    wanted = table.var_names if genes is None else pd.Index(genes)
    X = opened.matrix(kind, wanted)
    rows = names.get_indexer(labels.index)
    if len(rows) < len(names):
        X = X.take_cells(rows)
    return StoredCells(
        X=X,
        genes=wanted,
        names=pd.Index(labels.index.astype(str)),
        labels=class_codes(labels, classes),
        classes=tuple(classes),
        donors=None if source.donor_key is None else read_donors(table, source.donor_key)[rows],
        is_normalized=X.is_counts,
    )


def stored_unlabelled_cells(
    opened: StoredAdata, *, normalize: Normalization = "auto", donor_key: str | None = None
) -> StoredCells:
    """Take all cells of files that are open, of no class; see :func:`selectormlp.data.panel_io.unlabelled_cells`."""
    check_normalization(normalize)
    table = opened.table
    X = opened.matrix(judge_values(opened, normalize), table.var_names)
    return StoredCells(
        X=X,
        genes=table.var_names,
        names=table.obs_names,
        labels=np.full(table.n_obs, UNKNOWN_CLASS, dtype=np.int64),
        classes=(),
        donors=None if donor_key is None else read_donors(table, donor_key),
        is_normalized=X.is_counts,
    )


def open_adata(
    paths: Paths, *, label_key: str | None = None, donor_key: str | None = None, layer: str | None = None
) -> StoredAdata:
    """Open AnnData files as one: the columns of ``obs`` that are named, and ``var``, are read; X is not.

    Raises
    ------
    DataError
        If a file is absent or no AnnData file that can be read in parts, a column or layer is absent, or the files have
        no gene in common.
    """
    places = [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
    if not places:
        raise DataError("no file is named; name one or several AnnData files")
    places = [found_side(place) for place in places]
    index = _split_index(places)
    if index is not None:
        places = list(index.paths)
    files = [_open_file(place, ((label_key, "label"), (donor_key, "donor")), layer) for place in places]
    genes, columns = _common_genes(files)
    table = _joined(files, genes) if index is None else _side(files, genes, index)
    logger.info(
        "opened %s of %s: %d cells × %d genes; expression stays on disk",
        "X" if layer is None else f"layer {layer!r}",
        counted(len(places), "file", "files"),
        table.n_obs,
        table.n_vars,
    )
    has_raw = any(file.has_raw for file in files)
    rows = None if index is None else index.rows
    return StoredAdata(table, tuple(file.matrix for file in files), columns, rows, layer, has_raw)


def _side(files: Sequence[_File], genes: pd.Index[str], index: SplitIndex) -> AnnData:
    """Put the cells of one side of a split one after the other, without their expression."""
    index.check([file.matrix.shape for file in files])
    table = _joined(files, genes)
    index.check_names(table.obs_names[index.rows])
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
    files = [_open_file(place, None, None) for place in index.paths]
    genes, columns = _common_genes(files)
    table = _side(files, genes, index)
    labels = table.obs[index.label_key].astype(str)
    table.obs[index.label_key] = pd.Categorical(labels, categories=list(index.classes))
    layers = set.intersection(*(set(open_store(file.matrix.path).get("layers", {})) for file in files))
    for layer in (None, *sorted(layers)):
        matrices = [file.matrix if layer is None else DiskMatrix(file.matrix.path, f"layers/{layer}") for file in files]
        X = StoredAdata(table, tuple(matrices), columns, index.rows, layer, has_raw=False).matrix("any", genes).load()
        if layer is None:
            table.X = X
        else:
            table.layers[layer] = X
    return table


@dataclass(frozen=True, eq=False)
class _File:
    """One file: what was read of it, and its matrix."""

    matrix: DiskMatrix
    obs: pd.DataFrame
    var: pd.DataFrame
    carried: object
    has_raw: bool


def _split_index(places: Sequence[Path]) -> SplitIndex | None:
    indices = [place for place in places if is_split_index(place)]
    if indices and len(places) > 1:
        raise DataError(f"{str(indices[0])!r} is one side of a split, to be read alone; {len(places)} files are named")
    return read_split_index(indices[0]) if indices else None


def _open_file(place: Path, wanted: Sequence[tuple[str | None, str]] | None, layer: str | None) -> _File:
    """Open a file; of ``obs``, read the columns that are wanted, or all (None)."""
    from anndata.io import read_elem

    if container_of(place) == "gzip":
        raise DataError(
            f"{str(place)!r} is compressed as a whole, so it cannot be read in parts; unpack it first (gunzip), or "
            'write it with adata.write_h5ad(path, compression="gzip"), which can'
        )
    store = open_store(place)
    check_parts(place, store)
    key = _matrix_key(store, place, layer)
    try:
        obs = _read_obs(store["obs"], wanted)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old formats
            var = read_elem(store["var"])
            carried = read_elem(store["uns"][UNS_KEY]) if UNS_KEY in store.get("uns", {}) else None
    except DataError:
        raise
    except Exception as error:  # anndata, h5py and zarr raise many kinds; each means the same to the user
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(
            f"obs and var of {str(place)!r} cannot be read ({reason}); the file may be truncated or of an old format: "
            "copy it again, or read it in memory and write it anew with adata.write_h5ad()"
        ) from error
    var.index = var.index.astype(str)
    check_unique(var.index, "gene", "adata.var_names_make_unique()")
    matrix = DiskMatrix(place, key)
    if matrix.shape != (len(obs), len(var)):
        raise DataError(f"{matrix} has the shape {matrix.shape}, for {len(obs)} cells and {len(var)} genes")
    return _File(matrix, obs, var, carried, has_raw="raw" in store)


def _matrix_key(store: Any, place: Path, layer: str | None) -> str:
    layers = list(store.get("layers", {}))
    if layer is not None:
        if layer not in layers:
            raise DataError(f"no layer {layer!r} in {str(place)!r}; {nearest(layer, layers)}")
        return f"layers/{layer}"
    if "X" not in store:
        raise DataError(f"{str(place)!r} has no X; name a layer instead ({nearest('', layers)})")
    return "X"


def _read_obs(group: Any, wanted: Sequence[tuple[str | None, str]] | None) -> pd.DataFrame:
    """Read the cell names and the columns that are wanted, and no others: an atlas has many."""
    from anndata.io import read_elem

    known = [str(name) for name in group.attrs["column-order"]]
    columns = {}
    for key, what in [(name, "") for name in known] if wanted is None else wanted:
        if key is not None:
            check_column(key, known, what)
            columns[key] = read_elem(group[key])
    return pd.DataFrame(columns, index=pd.Index(read_elem(group[group.attrs["_index"]])).astype(str))


def _common_genes(files: Sequence[_File]) -> tuple[pd.Index[str], tuple[IntArray, ...]]:
    """Find the genes that all files have, in the order of the first; say what is lost."""
    genes = files[0].var.index
    for file in files[1:]:
        genes = genes[genes.isin(file.var.index)]
    if not len(genes):
        raise DataError(
            f"no gene is in all {len(files)} files (first: {quoted(files[0].var.index, most=3)} and "
            f"{quoted(files[-1].var.index, most=3)}); use the same gene names in each"
        )
    for file in files:
        lost = file.var.index[~file.var.index.isin(genes)]
        if len(lost):
            logger.warning(
                "%s of %s are not in all files: left out (%s)",
                counted(len(lost), "gene", "genes"),
                file.matrix.path,
                quoted(lost, most=3),
            )
    return genes, tuple(gene_positions(file.var.index, genes) for file in files)


def _joined(files: Sequence[_File], genes: pd.Index[str]) -> AnnData:
    """Put the cells of the files one after the other, without their expression."""
    from anndata import AnnData

    obs = files[0].obs
    if len(files) > 1:
        names = [file.obs.index for file in files]
        joined = names[0].append(names[1:])
        if not joined.is_unique and all(part.is_unique for part in names):
            logger.info("cell names occur in several files: each is followed by the number of its file (-0, -1, …)")
            names = [part + f"-{number}" for number, part in enumerate(names)]
            joined = names[0].append(names[1:])
        shared = [key for key in obs.columns if all(key in file.obs for file in files)]
        columns = {key: _joined_column([file.obs[key] for file in files]) for key in shared}
        obs = pd.DataFrame(columns, index=joined)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names that repeat are judged by the readers of labels
        table = AnnData(obs=obs, var=files[0].var.loc[genes])
    carried = files[0].carried
    if isinstance(carried, dict) and all(_same_carried(carried, file.carried) for file in files[1:]):
        table.uns[UNS_KEY] = carried
    return table


def _joined_column(parts: Sequence[pd.Series]) -> npt.NDArray[Any] | pd.Categorical:
    """Put columns one after the other; categories keep their order, those of later files come last."""
    if all(isinstance(part.dtype, pd.CategoricalDtype) for part in parts):
        unordered = [part.cat.as_unordered() for part in parts]
        if len({part.cat.categories.dtype for part in unordered}) == 1:
            return pd.api.types.union_categoricals(unordered)
    return np.concatenate([part.to_numpy(dtype=object) for part in parts])


def _same_carried(first: dict[str, object], other: object) -> bool:
    return (
        isinstance(other, dict)
        and first.get("label_key") == other.get("label_key")
        and np.array_equal(np.asarray(first.get("classes", ())), np.asarray(other.get("classes", ())))
    )


def judge_values(opened: StoredAdata, normalize: Normalization) -> ValueKind:
    """Decide by a sample of each file what its values are, and say so in the log.

    Values that are all 0 or 1 tell nothing; then the file is read on until one does.

    Raises
    ------
    DataError
        If values are negative (unless ``normalize`` is ``"none"``), some files hold counts and others do not, or counts
        are promised and the values look like logs.
    """
    if normalize == "none":
        return "any"
    samples = [_sample(matrix, read_on=normalize == "auto") for matrix in opened.matrices]
    for matrix, values in zip(opened.matrices, samples, strict=True):
        n_negative = int((values < 0).sum())
        if n_negative:
            raw = "its .raw cannot be read in parts; write it as a file of its own (adata.raw.to_adata()), " * (
                opened.has_raw and opened.layer is None
            )
            raise DataError(
                f"{matrix} holds negative values ({n_negative} among the cells looked at), so it is neither counts nor "
                f'logs; {raw}give a layer with counts or logs, or set normalize to "none" to take it as it is'
            )
    whole = [matrix for matrix, values in zip(opened.matrices, samples, strict=True) if is_whole(values)]
    telling = [matrix for matrix in whole if samples[opened.matrices.index(matrix)].max(initial=0) > 1]
    others = [matrix for matrix in opened.matrices if matrix not in whole]
    if telling and others and normalize == "auto":
        raise DataError(
            f"{telling[0]} holds whole numbers, as counts are, and {others[0]} does not; bring all files to one scale, "
            'or set normalize to "none" to take them as they are'
        )
    what = "X" if opened.layer is None else f"layer {opened.layer!r}"
    is_counts = holds_counts(np.concatenate(samples)[None], what, normalize)
    if not is_counts:
        return "expression"
    return "corrected" if normalize == "counts" else "counts"


def _sample(matrix: DiskMatrix, *, read_on: bool) -> npt.NDArray[np.float32]:
    """Return values of cells from all over a file; ``read_on`` until they tell counts from other values."""
    starts = np.linspace(0, max(0, matrix.shape[0] - SAMPLE_CELLS), SAMPLE_PLACES).astype(np.int64)
    rows = np.unique(starts[:, None] + np.arange(SAMPLE_CELLS))
    values = stored_values(matrix.read(rows[rows < matrix.shape[0]]))
    if read_on:
        blocks = StoredMatrix((StoredPart(matrix),), "any").row_blocks()
        while not _tells(values) and (block := next(blocks, None)) is not None:
            values = stored_values(matrix.read(np.arange(block.start, block.stop)))
    return values


def _tells(values: npt.NDArray[np.float32]) -> bool:
    return bool(values.max(initial=0) > 1 or values.min(initial=0) < 0 or not is_whole(values))
