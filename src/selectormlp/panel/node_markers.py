"""A minimum of markers for each node of a tree of labels, as bounds on the panel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from selectormlp.data.cells import Cells
from selectormlp.data.label_tree import LabelTree
from selectormlp.errors import SettingsError, counted
from selectormlp.panel.limits import Limit
from selectormlp.panel.markers import measure_markers
from selectormlp.panel.rules import Rules


def with_node_markers(rules: Rules, cells: Cells, tree: LabelTree | None) -> Rules:
    """Add a bound for each node of a tree to rules with a minimum of markers per node.

    Parameters
    ----------
    rules
        Rules over the genes of the cells.
    cells
        Labelled cells.
    tree
        Tree of their types.

    Returns
    -------
    The rules. A gene marks a node if its mean over the cells of the node is above that of all other cells, and its AUC
    at least ``rules.min_marker_auc``. Nodes with all types, or with the same types as another node, have no bound.

    Raises
    ------
    SettingsError
        If there is no tree, or a node has too few markers among the genes.
    """
    if not rules.min_markers_per_node:
        return rules
    if tree is None:
        raise SettingsError(
            "a minimum of markers per node needs a tree of labels; give several label columns, coarse to fine "
            "(--label-key), or a table of types and parents (--label-tree)"
        )
    least, present = rules.min_markers_per_node, np.flatnonzero(cells.class_counts())
    limits, scarce = [], []
    for name, members in tree.groups([cells.classes[code] for code in present]).items():
        below = np.zeros(cells.n_classes + 1, dtype=np.bool_)  # the last entry is for cells without a class
        below[present] = members
        labels = np.where(cells.labels < 0, cells.labels, below[cells.labels].astype(np.int64))
        markers = measure_markers(replace(cells, labels=labels, classes=("others", name)))
        amounts = markers.marks(rules.min_marker_auc)[1].astype(np.float64)
        if amounts.sum() < least:
            scarce.append(f"{name!r} has {amounts.sum():.0f}")
        limits.append(
            Limit(f"markers of the node {name!r}", amounts, low=least, reason=f"marker of {name} (minimum per node)")
        )
    if scarce:
        raise SettingsError(
            f"each node needs {counted(least, 'marker')}, and among the allowed genes {', '.join(scarce)} (a marker "
            f"has a higher mean in the node and an AUC of {rules.min_marker_auc:g} or more); lower the minimum or the "
            "AUC, or allow more genes"
        )
    return replace(rules, limits=(*rules.limits, *limits))
