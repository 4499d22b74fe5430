"""Read donors and batches of cells from ``obs`` as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

import numpy as np
import numpy.typing as npt

from selectormlp.data.cells import IntArray
from selectormlp.data.expression import check_adata
from selectormlp.data.labels import label_text, one_column
from selectormlp.errors import DataError, counted

if TYPE_CHECKING:
    from anndata import AnnData


@overload
def read_units(adata: AnnData, key: None, what: str, rows: IntArray | None = None) -> None: ...
@overload
def read_units(adata: AnnData, key: str, what: str, rows: IntArray | None = None) -> npt.NDArray[np.str_]: ...
@overload
def read_units(
    adata: AnnData, key: str | None, what: str, rows: IntArray | None = None
) -> npt.NDArray[np.str_] | None: ...
def read_units(adata: AnnData, key: str | None, what: str, rows: IntArray | None = None) -> npt.NDArray[np.str_] | None:
    """Read the donor or batch of cells as text, in the same way as labels.

    Parameters
    ----------
    adata
        Its ``obs`` is read.
    key
        The column, or None.
    what
        Content of the column, ``"donor"`` or ``"batch"``.
    rows
        Cells to read; None: all.

    Returns
    -------
    Shape (n_cells,), or None without a column.

    Raises
    ------
    DataError
        If the column is absent, a value cannot be text, or a cell has no value.
    """
    if key is None:
        return None
    check_adata(adata)
    found = label_text(one_column(adata.obs, key, what, "obs"), key)
    found.say(key)
    codes = found.codes if rows is None else found.codes[rows]
    missing = int((codes < 0).sum())
    if missing:
        raise DataError(
            f"{counted(missing, 'cell has', 'cells have')} no {what} in {key!r}; fill the column or leave it out"
        )
    return np.array(found.names, dtype=np.str_)[codes]
