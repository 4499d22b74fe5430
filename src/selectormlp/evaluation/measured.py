"""Cells as an assay would measure them: simulated, normalised over the panel alone, and scored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from selectormlp.data.cells import FloatArray, IntArray, Matrix, dense
from selectormlp.evaluation.refit import count_confusion, fit_quietly, refit_predict
from selectormlp.evaluation.splits import Folds
from selectormlp.panel.assay import Assay


@dataclass(frozen=True, eq=False)
class MeasuredScores:
    """Balanced accuracy of a panel as sequenced and as measured, one value per simulated assay.

    Attributes
    ----------
    sequenced
        Refitted and tested on the cells of the data, normalised over the panel.
    refitted
        Refitted and tested on measured cells, shape (n_draws,).
    transferred
        Learned on the cells of the data, tested on measured ones, shape (n_draws,).
    assay
        Name of the assay.
    """

    sequenced: float
    refitted: FloatArray
    transferred: FloatArray
    assay: str

    def to_frame(self) -> pd.DataFrame:
        """Return one line per way to measure: way, assay, balanced_accuracy, draw_sd, n_draws."""
        ways = {
            "as sequenced": np.array([self.sequenced]),
            "as measured, refitted": self.refitted,
            "as measured, transferred": self.transferred,
        }
        lines = [(way, self.assay, float(of.mean()), float(of.std()), len(of)) for way, of in ways.items()]
        return pd.DataFrame(lines, columns=["way", "assay", "balanced_accuracy", "draw_sd", "n_draws"])


def simulate_counts(
    counts: Matrix, assay: Assay, rng: np.random.Generator, *, genes: Sequence[str] | None = None
) -> FloatArray:
    """Draw the counts that an assay would see in sequenced cells.

    Each gene gets an efficiency e = ē · exp(σ z), or what is known of it, or none with the probability of failure. Of X
    sequenced counts, binomial(X, min(e, 1)) are seen, and Poisson((e − 1) X) more where e > 1. The counting noise of
    sequencing stays in: cells measured with e > 1 come out noisier than they would be. A share of each cell is replaced
    by a draw around the mean of all cells, exponentially distributed from cell to cell; background is Poisson.

    Parameters
    ----------
    counts
        Of the panel, shape (n_cells, k), dense or CSR; whole numbers.
    assay
        An efficiency that is not set counts as 1.
    rng
        Source of chance.
    genes
        Names of the panel's genes, for an assay with efficiencies of genes.

    Returns
    -------
    Counts, shape (n_cells, k).

    Examples
    --------
    >>> counts = np.full((2, 3), 8.0, dtype=np.float32)
    >>> simulate_counts(counts, Assay(), np.random.default_rng(0))
    array([[8., 8., 8.],
           [8., 8., 8.]])
    """
    seen = dense(counts).astype(np.float64)
    n_cells, n_genes = seen.shape
    efficiency = (assay.efficiency or 1.0) * draw_efficiencies(assay, genes, n_genes, rng)
    whole = np.rint(seen).astype(np.int64)
    kept = rng.binomial(whole, np.minimum(efficiency, 1.0) * (1.0 - assay.mixing))
    more = rng.poisson(whole * np.maximum(efficiency - 1.0, 0.0) * (1.0 - assay.mixing))
    spilled = rng.poisson(rng.exponential(assay.mixing, (n_cells, 1)) * efficiency * seen.mean(axis=0))
    drawn: FloatArray = (kept + more + spilled + rng.poisson(assay.background, seen.shape)).astype(np.float64)
    return drawn


def draw_efficiencies(assay: Assay, genes: Sequence[str] | None, n_genes: int, rng: np.random.Generator) -> FloatArray:
    """Draw efficiencies relative to their mean, shape (n_genes,): known ones as they are, 0 where probes fail.

    Examples
    --------
    >>> assay = Assay(efficiency=1.0, spread=1.0, gene_efficiencies={"Gad1": 0.5})
    >>> draw_efficiencies(assay, ["Gad1", "Sst"], 2, np.random.default_rng(0)).round(2)
    array([0.5 , 0.88])
    """
    known = assay.gene_efficiencies or {}
    drawn = np.exp(assay.spread * rng.normal(size=n_genes))
    found: FloatArray = (
        drawn if genes is None else np.array([known.get(g, d) for g, d in zip(genes, drawn, strict=True)])
    )
    found[rng.random(n_genes) < assay.failure] = 0.0
    return found


def log1p_over_panel(counts: FloatArray, total: float | None = None) -> FloatArray:
    """Scale each cell to one total over the panel and take log(1 + x), since an instrument measures nothing else.

    Parameters
    ----------
    counts
        Of the panel, shape (n_cells, k).
    total
        None: the median total of the cells that have counts.

    Examples
    --------
    >>> log1p_over_panel(np.array([[1.0, 3.0], [2.0, 0.0], [0.0, 0.0]]), 4.0).round(2)
    array([[0.69, 1.39],
           [1.61, 0.  ],
           [0.  , 0.  ]])
    """
    sums = counts.sum(axis=1)
    if total is None:
        total = float(np.median(sums[sums > 0])) if (sums > 0).any() else 1.0
    values: FloatArray = np.log1p(counts * (total / np.where(sums > 0, sums, 1.0))[:, None])
    return values


def score_as_measured(
    counts: Matrix,
    labels: IntArray,
    folds: Folds,
    refitter: Callable[[], Any],
    assay: Assay,
    *,
    genes: Sequence[str] | None = None,
    n_draws: int = 5,
    seed: int = 0,
) -> MeasuredScores:
    """Score a panel on cells as an assay would measure them.

    Parameters
    ----------
    counts
        Of the panel's genes, shape (n_cells, k).
    labels
        Class codes, shape (n_cells,).
    folds
        The splits; a draw of the assay is the same in all of them.
    refitter
        Makes unfitted classifiers.
    assay, genes
        As :func:`simulate_counts` takes them.
    n_draws
        How many assays are drawn, each with efficiencies of its own.
    seed
        Of all that is drawn.
    """
    counted = dense(counts).astype(np.float64)
    total = float(np.median(counted.sum(axis=1)))
    clean = log1p_over_panel(counted, total).astype(np.float32)
    fitted = [fit_quietly(refitter(), clean[train], labels[train]) for train, _ in folds]
    true, n_classes = labels[folds.test_rows], int(labels.max()) + 1

    def balanced(predicted: list[IntArray]) -> float:
        return count_confusion(true, np.concatenate(predicted), n_classes).balanced_accuracy

    sequenced = balanced([clf.predict(clean[test]) for clf, (_, test) in zip(fitted, folds, strict=True)])
    scores = np.empty((2, n_draws))
    for draw in range(n_draws):
        measured = simulate_counts(counts, assay, np.random.default_rng((seed, draw)), genes=genes)
        own, same = (log1p_over_panel(measured, wanted).astype(np.float32) for wanted in (None, total))
        scores[0, draw] = balanced(
            [refit_predict(refitter(), own[train], labels[train], own[test]) for train, test in folds]
        )
        scores[1, draw] = balanced([clf.predict(same[test]) for clf, (_, test) in zip(fitted, folds, strict=True)])
    return MeasuredScores(sequenced, scores[0], scores[1], assay.name)
