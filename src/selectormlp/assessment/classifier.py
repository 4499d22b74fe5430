"""Fit a panel's classifier, and label other cells with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

from anndata import AnnData

from selectormlp.assessment.keywords import FitClassifierOptions
from selectormlp.assessment.measure import Judging
from selectormlp.assessment.predict import fit_classifier_task, predict_task
from selectormlp.assessment.request import MIN_CONFIDENCE, FitClassifierRequest
from selectormlp.config.keywords import only_keywords
from selectormlp.data.expression import check_adata
from selectormlp.data.source import Normalization
from selectormlp.models.panel_classifier import PanelClassifier, load_classifier
from selectormlp.models.predictions import Predictions
from selectormlp.panel.given import PanelLike, as_panel
from selectormlp.progress import showing


def fit_classifier(
    adata: AnnData,
    panel: PanelLike,
    *,
    label_key: str | Sequence[str],
    label_tree: Path | str | None = None,
    donor_key: str | None = None,
    layer: str | None = None,
    min_confidence: float = MIN_CONFIDENCE,
    n_splits: int = 5,
    seed: int = 0,
    progress: bool = True,
    **more: Unpack[FitClassifierOptions],
) -> PanelClassifier:
    """Fit a classifier on a panel's genes, to label other cells with; its probabilities are calibrated.

    Parameters
    ----------
    adata, panel, label_key, donor_key, layer, n_splits, seed
        As in :func:`evaluate`. Counts are normalised over the panel's genes alone (to the median total of the cells
        learned from, then log1p), so that cells of which only these were measured can be predicted.
    min_confidence
        Highest probability from which a cell gets a label; below, it is ``"unsure"``. Kept with the classifier. With
        two classes the highest is never below 0.5: ask for more.
    label_tree
        Table of types and their parents, where ``label_key`` names one column. With a tree of labels, given so or by
        several columns, each cell is labelled at the deepest level that is sure.
    progress
        Whether to show progress of what takes more than a second, on a terminal or in a notebook.
    more
        Further options by name, with types in :class:`selectormlp.assessment.keywords.FitClassifierOptions`:
        ``normalize``, ``exclude_labels`` and ``gene_name_key`` as in :func:`evaluate`; ``precision``, the share of
        the labels that a level of the tree is barely sure of that are to be right. The confidence that the level needs
        follows from it, on cells that the classifiers of the splits had not learned from.

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
    request = FitClassifierRequest(
        label_key=label_key,
        label_tree=label_tree,
        donor_key=donor_key,
        layer=layer,
        min_confidence=min_confidence,
        n_splits=n_splits,
        seed=seed,
        **only_keywords(FitClassifierRequest, more),
    )
    judging = Judging(request, "logistic", request.n_splits, seed=request.seed)
    with showing(progress):
        return fit_classifier_task(adata, as_panel(panel), judging, request.min_confidence, request.precision)


def predict(
    adata: AnnData,
    classifier: PanelClassifier | Path | str,
    *,
    layer: str | None = None,
    normalize: Normalization | None = None,
    gene_name_key: str | None = None,
    min_confidence: float | None = None,
    partial: bool = False,
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
    gene_name_key
        Column of ``var`` with a second name of each gene, by which the classifier's genes are found too.
    min_confidence
        Highest probability from which a cell gets a label, 0 to 1; by default the classifier's. With 0 every cell that
        has counts in the panel gets one. Along a tree of labels, that of every level; by default each level has its
        own, from which its labels are right as often as the classifier was asked for.
    partial
        Whether genes may be missing: they are filled in from the others, and ``missing`` says what that costs.

    Returns
    -------
    Labels (``"unsure"`` below the confidence, for cells that are like no type learned, and for cells without counts in
    the panel; along a tree, the deepest node that is sure), probabilities, and how novel each cell is.

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
    return predict_task(
        adata,
        known,
        layer=layer,
        normalize=normalize,
        gene_name_key=gene_name_key,
        min_confidence=min_confidence,
        partial=partial,
    )
