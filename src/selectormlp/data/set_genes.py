"""Give genes of several data sets common names (symbols, orthologs), and find the genes to join."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pandas as pd

from selectormlp.data.cells import IntArray, gene_positions
from selectormlp.data.orthologs import Orthologs
from selectormlp.data.symbols import are_identifiers, shown_in
from selectormlp.errors import DataError, SettingsError, counted, quoted

if TYPE_CHECKING:
    from selectormlp.data.joining import Join, Joining
    from selectormlp.data.set_tables import SetTables

logger = logging.getLogger(__name__)

AnyTables = TypeVar("AnyTables", bound="SetTables")


def with_common_names(sets: Sequence[AnyTables], joining: Joining) -> tuple[AnyTables, ...]:
    """Give genes common names in all data sets: orthologs if a table is given, symbols if some have identifiers.

    Raises
    ------
    DataError
        If some data sets use identifiers and others symbols, and no column or table links them; or two genes of a data
        set get the same name.
    SettingsError
        If the table of orthologs names no gene of any data set.
    """
    named = list(sets)
    if joining.orthologs is not None:
        named = _translated(named, Orthologs.of(joining.orthologs))
    by_id = [are_identifiers(one.var.index) for one in named]
    if any(by_id) and not all(by_id):
        named = [
            _by_symbol(one, named[by_id.index(False)]) if ids else one for one, ids in zip(named, by_id, strict=True)
        ]
    for one in named:
        if not one.var.index.is_unique:
            repeated = one.var.index[one.var.index.duplicated()].unique()
            raise DataError(
                f"{counted(len(repeated), 'gene', 'genes')} of the data set {one.name!r} would name several of "
                f"its genes ({quoted(repeated, most=3)}); leave all but one of each out of the table of orthologs"
            )
    return tuple(named)


def _translated(sets: Sequence[AnyTables], orthologs: Orthologs) -> list[AnyTables]:
    found, targets = [], pd.Index(list(orthologs.to.values()))
    n_translated = 0
    for one in sets:
        symbols = shown_in(one.var)
        names = [one.var.index] if symbols is None else [one.var.index, symbols]
        translated = orthologs.translated(names)
        if translated is None:
            known = max(names, key=lambda index: int(index.isin(targets).sum()))
            found.append(replace(one, var=one.var.set_axis(known, axis=0)))
            continue
        n_translated += 1
        genes, places = translated
        logger.info(
            "%s: %s of its %s genes have one ortholog, the others are ignored",
            one.name,
            f"{len(genes):,}",
            f"{len(one.var):,}",
        )
        found.append(replace(one, var=one.var.iloc[places].set_axis(genes, axis=0), places=_within(one.places, places)))
    if not n_translated:
        raise SettingsError(
            f"the table of orthologs names more genes of every data set under 'to' than under 'from' (it begins with "
            f"{quoted(list(orthologs.to)[:3]) or 'nothing that is one to one'}); swap the columns, or leave it out"
        )
    return found


def _within(places: IntArray | None, taken: IntArray) -> IntArray:
    return taken if places is None else places[taken]


def _by_symbol(one: AnyTables, other: SetTables) -> AnyTables:
    symbols = shown_in(one.var)
    if symbols is None:
        raise DataError(
            f"the data set {one.name!r} names genes by identifiers ({quoted(one.var.index, most=2)}), {other.name!r} "
            f"by symbols ({quoted(other.var.index, most=2)}); add a column of symbols to var of {one.name!r}, or give "
            "a table with the columns from and to (--orthologs)"
        )
    logger.info("%s: genes are named by identifiers; symbols are taken from a column of var", one.name)
    return replace(one, var=one.var.set_axis(symbols, axis=0))


def joined_genes(sets: Sequence[SetTables], join: Join) -> tuple[pd.Index[str], tuple[IntArray, ...]]:
    """Find the genes to join and their positions in each data set; log what is lost.

    Parameters
    ----------
    sets
        Tables of the data sets.
    join
        ``"intersection"``: genes of all data sets, in the order of the first; ``"union"``: genes of any, the first
        set's first.

    Returns
    -------
    The genes; and their columns in each data set, -1 if missing.

    Raises
    ------
    DataError
        If no gene is in all data sets.
    """
    if join == "union":
        genes = _all_genes(sets)
        return genes, tuple(_columns(one, genes) for one in sets)
    common = sets[0].var.index
    for one in sets[1:]:
        common = common[common.isin(one.var.index)]
    if not len(common):
        raise DataError(
            f"no gene is in all {len(sets)} files (first: {quoted(sets[0].var.index, most=3)} and "
            f"{quoted(sets[-1].var.index, most=3)}); use the same gene names in each"
        )
    for one in sets:
        lost = one.var.index[~one.var.index.isin(common)]
        if len(lost):
            logger.warning(
                "%s of %s are not in all files: left out (%s)",
                counted(len(lost), "gene", "genes"),
                one.name,
                quoted(lost, most=3),
            )
    return common, tuple(_within(one.places, gene_positions(one.var.index, common)) for one in sets)


def _all_genes(sets: Sequence[SetTables]) -> pd.Index[str]:
    genes = sets[0].var.index
    for one in sets[1:]:
        genes = genes.append(one.var.index[~one.var.index.isin(genes)])
    for place, one in enumerate(sets):
        others = [other.var.index for other in (*sets[:place], *sets[place + 1 :])]
        if others and not any(one.var.index.isin(names).any() for names in others):
            raise DataError(
                f"the data set {one.name!r} has no gene in common with any other (first: "
                f"{quoted(one.var.index, most=3)} and {quoted(others[0], most=3)}); use the same gene names in each"
            )
    return genes


def _columns(one: SetTables, genes: pd.Index[str]) -> IntArray:
    """Return the column of each gene in the matrix of a data set, -1 if missing."""
    own = one.var.index.get_indexer(genes).astype(np.int64)
    return own if one.places is None else np.where(own < 0, -1, one.places[own])
