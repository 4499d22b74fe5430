"""What users hand over, as Python's own values: one gate for NumPy scalars and for columns of pandas."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd


def plain(value: Any) -> Any:
    """Turn values of NumPy and pandas into Python's own; what is neither stays as it is.

    Parameters
    ----------
    value
        Anything. A series with an index of names becomes a mapping, other arrays, series and indices lists; tuples and
        mappings stay what they are, with plain values.

    Examples
    --------
    >>> plain({"n": np.int64(3), "weights": pd.Series([1.5], index=["B"]), "sizes": np.array([5, 10])})
    {'n': 3, 'weights': {'B': 1.5}, 'sizes': [5, 10]}
    """
    if isinstance(value, np.generic):
        return _scalar(value)
    if isinstance(value, pd.Series) and not isinstance(value.index, pd.RangeIndex):
        return {plain(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return plain(value[()])
    if isinstance(value, np.ndarray | pd.Series | pd.Index | pd.api.extensions.ExtensionArray):
        return [plain(entry) for entry in value]
    if isinstance(value, Mapping):
        return {plain(key): plain(entry) for key, entry in value.items()}
    if type(value) in (list, tuple):
        return type(value)(plain(entry) for entry in value)
    return value


def _scalar(value: np.generic) -> Any:
    """Return a scalar as Python's own; a short float as the number that it was written as."""
    return float(str(value)) if isinstance(value, np.float16 | np.float32) else value.item()


def settle(settings: Any) -> None:
    """Turn the values of a frozen dataclass into Python's own, in place; to be called when it is made."""
    for entry in fields(settings):
        value = getattr(settings, entry.name)
        settled = plain(value)
        if settled is not value:
            object.__setattr__(settings, entry.name, settled)


HTML_LINES = 10
"""Lines of a result's table that a notebook shows."""


class Shown:
    """Base of results that a notebook shows as one line of text and the first lines of their table."""

    def _repr_html_(self) -> str:
        """Return the text of ``repr``, escaped, and the first lines of ``to_frame``, where there is one."""
        parts = [f"<p>{html.escape(repr(self))}</p>"]
        if hasattr(self, "to_frame"):
            parts.append(self.to_frame().head(HTML_LINES).to_html(index=False, border=0, max_cols=8))
        return "".join(parts)
