"""Tables of text: cut into cells within bounds, so that none fills memory or takes for ever."""

from __future__ import annotations

import csv
import io

from selectormlp.errors import InputError, SettingsError

MAX_CELLS = 5_000_000
"""Cells of the largest table, once each line is as long as the longest: half a million lines of ten."""


def check_cells(n_lines: int, n_columns: int, error: type[InputError] = SettingsError) -> None:
    """Refuse a table with more than ``MAX_CELLS`` cells.

    Examples
    --------
    >>> check_cells(1_000_000, 10)
    Traceback (most recent call last):
    selectormlp.errors.SettingsError: more than 5,000,000 cells (1,000,000 lines, 10 columns); keep the columns needed
    """
    if n_lines * n_columns > MAX_CELLS:
        raise error(
            f"more than {MAX_CELLS:,} cells ({n_lines:,} lines, {n_columns:,} columns); keep the columns needed"
        )


def table_rows(text: str, delimiter: str, error: type[InputError] = SettingsError) -> list[list[str]]:
    r"""Cut text into lines of cells.

    Parameters
    ----------
    text
        The text, of which cells that hold the delimiter stand in double quotes.
    delimiter
        The character between cells.
    error
        The kind of error to raise.

    Returns
    -------
    Cells of each line, without blanks around them; lines without text are left out.

    Raises
    ------
    InputError
        If quotes are not closed, a cell has more than 131,072 characters, or lines × columns are above ``MAX_CELLS``.

    Examples
    --------
    >>> table_rows('gene, n\n\n"CD3E, CD3D",2\n', ",")
    [['gene', 'n'], ['CD3E, CD3D', '2']]
    """
    rows: list[list[str]] = []
    width = 0
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True):
            cells = [cell.strip() for cell in row]
            if any(cells):
                rows.append(cells)
                width = max(width, len(cells))
                check_cells(len(rows), width, error)
    except csv.Error as fault:
        raise error(f"not a readable table ({fault}); save it as CSV") from fault
    return rows
