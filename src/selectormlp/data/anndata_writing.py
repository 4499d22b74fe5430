"""Make an AnnData object writable: anndata reads more than it can write."""

from __future__ import annotations

import logging
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from selectormlp.data.labels import text_of
from selectormlp.errors import quoted
from selectormlp.quiet import quiet_warnings

if TYPE_CHECKING:
    from anndata import AnnData

logger = logging.getLogger(__name__)

RESERVED = "_index"
"""Column name reserved by anndata; SeuratDisk writes it."""

FRAMES = ("obs", "var")
MAPPINGS = ("uns", "obsm", "varm", "obsp", "varp", "layers")


def make_writable(adata: AnnData) -> None:
    """Change parts that cannot be written, in place, and log them.

    Columns named ``_index`` are renamed, or dropped if they repeat the names; columns of mixed values become strings;
    other parts that cannot be written are dropped. X stays.

    Parameters
    ----------
    adata
        An object, not a view.
    """
    with quiet_warnings():
        for where in FRAMES:
            setattr(adata, where, _mended(getattr(adata, where), where))
        if adata.raw is not None:
            raw_var = _mended(adata.raw.var, "raw.var")
            if raw_var is not adata.raw.var:
                adata.raw._var = raw_var  # anndata has no other way without copying the matrix
        for where in MAPPINGS:
            _drop_unwritable(getattr(adata, where), where)


def _mended(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    """Return a table that can be written, or the table itself if it can."""
    changes: dict[str, str] = {}
    columns: dict[str, Any] = {}
    for place, name in enumerate(frame.columns):
        column, key = frame.iloc[:, place], str(name)
        if key == RESERVED:
            if np.array_equal(column.astype(str), frame.index.astype(str)):
                changes[key] = "left out, since it repeats the names"
                continue
            key = "index_"
            changes[str(name)] = f"renamed {key!r}"
        if "/" in key:
            changes[key] = "renamed, without '/'"
            key = key.replace("/", "_")
        while key in columns:
            key += "_"
            changes[str(name)] = f"renamed {key!r}, since the name was there already"
        if not _can_write(column):
            changes[str(name)] = "turned to text, since it holds values of several kinds"
            column = column.map(_text, na_action="ignore").astype("category")
        columns[key] = column
    index = frame.index
    if index.name is not None and (index.name == RESERVED or str(index.name) in columns):
        changes[f"the name {index.name!r} of the index"] = "left out"
        index = index.rename(None)
    if not changes:
        return frame
    logger.warning("%s cannot be written as it is: %s", where, "; ".join(f"{k!r} is {v}" for k, v in changes.items()))
    return pd.DataFrame(
        {key: column.to_numpy() if column.dtype == object else column.array for key, column in columns.items()},
        index=index,
    )


def _text(value: object) -> str:
    try:
        return text_of(value)
    except TypeError:
        return str(value)


def _drop_unwritable(parts: MutableMapping[Any, Any], where: str) -> None:
    """Drop entries that cannot be written."""
    # In anndata 0.13, layers hold X under None.
    named = {key: value for key, value in parts.items() if not (key is None and where == "layers")}
    bad = [key for key, value in named.items() if not isinstance(key, str) or not _fits(key, value)]
    for key in bad:
        del parts[key]
    if bad:
        logger.warning("%s of %s cannot be written to an h5ad file: left out", quoted(bad), where)


def _fits(key: str, value: Any) -> bool:
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return "/" not in key
    return "/" not in key and _can_write(value)


def _can_write(value: Any) -> bool:
    """Return whether anndata can write a value; if its type does not tell, try in a file in memory."""
    import anndata
    import h5py

    if isinstance(value, pd.Series):
        if value.dtype != object and not isinstance(value.dtype, pd.CategoricalDtype):
            if isinstance(value.dtype, np.dtype) and value.dtype.kind in "biuf":
                return True
        elif value.dtype == object and pd.api.types.infer_dtype(value, skipna=False) == "string":
            return True
        value = pd.DataFrame({"column": value.to_numpy() if value.dtype == object else value.array})
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _fits(key, entry) for key, entry in value.items())
    try:
        with (
            h5py.File("value.h5", "w", driver="core", backing_store=False) as file,
            anndata.settings.override(allow_write_nullable_strings=True),
        ):
            anndata.io.write_elem(file, "value", value)
    except Exception:  # anndata and h5py raise many kinds of errors
        return False
    return True
