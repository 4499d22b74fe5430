"""Print tables and lines on the terminal; names from files are never interpreted as markup or control codes."""

from __future__ import annotations

import logging

from rich.console import Console
from rich.table import Table
from rich.text import Text

from selectormlp.errors import printable


class PlainTable:
    """A table whose title, columns and cells are plain text.

    Parameters
    ----------
    title
        Title above the table.
    """

    def __init__(self, title: str) -> None:
        self._table = Table(title=_text(title), title_justify="left")

    def add_column(self, name: str, *, number: bool = False) -> None:
        """Add a column, flush right for numbers."""
        self._table.add_column(_text(name), justify="right" if number else "left")

    def add_columns(self, *names: str, numbers: tuple[str, ...] = ()) -> None:
        """Add columns; those in ``numbers`` are flush right."""
        for name in names:
            self.add_column(name, number=name in numbers)

    def add_row(self, *cells: object) -> None:
        """Add a line."""
        self._table.add_row(*(_text(str(cell)) for cell in cells))

    def add_section(self) -> None:
        """Draw a line below the last row."""
        self._table.add_section()

    def print(self) -> None:
        """Print the table on standard output."""
        Console().print(self._table)


def print_line(text: str) -> None:
    """Print a line on standard output, without wrapping."""
    Console().print(_text(text), soft_wrap=True)


def _text(text: str) -> Text:
    return Text(printable(text))


class PlainFormatter(logging.Formatter):
    """Formats a log record as one message without control codes."""

    def __init__(self) -> None:
        super().__init__("%(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the message of a record."""
        return printable(super().format(record))
