"""The methods that ``auto`` tries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from selectormlp.errors import SettingsError, quoted
from selectormlp.panel.assay import find_assay
from selectormlp.selectors.registry import Method, find_method

CONTENDERS: Mapping[str, Mapping[str, Any]] = {"discriminant": {}, "discriminant-bhattacharyya": {}, "markers": {}}
"""What is tried, with its options, in this order: cheap ones that fail on different data. docs/design_decisions.md has
the figures, and why there are no more."""

RAISING = "discriminant"
"""Method that raises classes which are found too rarely."""

SEQUENCING = "sequencing"
"""Assay with the technology of the data."""


def usable_contenders(
    given: Sequence[Any] | Mapping[Any, Mapping[str, Any]] | None, assay: Any = SEQUENCING
) -> dict[Method | str, Mapping[str, Any]]:
    """Return contenders with their options: names, and estimators as methods, each with a name of its own.

    Parameters
    ----------
    given
        Names or estimators (see :func:`selectormlp.selectors.registry.find_method`), or a mapping from these to
        options; None: :data:`CONTENDERS`.
    assay
        What will measure the panel. If it measures otherwise than ``sequencing``, contenders that take an assay come
        first, so that the others must be clearly ahead of them. Limits alone change nothing.

    Raises
    ------
    SettingsError
        If there is none, or one is not known or cannot be tried against others, or none takes an assay that measures
        otherwise.

    Examples
    --------
    >>> list(usable_contenders(["markers", "discriminant"], "imaging"))
    ['discriminant', 'markers']
    """
    given = CONTENDERS if given is None else given
    if isinstance(given, str) or not len(given):
        raise SettingsError(f"contenders={given!r}; expected one or more methods, as a list or a mapping to options")
    options = given if isinstance(given, Mapping) else {wanted: {} for wanted in given}
    contenders: dict[Method | str, Mapping[str, Any]] = {}
    n_alike: Counter[str] = Counter()
    for wanted, of_method in options.items():
        method = find_method(wanted)
        if not (method.kind.may_contend and method.kind.needs_labels):
            raise SettingsError(
                f"contenders names {method.name!r}, which cannot be tried against others; expected methods that learn "
                f"from labels and need no settings that depend on the data, as {quoted(CONTENDERS)}"
            )
        n_alike[method.name] += 1
        if n_alike[method.name] > 1:
            method = replace(method, name=f"{method.name} ({n_alike[method.name]})")
        contenders[wanted if isinstance(wanted, str) else method] = of_method
    if not find_assay(assay).alters_choice:
        return contenders
    if not any(takes(wanted, "assay") for wanted in contenders):
        raise SettingsError(f"none of the contenders takes an assay; add {RAISING!r}, or leave the assay out")
    return dict(sorted(contenders.items(), key=lambda item: not takes(item[0], "assay")))


def takes(method: Method | str, option: str) -> bool:
    """Return whether a method has an option, such as an assay that it chooses for."""
    return option in find_method(method).make().get_params(deep=False)
