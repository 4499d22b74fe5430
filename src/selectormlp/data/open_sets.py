"""Open the files of several data sets, ordered by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from selectormlp.data.anndata_parts import StoredFile, open_file
from selectormlp.data.joining import DATA_SET_KEY, Joining
from selectormlp.data.set_tables import check_joining, in_one_order, prepared, set_names
from selectormlp.errors import DataError, InputError

Paths: TypeAlias = Path | str | Sequence[Path | str]
"""One file, or several to concatenate."""


def named_files(paths: Paths | Mapping[str, Path | str]) -> tuple[list[Path], tuple[str, ...]]:
    """Return files, and the names of their data sets if given.

    Raises
    ------
    DataError
        If there are no files.
    """
    if isinstance(paths, str | Path):
        return [Path(paths)], ()
    names = tuple(map(str, paths)) if isinstance(paths, Mapping) else ()
    places = [Path(path) for path in (paths.values() if isinstance(paths, Mapping) else paths)]
    if not places:
        raise DataError("no file is named; name one or several AnnData files")
    return places, names


def open_sets(
    places: Sequence[Path],
    names: Sequence[str],
    joining: Joining,
    *,
    label_key: str | None,
    donor_key: str | None = None,
    batch_key: str | None = None,
    layer: str | None = None,
    levels: Sequence[str] = (),
    all_columns: bool = False,
) -> tuple[StoredFile, ...]:
    """Open the files of data sets, with common names of genes and labels.

    Parameters
    ----------
    places
        The files.
    names
        Names of their data sets; if empty, from the files.
    joining
        How they are joined.
    label_key, donor_key, batch_key, layer, levels, all_columns
        As for :func:`selectormlp.data.anndata_lazy.open_adata`.

    Returns
    -------
    The files, ordered by name of the data set.

    Raises
    ------
    DataError, SettingsError
        If a file is not usable, or they cannot be joined; the message begins with the data set.
    """
    names = names or set_names(places)
    check_joining(joining, names, label_key)
    donor_key, batch_key = (None if key == DATA_SET_KEY else key for key in (donor_key, batch_key))
    files = []
    for number in in_one_order(names):
        name = names[number]
        key = None if label_key is None else joining.label_keys.get(name, label_key)
        above = [(level, "label") for level in levels]
        wanted = None if all_columns else ((key, "label"), (donor_key, "donor"), (batch_key, "batch"), *above)
        try:
            files.append(replace(open_file(places[number], wanted, layer), name=name))
        except InputError as error:
            raise type(error)(f"data set {name!r}: {error}") from error
    return prepared(files, joining, label_key)
