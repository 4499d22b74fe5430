"""Read unlabelled cells and gene columns from AnnData, and write results to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from selectormlp.data.anndata_io import UNS_KEY
from selectormlp.data.cells import UNKNOWN_CLASS, Cells, check_unique
from selectormlp.data.expression import check_adata, choose_expression
from selectormlp.data.labels import one_column
from selectormlp.data.normalize import Normalization
from selectormlp.data.units import read_units
from selectormlp.quiet import quiet_warnings

if TYPE_CHECKING:
    from anndata import AnnData


def unlabelled_cells(
    adata: AnnData,
    *,
    layer: str | None = None,
    normalize: Normalization = "auto",
    donor_key: str | None = None,
    batch_key: str | None = None,
) -> Cells:
    """Take all cells of an AnnData object, normalised and without class; the object is not altered.

    Parameters
    ----------
    adata
        Cells × genes.
    layer, normalize, donor_key, batch_key
        As in :class:`CellsSource`.

    Returns
    -------
    Cells, each of ``UNKNOWN_CLASS``, with an empty class list.

    Raises
    ------
    DataError
        If the layer or the donor column is absent, names repeat, or the matrix is not usable.
    SettingsError
        If ``normalize`` is not one of its three values.
    """
    check_adata(adata)
    check_unique(adata.obs_names, "cell", "adata.obs_names_make_unique()")
    expression = choose_expression(adata, layer=layer, normalize=normalize)
    return Cells(
        X=expression.normalized(),
        genes=expression.genes,
        names=adata.obs_names.astype(str),
        labels=np.full(adata.n_obs, UNKNOWN_CLASS, dtype=np.int64),
        classes=(),
        donors=read_units(adata, donor_key, "donor"),
        batches=read_units(adata, batch_key, "batch"),
        is_normalized=expression.is_counts,
    )


def gene_column(adata: AnnData, key: str, genes: pd.Index[str]) -> pd.Index[Any]:
    """Return a column of ``var`` for some genes, in their order; of any dtype, with missing values.

    Raises
    ------
    DataError
        If the column is absent; the nearest names are offered.
    """
    column = one_column(adata.var, key, "gene", "var").astype(object)
    return pd.Index(column.set_axis(adata.var_names.astype(str)).loc[genes], dtype=object)


def write_gene_results(adata: AnnData, columns: Mapping[str, pd.Series], entries: Mapping[str, object]) -> None:
    """Write results into ``adata.var`` and ``adata.uns["selectormlp"]``, and nowhere else.

    Parameters
    ----------
    adata
        Changed in place; a view becomes an object of its own, as it does with scanpy.
    columns
        Columns of ``var``, by name, indexed by gene; genes of ``adata`` that are not in the index get NaN (False
        where the column is boolean).
    entries
        Entries for ``uns["selectormlp"]``; other entries there are kept.
    """
    genes = adata.var_names.astype(str)
    with quiet_warnings():  # a view is copied, with a warning
        for name, column in columns.items():
            fill = False if column.dtype == np.bool_ else np.nan
            adata.var[name] = column.reindex(genes, fill_value=fill).to_numpy()
        carried = adata.uns.get(UNS_KEY)
        adata.uns[UNS_KEY] = {**(carried if isinstance(carried, Mapping) else {}), **entries}
