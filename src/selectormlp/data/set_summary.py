"""Summary of joined data sets: cells, genes, and the types of each."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from selectormlp.data.cells import BoolArray, IntArray
from selectormlp.data.coverage import Coverage
from selectormlp.data.labels import label_text
from selectormlp.errors import counted, quoted

if TYPE_CHECKING:
    from anndata import AnnData

    from selectormlp.data.set_tables import SetTables

logger = logging.getLogger(__name__)

MAX_TYPES = 12
"""Maximum number of types in the log that some data set lacks."""


@dataclass(frozen=True, eq=False)
class SetsSummary:
    """Cells, genes and types of each data set.

    Attributes
    ----------
    names
        Names of the data sets, in the order of their cells.
    n_cells
        Number of cells of each.
    n_genes
        Number of genes of each.
    n_joined
        Number of joined genes.
    measured
        Whether each data set has each joined gene, shape (n_sets, n_joined).
    types
        Cells of each type (row) in each data set (column); None without labels.
    """

    names: tuple[str, ...]
    n_cells: tuple[int, ...]
    n_genes: tuple[int, ...]
    n_joined: int
    measured: BoolArray
    types: pd.DataFrame | None

    @property
    def coverage(self) -> Coverage | None:
        """Which genes were measured in which cells; None if all genes were measured in all cells."""
        if self.measured.all():
            return None
        return Coverage(np.repeat(np.arange(len(self.names)), self.n_cells), self.measured)

    def lines(self) -> list[str]:
        """Return the summary in sentences, ending with the types that some data set lacks.

        Examples
        --------
        >>> types = pd.DataFrame({"a": [5, 3], "b": [4, 0]}, index=["B", "T"])
        >>> summary = SetsSummary(("a", "b"), (8, 4), (20, 30), 20, np.ones((2, 20), dtype=bool), types)
        >>> print("; ".join(summary.lines()))
        2 data sets: 12 cells × 20 genes, 2 types; a: 8 cells, 20 of its 20 genes, 2 types; b: 4 cells, 20 of its 30 \
genes, 1 type; 'T' is in 1 of 2 data sets: 'a'
        """
        n_types = "" if self.types is None else f", {counted(len(self.types), 'type')}"
        found = [
            f"{counted(len(self.names), 'data set')}: {counted(sum(self.n_cells), 'cell')} × "
            f"{counted(self.n_joined, 'gene')}"
            f"{n_types}"
        ]
        for place, name in enumerate(self.names):
            own = ""
            if self.types is not None:
                own = f", {counted(int((self.types[name] > 0).sum()), 'type')}"
            taken = int(self.measured[place].sum())
            cells = counted(self.n_cells[place], "cell")
            found.append(f"{name}: {cells}, {taken:,} of its {self.n_genes[place]:,} genes{own}")
        found += self._of_types()
        return found + self._of_genes()

    def _of_types(self) -> list[str]:
        if self.types is None:
            return []
        lacking = self.types[(self.types == 0).any(axis=1)]
        found = []
        for name, row in lacking.iloc[:MAX_TYPES].iterrows():
            there = [data for data in self.names if row[data] > 0]
            found.append(f"{name!r} is in {len(there)} of {len(self.names)} data sets: {quoted(there)}")
        if len(lacking) > MAX_TYPES:
            found.append(f"{len(lacking) - MAX_TYPES} more types are not in all data sets")
        return found

    def _of_genes(self) -> list[str]:
        partly = int((~self.measured.all(axis=0)).sum())
        if not partly:
            return []
        patterns, n_alike = np.unique(self.measured.T, axis=0, return_counts=True)
        never = ~(patterns[:, None] & patterns[None]).any(axis=2)
        apart = int(n_alike @ never @ n_alike) // 2
        lines = [f"{counted(partly, 'gene is', 'genes are')} not in all data sets: only cells with them count"]
        if apart:
            lines.append(
                f"{counted(apart, 'pair of genes was', 'pairs of genes were')} never measured together: their "
                "covariance is taken for 0"
            )
        return lines

    def as_record(self) -> dict[str, Any]:
        """Return the record for provenance."""
        return {
            name: {
                "cells": self.n_cells[place],
                "genes": self.n_genes[place],
                "genes_taken": int(self.measured[place].sum()),
                **({} if self.types is None else {"types": {k: int(v) for k, v in self.types[name].items() if v}}),
            }
            for place, name in enumerate(self.names)
        }


def described(
    sets: Sequence[SetTables], table: AnnData, columns: Sequence[IntArray], label_key: str | None
) -> SetsSummary:
    """Count cells, genes and types of data sets, and log them.

    Parameters
    ----------
    sets
        Tables of the joined data sets.
    table
        Object with the joined ``obs``.
    columns
        Columns of the joined genes in each data set; -1 if missing.
    label_key
        Column of ``obs`` with cell types, or None.
    """
    sizes = tuple(len(one.obs) for one in sets)
    names = tuple(one.name for one in sets)
    types = None
    if label_key is not None:
        found = label_text(table.obs[label_key], label_key)
        of_set = np.repeat(np.arange(len(sets)), sizes)
        known = found.codes >= 0
        counts = np.zeros((len(found.names), len(sets)), dtype=np.int64)
        np.add.at(counts, (found.codes[known], of_set[known]), 1)
        types = pd.DataFrame(counts, index=list(found.names), columns=list(names))
    measured = np.stack([places >= 0 for places in columns])
    summary = SetsSummary(names, sizes, tuple(one.n_genes for one in sets), measured.shape[1], measured, types)
    for line in summary.lines():
        logger.info("%s", line)
    return summary
