"""Check the parameters of estimators."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from selectormlp.errors import SettingsError


def check_ranges(estimator: object, in_range: Mapping[str, tuple[bool, str]]) -> None:
    """Raise unless each parameter is in its range.

    Parameters
    ----------
    estimator
        Estimator whose attributes are the parameters.
    in_range
        Whether each parameter is valid, and what is expected of it.

    Raises
    ------
    SettingsError
        For the first that is not.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> check_ranges(SimpleNamespace(lr=0.1), {"lr": (True, "above 0")})
    """
    for name, (is_valid, expected) in in_range.items():
        if not is_valid:
            raise SettingsError(f"{name}={getattr(estimator, name)!r}; expected {expected}")


def range_of_hidden_sizes(sizes: object) -> dict[str, tuple[bool, str]]:
    """Return the entry of ``hidden_sizes`` for :func:`check_ranges`."""
    values = np.atleast_1d(np.asarray(sizes))
    is_valid = np.ndim(sizes) == 1 and values.size > 0 and bool(values.min() >= 1)  # type: ignore[arg-type]
    return {"hidden_sizes": (is_valid, "a sequence of one or more sizes from 1 up")}
