"""Tables of text: cut into cells within bounds, so that none fills memory or takes for ever."""

from __future__ import annotations

import csv
import io

from selectormlp.errors import InputError, SettingsError

MAX_CELLS = 5_000_000
"""Cells of the largest table, once each line is as long as the longest: half a million lines of ten."""


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
    width = 1
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True):
            cells = [cell.strip() for cell in row]
            if any(cells):
                rows.append(cells)
                width = max(width, len(cells))
                if len(rows) * width > MAX_CELLS:
                    raise error(
                        f"more than {MAX_CELLS:,} cells ({len(rows):,} lines, the longest of {width:,} cells); keep "
                        "only the columns and lines that are needed"
                    )
    except csv.Error as fault:
        raise error(f"not a readable table ({fault}); save it as CSV") from fault
    return rows
