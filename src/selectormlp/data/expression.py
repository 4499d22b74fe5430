"""Choose the matrix of an AnnData object: a layer, X, or ``.raw``; and normalise its values."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from selectormlp.data.cells import FloatArray, IntArray, Matrix, as_matrix, check_unique, gene_positions
from selectormlp.data.labels import check_key
from selectormlp.data.normalize import (
    NORMALIZATIONS,
    Normalization,
    holds_counts,
    is_whole,
    log1p_cp10k,
    stored_values,
)
from selectormlp.errors import DataError, SettingsError, counted, nearest, quoted

if TYPE_CHECKING:
    from anndata import AnnData

logger = logging.getLogger(__name__)

FEW_SHARED = 0.5
"""If ``.raw`` is read and has a smaller share of the genes of X, there is a warning."""


@dataclass(frozen=True, eq=False)
class Expression:
    """A checked matrix of an AnnData object, not yet normalised.

    Attributes
    ----------
    X
        Stored values, n_cells × n_genes.
    genes
        Gene names, one per column.
    is_counts
        Whether the values are counts.
    totals
        Total counts of each cell if ``X`` holds only part of the measured genes; None: the sums of ``X``.
    """

    X: Matrix
    genes: pd.Index[str]
    is_counts: bool
    totals: FloatArray | None = None

    def normalized(self, rows: IntArray | slice = slice(None)) -> Matrix:
        """Return some cells: counts as log1p of counts per 10,000 of the whole cell, other values unchanged."""
        X = self.X if isinstance(rows, slice) else self.X[rows]
        if not self.is_counts:
            return X
        return log1p_cp10k(X, None if self.totals is None else self.totals[rows])


def choose_expression(
    adata: AnnData, *, layer: str | None, normalize: Normalization, expects_counts: bool = False
) -> Expression:
    """Choose the matrix to read: the layer, X, or ``.raw`` if X holds negative values.

    Parameters
    ----------
    adata
        Cells × genes; not altered.
    layer, normalize
        As in :class:`selectormlp.data.anndata_io.CellsSource`.
    expects_counts
        Whether values that are all 0 or 1 are counts (of few genes and cells), rather than binarised values.

    Raises
    ------
    DataError
        If it is not an AnnData object, the layer is absent, the matrix is not usable, gene names repeat, X has negative
        values and there is no ``.raw`` (unless ``normalize`` is ``"none"``), or ``normalize`` is ``"counts"`` and the
        values look like logs.
    SettingsError
        If ``normalize`` is not a known value.
    """
    check_adata(adata)
    if adata.isbacked:
        raise DataError("the data are open on disk only (backed); call adata.to_memory() first")
    check_normalization(normalize)
    if layer is not None:
        check_key(layer, "the layer")
    if layer is not None and layer not in adata.layers:
        raise DataError(f"no layer {layer!r} in the data; {nearest(layer, layer_names(adata))}")
    check_unique(adata.var_names, "gene", "adata.var_names_make_unique()")
    genes = adata.var_names.astype(str)
    found = adata.X if layer is None else adata.layers[layer]
    where = "X" if layer is None else f"layer {layer!r}"
    if found is None:
        raise DataError(f"the data have no X; name a layer instead ({nearest('', layer_names(adata))})")
    X = as_matrix(found)
    if normalize == "none":
        return Expression(X, genes, is_counts=False)

    totals = None
    n_negative = int((stored_values(X) < 0).sum())
    if n_negative and layer is None and adata.raw is not None:
        raw, X, genes = _read_raw(adata, genes)
        where, n_negative = ".raw", int((stored_values(raw) < 0).sum())
        totals = None if raw is X else np.asarray(raw.sum(axis=1, dtype=np.float64)).ravel()
    else:
        raw = X
    if n_negative:
        raise DataError(
            f"{where} holds {counted(n_negative, 'negative value')}, so it is neither counts nor log-normalised; give "
            'a layer with counts or logs, or set normalize to "none" to take it as it is'
        )
    expected = expects_counts and normalize == "auto" and is_whole(raw)
    return Expression(X, genes, holds_counts(raw, where, "counts" if expected else normalize), totals)


def _read_raw(adata: AnnData, genes: pd.Index[str]) -> tuple[Matrix, Matrix, pd.Index[str]]:
    """Return the whole of ``.raw``, its part for the genes of X, and the names of these genes."""
    raw_genes = adata.raw.var_names.astype(str)
    check_unique(raw_genes, "gene", "make the names of adata.raw unique")
    kept = genes[genes.isin(raw_genes)]
    if not len(kept):
        raise DataError("X holds negative values, and none of its genes is in .raw; give a layer instead")
    few = len(kept) < FEW_SHARED * len(genes)
    logger.log(
        logging.WARNING if few else logging.INFO,
        "X holds negative values (scaled); reading .raw instead, for %d of the %d genes of X%s",
        len(kept),
        len(genes),
        ", and the others are ignored: check whether .raw has other gene names" if few else "",
    )
    raw = as_matrix(adata.raw.X)
    if kept.equals(raw_genes):
        return raw, raw, kept
    return raw, as_matrix(raw[:, gene_positions(raw_genes, kept)]), kept


def check_normalization(given: str) -> None:
    """Raise for unknown values of ``normalize``.

    Raises
    ------
    SettingsError
        If it is not one of the known values.
    """
    if given not in NORMALIZATIONS:
        raise SettingsError(f"normalize is {given!r}; expected one of {quoted(NORMALIZATIONS)}")


def layer_names(adata: AnnData) -> list[str]:
    """Return the names of the layers, without the key ``None``, by which anndata 0.13 lists X among them.

    Parameters
    ----------
    adata
        Any AnnData object.

    Examples
    --------
    >>> import numpy as np
    >>> from anndata import AnnData
    >>> layer_names(AnnData(np.ones((2, 3)), layers={"counts": np.ones((2, 3))}))
    ['counts']
    """
    return [name for name in adata.layers if name is not None]


def check_adata(given: object) -> None:
    """Raise unless the object is an AnnData object.

    Raises
    ------
    DataError
        If it is of another type.
    """
    from anndata import AnnData

    if not isinstance(given, AnnData):
        is_path = isinstance(given, str | Path)
        remedy = f"read it with anndata.read_h5ad({str(given)!r})" if is_path else "make one with anndata.AnnData(X)"
        raise DataError(f"expected an AnnData object, found {type(given).__name__}; {remedy}")
