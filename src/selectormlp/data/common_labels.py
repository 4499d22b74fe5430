"""Map labels of several data sets to common types, by a table."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from selectormlp.data.labels import label_text, plain_number
from selectormlp.data.text_tables import read_rows
from selectormlp.errors import DataError, SettingsError, counted, nearest, quoted

logger = logging.getLogger(__name__)

ANY_DATA = "*"
"""Matches every data set in the column ``data``."""

HEADER = "data, label and common"

CommonLabels = Mapping[str, Mapping[str, str]]
"""Common type of each label, by data set; cells with a blank type are left out."""


def common_labels(given: Any) -> dict[str, dict[str, str]]:
    r"""Read a label map from a file, a data frame, or a mapping of mappings.

    Parameters
    ----------
    given
        Path of a CSV or TSV table, or a data frame, with the columns ``data`` (name of the data set, or ``*`` for all),
        ``label`` (as in that data set) and ``common`` (its common type; blank: cells with this label are left out); or
        ``{data: {label: common}}``.

    Raises
    ------
    SettingsError
        If the file cannot be read, a column is missing, or a label has two common types.

    Examples
    --------
    >>> frame = pd.DataFrame({"data": ["a", "b"], "label": ["T", "CD3+"], "common": ["T cell", "T cell"]})
    >>> common_labels(frame)
    {'a': {'T': 'T cell'}, 'b': {'CD3+': 'T cell'}}
    """
    if isinstance(given, Mapping):
        return {str(data): _of_mapping(str(data), labels) for data, labels in given.items()}
    found: dict[str, dict[str, str]] = {}
    for cells in _lines(given):
        data, label = cells["data"] or ANY_DATA, plain_number(cells["label"])
        if not label:
            raise SettingsError(f"the label map has a line of {data!r} without a label; fill it in or drop the line")
        known = found.setdefault(data, {})
        if known.get(label, cells["common"]) != cells["common"]:
            both = quoted([known[label], cells["common"]])
            raise SettingsError(f"the label map gives {label!r} of {data!r} two common types ({both}); keep one line")
        known[label] = cells["common"]
    return found


def _lines(given: Any) -> Iterable[Mapping[str, str]]:
    if isinstance(given, str | Path):
        return read_rows(given, {"data", "label", "common"}, HEADER)
    if isinstance(given, pd.DataFrame):
        lacking = {"data", "label", "common"} - set(given.columns)
        if lacking:
            raise SettingsError(f"the label map has the columns {quoted(given.columns)}; expected {HEADER}")
        frame = given[["data", "label", "common"]].astype(object)
        return [
            {str(name): "" if pd.isna(value) else str(value).strip() for name, value in row.items()}
            for row in frame.to_dict("records")
        ]
    raise SettingsError(
        f"label_map is of the type {type(given).__name__}; expected a file, a data frame with the columns {HEADER}, or "
        "{data: {label: common}}"
    )


def _of_mapping(data: str, labels: Any) -> dict[str, str]:
    if not isinstance(labels, Mapping):
        raise SettingsError(f"label_map[{data!r}] is {labels!r:.60}; expected a mapping from label to common type")
    return {plain_number(str(label)): str(common or "").strip() for label, common in labels.items()}


def check_data_sets(label_map: CommonLabels, names: Iterable[str]) -> None:
    """Raise if a label map names other data sets.

    Raises
    ------
    SettingsError
        If it names an unknown data set, or has no line for one.
    """
    known = list(names)
    strangers = [data for data in label_map if data not in known and data != ANY_DATA]
    if strangers:
        raise SettingsError(f"the label map names the data set {strangers[0]!r}; {nearest(strangers[0], known)}")
    silent = [name for name in known if name not in label_map and ANY_DATA not in label_map]
    if silent:
        raise SettingsError(
            f"the label map has no line for these data sets: {quoted(silent)}; add a line for each of their labels, or "
            f"lines with {ANY_DATA!r} as data, which stands for all"
        )


def with_common_labels(column: pd.Series, data: str, label_map: CommonLabels) -> pd.Series:
    """Replace the labels of a data set by common types.

    Parameters
    ----------
    column
        Labels of the data set, of any dtype.
    data
        Its name.
    label_map
        From :func:`common_labels`.

    Returns
    -------
    A categorical column over all common types of the map, in the order of the map.

    Raises
    ------
    DataError
        If a label is not in the map.
    """
    types = list(dict.fromkeys(common for labels in label_map.values() for common in labels.values() if common))
    found = label_text(column, str(column.name))
    known = {**label_map.get(ANY_DATA, {}), **label_map.get(data, {})}
    texts = [plain_number(name) for name in found.names]
    lacking = [text for text in texts if text not in known]
    if lacking:
        raise DataError(
            f"the label map does not name {counted(len(lacking), 'label')} of the data set {data!r}: "
            f"{quoted(lacking)}; add a line for each, with a blank common type to leave its cells out"
        )
    of_label = np.array([*(known[text] or None for text in texts), None], dtype=object)  # code -1 takes the last entry
    mapped = of_label[found.codes]
    gone = int((pd.isna(mapped) & (found.codes >= 0)).sum())
    if gone:
        logger.info("%s: %s without a common type: left out", data, counted(gone, "cell"))
    return pd.Series(pd.Categorical(mapped, categories=types), index=column.index, name=column.name)
