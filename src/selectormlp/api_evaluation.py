"""The façade's other half: AnnData and a panel in, what the panel is worth out. Nothing is written into the object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selectormlp.assessment.comparison import compare_task
from selectormlp.assessment.evaluation import Extras, evaluate_task, robustness_task
from selectormlp.assessment.judging import Judging
from selectormlp.assessment.prediction import fit_classifier_task, predict_task
from selectormlp.assessment.stability import Repetition, source_of, stability_task
from selectormlp.data.expression import check_adata
from selectormlp.data.source import Normalization, Source
from selectormlp.evaluation.compare import Comparison
from selectormlp.evaluation.result import Evaluation
from selectormlp.evaluation.robustness import Plan, Robustness
from selectormlp.evaluation.stability import Stability
from selectormlp.models.panel_classifier import PanelClassifier, load_classifier
from selectormlp.models.predictions import Predictions
from selectormlp.panel.given import PanelLike, as_panel, named_panels
from selectormlp.selection.recipe import require_recipe

if TYPE_CHECKING:
    from anndata import AnnData


def evaluate(
    adata: AnnData,
    panel: PanelLike,
    *,
    label_key: str,
    donor_key: str | None = None,
    layer: str | None = None,
    normalize: Normalization = "auto",
    exclude_labels: Sequence[str] = (),
    gene_name_key: str | None = None,
    sizes: Sequence[int] | None = None,
    more_sizes: Sequence[int] = (),
    classifier: Any = "logistic",
    n_splits: int = 5,
    coarse_key: str | None = None,
    unsupervised: bool = True,
    robustness: bool = False,
    n_stability: int = 0,
    level_metric: str = "balanced_accuracy",
    level_distance: float = 0.02,
    confidence: float = 0.95,
    seed: int = 0,
) -> Evaluation:
    """Measure what a panel is worth: scores of refitted classifiers on cells that nothing was learned from.

    Parameters
    ----------
    adata
        Cells × genes; not altered.
    panel
        A :class:`Panel`, a file that holds one (JSON, CSV, TSV, text), or a list of genes. Names that the data lack
        are left out, with a warning, and named in the result. If the panel knows the cells that it was learned on,
        the others are tested where they are enough; else its method chooses anew in each split, if it can be run
        again; else the result says that it is optimistic.
    label_key
        Column of ``obs`` with the cell type; cells without a label take no part.
    donor_key
        Column of ``obs`` with the donor: no donor is on both sides of a split (one is left out at a time where there
        are at most ``n_splits``).
    layer, normalize, exclude_labels, gene_name_key
        As in :func:`selectormlp.select`.
    sizes
        Numbers of genes to measure at, each the first genes of the panel; by default 5, 10, 25, 50, 100, 200, 400, …
        as far as the panel goes, and the whole panel.
    more_sizes
        Further numbers of genes to measure at.
    classifier
        ``"logistic"``, ``"knn"``, ``"forest"``, ``"network"``, or an unfitted scikit-learn classifier (a pipeline).
    n_splits
        Number of splits, 2 or more; each test cell is tested once.
    coarse_key
        Column of ``obs`` with a coarse label above ``label_key``: scores at both levels.
    unsupervised
        Whether to measure explained variance, neighbours, clusters and redundancy.
    robustness
        Whether to disturb the cells; see :func:`robustness`.
    n_stability
        How often to choose anew by the panel's method from part of the cells (and with other seeds, and without one
        donor at a time); 0: not. See :func:`stability`; the panel must be of ours.
    level_metric, level_distance
        The curve levels off at the first size whose score is within this distance of the best size measured.
    confidence
        Nominal coverage of intervals, between 0 and 1.
    seed
        Seed; the same seed gives the same result.

    Returns
    -------
    All of it.

    Raises
    ------
    PanelError
        If the panel is not usable, or none of its genes is in the data.
    SettingsError
        If a parameter is out of range.
    DataError
        If a column or layer is absent, or there are too few cells, classes or donors.

    Examples
    --------
    >>> from selectormlp.data.datasets import pbmc68k
    >>> found = evaluate(pbmc68k(), ["CD79A", "NKG7", "CST3"], label_key="bulk_labels", unsupervised=False)
    >>> found.curve.sizes, bool(found.curve.accuracy.value[-1] > found.random.accuracy.value[-1])
    (array([3]), True)
    """
    extras = Extras(
        None if sizes is None else tuple(sizes),
        coarse_key,
        unsupervised,
        robustness,
        level_metric,
        level_distance,
        tuple(more_sizes),
    )
    source = Source(
        label_key=label_key,
        donor_key=donor_key,
        layer=layer,
        normalize=normalize,
        exclude_labels=exclude_labels,
        gene_name_key=gene_name_key,
    )
    judging = Judging(source, classifier, n_splits, confidence, seed)
    given = as_panel(panel)
    if not n_stability:
        return evaluate_task(adata, given, judging, extras)
    require_recipe(given, label_key)  # before the long part
    repetition = Repetition(n_repeats=n_stability, confidence=confidence, seed=seed)
    found = evaluate_task(adata, given, judging, extras)
    return replace(found, stability=stability_task(adata, source, given, None, None, {}, repetition))


def compare(
    adata: AnnData,
    panels: Mapping[str, PanelLike] | Sequence[PanelLike],
    *,
    label_key: str,
    methods: Sequence[str] = (),
    n_genes: int | None = None,
    donor_key: str | None = None,
    layer: str | None = None,
    normalize: Normalization = "auto",
    exclude_labels: Sequence[str] = (),
    gene_name_key: str | None = None,
    sizes: Sequence[int] = (),
    classifier: Any = "logistic",
    n_splits: int = 5,
    confidence: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """Measure panels, and methods, side by side on the same splits and the same test cells.

    Parameters
    ----------
    adata
        Cells × genes; not altered.
    panels
        By name; or in a list, then named after their files or ``panel 1``, ``panel 2``, …. May be empty if there are
        methods.
    label_key, donor_key, layer, normalize, exclude_labels, gene_name_key, classifier, n_splits, confidence, seed
        As in :func:`evaluate`.
    methods
        Methods of :func:`selectormlp.select` to compare with; each chooses anew in each split.
    n_genes
        Size of their panels; by default that of the largest panel given.
    sizes
        Smaller sizes to measure at too; by default each panel is measured whole only.

    Returns
    -------
    Scores, paired differences with intervals, and overlaps.

    Raises
    ------
    PanelError, SettingsError, DataError
        As in :func:`evaluate`; and if there is nothing to compare.

    Examples
    --------
    >>> from selectormlp.data.datasets import pbmc68k
    >>> panels = {"mine": ["CD79A", "NKG7", "CST3"], "theirs": ["CD79A", "CD3D"]}
    >>> found = compare(pbmc68k(), panels, label_key="bulk_labels")
    >>> found.to_frame()[["panel", "n_genes"]].to_numpy().tolist(), float(found.jaccard[0, 1])
    ([['mine', 3], ['theirs', 2]], 0.25)
    """
    source = Source(
        label_key=label_key,
        donor_key=donor_key,
        layer=layer,
        normalize=normalize,
        exclude_labels=exclude_labels,
        gene_name_key=gene_name_key,
    )
    judging = Judging(source, classifier, n_splits, confidence, seed)
    return compare_task(adata, named_panels(panels), methods, n_genes, sizes, judging)


def robustness(
    adata: AnnData,
    panel: PanelLike,
    *,
    label_key: str,
    donor_key: str | None = None,
    layer: str | None = None,
    normalize: Normalization = "auto",
    exclude_labels: Sequence[str] = (),
    gene_name_key: str | None = None,
    thinning: Sequence[float] = (0.5, 0.2),
    failures: Sequence[float] = (0.05, 0.1),
    gains: Sequence[float] = (0.5,),
    n_draws: int = 2,
    classifier: Any = "logistic",
    n_splits: int = 5,
    seed: int = 0,
) -> Robustness:
    """Measure what is left of a panel's accuracy when the assay is worse than the data.

    Parameters
    ----------
    adata, panel, label_key, donor_key, layer, normalize, exclude_labels, gene_name_key, classifier, n_splits, seed
        As in :func:`evaluate`.
    thinning
        Shares of the counts that are kept, each count by chance, between 0 and 1.
    failures
        Shares of the panel's genes that read zero, drawn at random.
    gains
        Standard deviations of the natural logarithm of a factor for each gene.
    n_draws
        Draws of what is random.

    Raises
    ------
    PanelError, SettingsError, DataError
        As in :func:`evaluate`.

    Examples
    --------
    >>> from selectormlp.data.datasets import pbmc68k
    >>> found = robustness(pbmc68k(), ["CD79A", "NKG7", "CST3"], label_key="bulk_labels", n_draws=1, failures=[0.4])
    >>> [one.kind for one in found.disturbances][-3:]
    ['probes failed', 'gain', 'binarised']
    """
    plan = Plan(tuple(thinning), tuple(failures), tuple(gains), n_draws)
    source = Source(
        label_key=label_key,
        donor_key=donor_key,
        layer=layer,
        normalize=normalize,
        exclude_labels=exclude_labels,
        gene_name_key=gene_name_key,
    )
    return robustness_task(adata, as_panel(panel), Judging(source, classifier, n_splits, seed=seed), plan)


def stability(
    adata: AnnData,
    *,
    label_key: str | None,
    panel: PanelLike | None = None,
    method: str | None = None,
    n_genes: int | None = None,
    donor_key: str | None = None,
    layer: str | None = None,
    normalize: Normalization = "auto",
    exclude_labels: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
    over: Sequence[str] = ("seeds", "subsamples", "donors"),
    n_repeats: int = 10,
    fraction: float = 0.8,
    min_correlation: float = 0.3,
    confidence: float = 0.95,
    seed: int = 0,
) -> Stability:
    """Measure how often a method chooses each gene again.

    Parameters
    ----------
    adata
        Cells × genes; not altered.
    label_key, donor_key, layer, normalize, exclude_labels
        As in :func:`selectormlp.select`.
    panel
        A panel of ours: its method, settings, constraints and size are used.
    method, n_genes, options
        Instead of a panel: as in :func:`selectormlp.select`.
    over
        What to vary: ``"seeds"`` (all cells, another seed), ``"subsamples"`` (a share of each class's cells),
        ``"donors"`` (each left out once; passed over without ``donor_key``).
    n_repeats
        Repetitions over seeds and over subsamples, 2 or more.
    fraction
        Share of each class's cells in a subsample, between 0 and 1.
    min_correlation
        Absolute Spearman correlation from which two genes can replace each other.
    confidence
        Nominal coverage of intervals.
    seed
        Seed.

    Raises
    ------
    PanelError
        If the panel's method cannot be run again.
    SettingsError, DataError
        As in :func:`selectormlp.select`.

    Examples
    --------
    >>> from selectormlp.data.datasets import pbmc68k
    >>> found = stability(pbmc68k(), label_key="bulk_labels", method="discriminant", n_genes=5, n_repeats=2)
    >>> found.overlaps[0].source, found.overlaps[0].n_panels
    ('subsamples', 2)
    """
    repetition = Repetition(source_of(over), n_repeats, fraction, min_correlation, confidence, seed)
    source = Source(
        label_key=label_key, donor_key=donor_key, layer=layer, normalize=normalize, exclude_labels=exclude_labels
    )
    given = None if panel is None else as_panel(panel)
    return stability_task(adata, source, given, method, n_genes, options or {}, repetition)


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
    min_confidence: float = 0.5,
    n_splits: int = 5,
    seed: int = 0,
) -> PanelClassifier:
    """Fit a classifier on a panel's genes, to label other cells with; its probabilities are calibrated.

    Parameters
    ----------
    adata, panel, label_key, donor_key, layer, normalize, exclude_labels, gene_name_key, n_splits, seed
        As in :func:`evaluate`. Counts are normalised over the panel's genes alone (to the median total of the cells
        learned from, then log1p), so that cells of which only these were measured can be predicted.
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
        has counts in the panel gets one.
    partial
        Whether genes may be missing: they are filled in from the others, and ``missing`` says what that costs.

    Returns
    -------
    Labels (``"unsure"`` below the confidence, for cells that are like no type learned, and for cells without counts in
    the panel), probabilities, and how novel each cell is.

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
