"""The methods by name: ours, peers and references, with options; and one selection by one of them."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import pandas as pd

from panel_accuracy.peers import PEERS
from panel_accuracy.protocol import Learning
from selectormlp.data.cells import Cells, IntArray
from selectormlp.selection.ranking import rank_genes
from selectormlp.selectors.registry import METHODS

THROUGH_US: Mapping[str, tuple[str, str, str]] = {
    "t-test": ("markers", "scanpy", "t-test of each class against the rest, genes of each class in turn"),
    "wilcoxon": ("markers-wilcoxon", "scanpy", "rank-sum test, in turn"),
    "logreg": ("markers-logreg", "scanpy", "coefficients of logistic regression (1,000 iterations), in turn"),
    "forest": ("forest", "scikit-learn", "fall in impurity over 500 trees, classes balanced; Breiman 2001"),
}
"""Peers that our own selectors call: name, method of ours, package, what it is."""

REFERENCES = ("all-genes", "variance", "random")
"""What no method should fall below, and the classifiers on all genes."""

DEFAULT = (
    "auto",
    "discriminant",
    "selector_mlp-budget",
    "selector_mlp",
    "mlp",
    "svm",
    *THROUGH_US,
    *PEERS,
    *REFERENCES,
)


@dataclass(frozen=True)
class Method:
    """A method as asked for.

    Attributes
    ----------
    spec
        As written: ``name`` or ``name:option=value:option=value``.
    name
        The part before the options.
    options
        Parameters of our selector; values are read as JSON where they are JSON, else as text.
    """

    spec: str
    name: str
    options: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """``ours``, ``peer`` or ``reference``."""
        if self.name in REFERENCES:
            return "reference"
        return "peer" if self.name in PEERS or self.name in THROUGH_US else "ours"

    @property
    def nested(self) -> bool:
        """Whether it is known beforehand that one run gives all sizes; of ours, the ranking tells."""
        return self.name in THROUGH_US or (self.name in PEERS and PEERS[self.name].nested)

    @property
    def version(self) -> str:
        """Version of the package that the method comes from; empty where it is not installed."""
        package = "selectormlp"
        if self.name in PEERS:
            package = PEERS[self.name].package
        elif self.name in THROUGH_US:
            package = THROUGH_US[self.name][1]
        try:
            return f"{package} {version(package)}"
        except PackageNotFoundError:
            return ""


@dataclass(frozen=True, eq=False)
class Choice:
    """Columns chosen, best first, and whether smaller panels are the first of them."""

    order: IntArray
    nested: bool


def parse_method(spec: str) -> Method:
    """Read a method and its options.

    Raises
    ------
    SystemExit
        If there is none of the name, or an option has no value, or options are given to a peer.

    Examples
    --------
    >>> parse_method("selector_mlp:max_epochs=3:training=budget").options
    {'max_epochs': 3, 'training': 'budget'}
    """
    name, *parts = spec.split(":")
    ours = name in METHODS or name == "all-genes"
    if not ours and name not in PEERS and name not in THROUGH_US:
        known = ", ".join(dict.fromkeys([*DEFAULT, *METHODS]))
        raise SystemExit(f"no method {name!r}; there are: {known}")
    if parts and not ours:
        raise SystemExit(f"{spec!r}: peers run at their defaults and take no options")
    options = {}
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals:
            raise SystemExit(f"{spec!r}: expected option=value, found {part!r}")
        try:
            options[key] = json.loads(value)
        except json.JSONDecodeError:
            options[key] = value
    return Method(spec, name, options)


def select(method: Method, learning: Learning, size: int, seed: int) -> Choice:
    """Choose genes by a method.

    Parameters
    ----------
    method
        Parsed.
    learning
        All the cells that any method gets; one that makes choices on validation cells splits them off itself.
    size
        Genes wanted.
    seed
        Of whatever is random.
    """
    if method.name == "all-genes":
        return Choice(np.arange(learning.X.shape[1]), nested=False)
    if method.name in PEERS:
        peer = PEERS[method.name]
        return Choice(np.asarray(peer.select(learning.X, learning.y, size, seed), np.int64), peer.nested)
    name = THROUGH_US[method.name][0] if method.name in THROUGH_US else method.name
    ranking = rank_genes(as_cells(learning), name, n_genes=size, options=method.options, seed=seed)
    return Choice(ranking.order, ranking.nested and name != "auto")  # which tries again at each size


def warm_up(method: Method) -> None:
    """Run the method on a few made-up cells, so that loading and compiling are not counted in its time.

    Of slow methods the package is only imported.
    """
    if method.name in PEERS and not PEERS[method.name].quick:
        importlib.import_module(PEERS[method.name].package)
        return
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(3), 40)
    X = rng.poisson(1 + 3 * (np.arange(40) % 3 == y[:, None])).astype(np.float32)
    select(method, Learning(np.log1p(X), y, 3), 10, 0)


def as_cells(learning: Learning) -> Cells:
    """Give the learning cells made-up names, as our own methods want them."""
    n_cells, n_genes = learning.X.shape
    return Cells(
        learning.X,
        pd.Index([f"g{column}" for column in range(n_genes)]),
        pd.Index([f"c{row}" for row in range(n_cells)]),
        learning.y,
        tuple(f"class{code:03d}" for code in range(learning.n_classes)),
    )
