"""Check that sizes in an AnnData file are consistent, before its content is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from selectormlp.errors import DataError

Shape = tuple[int | None, ...]
"""Expected sizes; None: any."""


def check_shapes(named: Path, store: Any) -> None:
    """Raise if matrices or columns do not match the numbers of cell and gene names.

    Only shapes are read, so that a file that claims an impossibly large matrix is refused early. Parts in formats of
    old or other programs are left to the reader.

    Parameters
    ----------
    named
        Name of the file in messages.
    store
        The file, as a group of h5py's or zarr's.

    Raises
    ------
    DataError
        If sizes do not match; the message names them.
    """
    n_obs, n_vars = _length(_part(store, "obs")), _length(_part(store, "var"))
    raw = _part(store, "raw")
    n_raw = None if raw is None else _length(_part(raw, "var"))
    for key, expected in _expected(store, n_obs, n_vars, n_raw):
        found = _shape(_part(store, key))
        if found is not None and not _fits(found, expected):
            wanted = " × ".join("any" if size is None else f"{size:,}" for size in expected)
            has = " × ".join(f"{size:,}" for size in found)
            raise DataError(
                f"{str(named)!r} is damaged: {key} has the size {has}, expected {wanted}; copy it again or rewrite it "
                "with adata.write_h5ad()"
            )
        _check_sparse(named, key, _part(store, key))


def _expected(store: Any, n_obs: int | None, n_vars: int | None, n_raw: int | None) -> Iterator[tuple[str, Shape]]:
    """Yield the parts with a known expected size."""
    yield "X", (n_obs, n_vars)
    yield "raw/X", (n_obs, n_raw)
    for folder, shape in (
        ("layers", (n_obs, n_vars)),
        ("obsm", (n_obs,)),
        ("varm", (n_vars,)),
        ("obsp", (n_obs, n_obs)),
        ("varp", (n_vars, n_vars)),
        ("obs", (n_obs,)),
        ("var", (n_vars,)),
        ("raw/var", (n_raw,)),
    ):
        group = _part(store, folder)
        if group is not None and not hasattr(group, "dtype"):
            for name in group:
                if not str(name).startswith("__"):  # categories of an old format
                    yield f"{folder}/{name}", shape


def _fits(found: tuple[int, ...], expected: Shape) -> bool:
    return len(found) >= len(expected) and all(
        wanted is None or size == wanted for size, wanted in zip(found, expected, strict=False)
    )


def _part(group: Any, key: str) -> Any:
    for name in key.split("/", 1):
        if group is None or hasattr(group, "dtype"):
            return None
        try:
            group = group[name]
        except KeyError:  # absent, or a broken link
            return None
    return group


def _length(table: Any) -> int | None:
    """Return the number of rows of a table, from its index or, in an old format, the table itself."""
    if table is None:
        return None
    if hasattr(table, "dtype"):
        return int(table.shape[0]) if table.shape else None
    index = table.attrs.get("_index")
    found = _shape(_part(table, index)) if isinstance(index, str) else None
    return found[0] if found else None


def _shape(part: Any) -> tuple[int, ...] | None:
    """Return the shape of an array, a sparse matrix, a column or a table; None if unknown."""
    if part is None:
        return None
    if hasattr(part, "dtype"):
        return tuple(int(size) for size in part.shape or ())
    given = part.attrs.get("shape", part.attrs.get("h5sparse_shape"))
    if given is not None and "indptr" in part:
        return tuple(int(size) for size in given)
    for name in ("codes", "values"):  # a categorical, or a nullable column
        if name in part:
            return _shape(part[name])
    length = _length(part)
    return None if length is None else (length,)


def _check_sparse(named: Path, key: str, part: Any) -> None:
    """Raise if the three arrays of a sparse matrix do not fit its shape."""
    if part is None or hasattr(part, "dtype") or "indptr" not in part:
        return
    shape = _shape(part) or ()
    arrays = {name: _shape(_part(part, name)) for name in ("data", "indices", "indptr")}
    n_stored, pointers = arrays["data"], arrays["indptr"]
    starts = {size + 1 for size in shape}
    fits = (
        len(shape) == 2
        and n_stored is not None
        and len(n_stored) == 1
        and n_stored == arrays["indices"]
        and pointers is not None
        and len(pointers) == 1
        and pointers[0] in starts
        and n_stored[0] <= shape[0] * shape[1]
    )
    if not fits:
        sizes = ", ".join(f"{name} {size}" for name, size in arrays.items())
        raise DataError(
            f"{str(named)!r} is damaged: {key} claims the shape {shape} and holds {sizes}; copy it again or rewrite it "
            "with adata.write_h5ad()"
        )
