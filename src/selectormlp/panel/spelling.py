"""Hint at genes that differ in upper and lower case only: human CD3E, mouse Cd3e."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def spelling_hint(missing: Sequence[str], known: Iterable[str]) -> str:
    """Count missing genes that are present if case is ignored, with an example; ``""`` if none is.

    Examples
    --------
    >>> spelling_hint(["CD3E", "MS4A1"], ["Cd3e", "Ms4a1"])
    'all 2 are in the data with different case (Cd3e for CD3E), as in mouse: rename them if they are meant'
    >>> spelling_hint(["CD3E"], ["CD3D"])
    ''
    """
    folded = {str(name).casefold(): str(name) for name in known}
    found = [(name, folded[name.casefold()]) for name in missing if name.casefold() in folded]
    if not found:
        return ""
    wanted, there = found[0]
    style = {there.upper(): ", as in human", there.capitalize(): ", as in mouse"}
    number = f"{len(found)} of them" if len(found) < len(missing) else f"all {len(found)}" if len(found) > 1 else "it"
    be = "is" if len(found) == 1 else "are"
    where = f"{number} {be} in the data with different case ({there} for {wanted}){style.get(there, '')}"
    return f"{where}: rename them if they are meant"
