"""Detect targets of an assay that are not genes: blanks, negative and positive controls, system codes."""

from __future__ import annotations

import re

NAME = re.compile(
    r"(blank|neg(ative)?[ _.-]?(control|ctrl|prb|probe|codeword)|negative[ _.-]?\d+|(neg|pos)_[a-h](\(|$)"
    r"|pos(itive)?[ _.-]?(control|ctrl)|(custom|system|genomic|process|internal)[ _.-]?(negative|control)"
    r"|false[ _.-]?code|unassigned|deprecated|antisense_|intergenic|ercc[ _.-]?\d{5}|control[ _.-]?\d*$"
    r"|fp[ _][a-z0-9]|no[ _.-]?target|empty[ _.-]?(code|barcode)|dummy)",
    re.IGNORECASE,
)
"""Beginnings of names of controls: Xenium, MERSCOPE, CosMx, GeoMx, nCounter, Molecular Cartography, and spikes of
ERCC."""

KIND_HEADERS = (
    *("codeclass", "class", "classname", "classification", "featuretype", "featuretypes", "targettype", "probetype"),
    *("descriptor", "kind", "annotations", "controltype"),
)
"""Headers of columns with the kind of a target, in lower case without blanks and punctuation."""

KIND = re.compile(
    r"(neg(ative)?|pos(itive)?|system|spare|blank|genomic|unassigned|deprecated|intergenic|spike[ _-]?in|ercc|binding"
    r"|purification|ligation|reserved)([ _-]?(controls?|probes?|codewords?|spike[ _-]?ins?|code))*"
    r"|.*\bcontrols?\b.*|.*_control_.*",
    re.IGNORECASE,
)
"""Values of such a column for controls."""

EXPRESSION = "gene expression"
"""10x's name for genes among features; in a column with this value, other features are not genes."""


def is_control(name: str) -> bool:
    """Return whether a target is a control, by its name.

    Examples
    --------
    >>> [is_control(name) for name in ("Blank-1", "NegPrb3", "SystemControl12", "BLNK", "NEGR1", "POSTN")]
    [True, True, True, False, False, False]
    """
    return NAME.match(name) is not None


def are_controls(kinds: tuple[str, ...]) -> list[bool]:
    """Return which targets are controls, by a column with the kind of each.

    Examples
    --------
    >>> are_controls(("Endogenous", "Negative", "Housekeeping"))
    [False, True, False]
    >>> are_controls(("Gene Expression", "Antibody Capture", "Unassigned Codeword"))
    [False, True, True]
    """
    if any(kind.casefold() == EXPRESSION for kind in kinds):
        return [kind.casefold() != EXPRESSION for kind in kinds]
    return [KIND.fullmatch(kind) is not None for kind in kinds]
