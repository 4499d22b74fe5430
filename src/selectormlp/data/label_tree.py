"""A tree of labels: types, the nodes above them, and costs of mistakes between types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from selectormlp.data.source import COST_PER_LEVEL, Balance
from selectormlp.errors import DataError, SettingsError, counted, nearest, quoted

if TYPE_CHECKING:
    from selectormlp.data.cells import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class LabelTree:
    """Types, and the nodes above each.

    Attributes
    ----------
    paths
        Nodes above each type, coarse to fine, all of one length.
    levels
        Names of the levels of these nodes, coarse to fine.

    Raises
    ------
    DataError
        If a node is under two others, or the length of a path is not the number of levels.

    Examples
    --------
    >>> tree = LabelTree({"CA1": ("neuron",), "S1": ("neuron",), "Astro": ("glia",)}, ("level1",))
    >>> tree.steps(["CA1", "S1", "Astro"])
    array([[0, 1, 2],
           [1, 0, 2],
           [2, 2, 0]])
    """

    paths: Mapping[str, tuple[str, ...]]
    levels: tuple[str, ...]

    def __post_init__(self) -> None:
        above: dict[tuple[int, str], tuple[str, ...]] = {}
        for name, path in self.paths.items():
            if len(path) != len(self.levels):
                raise DataError(f"{name!r} has {len(path)} nodes above it; expected one for each of {self.levels!r}")
            for depth, node in enumerate(path):
                if above.setdefault((depth, node), path[:depth]) != path[:depth]:
                    parents = quoted([above[depth, node][-1], path[depth - 1]])
                    raise DataError(
                        f"{node!r} of {self.levels[depth]!r} is under two nodes of {self.levels[depth - 1]!r} "
                        f"({parents}); expected a tree, its levels from coarse to fine: correct the labels or the order"
                    )

    def of(self, classes: Iterable[str]) -> list[tuple[str, ...]]:
        """Return the path of each of some types.

        Raises
        ------
        DataError
            If a type is not in the tree.
        """
        names = list(map(str, classes))
        unknown = [name for name in names if name not in self.paths]
        if unknown:
            raise DataError(
                f"the tree of labels lacks {counted(len(unknown), 'type', 'types')} of the data "
                f"({quoted(unknown, most=3)}): {nearest(unknown[0], self.paths)}"
            )
        return [self.paths[name] for name in names]

    def nodes(self, level: int, classes: Iterable[str]) -> tuple[tuple[str, ...], IntArray]:
        """Return the nodes of a level above some types, by first appearance, and the position of each type's node."""
        of_types = [path[level] for path in self.of(classes)]
        names = tuple(dict.fromkeys(of_types))
        return names, np.array([names.index(name) for name in of_types], dtype=np.int64)

    def steps(self, classes: Iterable[str]) -> IntArray:
        """Count the levels from two types up to their common node, shape (n_types, n_types).

        It is 0 for a type and itself, 1 for types with the same parent, and the number of levels (including that of the
        types) for types that differ at the coarsest.
        """
        paths = self.of(classes)
        steps = np.full((len(paths), len(paths)), len(self.levels) + 1, dtype=np.int64)
        for level in range(len(self.levels)):
            codes = np.unique([path[level] for path in paths], return_inverse=True)[1]
            steps[codes[:, None] == codes] = len(self.levels) - level
        np.fill_diagonal(steps, 0)
        return steps

    def shares(self, classes: Iterable[str]) -> FloatArray:
        """Return the weight of each type if siblings in the tree have equal weights, shape (n_types,), mean 1.

        Examples
        --------
        >>> LabelTree({"A": ("x",), "B": ("x",), "C": ("y",)}, ("level1",)).shares(["A", "B", "C"])
        array([0.75, 0.75, 1.5 ])
        """
        names = list(map(str, classes))
        whole = [(*path, name) for path, name in zip(self.of(names), names, strict=True)]
        children: dict[tuple[str, ...], set[str]] = {}
        for path in whole:
            for depth, node in enumerate(path):
                children.setdefault(path[:depth], set()).add(node)
        n_siblings = [[len(children[path[:depth]]) for depth in range(len(path))] for path in whole]
        shares: FloatArray = 1 / np.prod(np.array(n_siblings, dtype=np.float64), axis=1)
        return shares * (len(shares) / float(shares.sum()))

    def groups(self, classes: Sequence[str]) -> dict[str, BoolArray]:
        """Return the types of each node that holds some but not all types, by name of the node."""
        found: dict[str, BoolArray] = {}
        for level in range(len(self.levels)):
            names, codes = self.nodes(level, classes)
            members = {name: codes == place for place, name in enumerate(names)}
            for name, mask in members.items():
                if not mask.all() and not any(np.array_equal(mask, other) for other in found.values()):
                    found[name if name not in found else f"{name} ({self.levels[level]})"] = mask
        return found


@dataclass(frozen=True)
class Mistakes:
    """Costs of mistakes between types, and weights of types, for choosing genes.

    Attributes
    ----------
    tree
        The tree of labels; None if costs come from a matrix.
    cost_per_level
        Factor on the cost of a mistake for each level up to the common node of both types; 1: all mistakes cost the
        same.
    costs
        Cost of taking a type (first key) for another (second key), instead of ``cost_per_level``; or None.
    balance_over
        ``types``: equal weights of types; ``nodes``: equal weights of siblings in the tree.

    Raises
    ------
    SettingsError
        If there is neither a tree nor costs, or nodes are to be balanced without a tree.

    Examples
    --------
    >>> tree = LabelTree({"CA1": ("neuron",), "S1": ("neuron",), "Astro": ("glia",)}, ("level1",))
    >>> Mistakes(tree, cost_per_level=3.0).pair_costs(["CA1", "S1", "Astro"])
    array([[0., 1., 3.],
           [1., 0., 3.],
           [3., 3., 0.]])
    """

    tree: LabelTree | None = None
    cost_per_level: float = COST_PER_LEVEL
    costs: Mapping[str, Mapping[str, float]] | None = None
    balance_over: Balance = "types"

    def __post_init__(self) -> None:
        if self.tree is None and self.costs is None:
            raise SettingsError("weighing mistakes needs a tree of labels or costs; give one of them")
        if self.tree is None and self.balance_over == "nodes":
            raise SettingsError("balance_over='nodes' needs a tree of labels; give one, or balance over 'types'")
        if not 1 <= self.cost_per_level < np.inf:
            raise SettingsError(f"cost_per_level is {self.cost_per_level!r}; expected a number from 1 up")

    @property
    def types(self) -> frozenset[str]:
        """Types with costs of mistakes."""
        return frozenset(() if self.tree is None else self.tree.paths) | frozenset(self.costs or ())

    def pair_costs(self, classes: Iterable[str]) -> FloatArray:
        """Return the cost of taking each type (row) for each other (column), shape (n_types, n_types), diagonal 0.

        Raises
        ------
        DataError
            If a type is not in the tree, or has no costs.
        """
        names = list(map(str, classes))
        if self.costs is None:
            assert self.tree is not None  # noqa: S101
            steps = self.tree.steps(names)
            return np.where(steps > 0, self.cost_per_level ** (steps - 1.0), 0.0)
        unknown = [name for name in names if name not in self.costs]
        if unknown:
            raise DataError(
                f"the costs of mistakes lack {counted(len(unknown), 'type', 'types')} of the data "
                f"({quoted(unknown, most=3)}): {nearest(unknown[0], self.costs)}"
            )
        return np.array([[self.costs[true][taken] for taken in names] for true in names], dtype=np.float64)

    def credit(self, classes: Iterable[str]) -> FloatArray:
        """Return the value of taking each type (row) for each (column): 1 if correct, 0 for the costliest mistake."""
        costs = self.pair_costs(classes)
        return 1.0 - costs / max(float(costs.max(initial=0.0)), float(np.finfo(np.float64).tiny))

    def importance(self, classes: Iterable[str]) -> FloatArray:
        """Return the weight of each type, shape (n_types,), mean 1."""
        names = list(map(str, classes))
        if self.balance_over == "nodes" and self.tree is not None:
            return self.tree.shares(names)
        return np.ones(len(names))

    def as_record(self) -> dict[str, Any]:
        """Return a record for provenance, see :meth:`from_record`."""
        tree = self.tree
        return {
            "levels": None if tree is None else list(tree.levels),
            "paths": None if tree is None else {name: list(path) for name, path in tree.paths.items()},
            "cost_per_level": self.cost_per_level,
            "costs": None if self.costs is None else {name: dict(row) for name, row in self.costs.items()},
            "balance_over": self.balance_over,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Mistakes:
        """Make an object from a record of provenance.

        Raises
        ------
        SettingsError
            If the record is invalid.

        Examples
        --------
        >>> kept = Mistakes(LabelTree({"A": ("x",), "B": ("y",)}, ("level1",)))
        >>> Mistakes.from_record(kept.as_record()) == kept
        True
        """
        try:
            paths, levels, costs = record["paths"], record["levels"], record["costs"]
            tree = None
            if paths is not None:
                nodes = {str(name): tuple(map(str, path)) for name, path in paths.items()}
                tree = LabelTree(nodes, tuple(map(str, levels)))
            kept = costs and {
                str(true): {str(taken): float(cost) for taken, cost in row.items()} for true, row in costs.items()
            }
            return cls(tree, float(record["cost_per_level"]), kept or None, record["balance_over"])
        except (KeyError, TypeError, AttributeError, ValueError, DataError) as error:
            raise SettingsError(
                f"the record of a tree of labels cannot be read ({error}); choose the panel again"
            ) from error
