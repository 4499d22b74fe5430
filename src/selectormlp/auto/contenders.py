"""The methods that ``auto`` tries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from selectormlp.errors import SettingsError, quoted
from selectormlp.panel.assay import find_assay
from selectormlp.selectors.registry import find_method

CONTENDERS: Mapping[str, Mapping[str, Any]] = {"discriminant": {}, "discriminant-bhattacharyya": {}, "markers": {}}
"""What is tried, with its options, in this order: cheap ones that fail on different data. docs/design_decisions.md has
the figures, and why there are no more."""

RAISING = "discriminant"
"""Method that raises classes which are found too rarely."""

SEQUENCING = "sequencing"
"""Assay that measures as the cells at hand were measured."""


def usable_contenders(
    given: Sequence[str] | Mapping[str, Mapping[str, Any]] | None, assay: Any = SEQUENCING
) -> dict[str, Mapping[str, Any]]:
    """Return contenders with their options.

    Parameters
    ----------
    given
        Names, or options by name; None: :data:`CONTENDERS`.
    assay
        What will measure the panel. If it measures otherwise than ``sequencing``, cells at hand cannot tell how a panel
        will do: the first contender that takes an assay is then the only one. Limits alone change nothing.

    Raises
    ------
    SettingsError
        If there is none, or one is not known or cannot be tried against others.

    Examples
    --------
    >>> list(usable_contenders(None, "imaging"))
    ['discriminant']
    """
    given = CONTENDERS if given is None else given
    if isinstance(given, str) or not len(given):
        raise SettingsError(f"contenders={given!r}; expected one or more methods, as a list or a mapping to options")
    contenders = dict(given) if isinstance(given, Mapping) else {name: {} for name in given}
    for name in contenders:
        kind = find_method(name).kind
        if not (kind.may_contend and kind.needs_labels):
            raise SettingsError(
                f"contenders names {name!r}, which cannot be tried against others; expected methods that learn "
                f"from labels and need no settings that depend on the data, as {quoted(CONTENDERS)}"
            )
    if not find_assay(assay).alters_choice:
        return contenders
    for name, options in contenders.items():
        if takes(name, "assay"):
            return {name: options}
    raise SettingsError(f"none of the contenders takes an assay; add {RAISING!r}, or leave the assay out")


def takes(method: str, option: str) -> bool:
    """Tell whether a method has an option, such as an assay that it chooses for."""
    return option in find_method(method).make().get_params(deep=False)
