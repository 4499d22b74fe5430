"""Take labelled cells from AnnData objects, and copy parts of an object with its class list."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from selectormlp.data.cells import UNKNOWN_CLASS, Cells, IntArray, as_matrix, check_unique, gene_positions
from selectormlp.data.expression import check_adata, choose_expression
from selectormlp.data.labels import label_text, one_column, plain_number, text_of
from selectormlp.data.normalize import Normalization, log1p_cp10k
from selectormlp.data.stored import AnyCells
from selectormlp.data.units import read_units
from selectormlp.errors import DataError, counted, nearest, quoted

if TYPE_CHECKING:
    from anndata import AnnData

logger = logging.getLogger(__name__)

UNS_KEY = "selectormlp"

FEW_CELLS = 5
"""Types with fewer cells get a warning."""

MAX_NAMED = 8
"""Maximum number of types in a warning."""

FEW_LABELS = 50
"""This many labels are always accepted as types; more must have two cells each on average."""


@dataclass(frozen=True)
class CellsSource:
    """Columns, layer and normalisation to use from an AnnData object.

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
    batch_key
        Column of ``obs`` with the batch, or None.
    """

    label_key: str
    donor_key: str | None = None
    layer: str | None = None
    normalize: Normalization = "auto"
    exclude_labels: tuple[str, ...] = ()
    batch_key: str | None = None


def cells_from_adata(
    adata: AnnData,
    source: CellsSource,
    *,
    classes: Sequence[str] | None = None,
    genes: Sequence[str] | None = None,
) -> Cells:
    """Take labelled, normalised cells from an AnnData object, without altering it.

    Parameters
    ----------
    adata
        Cells × genes.
    source
        Which label column, donors, layer and normalisation.
    classes
        The class list for codes. By default the one stored by a split, or else the labels found: categories in their
        order, numbers by size, strings by alphabet.
    genes
        Names of the genes to take, in order; by default all. They are taken before normalising, so that counts per
        10,000 refer to these genes.

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
        classes = carried_classes(adata, source.label_key, labels) or tuple(labels.cat.categories)
    expression = choose_expression(adata, layer=source.layer, normalize=source.normalize)
    rows = names.get_indexer(labels.index)
    taken = slice(None) if len(rows) == len(names) else rows
    found = expression.genes
    if genes is None or pd.Index(genes).equals(found):
        X = expression.normalized(taken)
        counts = expression.X if expression.totals is None else expression.totals[:, None]
    else:
        found = pd.Index(genes)
        counts = as_matrix(expression.X[:, gene_positions(expression.genes, found)])
        X = counts[taken]
        X = log1p_cp10k(X) if expression.is_counts else X
    return Cells(
        X=X,
        genes=found,
        names=pd.Index(labels.index.astype(str)),
        labels=class_codes(labels, classes),
        classes=tuple(classes),
        donors=read_units(adata, source.donor_key, "donor", rows),
        batches=read_units(adata, source.batch_key, "batch", rows),
        is_normalized=expression.is_counts,
        totals=np.asarray(counts.sum(axis=1)).ravel()[taken].astype(np.float64) if expression.is_counts else None,
    )


def class_codes(labels: pd.Series, classes: Sequence[str]) -> IntArray:
    """Look up labels from :func:`read_labels` in a class list, shape (n_cells,).

    Returns
    -------
    Indices into ``classes``; ``UNKNOWN_CLASS`` for other labels. Class lists of older releases may hold integers with a
    decimal point, or blanks.
    """
    place_of = {plain_number(name): place for place, name in enumerate(classes)}
    place_of.update({name: place for place, name in enumerate(classes)})
    found = [place_of.get(name, place_of.get(plain_number(name), UNKNOWN_CLASS)) for name in labels.cat.categories]
    # a missing label has the code -1, and so takes the last entry
    return np.append(found, UNKNOWN_CLASS).astype(np.int64)[labels.cat.codes.to_numpy()]


def read_labels(adata: AnnData, label_key: str, *, exclude: Sequence[object] = ()) -> tuple[pd.Index[str], pd.Series]:
    """Read a label column of any dtype, as text; see :func:`selectormlp.data.labels.label_text`.

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
    All cell names; and the labels of labelled cells, as a categorical of strings indexed by cell name.

    Raises
    ------
    DataError
        If the column or an excluded label is absent, values are not labels, cell names repeat, no cell has a label, or
        most cells have a label of their own.
    """
    column = obs_column(adata, label_key, "label")
    if not adata.n_obs:
        raise DataError(
            f"the data are empty (0 cells × {adata.n_vars} genes); at least one cell and one gene are needed"
        )
    check_unique(adata.obs_names, "cell", "adata.obs_names_make_unique()")
    found = label_text(column, label_key)
    found.say(label_key)
    missing = int((found.codes < 0).sum())
    if missing:
        logger.warning("%d of %d cells have no label in %r: left out", missing, len(column), label_key)
    if not found.names:
        raise DataError(f"no cell has a label in {label_key!r}; name a column of obs that holds cell types")
    kept, names = np.flatnonzero(found.codes >= 0), pd.Index(found.names)
    labels = pd.Series(pd.Categorical(names[found.codes[kept]], names), index=adata.obs_names[kept])
    left_out = [plain_number(text_of(label)) for label in exclude]
    for label in left_out:
        if label not in found.names:
            raise DataError(f"no cell has the label {label!r} to be left out; {nearest(label, found.names)}")
    if left_out:
        gone = labels.isin(left_out)
        n_gone = counted(int(gone.sum()), "cell is", "cells are")
        logger.info("%s left out as requested, with the labels: %s", n_gone, quoted(left_out))
        labels = labels[~gone].cat.set_categories([name for name in found.names if name not in left_out])
        if labels.empty:
            raise DataError("all labels are excluded; exclude fewer")
    categories = labels.cat.categories
    if len(categories) > max(FEW_LABELS, len(labels) / 2):
        raise DataError(
            f"the {len(labels):,} labelled cells have {len(categories):,} different values in {label_key!r} "
            f"({quoted(categories, most=3)}), too many for cell types; name a column of obs that holds cell types"
        )
    return adata.obs_names, labels


def obs_column(adata: AnnData, key: str, what: str) -> pd.Series:
    """Return a column of ``obs``.

    Raises
    ------
    DataError
        If it is absent (the nearest names are offered) or repeats; or if this is not an AnnData object.
    SettingsError
        If the key is not a string.
    """
    check_adata(adata)
    return one_column(adata.obs, key, what, "obs")


def carried_classes(adata: AnnData, label_key: str, labels: pd.Series) -> tuple[str, ...] | None:
    """Return the ordered class list that a split stored in ``uns``, if it fits the labels.

    Parameters
    ----------
    adata
        Its ``uns`` is read.
    label_key
        The label column.
    labels
        From :func:`read_labels`. If a label is not in the list, types were renamed or cells added since, and the list
        is ignored.

    Raises
    ------
    DataError
        If a class is listed twice.
    """
    carried = adata.uns.get(UNS_KEY)
    if not isinstance(carried, dict) or not isinstance(carried.get("label_key"), str):
        return None  # an array would compare element-wise
    if carried["label_key"] != label_key:
        return None
    classes = np.asarray(carried.get("classes", ()))
    if classes.ndim != 1 or not classes.size:
        return None
    names = pd.Index(list(map(str, classes.tolist())))  # any string dtype
    if not names.is_unique:
        repeated = quoted(names[names.duplicated()].unique())
        raise DataError(f"the class list in uns[{UNS_KEY!r}] repeats {repeated}; split again from the original file")
    own = labels.cat.categories
    unlisted = own[class_codes(pd.Series(pd.Categorical(own, own)), tuple(names)) == UNKNOWN_CLASS]
    if len(unlisted):
        logger.warning(
            "the class list that a split has left (uns[%r]) lacks %s of %r, so types were renamed since: the labels in "
            "obs are taken as they are",
            UNS_KEY,
            quoted(unlisted),
            label_key,
        )
        return None
    return tuple(names)


def drop_unlisted(cells: AnyCells) -> AnyCells:
    """Leave out cells whose label is not in the given class list; log how many."""
    listed = cells.labels != UNKNOWN_CLASS
    if listed.all():
        return cells
    logger.warning(
        "%d cells have labels that are not in the class list: left out",
        int((~listed).sum()),
    )
    return cells.take(listed)


def warn_of_rare_types(cells: AnyCells) -> None:
    """Warn of types with so few cells that their genes are mostly chance."""
    rare = {name: n for name, n in zip(cells.classes, cells.class_counts().tolist(), strict=True) if 0 < n < FEW_CELLS}
    if rare:
        logger.warning(
            "%s fewer than %d cells (%s), from which little can be learned; to leave such types out: exclude_labels "
            "(--exclude-label)",
            counted(len(rare), "type has", "types have"),
            FEW_CELLS,
            ", ".join(f"{name!r}: {n}" for name, n in list(rare.items())[:MAX_NAMED])
            + (" …" * (len(rare) > MAX_NAMED)),
        )


def subset_with_classes(
    adata: AnnData, cell_names: pd.Index[str], rows: IntArray, *, label_key: str, classes: Sequence[str]
) -> AnnData:
    """Copy some cells, with labels as a categorical over the whole class list, also stored in ``uns``.

    Parameters
    ----------
    adata
        The object; not altered.
    cell_names
        Cell names to which ``rows`` refer.
    rows
        Positions in ``cell_names``.
    label_key
        The label column.
    classes
        The ordered class list, possibly with classes that these cells lack.
    """
    part = adata[cell_names[rows]].copy()
    part.obs[label_key] = categorical(part.obs[label_key], label_key, classes)
    part.uns.pop(f"{label_key}_colors", None)  # colours belong to another class list
    part.uns[UNS_KEY] = {"label_key": label_key, "classes": np.array(list(classes), dtype=object)}
    return part


def categorical(column: pd.Series, label_key: str, classes: Sequence[str]) -> pd.Categorical:
    """Return labels as a categorical over a class list, or over their own values if one is not in it."""
    found = label_text(column, label_key)
    names = list(classes if set(found.names) <= set(classes) else found.names)
    return pd.Categorical(np.array([*found.names, None], dtype=object)[found.codes], categories=names)
