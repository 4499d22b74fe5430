"""Join data sets in memory into one object of labelled cells, without altering them."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

import numpy as np
import pandas as pd
import scipy.sparse as sp

from selectormlp.data.anndata_files import read_adata
from selectormlp.data.anndata_io import UNS_KEY
from selectormlp.data.anndata_lazy import are_paths
from selectormlp.data.anndata_parts import joined_table
from selectormlp.data.cells import IntArray, Matrix
from selectormlp.data.columns_of import columns_of
from selectormlp.data.expression import Expression, check_adata, choose_expression
from selectormlp.data.joining import Joining
from selectormlp.data.normalize import Normalization
from selectormlp.data.open_sets import Paths
from selectormlp.data.set_genes import joined_genes
from selectormlp.data.set_summary import SetsSummary, described
from selectormlp.data.set_tables import SetTables, check_joining, in_one_order, prepared, set_names
from selectormlp.errors import DataError, quoted

if TYPE_CHECKING:
    from anndata import AnnData

logger = logging.getLogger(__name__)

DataSets: TypeAlias = "Paths | Sequence[AnnData | Path | str] | Mapping[str, AnnData | Path | str]"
"""Several data sets: objects or files, in a list or by name."""


@dataclass(frozen=True, eq=False)
class JoinedSets:
    """Several data sets as one.

    Attributes
    ----------
    adata
        Cells × genes: X as stored, labels, and the data set of each cell.
    sets
        Summary of each data set.
    """

    adata: AnnData
    sets: SetsSummary


@dataclass(frozen=True, eq=False, kw_only=True)
class HeldSet(SetTables):
    """A data set in memory.

    Attributes
    ----------
    expression
        Its matrix.
    """

    expression: Expression


def are_sets(given: object) -> TypeGuard[DataSets]:
    """Return whether the value holds several data sets, in a list or by name.

    Examples
    --------
    >>> are_sets({"lung": "lung.h5ad"}), are_sets(["a.h5ad", "b.h5ad"]), are_sets("a.h5ad")
    (True, True, False)
    """
    return isinstance(given, Mapping) or (isinstance(given, list | tuple) and len(given) > 0)


def stay_on_disk(given: DataSets) -> TypeGuard[Paths | Mapping[str, Path | str]]:
    """Return whether all data sets are files, which are read in parts."""
    return are_paths(list(given.values()) if isinstance(given, Mapping) else given)


def join_sets(
    data: DataSets,
    joining: Joining,
    *,
    label_key: str | None,
    layer: str | None = None,
    normalize: Normalization = "auto",
) -> JoinedSets:
    """Join data sets in memory; see :func:`read_sets`."""
    if isinstance(data, Mapping):
        names, given = tuple(map(str, data)), list(data.values())
        order = in_one_order(names)
    else:
        given = [data] if isinstance(data, str | Path) else list(data)
        files = are_paths(given)
        names = set_names([Path(one) for one in given]) if files else tuple(map(str, range(len(given))))
        order = in_one_order(names) if files else _by_content(given)
    if not given:
        raise DataError("no data set is given; give AnnData objects or files, in a list or by name")
    check_joining(joining, names, label_key)
    held = [_held(names[place], given[place], layer, normalize) for place in order]
    _check_scale(held)
    tables = prepared(held, joining, label_key)
    genes, columns = joined_genes(tables, joining.join_genes)
    adata = joined_table(tables, genes)
    adata.X = _stacked([columns_of(one.expression.X, taken) for one, taken in zip(tables, columns, strict=True)])
    if layer is not None:
        adata.layers[layer] = adata.X
    return JoinedSets(adata, described(tables, adata, columns, label_key))


def read_sets(
    data: DataSets,
    *,
    label_key: str | None,
    layer: str | None = None,
    normalize: Normalization = "auto",
    **joining: Any,
) -> AnnData:
    """Join several data sets into one object with common names of genes and labels, without altering them.

    Parameters
    ----------
    data
        AnnData objects or files, in a list or by name. A file is named by its name without the ending, an object in a
        list by its place (``"0"``, ``"1"``, …).
    label_key
        Column of ``obs`` with the cell type, and its name in the result; None for no labels.
    layer, normalize
        Matrix to take: the layer, X, or ``.raw`` if X is scaled; see :func:`selectormlp.select`.
    joining
        ``label_map``, ``label_keys``, ``orthologs`` and ``join_genes``, see
        :class:`selectormlp.data.joining.Joining`.

    Returns
    -------
    Cells × genes, the data sets concatenated in a fixed order, with ``obs["data_set"]``. X holds the stored values.
    With ``join_genes="union"``, X is 0 for genes that a data set lacks, as if they were not expressed: use it for
    inspection only.

    Raises
    ------
    DataError, SettingsError
        If a data set is not usable, or data sets cannot be joined; the message says which.

    Examples
    --------
    >>> from selectormlp.data.datasets import pbmc68k
    >>> adata = pbmc68k()
    >>> parts = {"a": adata[:300, :500], "b": adata[300:, 100:]}
    >>> joined = read_sets(parts, label_key="bulk_labels")
    >>> joined.shape, joined.obs["data_set"].value_counts().to_dict()
    ((700, 400), {'b': 400, 'a': 300})
    """
    return join_sets(data, Joining(**joining), label_key=label_key, layer=layer, normalize=normalize).adata


def _held(name: str, given: Any, layer: str | None, normalize: Normalization) -> HeldSet:
    adata = read_adata(given) if isinstance(given, str | Path) else given
    try:
        check_adata(adata)
        expression = choose_expression(adata, layer=layer, normalize=normalize)
    except DataError as error:
        raise DataError(f"data set {name!r}: {error}") from error
    return HeldSet(
        name=name,
        obs=adata.obs.set_axis(adata.obs_names.astype(str), axis=0),
        var=adata.var.set_axis(adata.var_names.astype(str), axis=0).loc[expression.genes],
        n_genes=len(expression.genes),
        carried=adata.uns.get(UNS_KEY),
        expression=expression,
    )


def _check_scale(sets: Sequence[HeldSet]) -> None:
    """Raise if some data sets hold counts and others do not: the joined values would be misread."""
    counts = [one.name for one in sets if one.expression.is_counts]
    others = [one.name for one in sets if not one.expression.is_counts]
    if counts and others:
        raise DataError(
            f"some data sets hold counts ({quoted(counts)}), others other values, such as logs ({quoted(others)}); "
            'bring all to one scale (a layer with counts), or set normalize to "none" to take them as they are'
        )


def _stacked(parts: Sequence[Matrix]) -> Matrix:
    if any(isinstance(part, sp.csr_array) for part in parts):
        return sp.csr_array(sp.vstack([sp.csr_array(part) for part in parts], format="csr"))
    return np.concatenate(parts)


def _by_content(given: Sequence[AnnData]) -> list[int]:
    """Order unnamed objects by content, so that their order in a list does not matter."""
    for one in given:
        if not isinstance(one, str | Path):
            check_adata(one)
    keys = []
    for one in given:
        digest = hashlib.blake2b(digest_size=16)
        if isinstance(one, str | Path):
            digest.update(Path(one).name.encode())
        else:
            for index in (one.obs_names, one.var_names):
                digest.update(pd.util.hash_pandas_object(index.astype(str), index=False).to_numpy().tobytes())
            digest.update(_first_values(one))
        keys.append(digest.digest())
    return sorted(range(len(given)), key=lambda place: keys[place])


def _first_values(adata: AnnData) -> bytes:
    if adata.X is None:
        return b""
    sums: IntArray = np.asarray(adata.X.sum(axis=0)).ravel()
    return np.ascontiguousarray(sums).tobytes()
