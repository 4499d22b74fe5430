"""AnnData objects in, labelled cells out; and parts of an object that carry its class list."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from selectormlp.data.cells import UNKNOWN_CLASS, Cells, IntArray, Matrix, as_matrix, check_unique, gene_positions
from selectormlp.data.normalize import (
    NORMALIZATIONS,
    holds_counts,
    log1p_cp10k,
    stored_values,
)
from selectormlp.data.source import Normalization
from selectormlp.data.stored import AnyCells
from selectormlp.errors import DataError, SettingsError, counted, nearest, quoted

if TYPE_CHECKING:
    from anndata import AnnData

logger = logging.getLogger(__name__)

UNS_KEY = "selectormlp"

FEW_CELLS = 5
"""A type with fewer cells is warned of."""

MOST_NAMED = 8
"""Types that a warning names."""

FEW_LABELS = 50
"""Different labels that are taken for types whatever the number of cells; more must have two cells each on average."""


@dataclass(frozen=True)
class CellsSource:
    """Where in an AnnData object to look, and how to take what is there.

    Attributes
    ----------
    label_key
        Column of ``obs`` with the cell type; of any dtype.
    donor_key
        Column of ``obs`` with the donor, or None.
    layer
        Layer to take instead of ``X``, or None.
    normalize
        ``"auto"``, ``"counts"`` or ``"none"``; see :mod:`selectormlp.data.normalize`.
    exclude_labels
        Labels whose cells are left out.
    """

    label_key: str
    donor_key: str | None = None
    layer: str | None = None
    normalize: Normalization = "auto"
    exclude_labels: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Expression:
    """A checked matrix that was chosen from an AnnData object, not yet normalised."""

    X: Matrix
    genes: pd.Index[str]
    is_counts: bool


def cells_from_adata(
    adata: AnnData,
    source: CellsSource,
    *,
    classes: Sequence[str] | None = None,
    genes: Sequence[str] | None = None,
) -> Cells:
    """Take labelled, normalised cells from an AnnData object, which is not altered.

    Parameters
    ----------
    adata
        Cells × genes.
    source
        Which label column, donors, layer and normalisation.
    classes
        The class list that codes are to refer to. By default the one that the file carries from a split, or
        else the labels found: categories in their order, numbers by size, strings by alphabet.
    genes
        The genes wanted, in order, found by name. Taken before normalising, so that counts per 10,000 refer to
        these genes. By default all.

    Returns
    -------
    Cells with a label; those of a class outside ``classes`` get ``UNKNOWN_CLASS``.

    Raises
    ------
    DataError
        If a column, layer or gene is absent, names repeat, or the matrix is not usable.
    SettingsError
        If ``source.normalize`` is not one of its three values.
    """
    names, labels = read_labels(adata, source.label_key, exclude=source.exclude_labels)
    if classes is None:
        classes = carried_classes(adata, source.label_key) or tuple(labels.cat.categories)
    expression = choose_expression(adata, layer=source.layer, normalize=source.normalize)
    X, found = expression.X, expression.genes
    if genes is not None:
        wanted = pd.Index(genes)
        X = X if wanted.equals(found) else as_matrix(X[:, gene_positions(found, wanted)])
        found = wanted
    rows = names.get_indexer(labels.index)
    if len(rows) < len(names):
        X = X[rows]
    if expression.is_counts:
        X = log1p_cp10k(X)
    return Cells(
        X=X,
        genes=found,
        names=pd.Index(labels.index.astype(str)),
        labels=class_codes(labels, classes),
        classes=tuple(classes),
        donors=None if source.donor_key is None else read_donors(adata, source.donor_key)[rows],
        is_normalized=expression.is_counts,
    )


def class_codes(labels: pd.Series, classes: Sequence[str]) -> IntArray:
    """Look categorical labels up in a class list, shape (n_cells,); ``UNKNOWN_CLASS`` where a label is not in it."""
    codes = pd.Index(classes).get_indexer(labels.cat.categories.astype(str))
    found: IntArray = np.where(codes < 0, UNKNOWN_CLASS, codes).astype(np.int64)[labels.cat.codes.to_numpy()]
    return found


def choose_expression(adata: AnnData, *, layer: str | None, normalize: Normalization) -> Expression:
    """Choose the matrix to read: the layer, X, or ``.raw`` where X holds negative values.

    Raises
    ------
    DataError
        If it is no AnnData object, the layer is absent, the matrix is not usable, gene names repeat, X is negative and
        there is no ``.raw`` (unless ``normalize`` is ``"none"``), or ``normalize`` is ``"counts"`` and the values are
        as small as logs without being whole numbers.
    SettingsError
        If ``normalize`` is not a known value.
    """
    check_adata(adata)
    if adata.isbacked:
        raise DataError("the data are open on disk only (backed); call adata.to_memory() first")
    check_normalization(normalize)
    if layer is not None and layer not in adata.layers:
        raise DataError(f"no layer {layer!r} in the data; {nearest(layer, adata.layers.keys())}")
    check_unique(adata.var_names, "gene", "adata.var_names_make_unique()")
    genes = adata.var_names.astype(str)
    found = adata.X if layer is None else adata.layers[layer]
    where = "X" if layer is None else f"layer {layer!r}"
    if found is None:
        raise DataError(f"the data have no X; name a layer instead ({nearest('', adata.layers.keys())})")
    X = as_matrix(found)
    if normalize == "none":
        return Expression(X, genes, is_counts=False)

    n_negative = int((stored_values(X) < 0).sum())
    if n_negative and layer is None and adata.raw is not None:
        raw_genes = adata.raw.var_names.astype(str)
        check_unique(raw_genes, "gene", "make the names of adata.raw unique")
        kept = genes[genes.isin(raw_genes)]
        if not len(kept):
            raise DataError("X holds negative values, and none of its genes is in .raw; give a layer instead")
        logger.info(
            "X holds negative values (scaled); reading .raw instead, for %d of the %d genes of X", len(kept), len(genes)
        )
        X = as_matrix(adata.raw.X)
        if not kept.equals(raw_genes):
            X = as_matrix(X[:, gene_positions(raw_genes, kept)])
        genes, where = kept, ".raw"
        n_negative = int((stored_values(X) < 0).sum())
    if n_negative:
        raise DataError(
            f"{where} holds {n_negative} negative value(s), so it is neither counts nor log-normalised; give a "
            'layer with counts or logs, or set normalize to "none" to take it as it is'
        )
    return Expression(X, genes, is_counts=holds_counts(X, where, normalize))


def check_normalization(given: str) -> None:
    """Refuse what is no way to normalise.

    Raises
    ------
    SettingsError
        With the ways that there are.
    """
    if given not in NORMALIZATIONS:
        raise SettingsError(f"normalize is {given!r}; expected one of {quoted(NORMALIZATIONS)}")


def check_adata(given: object) -> None:
    """Refuse what is no AnnData object.

    Raises
    ------
    DataError
        With the type that was found.
    """
    from anndata import AnnData

    if not isinstance(given, AnnData):
        is_path = isinstance(given, str | Path)
        remedy = f"read it with anndata.read_h5ad({str(given)!r})" if is_path else "make one with anndata.AnnData(X)"
        raise DataError(f"expected an AnnData object, found {type(given).__name__}; {remedy}")


def read_labels(adata: AnnData, label_key: str, *, exclude: Sequence[str] = ()) -> tuple[pd.Index[str], pd.Series]:
    """Read a label column of any dtype.

    Parameters
    ----------
    adata
        Its ``obs`` is read.
    label_key
        The column.
    exclude
        Labels whose cells are left out.

    Returns
    -------
    All cell names; and the labels of the cells that have one, as a categorical of strings indexed by cell name.

    Raises
    ------
    DataError
        If the column or an excluded label is absent, cell names repeat, no cell has a label, or most cells have one of
        their own.
    """
    labels = obs_column(adata, label_key, "label")
    if not adata.n_obs:
        raise DataError(
            f"the data are empty (0 cells × {adata.n_vars} genes); at least one cell and one gene are needed"
        )
    check_unique(adata.obs_names, "cell", "adata.obs_names_make_unique()")
    values = labels.cat.categories if isinstance(labels.dtype, pd.CategoricalDtype) else _sorted_values(labels)
    blank = [value for value in values if not str(value).strip()]
    labels = labels.mask(labels.isin(blank)) if blank else labels
    missing = int(labels.isna().sum())
    if missing:
        logger.warning("%d of %d cells have no label in %r: left out", missing, len(labels), label_key)
    labels = labels.dropna()
    if labels.empty:
        raise DataError(f"no cell has a label in {label_key!r}; name a column of obs that holds cell types")
    text = labels.astype(str)
    present = set(text)
    categories = [name for name in dict.fromkeys(map(str, values)) if name in present]
    for label in exclude:
        if label not in present:
            raise DataError(f"no cell has the label {label!r} that is to be left out; {nearest(label, categories)}")
    if exclude:
        left_out = text.isin(list(exclude))
        logger.info("%d cells with the label(s) %s are left out as asked", int(left_out.sum()), quoted(exclude))
        text = text[~left_out]
        categories = [name for name in categories if name not in set(exclude)]
        if text.empty:
            raise DataError("every label is to be left out; exclude fewer labels")
    if len(categories) > max(FEW_LABELS, len(text) / 2):
        raise DataError(
            f"the {len(text):,} labelled cells have {len(categories):,} different values in {label_key!r} "
            f"({quoted(categories, most=3)}), too many for cell types; name a column of obs that holds cell types"
        )
    return adata.obs_names, text.astype(pd.CategoricalDtype(categories))


def _sorted_values(labels: pd.Series) -> list[object]:
    values = list(labels.dropna().unique())
    try:
        return sorted(values)
    except TypeError:  # strings among numbers
        return sorted(values, key=str)


def read_donors(adata: AnnData, donor_key: str) -> npt.NDArray[np.str_]:
    """Read the donor of every cell as a string, shape (n_cells,).

    Raises
    ------
    DataError
        If the column is absent or a cell has no donor.
    """
    donors = obs_column(adata, donor_key, "donor")
    missing = int(donors.isna().sum())
    if missing:
        raise DataError(f"{missing} cell(s) have no donor in {donor_key!r}; fill the column or leave it out")
    return donors.astype(str).to_numpy(dtype=np.str_)


def obs_column(adata: AnnData, key: str, what: str) -> pd.Series:
    """Return a column of ``obs``.

    Raises
    ------
    DataError
        If it is absent, the nearest names being offered; or if this is no AnnData object.
    """
    check_adata(adata)
    check_column(key, adata.obs.columns, what)
    column: pd.Series = adata.obs[key]
    return column


def check_column(key: str, columns: Collection[str], what: str) -> None:
    """Refuse a column of ``obs`` that is not there.

    Raises
    ------
    DataError
        With the nearest names.
    """
    if key not in columns:
        raise DataError(f"no {what} column {key!r} in obs; {nearest(key, columns)}")


def carried_classes(adata: AnnData, label_key: str) -> tuple[str, ...] | None:
    """Return the ordered class list that a split has left in ``uns``, if it is of this label column.

    Raises
    ------
    DataError
        If a class is in the list twice.
    """
    carried = adata.uns.get(UNS_KEY)
    if not isinstance(carried, dict) or not isinstance(carried.get("label_key"), str):
        return None  # an array would compare place by place
    if carried["label_key"] != label_key:
        return None
    classes = np.asarray(carried.get("classes", ()))
    if classes.ndim != 1 or not classes.size:
        return None
    names = pd.Index(classes.astype(str))
    if not names.is_unique:
        repeated = quoted(names[names.duplicated()].unique())
        raise DataError(f"the class list in uns[{UNS_KEY!r}] repeats {repeated}; split again from the original file")
    return tuple(names)


def drop_unlisted(cells: AnyCells) -> AnyCells:
    """Leave out cells whose label is not in the class list that their file carries from a split; say how many."""
    listed = cells.labels != UNKNOWN_CLASS
    if listed.all():
        return cells
    logger.warning(
        "%d cells have labels that are not in the class list of the split (uns[%r] of the file): left out",
        int((~listed).sum()),
        UNS_KEY,
    )
    return cells.take(listed)


def warn_of_rare_types(cells: AnyCells) -> None:
    """Say which types have so few cells that their genes are little more than chance."""
    rare = {name: n for name, n in zip(cells.classes, cells.class_counts().tolist(), strict=True) if 0 < n < FEW_CELLS}
    if rare:
        logger.warning(
            "%s fewer than %d cells (%s), from which little can be learned; to leave such types out: exclude_labels "
            "(--exclude-label)",
            counted(len(rare), "type has", "types have"),
            FEW_CELLS,
            ", ".join(f"{name!r}: {n}" for name, n in list(rare.items())[:MOST_NAMED])
            + (" …" * (len(rare) > MOST_NAMED)),
        )


def subset_with_classes(
    adata: AnnData, cell_names: pd.Index[str], rows: IntArray, *, label_key: str, classes: Sequence[str]
) -> AnnData:
    """Copy some cells, their labels as a categorical over the whole class list, which ``uns`` carries too.

    Parameters
    ----------
    adata
        The whole; not altered.
    cell_names
        Cell names that ``rows`` counts in.
    rows
        Positions in ``cell_names``.
    label_key
        The label column.
    classes
        The ordered class list, which may hold classes that these cells lack.
    """
    part = adata[cell_names[rows]].copy()
    labels = part.obs[label_key].astype(str)
    part.obs[label_key] = pd.Categorical(labels, categories=list(classes))
    part.uns.pop(f"{label_key}_colors", None)  # the colours of another class list
    part.uns[UNS_KEY] = {"label_key": label_key, "classes": np.array(list(classes), dtype=object)}
    return part
