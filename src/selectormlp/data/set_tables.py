"""Tables of one data set among several: cells, genes under common names, labels."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import pandas as pd

from selectormlp.data.cells import IntArray
from selectormlp.data.common_labels import check_data_sets, with_common_labels
from selectormlp.data.joining import DATA_SET_KEY, Joining
from selectormlp.data.labels import one_column
from selectormlp.data.set_genes import with_common_names
from selectormlp.errors import SettingsError, nearest

logger = logging.getLogger(__name__)

ENDINGS = (".gz", ".h5ad", ".zarr", ".npz")
"""Suffixes of file names that are not part of the name of the data set."""


@dataclass(frozen=True, eq=False, kw_only=True)
class SetTables:
    """Tables of a data set, without its matrix.

    Attributes
    ----------
    name
        Name of the data set; for a file, its name without suffix.
    obs
        Requested columns, indexed by cell name.
    var
        Genes to use, indexed by name.
    places
        Position of each gene of ``var`` in the matrix; None: in the same order.
    carried
        Content of ``uns["selectormlp"]``, or None.
    n_genes
        Number of all genes of the data set.
    """

    name: str = ""
    obs: pd.DataFrame
    var: pd.DataFrame
    n_genes: int
    places: IntArray | None = None
    carried: object = None


AnyTables = TypeVar("AnyTables", bound=SetTables)


def set_names(places: Sequence[Path]) -> tuple[str, ...]:
    """Name data sets after their files, and after folders if file names repeat.

    A file given twice gets a number the second time, with a warning.

    Examples
    --------
    >>> set_names([Path("lung.h5ad"), Path("x/heart.zarr")])
    ('lung', 'heart')
    >>> set_names([Path("s1/cells.h5ad"), Path("s2/cells.h5ad")])
    ('s1/cells', 's2/cells')
    """
    full = [place.absolute() for place in places]
    different = list(dict.fromkeys(full))
    names = [str(place) for place in different]
    for depth in range(max(len(place.parts) for place in different)):
        short = [_short(place, depth) for place in different]
        if len(set(short)) == len(short):
            names = short
            break
    name_of = dict(zip(different, names, strict=True))
    found: list[str] = []
    for number, place in enumerate(full):
        before = full[:number].count(place)
        if before:
            logger.warning("%s is named twice, so its cells count twice", str(place))
        found.append(name_of[place] if not before else f"{name_of[place]} ({before + 1})")
    return tuple(found)


def _short(place: Path, depth: int) -> str:
    name = place.name
    while name.lower().endswith(ENDINGS) and Path(name).stem:
        name = Path(name).stem
    return "/".join([*place.parts[:-1][len(place.parts) - 1 - depth :], name])


def check_joining(joining: Joining, names: Sequence[str], label_key: str | None) -> None:
    """Raise if options name unknown data sets, or need labels that are not read.

    Raises
    ------
    SettingsError
        If they do.
    """
    strangers = [name for name in joining.label_keys if name not in names]
    if strangers:
        raise SettingsError(f"label_keys names the data set {strangers[0]!r}; {nearest(strangers[0], names)}")
    if label_key is None and (joining.label_map is not None or joining.label_keys):
        raise SettingsError(
            "a label map needs labels; name the column of obs with cell types as label_key (--label-key)"
        )
    if joining.label_map is not None:
        check_data_sets(joining.label_map, names)


def prepared(sets: Sequence[AnyTables], joining: Joining, label_key: str | None) -> tuple[AnyTables, ...]:
    """Give data sets common names of genes, common labels, and a column with the name of the data set.

    Raises
    ------
    SettingsError, DataError
        If their genes or labels cannot be mapped to common names.
    """
    named = with_common_names(sets, joining)
    return tuple(replace(one, obs=_labelled(one, joining, label_key)) for one in named)


def _labelled(one: SetTables, joining: Joining, label_key: str | None) -> pd.DataFrame:
    obs = one.obs.copy(deep=False)
    if label_key is not None:
        key = joining.label_keys.get(one.name, label_key)
        column = one_column(obs, key, "label", f"obs of the data set {one.name!r}").rename(label_key)
        if joining.label_map is not None:
            column = with_common_labels(column, one.name, joining.label_map)
        if key != label_key:
            obs = obs.drop(columns=key)
        obs[label_key] = column
    if DATA_SET_KEY not in obs:
        obs[DATA_SET_KEY] = pd.Categorical([one.name] * len(obs), [one.name])
    return obs


def in_one_order(names: Sequence[str]) -> list[int]:
    """Return the order in which data sets are joined, independent of the given order."""
    return sorted(range(len(names)), key=lambda place: names[place])
