"""Fitting a panel's classifier on an AnnData object, and predicting the cells of another."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from selectormlp.assessment.genes import match_genes
from selectormlp.assessment.measure import MOST_TRAIN, Judging, fold_cells, read_for_judging
from selectormlp.data.anndata_io import cells_from_adata, drop_unlisted
from selectormlp.data.cells import Cells, IntArray, Matrix, as_matrix, check_unique, gene_positions
from selectormlp.data.expression import check_adata, choose_expression
from selectormlp.data.hashing import hash_cells
from selectormlp.data.normalize import log1p_cp10k, stored_values
from selectormlp.data.source import Normalization, Source
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
    load_classifier,
)
from selectormlp.panel.given import PanelLike, as_panel
from selectormlp.panel.panel import Panel
from selectormlp.versions import package_versions

logger = logging.getLogger(__name__)

MIN_CONFIDENCE = 0.5
"""Probability below which a cell is unsure, by default."""

N_BINS = 10
"""Bins of confidence for the calibration error, as Guo et al. have them (15) for fewer cells."""

ABSENT = -1e4
"""Score of a class that was not there to learn from: no probability, and no infinite numbers."""


def fit_classifier(
    adata: AnnData,
    panel: PanelLike,
    *,
    label_key: str,
    donor_key: str | None = None,
    layer: str | None = None,
    normalize: Normalization = "auto",
    exclude_labels: Sequence[str] = (),
    gene_name_key: str | None = None,
    min_confidence: float = MIN_CONFIDENCE,
    n_splits: int = 5,
    seed: int = 0,
) -> PanelClassifier:
    """Fit a classifier on a panel's genes, to label other cells with; its probabilities are calibrated.

    Parameters
    ----------
    adata, panel, label_key, donor_key, layer, normalize, exclude_labels, gene_name_key, n_splits, seed
        As in :func:`evaluate`. Counts are normalised over the panel's genes alone, so that cells of which only these
        were measured can be predicted.
    min_confidence
        Highest probability from which a cell gets a label; below, it is ``"unsure"``. Kept with the classifier. With
        two classes the highest is never below 0.5: ask for more.

    Returns
    -------
    Logistic regression (genes standardised, C = 1, classes balanced) on all cells; :meth:`PanelClassifier.save` writes
    it. Its temperature was fitted on cells (with ``donor_key``: of donors) that the classifiers of ``n_splits`` splits
    had not learned from.

    Raises
    ------
    PanelError, SettingsError, DataError
        As in :func:`evaluate`.

    Examples
    --------
    >>> from selectormlp.data.datasets import pbmc68k
    >>> adata = pbmc68k()
    >>> classifier = fit_classifier(adata, ["CD79A", "NKG7", "CST3", "CD3D"], label_key="bulk_labels")
    >>> predict(adata, classifier).to_frame().columns[:3].tolist()
    ['label', 'best', 'confidence']
    """
    source = Source(
        label_key=label_key,
        donor_key=donor_key,
        layer=layer,
        normalize=normalize,
        exclude_labels=exclude_labels,
        gene_name_key=gene_name_key,
    )
    judging = Judging(source, "logistic", n_splits, seed=seed)
    return fit_classifier_task(adata, as_panel(panel), judging, min_confidence)


def predict(
    adata: AnnData,
    classifier: PanelClassifier | Path | str,
    *,
    layer: str | None = None,
    normalize: Normalization | None = None,
    min_confidence: float | None = None,
) -> Predictions:
    """Label cells by a panel's classifier.

    Parameters
    ----------
    adata
        Cells × genes, the classifier's genes among them in any order; not altered.
    classifier
        From :func:`fit_classifier`, or a file of it.
    layer, normalize
        As in :func:`selectormlp.select`; by default as in training.
    min_confidence
        Highest probability from which a cell gets a label, 0 to 1; by default the classifier's.

    Returns
    -------
    Labels (``"unsure"`` below the confidence, and for cells without counts in the panel) and probabilities.

    Raises
    ------
    ModelFileError
        If the file is absent, damaged or none of ours.
    DataError
        If a gene is missing, there are no counts at all, or the values are not of the kind learned from.

    Examples
    --------
    >>> from selectormlp.data.datasets import pbmc68k
    >>> adata = pbmc68k()
    >>> classifier = fit_classifier(adata, ["CD79A", "NKG7", "CST3", "CD3D"], label_key="bulk_labels")
    >>> predict(adata, classifier, min_confidence=0.9).to_frame()["label"].value_counts().index[0]
    'unsure'
    """
    check_adata(adata)
    known = classifier if isinstance(classifier, PanelClassifier) else load_classifier(classifier)
    return predict_task(adata, known, layer=layer, normalize=normalize, min_confidence=min_confidence)


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
