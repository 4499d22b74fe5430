"""Read tables of an AnnData file whose matrix stays on disk, and concatenate those of several files."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from selectormlp.data.anndata_container import check_parts, checked_container
from selectormlp.data.anndata_io import UNS_KEY
from selectormlp.data.anndata_shapes import check_shapes
from selectormlp.data.cells import check_unique
from selectormlp.data.disk import DiskMatrix, open_store
from selectormlp.data.labels import check_column, check_key
from selectormlp.data.set_tables import SetTables
from selectormlp.errors import DataError, InputError, nearest
from selectormlp.quiet import quiet_warnings

if TYPE_CHECKING:
    from anndata import AnnData

logger = logging.getLogger(__name__)

CATEGORIES = "categories"
"""Attribute of a column with which anndata 0.7 points to its categories."""


@dataclass(frozen=True, eq=False, kw_only=True)
class StoredFile(SetTables):
    """Tables of one file, and its matrix on disk.

    Attributes
    ----------
    matrix
        X or a layer.
    has_raw
        Whether there is a ``.raw``.
    """

    matrix: DiskMatrix
    has_raw: bool


def open_file(place: Path, wanted: Sequence[tuple[str | None, str]] | None, layer: str | None) -> StoredFile:
    """Open a file and read its tables.

    Parameters
    ----------
    place
        An h5ad file or a zarr folder.
    wanted
        Columns of ``obs`` to read (None is skipped), each with its purpose; None for all columns.
    layer
        The layer whose matrix is opened; None for X.

    Raises
    ------
    DataError
        If it cannot be opened or read in parts, or a column or layer is absent.
    """
    from anndata.io import read_elem

    if checked_container(place) == "gzip":
        raise DataError(
            f"{str(place)!r} is compressed as a whole, so it cannot be read in parts; unpack it first (gunzip), or "
            'write it with adata.write_h5ad(path, compression="gzip"), which can'
        )
    store = open_store(place)
    try:
        check_parts(place, store)
        check_shapes(place, store)
        key = _matrix_key(store, place, layer)
        with quiet_warnings():  # old formats
            obs = _read_obs(store["obs"], wanted)
            var = read_elem(store["var"])
            carried = read_elem(store["uns"][UNS_KEY]) if UNS_KEY in store.get("uns", {}) else None
        var.index = var.index.astype(str)
    except InputError:
        raise
    except Exception as error:  # anndata, h5py and zarr raise many kinds of errors for damaged files
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(
            f"obs, var or layers of {str(place)!r} cannot be read ({reason}); the file may be truncated or of an old "
            "format: copy it again, or read it in memory and rewrite it with adata.write_h5ad()"
        ) from error
    check_unique(var.index, "gene", "adata.var_names_make_unique()")
    matrix = DiskMatrix(place, key)
    if matrix.shape != (len(obs), len(var)):
        raise DataError(f"{matrix} has the shape {matrix.shape}, for {len(obs)} cells and {len(var)} genes")
    return StoredFile(
        name=str(place),
        obs=obs,
        var=var,
        n_genes=len(var),
        carried=carried,
        matrix=matrix,
        has_raw="raw" in store,
    )


def _matrix_key(store: Any, place: Path, layer: str | None) -> str:
    layers = list(store.get("layers", {}))
    if layer is not None:
        check_key(layer, "the layer")
        if layer not in layers:
            raise DataError(f"no layer {layer!r} in {str(place)!r}; {nearest(layer, layers)}")
        return f"layers/{layer}"
    if "X" not in store:
        raise DataError(f"{str(place)!r} has no X; name a layer instead ({nearest('', layers)})")
    return "X"


def _read_obs(group: Any, wanted: Sequence[tuple[str | None, str]] | None) -> pd.DataFrame:
    """Read the cell names and the requested columns only: an atlas has many."""
    from anndata.io import read_elem

    known = [str(name) for name in group.attrs["column-order"]]
    columns = {}
    for key, what in [(name, "") for name in known] if wanted is None else wanted:
        if key is not None:
            check_column(key, known, what)
            columns[key] = _read_column(group, key)
    return pd.DataFrame(columns, index=pd.Index(read_elem(group[group.attrs["_index"]])).astype(str))


def _read_column(group: Any, key: str) -> Any:
    """Read one column of a table as anndata would.

    Up to version 0.7, a categorical column holds codes, and its categories are stored elsewhere in the table.
    """
    from anndata.io import read_elem

    stored = group[key]
    place = stored.attrs.get(CATEGORIES)
    if place is None:
        return read_elem(stored)
    categories = group[place]
    ordered = bool(categories.attrs.get("ordered", False))
    return pd.Categorical.from_codes(read_elem(stored), read_elem(categories), ordered=ordered)


def joined_table(files: Sequence[SetTables], genes: pd.Index[str]) -> AnnData:
    """Concatenate the cells of the files, without their expression."""
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
    with quiet_warnings():  # readers of labels check for repeated names
        table = AnnData(obs=obs, var=_joined_var(files, genes))
    carried = files[0].carried
    if isinstance(carried, dict) and all(_same_carried(carried, file.carried) for file in files[1:]):
        table.uns[UNS_KEY] = carried
    return table


def _joined_var(files: Sequence[SetTables], genes: pd.Index[str]) -> pd.DataFrame:
    """Take each gene's row from the first file that has the gene."""
    first = files[0].var
    if genes.isin(first.index).all():
        return first.loc[genes]
    rows, known = [first], first.index
    for file in files[1:]:
        rows.append(file.var[~file.var.index.isin(known)])
        known = known.append(rows[-1].index)
    return pd.concat(rows).loc[genes]


def _joined_column(parts: Sequence[pd.Series]) -> npt.NDArray[Any] | pd.Categorical:
    """Concatenate columns; categories keep their order, those of later files come last."""
    if all(isinstance(part.dtype, pd.CategoricalDtype) for part in parts):
        unordered = [part.cat.as_unordered() for part in parts]
        if len({part.cat.categories.dtype for part in unordered}) == 1:
            return pd.api.types.union_categoricals(unordered)
    return np.concatenate([part.to_numpy(dtype=object) for part in parts])


def _same_carried(first: dict[str, object], other: object) -> bool:
    return (
        isinstance(other, dict)
        and repr(first.get("label_key")) == repr(other.get("label_key"))
        and np.array_equal(np.asarray(first.get("classes", ())), np.asarray(other.get("classes", ())))
    )


def categorical_columns(place: Path) -> dict[str, int]:
    """Return the columns of ``obs`` that are categorical, with their numbers of categories.

    Raises
    ------
    DataError
        If the file cannot be opened.
    """
    checked_container(place)
    obs = open_store(place)["obs"]
    found = {}
    for name in map(str, obs.attrs.get("column-order", ())):
        if obs[name].attrs.get("encoding-type") == "categorical":
            found[name] = int(obs[name]["categories"].shape[0])
        elif CATEGORIES in obs[name].attrs:
            found[name] = int(obs[obs[name].attrs[CATEGORIES]].shape[0])
    return found
