"""Read small CSV or TSV tables with a header, or raise with what to do."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from selectormlp.errors import SettingsError
from selectormlp.gate.files import read_start
from selectormlp.gate.tables import table_rows

MAX_BYTES = 1 << 24
"""Maximum size of a table, 16 MiB."""


def read_rows(path: Path | str, needed: Collection[str], header: str) -> list[dict[str, str]]:
    r"""Read a table with a header.

    Parameters
    ----------
    path
        CSV or TSV in UTF-8; commas, semicolons or tabs between cells. Cells are stripped of blanks, and empty lines
        dropped.
    needed
        Required columns, in lower case.
    header
        Expected header, for messages.

    Returns
    -------
    Lines below the header, each a mapping from column (in lower case) to cell; missing cells are blank.

    Raises
    ------
    SettingsError
        If the file cannot be read, lacks a column, or a line has more cells than the header.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> file = Path(mkdtemp()) / "map.csv"
    >>> _ = file.write_text("from;to\nCd4;CD4\n")
    >>> read_rows(file, {"from", "to"}, "from and to")
    [{'from': 'Cd4', 'to': 'CD4'}]
    """
    place = Path(path)
    try:
        return _below_header(rows_in(place), needed, header)
    except SettingsError as error:
        raise SettingsError(f"{str(place)!r}: {error}") from error


def rows_in(place: Path) -> list[list[str]]:
    """Return the cells of a small table, line by line, without blanks around them; lines without text are left out.

    Raises
    ------
    SettingsError
        If the file cannot be read, is too large, or no table.
    """
    try:
        content = read_start(place, MAX_BYTES + 1, SettingsError)
        if len(content) > MAX_BYTES:
            raise SettingsError(f"more than {MAX_BYTES:,} bytes; expected a table with a short line each")
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError("not UTF-8 text; save it as CSV in UTF-8") from error
    except OSError as error:
        raise SettingsError(f"cannot be read ({error.strerror or error}); give a CSV file") from error
    first = text.partition("\n")[0]
    return table_rows(text, max(",;\t", key=first.count))


def _below_header(rows: list[list[str]], needed: Collection[str], header: str) -> list[dict[str, str]]:
    names = [cell.casefold() for cell in rows[0]] if rows else []
    if not set(needed) <= set(names):
        raise SettingsError(f"the header is {','.join(names)[:80]!r}; expected the columns {header}")
    for row in rows[1:]:
        if len(row) > len(names):
            raise SettingsError(f"the line {','.join(row)[:60]!r} has {len(row)} cells below a header of {len(names)}")
    return [{**dict.fromkeys(names, ""), **dict(zip(names, row, strict=False))} for row in rows[1:]]
