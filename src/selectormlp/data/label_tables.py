"""Read tables of labels: the parent of each type, and costs of mistakes between types."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from selectormlp.data.label_tree import LabelTree
from selectormlp.data.labels import NO_LABEL, plain_number
from selectormlp.data.text_tables import rows_in
from selectormlp.errors import SettingsError, counted, nearest, quoted

logger = logging.getLogger(__name__)

MAX_DEPTH = 50
"""Nodes above a type; trees of cell types have up to ten."""


def read_label_tree(path: Path | str, types: Collection[str]) -> LabelTree:
    r"""Read a tree of labels from a table of types and their parents.

    Parameters
    ----------
    path
        A CSV or TSV table with the columns ``type`` and ``parent``, a line for each type and each node above it. Nodes
        without a parent, or whose parent has no line, are at the top. Other columns are ignored.
    types
        Labels of the data, each of which must have a line. Other types are ignored with a warning.

    Returns
    -------
    The tree, with levels ``depth 1``, ``depth 2``, …; a type that is less deep than others represents itself at deeper
    levels.

    Raises
    ------
    SettingsError
        If the file cannot be read, lacks a column or a type of the data, gives a type two parents or contains a cycle.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> file = Path(mkdtemp()) / "tree.csv"
    >>> _ = file.write_text("type,parent\nCA1,neuron\nS1,neuron\nAstro,glia\n")
    >>> read_label_tree(file, ["Astro", "CA1", "S1"]).paths
    {'Astro': ('glia',), 'CA1': ('neuron',), 'S1': ('neuron',)}
    """
    place = Path(path)
    try:
        return _tree(_parents(rows_in(place)), types)
    except SettingsError as error:
        raise SettingsError(f"{str(place)!r}: {error}") from error


def read_mistake_costs(path: Path | str, types: Collection[str]) -> dict[str, dict[str, float]]:
    r"""Read the costs of taking one type for another.

    Parameters
    ----------
    path
        A CSV or TSV matrix: one line per true type, beginning with its name, and one column per predicted type. Costs
        are 0 or more, and 0 on the diagonal.
    types
        Labels of the data, each of which must have a line and a column. Others are ignored with a warning.

    Returns
    -------
    Costs by true type and predicted type.

    Raises
    ------
    SettingsError
        If the file cannot be read, is not square, lacks a type, or a cost is not a number ≥ 0.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> file = Path(mkdtemp()) / "costs.csv"
    >>> _ = file.write_text(",B,T\nB,0,2\nT,1,0\n")
    >>> read_mistake_costs(file, ["B", "T"])
    {'B': {'B': 0.0, 'T': 2.0}, 'T': {'B': 1.0, 'T': 0.0}}
    """
    place = Path(path)
    try:
        return _costs(rows_in(place), types)
    except SettingsError as error:
        raise SettingsError(f"{str(place)!r}: {error}") from error


def _parents(rows: Sequence[Sequence[str]]) -> dict[str, str]:
    """Return the parent of each type or node, "" for those at the top."""
    header = [cell.casefold() for cell in rows[0]] if rows else []
    if not {"type", "parent"} <= set(header):
        raise SettingsError(f"the header is {','.join(header)[:80]!r}; expected the columns type and parent")
    parents: dict[str, str] = {}
    for row in rows[1:]:
        if len(row) > len(header):
            raise SettingsError(f"the line {','.join(row)[:60]!r} has {len(row)} cells below a header of {len(header)}")
        cells = {**dict.fromkeys(header, ""), **dict(zip(header, row, strict=False))}
        name, parent = (plain_number(cells[key]) for key in ("type", "parent"))
        parent = "" if parent.casefold() in NO_LABEL else parent
        if name.casefold() in NO_LABEL:
            raise SettingsError(f"the line {','.join(row)[:60]!r} names no type; fill it in or drop the line")
        if parents.setdefault(name, parent) != parent:
            raise SettingsError(
                f"{name!r} has two parents ({quoted([parents[name], parent])}); expected one above each type: keep one "
                "line"
            )
    return parents


def _tree(parents: Mapping[str, str], types: Collection[str]) -> LabelTree:
    missing = [name for name in types if name not in parents]
    if missing:
        raise SettingsError(
            f"no line for {counted(len(missing), 'type', 'types')} of the data ({quoted(missing, most=3)}): "
            f"{nearest(missing[0], parents)}"
        )
    paths = {name: _path(name, parents) for name in types}
    used = {*paths, *(node for path in paths.values() for node in path)}
    unused = [name for name in parents if name not in used]
    if unused:
        logger.warning(
            "the tree of labels names %s that no cell has (%s): ignored",
            counted(len(unused), "type", "types"),
            quoted(unused, most=3),
        )
    depth = max(map(len, paths.values()), default=0)
    padded = {name: (*path, *[name] * (depth - len(path))) for name, path in paths.items()}
    first = 0  # nodes above all types carry no information
    while first < depth - 1 and len({path[first] for path in padded.values()}) == 1:
        first += 1
    if not depth:
        raise SettingsError("no type of the data has a parent; expected one line per type with its parent")
    levels = tuple(f"depth {level}" for level in range(1, depth - first + 1))
    return LabelTree({name: path[first:] for name, path in padded.items()}, levels)


def _path(name: str, parents: Mapping[str, str]) -> tuple[str, ...]:
    """Return the nodes above a type, the topmost first."""
    found = [name]
    while parent := parents.get(found[-1], ""):
        if parent in found:
            circle = " → ".join([*found[found.index(parent) :], parent])
            raise SettingsError(f"parents form a cycle ({circle}); expected a tree: correct one of these lines")
        if len(found) > MAX_DEPTH:
            raise SettingsError(f"more than {MAX_DEPTH} nodes above {name!r}; expected a tree of a few levels")
        found.append(parent)
    return tuple(reversed(found[1:]))


def _costs(rows: Sequence[Sequence[str]], types: Collection[str]) -> dict[str, dict[str, float]]:
    header = [plain_number(cell) for cell in rows[0][1:]] if rows else []
    names = [plain_number(row[0]) for row in rows[1:]]
    for what, found in (("columns", header), ("lines", names)):
        twice = [name for name, times in Counter(found).items() if times > 1]
        if twice:
            raise SettingsError(f"{quoted(twice, most=3)} are listed twice among the {what}; keep one")
    if set(header) != set(names) or not names:
        alone = quoted(sorted(set(header) ^ set(names)), most=3)
        raise SettingsError(
            f"not square: {counted(len(names), 'line', 'lines')} and {counted(len(header), 'column', 'columns')}"
            f"{f', not both for {alone}' if alone else ''}; expected a line and a column for each type"
        )
    _check_known(names, types)
    costs = {name: _row(name, row[1:], header) for name, row in zip(names, rows[1:], strict=True)}
    if not any(costs[true][taken] for true in types for taken in types):
        raise SettingsError("every mistake between types of the data costs 0; give some a cost above 0")
    return {true: {taken: costs[true][taken] for taken in types} for true in types}


def _check_known(names: Sequence[str], types: Iterable[str]) -> None:
    wanted, known = set(types), set(names)
    missing = sorted(wanted - known)
    if missing:
        raise SettingsError(
            f"no costs for {counted(len(missing), 'type', 'types')} of the data ({quoted(missing, most=3)}): "
            f"{nearest(missing[0], names)}"
        )
    unused = [name for name in names if name not in wanted]
    if unused:
        logger.warning(
            "the costs of mistakes name %s that no cell has (%s): ignored",
            counted(len(unused), "type", "types"),
            quoted(unused, most=3),
        )


def _row(name: str, cells: Sequence[str], header: Sequence[str]) -> dict[str, float]:
    if len(cells) != len(header):
        raise SettingsError(
            f"the line of {name!r} has {len(cells)} costs for {len(header)} columns; give one per column"
        )
    found: dict[str, float] = {}
    for taken, cell in zip(header, cells, strict=True):
        try:
            cost = float(cell)
        except ValueError:
            cost = math.nan
        if not 0 <= cost < math.inf or (taken == name and cost):
            expected = "0, being no mistake" if taken == name else "a number from 0 up"
            raise SettingsError(f"taking {name!r} for {taken!r} costs {cell[:20]!r}; expected {expected}")
        found[taken] = cost
    return found
