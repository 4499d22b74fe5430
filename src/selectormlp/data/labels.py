"""Turn labels of any dtype into text, in one consistent way."""

from __future__ import annotations

import datetime as dt
import decimal
import logging
import math
import numbers
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from selectormlp.data.cells import IntArray
from selectormlp.errors import DataError, SettingsError, nearest, quoted

logger = logging.getLogger(__name__)

NO_LABEL = frozenset({"", "nan", "-nan", "na", "n/a", "<na>", "#n/a", "#na", "none", "null", "nat"})
"""Text that means a missing label, in lower case and stripped: what pandas writes and reads as missing."""

MAX_SHOWN = 5
"""Maximum number of labels in a message."""


@dataclass(frozen=True, eq=False)
class LabelText:
    """A column as text.

    Attributes
    ----------
    codes
        Index into ``names`` for each cell, -1 for no label, shape (n_cells,).
    names
        Distinct labels: categories in their order, numbers by size, text by alphabet.
    emptied
        Original text of labels taken as missing.
    trimmed
        Original text of labels that had blanks around them.
    """

    codes: IntArray
    names: tuple[str, ...]
    emptied: tuple[str, ...]
    trimmed: tuple[str, ...]

    def say(self, key: str) -> None:
        """Log all changes."""
        if self.emptied:
            logger.warning("%r holds the text %s: taken as missing", key, quoted(self.emptied, most=MAX_SHOWN))
        if self.trimmed:
            logger.warning("%r holds blanks around %s: left out", key, quoted(self.trimmed, most=MAX_SHOWN))
        alike = numbers_alike(self.names)
        if alike:
            logger.warning(
                "%r holds labels that may be the same, written in two ways (%s): they are kept apart",
                key,
                "; ".join(quoted(pair) for pair in alike[:MAX_SHOWN]),
            )


def label_text(column: pd.Series, key: str) -> LabelText:
    """Turn a column of any dtype into text.

    Integers are written without a decimal point, whatever their dtype, so that columns that a missing value turned into
    floats agree with others. Text is stripped of blanks; text such as ``nan`` and ``NA`` is a missing label.

    Parameters
    ----------
    column
        One value per cell.
    key
        Name of the column, for messages.

    Raises
    ------
    DataError
        If a value cannot be a label (such as a list).

    Examples
    --------
    >>> found = label_text(pd.Series([2, 1.0, " B", None, "NA"], dtype=object), "cluster")
    >>> found.names, found.codes
    (('1', '2', 'B'), array([ 1,  0,  2, -1, -1]))
    """
    values, codes = _distinct(column)
    try:
        written = [text_of(value) for value in values]
    except TypeError as error:
        raise DataError(f"the column {key!r} holds {error}; expected text or numbers, one label per cell") from error
    stripped = [text.strip() for text in written]
    missing = [text.casefold() in NO_LABEL for text in stripped]
    is_text = [isinstance(value, str | bytes) for value in values]
    emptied = tuple(text for text, gone in zip(written, missing, strict=True) if gone)
    trimmed = tuple(
        text
        for text, short, gone, was_text in zip(written, stripped, missing, is_text, strict=True)
        if was_text and not gone and text != short
    )
    used = np.bincount(codes[codes >= 0], minlength=len(values)) > 0
    order = range(len(values)) if isinstance(column.dtype, pd.CategoricalDtype) else _by_size(values, stripped)
    names = tuple(dict.fromkeys(stripped[place] for place in order if used[place] and not missing[place]))
    place_of = {name: place for place, name in enumerate(names)}
    places = np.array(
        [place_of.get(text, -1) if not gone else -1 for text, gone in zip(stripped, missing, strict=True)]
    )
    found = np.append(places, -1).astype(np.int64)[codes]  # code -1 takes the -1 at the end
    return LabelText(found, names, emptied, trimmed)


def text_of(value: object) -> str:
    """Return the text of one label.

    Raises
    ------
    TypeError
        If it is not a scalar with an unambiguous text; the message names its type.

    Examples
    --------
    >>> text_of(np.float32(3)), text_of(0.5), text_of(b"T cell"), text_of(True)
    ('3', '0.5', 'T cell', 'True')
    """
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            raise TypeError("bytes that are not UTF-8 text") from None
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, np.datetime64):
        value = pd.Timestamp(value)
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == dt.time() else value.isoformat(sep=" ")
    if isinstance(value, numbers.Real | decimal.Decimal):
        is_whole = math.isfinite(value) and value == math.floor(value)
        return str(math.floor(value)) if is_whole else str(value)
    if isinstance(value, dt.date | dt.timedelta | np.timedelta64 | pd.Period | pd.Interval):
        return str(value)
    raise TypeError(f"values of the type {type(value).__name__} ({str(value)[:40]!r})")


def _distinct(column: pd.Series) -> tuple[list[object], IntArray]:
    """Return the distinct values, and the index of each cell's value; -1 if missing.

    Values that are equal in Python, such as 1 and True, are kept apart.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        return list(column.cat.categories), column.cat.codes.to_numpy().astype(np.int64)
    if column.dtype != object or pd.api.types.infer_dtype(column, skipna=True) in ("string", "empty"):
        codes, uniques = pd.factorize(column)
        return list(uniques), codes.astype(np.int64)
    places: dict[tuple[type, object], int] = {}
    codes = np.full(len(column), -1, dtype=np.int64)
    values: list[object] = []
    for row, value in enumerate(column.to_numpy(dtype=object)):
        if pd.api.types.is_scalar(value) and pd.isna(value):
            continue
        try:
            place = places.setdefault((type(value), value), len(values))
        except TypeError:  # lists and the like, for which label_text raises
            return [value], codes
        if place == len(values):
            values.append(value)
        codes[row] = place
    return values, codes


def _by_size(values: Sequence[object], written: Sequence[str]) -> list[int]:
    places = list(range(len(values)))
    try:
        return sorted(places, key=lambda place: values[place])  # type: ignore[arg-type,return-value]
    except TypeError:  # text among numbers
        return sorted(places, key=lambda place: written[place])


def numbers_alike(names: Collection[str]) -> list[tuple[str, ...]]:
    """Find labels that are the same number or boolean, written in two ways.

    Examples
    --------
    >>> numbers_alike(["1", "1.0", "B", "02", "2", "False", "0"])
    [('1', '1.0'), ('02', '2'), ('False', '0')]
    """
    groups: dict[float, list[str]] = {}
    for name in names:
        try:
            value = float({"True": "1", "False": "0"}.get(name, name))
        except ValueError:
            continue
        if np.isfinite(value):
            groups.setdefault(value, []).append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def plain_number(text: str) -> str:
    """Return an integer without decimal point, or other text stripped of blanks.

    Examples
    --------
    >>> plain_number("2.0"), plain_number(" B "), plain_number("2.5")
    ('2', 'B', '2.5')
    """
    short = text.strip()
    whole, point, rest = short.partition(".")
    return whole if point and not rest.strip("0") and whole.removeprefix("-").isdigit() else short


def check_key(key: object, what: str) -> None:
    """Raise unless the value can be the name of a column or layer.

    Raises
    ------
    SettingsError
        If it is not a string.
    """
    if not isinstance(key, str):
        raise SettingsError(f"{what} is {key!r} ({type(key).__name__}); expected the name of one, as text")


def one_column(frame: pd.DataFrame, key: object, what: str, where: str) -> pd.Series:
    """Return a column of a table.

    Parameters
    ----------
    frame
        The table.
    key
        Name of the column.
    what
        Purpose of the column, such as ``"label"``.
    where
        Name of the table, such as ``"obs"``.

    Raises
    ------
    SettingsError
        If the name is not a string.
    DataError
        If the column is absent (the nearest names are offered) or repeats.
    """
    check_column(key, frame.columns, what, where)
    places = np.flatnonzero(frame.columns == key)
    if len(places) > 1:
        raise DataError(f"{where} has {len(places)} columns {key!r}; rename or drop all but one")
    found: pd.Series = frame.iloc[:, places[0]]
    return found


def check_column(key: object, columns: Collection[str], what: str, where: str = "obs") -> None:
    """Raise if a column is absent; see :func:`one_column`."""
    check_key(key, f"the {what} column")
    if key not in columns:
        raise DataError(f"no {what} column {key!r} in {where}; {nearest(str(key), columns)}")
