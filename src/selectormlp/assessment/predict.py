"""Fitting a panel's classifier on an AnnData object, and predicting the cells of another."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import log_softmax

from selectormlp.assessment.genes import find_panel_genes, match_genes
from selectormlp.assessment.levels import source_tree
from selectormlp.assessment.measure import MAX_TRAIN, Judging, fold_cells, read_for_judging
from selectormlp.assessment.request import PRECISION
from selectormlp.data.cells import AnyFloatArray, Cells, FloatArray, Matrix, as_matrix, check_unique, dense
from selectormlp.data.expression import choose_expression, layer_names
from selectormlp.data.hashing import hash_cells
from selectormlp.data.normalize import TARGET_SUM, stored_values
from selectormlp.data.panel_io import gene_column
from selectormlp.data.source import Normalization
from selectormlp.data.subsample import subsample
from selectormlp.data.symbols import shown_names, stored_genes
from selectormlp.errors import DataError, SettingsError, counted, nearest, quoted
from selectormlp.evaluation.calibration import honest_calibration, robust_temperature
from selectormlp.evaluation.counts import alone, count_scale, counts_of, typical_total
from selectormlp.evaluation.refit import fit_quietly, make_classifier
from selectormlp.evaluation.splits import Folds
from selectormlp.models.classifier_card import ClassifierCard, check_class_names, check_confidence, check_precision
from selectormlp.models.novelty import FALSE_ALARMS, cut_offs, fit_novelty, raised
from selectormlp.models.panel_classifier import PanelClassifier
from selectormlp.models.predictions import Predictions
from selectormlp.models.stopping import calibrate_levels
from selectormlp.panel.panel import Panel
from selectormlp.progress import track
from selectormlp.versions import package_versions

if TYPE_CHECKING:
    from anndata import AnnData

logger = logging.getLogger(__name__)

ABSENT = -1e4
"""Score of a class without training cells: finite, and so low that its probability is 0."""


def fit_classifier_task(
    adata: AnnData, panel: Panel, judging: Judging, min_confidence: float, precision: float = PRECISION
) -> PanelClassifier:
    """Fit and calibrate a panel's classifier; see :func:`selectormlp.fit_classifier`."""
    check_confidence(min_confidence)
    _check_classifier(judging)
    source = judging.source
    everything, aliases = read_for_judging(adata, source)
    check_class_names(everything.classes)
    check_precision(precision)
    tree = source_tree(adata, everything, source)
    check_class_names(() if tree is None else (node for path in tree.paths.values() for node in path))
    columns, _ = match_genes(panel, everything.genes, aliases)
    names = stored_genes(adata, everything.genes[columns], source.gene_name_key)
    cells = everything.take_genes(everything.genes[columns]).dense()
    data_hash, n_cells = hash_cells(cells), cells.n_cells
    cells, counts, are_counts = _to_learn_from(cells)
    target = typical_total(counts) if are_counts else TARGET_SUM
    X = alone(counts, target) if are_counts else counts
    folds = fold_cells(cells, np.ones(cells.n_cells, dtype=np.bool_), judging)
    unseen = _unseen(X, cells, folds, judging)
    true = cells.labels[folds.test_rows]
    temperature = robust_temperature(unseen.scores, true, folds.split_of_test)
    likely = np.exp(log_softmax(unseen.scores / temperature, axis=1))
    stopping = None if tree is None else calibrate_levels(likely, true, cells.classes, tree, precision)
    return PanelClassifier(
        ClassifierCard(
            genes=list(map(str, names)),
            classes=list(cells.classes),
            label_key=str(source.label_key),
            layer=source.layer,
            normalize=source.normalize,
            is_counts=are_counts,
            scheme="median total of the panel" if are_counts else "as they were",
            target_sum=target,
            temperature=temperature,
            min_confidence=min_confidence,
            accuracy=float((unseen.scores.argmax(axis=1) == true).mean()),
            calibration_error=honest_calibration(unseen.scores, true, folds.split_of_test),
            n_cells=n_cells,
            data_hash=data_hash,
            versions=package_versions(),
            tree=stopping,
            format_version=2 if stopping is None else 3,
        ),
        **_learned(X, counts, cells, unseen, judging.seed),
    )


def _learned(X: AnyFloatArray, counts: AnyFloatArray, cells: Cells, unseen: _Unseen, seed: int) -> dict[str, Any]:
    """Fit the classifier and the novelty of cells on all cells, or on a sample of many; return their arrays."""
    rows = subsample(cells.labels, np.random.default_rng(seed), share=min(1.0, MAX_TRAIN / cells.n_cells))
    fitted = fit_quietly(make_classifier("logistic", seed), X[rows], cells.labels[rows])
    weights, offsets = _linear(fitted, cells.n_classes)
    Z = _standardised(fitted, X[rows])
    novelty = fit_novelty(Z, cells.labels[rows], cells.n_classes)
    cuts = cut_offs(unseen.novelty, unseen.scores.argmax(axis=1), cells.n_classes)
    cuts = raised(cuts, novelty.score(Z), (Z @ weights.T + offsets).argmax(axis=1))
    return {
        "mean": fitted[0].mean_.astype(np.float64),
        "scale": fitted[0].scale_.astype(np.float64),
        "weights": weights,
        "offsets": offsets,
        "novelty": replace(novelty, cuts=cuts),
        "parts": _shares_of_one(counts[rows]),
    }


def _check_classifier(judging: Judging) -> None:
    if judging.classifier != "logistic":
        raise SettingsError(
            f"the classifier {judging.classifier_name!r} cannot be written to a model file; use 'logistic'"
        )


def _to_learn_from(cells: Cells) -> tuple[Cells, AnyFloatArray, bool]:
    """Return cells with counts and these, or, where there are no counts, all with their values; and which it is."""
    values = np.asarray(cells.X)
    scale = count_scale(cells) if cells.is_normalized else None
    if scale is None:
        return cells, values, False
    counts = counts_of(values, scale, np.arange(cells.n_cells))
    seen = counts.sum(axis=1) > 0  # cells without counts say nothing, and are never labelled
    return cells.take(seen), counts[seen], True


def _shares_of_one(counts: AnyFloatArray) -> FloatArray:
    """Average each gene's share of a cell's total over cells; equal shares if the values hold none (as below 0)."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    means = shares.mean(axis=0, dtype=np.float64)
    if (means < 0).any() or not means.sum() > 0 or not np.isfinite(means).all():
        return np.full(len(means), 1 / len(means))
    found: FloatArray = means / means.sum()
    return found


def predict_task(
    adata: AnnData,
    classifier: PanelClassifier,
    *,
    layer: str | None = None,
    normalize: Normalization | None = None,
    gene_name_key: str | None = None,
    min_confidence: float | None = None,
    partial: bool = False,
) -> Predictions:
    """Predict the cells of an object; see :func:`selectormlp.predict`."""
    card = classifier.card
    check_unique(adata.obs_names, "cell", "adata.obs_names_make_unique()")
    if not adata.n_obs:
        raise DataError("the data are empty (0 cells); at least one cell is needed")
    wanted = _layer_to_read(adata, classifier, layer)
    where = "X" if wanted is None else f"layer {wanted!r}"
    trained_on = "" if card.layer is None else f" in layer {card.layer!r}"
    expression = choose_expression(
        adata, layer=wanted, normalize=normalize or card.normalize, expects_counts=card.is_counts
    )
    if not stored_values(expression.X).any():
        raise DataError(
            f"{where} holds no counts at all: all values of its {counted(adata.n_obs, 'cell', 'cells')} are 0; give "
            "expression, or name a layer that holds it"
        )
    if card.is_counts and not expression.is_counts:
        raise DataError(
            f"the classifier learned from counts{trained_on} (normalised by its own genes), and the values of {where} "
            "are not counts; name a layer that holds counts (--layer)"
        )
    X: Matrix = expression.X
    if expression.is_counts and not card.is_counts:
        logger.warning(
            "the classifier learned from values taken as they were, and these are counts: they are turned to log1p "
            "of counts per 10,000 of all %d genes, which is right only if its values were so, too",
            len(expression.genes),
        )
        X = expression.normalized()
    aliases = _second_names(adata, expression.genes, gene_name_key)
    places, present = find_panel_genes(card.genes, expression.genes, aliases, partial=partial)
    X = as_matrix(X[:, places])
    if card.is_counts:
        X = as_matrix(alone(dense(X), classifier.target_of(present)))
    names = adata.obs_names.astype(str)
    found = classifier.predict(X, names, min_confidence=min_confidence, present=present)
    _say_what_is_unsure(found, classifier)
    return found


def _second_names(adata: AnnData, genes: pd.Index[str], key: str | None) -> pd.Index[Any] | None:
    """Return a second name of each gene: of the column asked for, else a symbol where identifiers name the genes."""
    if key is not None:
        return gene_column(adata, key, genes)
    found = shown_names(adata)
    return None if found is None else found.shown[found.stored.get_indexer(genes)]


def _say_what_is_unsure(found: Predictions, classifier: PanelClassifier) -> None:
    if found.missing is not None:
        logger.warning(
            "%s of the %d of the panel not measured (%s): %s",
            counted(len(found.missing.genes), "gene", "genes"),
            len(classifier.card.genes),
            quoted(found.missing.genes),
            found.missing,
        )
    if found.empty.any():
        logger.warning(
            "%s no counts in any of the %s of the panel: unsure, whatever the confidence",
            counted(int(found.empty.sum()), "cell has", "cells have"),
            counted(len(classifier.card.genes), "gene", "genes"),
        )
    expected = FALSE_ALARMS * len(found.cells)
    if found.novel.sum() > 2 * expected:
        logger.warning(
            "%s like no type that the classifier learned, and about %d would be expected to look so if all were of "
            "its types: they may be of new types, or of another technology or tissue",
            counted(int(found.novel.sum()), "cell is", "cells are"),
            round(expected),
        )


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
        nearest(learned, layer_names(adata)),
    )
    return None


@dataclass(frozen=True, eq=False)
class _Unseen:
    """Scores of the classes, and novelty, of test cells by what was learned from the other cells of their split."""

    scores: FloatArray
    novelty: FloatArray


def _unseen(X: AnyFloatArray, cells: Cells, folds: Folds, judging: Judging) -> _Unseen:
    scores, novelty = [], []
    for train, test in track(folds, "calibrating", len(folds)):
        labels = cells.labels[train]
        fitted = fit_quietly(make_classifier("logistic", judging.seed), X[train], labels)
        weights, offsets = _linear(fitted, cells.n_classes)
        Z = _standardised(fitted, X[test])
        scores.append(Z @ weights.T + offsets)
        novelty.append(fit_novelty(_standardised(fitted, X[train]), labels, cells.n_classes).score(Z))
    return _Unseen(np.concatenate(scores), np.concatenate(novelty))


def _standardised(fitted: Any, X: AnyFloatArray) -> FloatArray:
    Z: FloatArray = np.asarray(fitted[0].transform(X), dtype=np.float64)
    return Z


def _linear(fitted: Any, n_classes: int) -> tuple[FloatArray, FloatArray]:
    """Return weights and offsets of every class, also where there are two, and of those not learned from."""
    logistic = fitted[-1]
    coefficients, intercepts = logistic.coef_, logistic.intercept_
    if len(logistic.classes_) == 2:
        coefficients, intercepts = np.vstack([0 * coefficients, coefficients]), np.append(0.0, intercepts)
    weights, offsets = np.zeros((n_classes, coefficients.shape[1])), np.full(n_classes, ABSENT)
    weights[logistic.classes_], offsets[logistic.classes_] = coefficients, intercepts
    return weights, offsets
