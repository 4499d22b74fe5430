"""Convert any selection of rows to row numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from selectormlp.data.cells import BoolArray, IntArray


def row_numbers(rows: slice | IntArray | BoolArray, n_rows: int) -> IntArray:
    """Return rows, given as a slice, numbers or a mask, as numbers from 0 to ``n_rows`` − 1.

    Raises
    ------
    IndexError
        If a mask is of another length, or a number is out of range.

    Examples
    --------
    >>> row_numbers(np.array([True, False, True]), 3), row_numbers(np.array([-1]), 3)
    (array([0, 2]), array([2]))
    """
    if isinstance(rows, slice):
        return np.arange(*rows.indices(n_rows), dtype=np.int64)
    given: npt.NDArray[np.generic] = np.asarray(rows)
    if given.dtype == np.bool_:
        if given.shape != (n_rows,):
            raise IndexError(f"a mask of {len(given)} cells for a matrix of {n_rows}")
        given = np.flatnonzero(given)
    found = given.astype(np.int64)
    if found.size and not (-n_rows <= found.min() and found.max() < n_rows):
        raise IndexError(f"rows {found.min()} to {found.max()} of a matrix of {n_rows} cells")
    return np.where(found < 0, found + n_rows, found)
