"""Fitting a panel's classifier on an AnnData object, and predicting the cells of another."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from selectormlp.assessment.genes import match_genes
from selectormlp.assessment.judging import MOST_TRAIN, Judging, fold_cells, read_for_judging
from selectormlp.data.anndata_io import cells_from_adata, drop_unlisted
from selectormlp.data.cells import Cells, IntArray, Matrix, as_matrix, check_unique, gene_positions
from selectormlp.data.expression import choose_expression
from selectormlp.data.hashing import hash_cells
from selectormlp.data.normalize import log1p_cp10k, stored_values
from selectormlp.data.source import Normalization
from selectormlp.data.symbols import stored_genes
from selectormlp.errors import DataError, SettingsError, counted, nearest
from selectormlp.evaluation.intervals import FloatArray
from selectormlp.evaluation.refit import fit_quietly, make_classifier
from selectormlp.evaluation.splits import Folds, thin_out
from selectormlp.models.panel_classifier import (
    ClassifierCard,
    PanelClassifier,
    Predictions,
    check_class_names,
    check_confidence,
)
from selectormlp.panel.panel import Panel
from selectormlp.versions import package_versions

if TYPE_CHECKING:
    from anndata import AnnData

logger = logging.getLogger(__name__)

N_BINS = 10
"""Bins of confidence for the calibration error, as Guo et al. have them (15) for fewer cells."""

ABSENT = -1e4
"""Score of a class that was not there to learn from: no probability, and no infinite numbers."""


def fit_classifier_task(adata: AnnData, panel: Panel, judging: Judging, min_confidence: float) -> PanelClassifier:
    """Fit and calibrate a panel's classifier; see :func:`selectormlp.fit_classifier`."""
    check_confidence(min_confidence)
    if judging.classifier != "logistic":
        raise SettingsError(
            f"the classifier {judging.classifier_name!r} cannot be written to a model file; use 'logistic'"
        )
    source = judging.source
    everything, aliases = read_for_judging(adata, source)
    check_class_names(everything.classes)
    columns, _ = match_genes(panel, everything.genes, aliases)
    genes = tuple(map(str, stored_genes(adata, everything.genes[columns], source.gene_name_key)))
    cells = drop_unlisted(cells_from_adata(adata, source.labelled(), classes=everything.classes, genes=genes))
    folds = fold_cells(cells, np.ones(cells.n_cells, dtype=np.bool_), judging)
    scores = _unseen_scores(cells, folds, judging)
    true = cells.labels[folds.test_rows]
    temperature = fit_temperature(scores, true)
    probabilities = np.exp(log_softmax(scores / temperature, axis=1))
    rows = thin_out(np.arange(cells.n_cells), cells.labels, MOST_TRAIN, np.random.default_rng(judging.seed))
    fitted = fit_quietly(make_classifier("logistic", judging.seed), cells.X[rows], cells.labels[rows])
    weights, offsets = _linear(fitted, cells.n_classes)
    return PanelClassifier(
        ClassifierCard(
            genes=list(genes),
            classes=list(cells.classes),
            label_key=str(source.label_key),
            layer=source.layer,
            normalize=source.normalize,
            is_counts=everything.is_normalized,
            temperature=temperature,
            min_confidence=min_confidence,
            accuracy=float((scores.argmax(axis=1) == true).mean()),
            calibration_error=calibration_error(probabilities, true),
            n_cells=cells.n_cells,
            data_hash=hash_cells(cells),
            versions=package_versions(),
        ),
        mean=fitted[0].mean_.astype(np.float64),
        scale=fitted[0].scale_.astype(np.float64),
        weights=weights,
        offsets=offsets,
    )


def predict_task(
    adata: AnnData,
    classifier: PanelClassifier,
    *,
    layer: str | None = None,
    normalize: Normalization | None = None,
    min_confidence: float | None = None,
) -> Predictions:
    """Predict the cells of an object; see :func:`selectormlp.predict`."""
    card = classifier.card
    check_unique(adata.obs_names, "cell", "adata.obs_names_make_unique()")
    if not adata.n_obs:
        raise DataError("the data are empty (0 cells); at least one cell is needed")
    wanted = _layer_to_read(adata, classifier, layer)
    trained_on = "" if card.layer is None else f" in layer {card.layer!r}"
    expression = choose_expression(
        adata, layer=wanted, normalize=normalize or card.normalize, expects_counts=card.is_counts
    )
    if not stored_values(expression.X).any():
        raise DataError(
            f"{'X' if wanted is None else f'layer {wanted!r}'} holds no counts at all: all values of its "
            f"{counted(adata.n_obs, 'cell', 'cells')} are 0; give expression, or name a layer that holds it"
        )
    if card.is_counts and not expression.is_counts:
        raise DataError(
            f"the classifier learned from counts{trained_on} (log1p of counts per 10,000 of its own genes), and the "
            f"values of {'X' if wanted is None else f'layer {wanted!r}'} are not counts; name a layer that holds "
            "counts (--layer)"
        )
    X: Matrix = expression.X
    if expression.is_counts and not card.is_counts:
        logger.warning(
            "the classifier learned from values taken as they were, and these are counts: turned to log1p of counts "
            "per 10,000 of all %d genes, which compares only if its values were that too",
            len(expression.genes),
        )
        X = expression.normalized()
    X = as_matrix(X[:, gene_positions(expression.genes, pd.Index(card.genes))])
    if card.is_counts:
        X = log1p_cp10k(X)
    found = classifier.predict(X, adata.obs_names.astype(str), min_confidence=min_confidence)
    if found.empty.any():
        logger.warning(
            "%s no counts in any of the %s of the panel: unsure, whatever the confidence",
            counted(int(found.empty.sum()), "cell has", "cells have"),
            counted(len(card.genes), "gene", "genes"),
        )
    return found


def _layer_to_read(adata: AnnData, classifier: PanelClassifier, layer: str | None) -> str | None:
    """Return the layer asked for, else that of the classifier where the data have it, else None for X."""
    learned = classifier.card.layer
    if layer is not None or learned is None:
        return layer
    if learned in adata.layers:
        return learned
    logger.warning(
        "the classifier learned from the layer %r, which these data lack: X is read instead; name another layer "
        "(--layer) if that is wrong (%s)",
        learned,
        nearest(learned, adata.layers.keys()),
    )
    return None


def fit_temperature(scores: FloatArray, true: IntArray) -> float:
    """Find the number by which scores are to be divided so that their probabilities are right on average.

    Parameters
    ----------
    scores
        Of cells that were not learned from, shape (n_cells, n_classes).
    true
        Class codes, shape (n_cells,).

    Returns
    -------
    Temperature of least negative log-likelihood, between e⁻³ and e³ (Guo et al., ICML 2017, section 4.2); the most
    probable class stays the same.

    Examples
    --------
    >>> scores = np.array([[4.0, 0.0]] * 4)
    >>> round(fit_temperature(scores, np.array([0, 0, 0, 1])), 2)  # 75 % right: 4 / T = log 3
    3.64
    """
    rows = np.arange(len(true))

    def loss(log_temperature: float) -> float:
        return -float(log_softmax(scores / np.exp(log_temperature), axis=1)[rows, true].mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x))


def calibration_error(probabilities: FloatArray, true: IntArray) -> float:
    """Return the expected calibration error: mean |share right − mean confidence| over ten bins of confidence.

    Parameters
    ----------
    probabilities
        Shape (n_cells, n_classes).
    true
        Class codes, shape (n_cells,).

    Examples
    --------
    >>> round(calibration_error(np.array([[0.75, 0.25]] * 4), np.array([0, 0, 0, 1])), 3)
    0.0
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == true
    bins = np.minimum((confidence * N_BINS).astype(np.int64), N_BINS - 1)
    gaps = np.bincount(bins, weights=right - confidence, minlength=N_BINS)
    return float(np.abs(gaps).sum() / len(true))


def _unseen_scores(cells: Cells, folds: Folds, judging: Judging) -> FloatArray:
    """Return the scores of each test cell by the classifier of its split, shape (n_test, n_classes)."""
    parts = []
    for train, test in folds:
        fitted = fit_quietly(make_classifier("logistic", judging.seed), cells.X[train], cells.labels[train])
        weights, offsets = _linear(fitted, cells.n_classes)
        few = cells.X[test]
        dense = few if isinstance(few, np.ndarray) else few.toarray()
        parts.append(fitted[0].transform(dense) @ weights.T + offsets)
    return np.concatenate(parts)


def _linear(fitted: Any, n_classes: int) -> tuple[FloatArray, FloatArray]:
    """Return weights and offsets of every class, also where there are two, and of those not learned from."""
    logistic = fitted[-1]
    coefficients, intercepts = logistic.coef_, logistic.intercept_
    if len(logistic.classes_) == 2:
        coefficients, intercepts = np.vstack([0 * coefficients, coefficients]), np.append(0.0, intercepts)
    weights, offsets = np.zeros((n_classes, coefficients.shape[1])), np.full(n_classes, ABSENT)
    weights[logistic.classes_], offsets[logistic.classes_] = coefficients, intercepts
    return weights, offsets
