"""Columns that a user names by position."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from selectormlp.data.cells import IntArray
from selectormlp.errors import SettingsError, counted


def checked_columns(name: str, given: Sequence[int] | None, n_genes: int) -> IntArray:
    """Check column positions, shape (n_given,), in the order given; none where ``given`` is None.

    Parameters
    ----------
    name
        What the parameter is called.
    given
        Positions.
    n_genes
        Columns that there are.

    Raises
    ------
    SettingsError
        If one is not a position, or is repeated.

    Examples
    --------
    >>> checked_columns("must_have", [3, 1], 5)
    array([3, 1])
    """
    columns = [] if given is None else list(given)
    for column in columns:
        if not isinstance(column, int | np.integer) or isinstance(column, bool) or not 0 <= column < n_genes:
            raise SettingsError(
                f"{name} holds {column!r}; expected column positions, whole numbers from 0 to {n_genes - 1}"
            )
    if len(set(columns)) < len(columns):
        n_twice = counted(len(columns) - len(set(columns)), "position")
        raise SettingsError(f"{name} holds {n_twice} twice; give each once")
    return np.array(columns, dtype=np.int64)


def checked_must_have(given: Sequence[int] | None, n_genes: int, n_wanted: int) -> IntArray:
    """Check the columns of ``must_have``; see :func:`checked_columns`.

    Raises
    ------
    SettingsError
        If one is not a position or is repeated, or there are more than ``n_wanted``.
    """
    columns = checked_columns("must_have", given, n_genes)
    if len(columns) > n_wanted:
        raise SettingsError(
            f"must_have holds {len(columns)} genes and {n_wanted} are to be selected; raise n_features_to_select"
        )
    return columns
