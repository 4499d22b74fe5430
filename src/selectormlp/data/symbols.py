"""Show gene symbols if data use identifiers: find their column in ``var``, and the names to show."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from selectormlp.data.labels import one_column
from selectormlp.data.stored import AnyCells

if TYPE_CHECKING:
    from anndata import AnnData

logger = logging.getLogger(__name__)

IDENTIFIER = re.compile(r"(ENS[A-Z]*[GT]\d{6,}(\.\d+)?(_\w+)?|FBgn\d{5,}|WBGene\d{6,}|NM_\d+(\.\d+)?|\d+)")
"""Identifiers of Ensembl, FlyBase, WormBase and RefSeq, and numbers as in NCBI and the cellxgene census."""

SYMBOL = re.compile(r"[A-Za-z0-9][\w.\-/@:()+*' ]{0,39}")

SYMBOL_COLUMNS = (
    *("featurename", "genesymbols", "genesymbol", "genename", "genenames", "geneshortname", "symbol", "symbols"),
    *("hgncsymbol", "mgisymbol", "externalgenename", "genes", "gene", "features", "name", "names"),
)
"""Columns to try first, in lower case and without ``_``, ``-``, ``.`` and blanks."""

MOST, DISTINCT = 0.5, 0.9
"""Minimum share of genes with a symbol, and of distinct symbols."""


@dataclass(frozen=True, eq=False)
class ShownNames:
    """Names to show for genes whose names in the data are identifiers.

    Attributes
    ----------
    column
        Column of ``var`` with symbols.
    stored
        Names in the data.
    shown
        Symbols, or the name in the data if there is none or several genes share it. Unique.
    other
        Other name of each gene: the identifier, or a shared symbol.
    """

    column: str
    stored: pd.Index[str]
    shown: pd.Index[str]
    other: pd.Index[Any]


def shown_names(adata: AnnData, key: str | None = None) -> ShownNames | None:
    """Find the names to show for genes of an object; None if its names are not identifiers, or it has no others.

    Parameters
    ----------
    adata
        Its ``var`` is read.
    key
        Column with symbols; None: the first of ``SYMBOL_COLUMNS`` that holds symbols, else another column that does.
    """
    return _shown_names(adata.var, key)


def shown_in(var: pd.DataFrame) -> pd.Index[str] | None:
    """Return the names to show for genes of a table, see :func:`shown_names`; None without any."""
    found = _shown_names(var, None)
    return None if found is None else found.shown


def _shown_names(var: pd.DataFrame, key: str | None) -> ShownNames | None:
    stored = var.index.astype(str)
    if not stored.is_unique or not are_identifiers(stored):
        return None
    column = _symbol_column(var) if key is None else key
    if column is None:
        return None
    given = one_column(var, column, "gene", "var").astype(object)
    taken = pd.Series(["" if pd.isna(symbol) else str(symbol).strip() for symbol in given], dtype=object)
    usable = (taken != "") & ~taken.duplicated(keep=False) & ~taken.isin(stored)
    names = list(zip(usable.tolist(), stored.tolist(), taken.tolist(), strict=True))
    shown: pd.Index[str] = pd.Index([symbol if fits else gene for fits, gene, symbol in names])
    others = [gene if fits else symbol or None for fits, gene, symbol in names]
    other: pd.Index[Any] = pd.Index(np.array(others, dtype=object))
    return ShownNames(str(column), stored, shown, other)


def named_by_symbol(cells: AnyCells, adata: AnnData, key: str | None = None) -> AnyCells:
    """Name genes by symbols if the data use identifiers, and log it.

    Parameters
    ----------
    cells
        Taken from ``adata``.
    adata, key
        As for :func:`shown_names`.
    """
    found = shown_names(adata, key)
    if found is None:
        return cells
    logger.info(
        "genes are named by identifiers (%s, …): symbols are taken from the column %r of var%s",
        found.stored[0],
        found.column,
        "" if key is not None else "; name another as gene_name_key (--gene-name-key)",
    )
    return replace(cells, genes=found.shown[found.stored.get_indexer(cells.genes)])


def stored_genes(adata: AnnData, genes: pd.Index[str], key: str | None = None) -> pd.Index[str]:
    """Return the names in the data of genes given by either name."""
    if genes.isin(adata.var_names.astype(str)).all():
        return genes
    found = shown_names(adata, key)
    if found is None:
        return genes
    places = found.shown.get_indexer(genes)
    named: pd.Index[str] = pd.Index(
        [
            stored if place >= 0 else gene
            for place, stored, gene in zip(places, found.stored[places], genes, strict=True)
        ]
    )
    return named


def other_names(adata: AnnData, genes: pd.Index[str], key: str | None = None) -> pd.Index[Any] | None:
    """Return a second name of each gene: the identifier of a gene shown by symbol, else its value in ``key``.

    Raises
    ------
    DataError
        If there is no such column.
    """
    found = shown_names(adata, key)
    if found is not None:
        places = found.shown.get_indexer(genes)
        if (places >= 0).all():
            return found.other[places]
    if key is None:
        return None
    column = one_column(adata.var, key, "gene", "var").astype(object)
    names = stored_genes(adata, genes, key)
    return pd.Index(column.set_axis(adata.var_names.astype(str)).loc[names], dtype=object)


def are_identifiers(names: Iterable[object]) -> bool:
    """Return whether most gene names are identifiers.

    Examples
    --------
    >>> are_identifiers(["ENSG00000010610", "ENSG00000153563"]), are_identifiers(["CD4", "CD8A"])
    (True, False)
    """
    return _share(list(names), IDENTIFIER) > MOST


def _share(names: list[Any], pattern: re.Pattern[str]) -> float:
    few = names[:: max(1, len(names) // 2000)]
    return sum(pattern.fullmatch(str(name)) is not None for name in few) / max(1, len(few))


def _symbol_column(var: pd.DataFrame) -> str | None:
    """Find the column of symbols: by name if its content agrees, else by content."""
    texts = [name for name in var.columns if isinstance(name, str) and _holds_symbols(var, name)]
    folded = {re.sub(r"[\s_.\-]+", "", name).casefold(): name for name in reversed(texts)}
    known = next((folded[name] for name in SYMBOL_COLUMNS if name in folded), None)
    return known if known is not None else next(iter(texts), None)


def _holds_symbols(var: pd.DataFrame, name: str) -> bool:
    place = np.flatnonzero(var.columns == name)
    column = var.iloc[:, place[0]]
    if len(place) > 1 or not (
        isinstance(column.dtype, pd.CategoricalDtype) or pd.api.types.is_string_dtype(column) or column.dtype == object
    ):
        return False
    values: npt.NDArray[Any] = column.dropna().astype(object).to_numpy()
    texts = [value.strip() for value in values if isinstance(value, str) and value.strip()]
    symbols = [text for text in texts if not IDENTIFIER.fullmatch(text)]
    if len(symbols) < max(1, MOST * len(var)) or len(set(symbols)) < DISTINCT * len(symbols):
        return False
    return _share(symbols, SYMBOL) > DISTINCT and sum(" " in text for text in symbols) < (1 - DISTINCT) * len(symbols)
