"""What is left of a panel's accuracy when the assay falls short of the data it was chosen on."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from selectormlp.evaluation.intervals import FloatArray


@dataclass(frozen=True, eq=False)
class Disturbance:
    """One way in which an assay falls short, and what it costs.

    Attributes
    ----------
    kind
        ``"none"``, ``"thinned"``, ``"probes failed"``, ``"gain"`` or ``"binarised"``.
    level
        Share of the counts kept; share of the genes lost; standard deviation of the natural logarithm of each gene's
        gain; NaN for the others.
    accuracy, balanced_accuracy
        On disturbed test cells, of a classifier that learned from undisturbed cells; one value a draw,
        shape (n_draws,).
        NaN for ``"binarised"``.
    refitted_accuracy, refitted_balanced_accuracy
        The same, of a classifier that learned from cells disturbed in the same way, shape (n_draws,).
    """

    kind: str
    level: float
    accuracy: FloatArray
    balanced_accuracy: FloatArray
    refitted_accuracy: FloatArray
    refitted_balanced_accuracy: FloatArray


@dataclass(frozen=True, eq=False)
class Robustness:
    """Accuracy of a whole panel under each disturbance.

    Attributes
    ----------
    n_genes
        Size of the panel.
    disturbances
        The first is ``"none"``: what the others are to be compared with.
    notes
        What could not be measured, and why.
    """

    n_genes: int
    disturbances: tuple[Disturbance, ...]
    notes: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """Return a line a disturbance: kind, level, mean over draws of the four scores, sd of balanced_accuracy."""
        names = ("accuracy", "balanced_accuracy", "refitted_accuracy", "refitted_balanced_accuracy")
        return pd.DataFrame(
            [
                {
                    "kind": found.kind,
                    "level": found.level,
                    **{name: float(getattr(found, name).mean()) for name in names},
                    "draw_sd": float(found.balanced_accuracy.std()),
                }
                for found in self.disturbances
            ]
        )
