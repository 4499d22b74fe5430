"""Check which methods and options work if data sets measured different genes."""

from __future__ import annotations

import logging

from selectormlp.errors import SettingsError, quoted
from selectormlp.selection.request import Choice
from selectormlp.selectors.registry import METHODS, Method, find_method

logger = logging.getLogger(__name__)

INSTEAD_OF_AUTO = "discriminant"
"""Method used instead of ``auto``, which tries methods that need every gene in every cell."""


def method_for_unmeasured(request: Choice, method: Method) -> Method:
    """Return a method that can choose genes that some data sets lack.

    Raises
    ------
    SettingsError
        If the method, or another option, needs every gene in every cell.
    """
    why, remedy = (
        "every gene in every data set, and some lack genes",
        "take common genes (--join-genes intersection)",
    )
    for what, asked in (
        ("a minimum of markers per type", request.min_markers_per_type > 0),
        ("limits in counts", request.constraints.needs_counts),
        ("the price of constraints", request.price),
        ("an assay", request.options.get("assay", "sequencing") != "sequencing"),
    ):
        if asked:
            raise SettingsError(f"{what} needs {why}; leave it out, or {remedy}")
    if method.name == "auto":
        logger.info("auto tries methods that need every gene in every data set: %r chooses instead", INSTEAD_OF_AUTO)
        return find_method(INSTEAD_OF_AUTO)
    if not getattr(method.kind, "takes_unmeasured", False):
        able = [name for name, known in METHODS.items() if getattr(known.kind, "takes_unmeasured", False)]
        raise SettingsError(f"the method {method.name!r} needs {why}; use {quoted(able)}, or {remedy}")
    return method
