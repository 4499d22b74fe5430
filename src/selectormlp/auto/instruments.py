"""Cells as instruments of an assay would measure them, so that panels can be tried for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from selectormlp.data.cells import FloatArray, IntArray, dense
from selectormlp.data.count_scale import find_count_scale
from selectormlp.evaluation.measured import draw_efficiencies, log1p_over_panel, simulate_counts
from selectormlp.moments.stream import AnyMatrix
from selectormlp.panel.assay import Assay

FAILED = 1e-9
"""Efficiency of a gene whose probes fail."""


class Instruments:
    """A simulated instrument for each fold: every gene has the same efficiency there in whichever panel it is.

    Parameters
    ----------
    X
        Expression, shape (n_cells, n_genes), log1p-normalised counts; for other values, expm1 is used instead.
    assay
        With the mean efficiency, its spread, background, mixing and failures.
    genes
        Names of the genes, for an assay with efficiencies of genes.
    seed
        Of all that is drawn.
    """

    def __init__(self, X: AnyMatrix, assay: Assay, genes: Sequence[str] | None, seed: int) -> None:
        self._X, self._assay, self._genes, self._seed = X, assay, genes, seed
        self._scale = find_count_scale(X)

    def values(self, columns: IntArray, fold: int) -> FloatArray:
        """Measure a panel: simulated counts, normalised over the panel alone, shape (n_cells, k).

        Examples
        --------
        >>> X = np.log1p(np.array([[8.0, 8.0, 0.0], [0.0, 8.0, 8.0]]))
        >>> Instruments(X, Assay(), None, 0).values(np.array([0, 1]), 0).round(2)  # nothing is lost, nothing added
        array([[1.95, 1.95],
               [0.  , 2.56]])
        """
        rng = np.random.default_rng((self._seed, fold))
        relative = np.maximum(draw_efficiencies(self._assay, self._genes, self._X.shape[1], rng), FAILED)
        names = [str(column) for column in columns]
        known = dict(zip(names, relative[columns].tolist(), strict=True))
        more: dict[str, Any] = {"gene_efficiencies": known, "efficiency": self._assay.efficiency or 1.0}
        instrument = self._assay.model_copy(update={**more, "spread": 0.0, "failure": 0.0})
        few = self._X[:, columns]
        counts = np.expm1(dense(few)) if self._scale is None else dense(self._scale.counts(few))
        return log1p_over_panel(simulate_counts(counts, instrument, rng, genes=names))
