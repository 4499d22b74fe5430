"""Provenance of a panel: method, settings, seed, versions, data and cells."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from selectormlp.errors import PanelError
from selectormlp.values import settle

GIVEN = "given"
"""Method name of panels read from a list."""


@dataclass(frozen=True)
class Taken:
    """The method that ``auto`` took.

    Attributes
    ----------
    method, options
        Name of the method, and its non-default parameters.
    reason
        A sentence that says why.
    """

    method: str
    options: dict[str, Any]
    reason: str


@dataclass(frozen=True)
class Provenance:
    """Method, data and software from which a panel was learned.

    Attributes
    ----------
    method
        Name of the selector, ``"given"`` for a list that was read.
    settings
        Its settings and constraints, as JSON holds them (tuples become lists).
    seed
        Random state, or None.
    versions
        Versions of Python and the main packages.
    data_hash
        See ``hash_cells``; None if unknown.
    label_key
        Column of cell types, or None.
    cells
        Names of the cells it was learned on, each once; empty if unknown.
    fingerprints
        Fingerprints by which these cells are recognised, see :mod:`selectormlp.data.fingerprints`. Empty if unknown, as
        in panels of older releases.

    Raises
    ------
    PanelError
        If JSON cannot hold the settings, or a cell is named twice.
    """

    method: str = GIVEN
    settings: dict[str, Any] = field(default_factory=dict)
    seed: int | None = None
    versions: dict[str, str] = field(default_factory=dict)
    data_hash: str | None = None
    label_key: str | None = None
    cells: tuple[str, ...] = ()
    fingerprints: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        settle(self)
        try:
            settings = json.loads(json.dumps(self.settings, allow_nan=False))
        except (TypeError, ValueError, RecursionError) as error:
            raise PanelError(
                f"the settings of a panel hold what JSON cannot ({error}); give text, finite numbers and lists"
            ) from error
        object.__setattr__(self, "settings", settings)
        object.__setattr__(self, "cells", tuple(self.cells))
        if len(set(self.cells)) < len(self.cells):
            raise PanelError(
                f"the panel names {len(self.cells)} cells that it was learned on, and only {len(set(self.cells))} are "
                "different; name each once"
            )

    @property
    def taken(self) -> Taken | None:
        """The method that ``auto`` took; None if none is recorded in a valid form.

        Examples
        --------
        >>> choice = {"method": "markers", "options": {}, "reason": "it is the only contender"}
        >>> Provenance("auto", {"selector": {"choice": choice}}).taken.method
        'markers'
        """
        selector = self.settings.get("selector")
        choice = selector.get("choice") if self.method == "auto" and isinstance(selector, dict) else None
        parts = (choice.get("method"), choice.get("options"), choice.get("reason")) if isinstance(choice, dict) else ()
        match parts:
            case (str(method), dict(options), str(reason)):
                return Taken(method, options, reason)
        return None
