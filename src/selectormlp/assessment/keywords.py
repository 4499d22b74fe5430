"""Keywords of functions, written by docs/keyword_types.py from the request models (`make keywords`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict


class EvaluateOptions(TypedDict, total=False):
    """Options of :func:`selectormlp.evaluate` beside those that its signature names."""

    unsupervised: bool
    """Whether to measure explained variance, neighbours, clusters and redundancy."""
    robustness: bool
    """Whether to thin counts, drop genes, change gains and binarise; takes a while."""
    count_split: bool
    """Whether to test the labels on counts that had no part in them: counts are cut into two parts; takes a while."""
    measures: bool
    """Whether to take the measures of Spapros, NS-Forest and geneBasis too; takes a minute."""
    markers: Mapping[str, Any] | None
    """Known markers of each type, for measures; by default the five of largest AUC of each type."""
    n_stability: int
    """How often to choose again by the panel's method from part of the cells; 0: not."""
    level_metric: str
    """Metric by which the curve is called level."""
    level_distance: float
    """Distance from the best size measured within which the curve counts as level."""
    batch_key: str | None
    """Column of obs with the batch (study, chemistry, file): each batch is left out once, whole, however many splits
    are asked for."""
    confidence: float
    """Nominal coverage of intervals."""
    label_tree: str | None
    """Table of types and their parents (type, parent), instead of several label columns."""
    normalize: Literal["auto", "counts", "none"]
    """auto (log1p of counts per 10,000 if X holds counts), counts (refuses other values), or none."""
    exclude_labels: Sequence[str]
    """Labels whose cells are left out."""
    gene_name_key: str | None
    """Column of var with second gene names, which may be used as well."""
    more_sizes: Sequence[int]
    """Further numbers of genes to measure at; may be repeated."""
    coarse_key: str | None
    """Column of obs with a coarse label above the other: scores at both levels."""
    harsh: bool
    """Whether to disturb the cells as harshly as real assays do, and to lose each probe in turn; takes minutes."""
    assay: Any | None
    """Score the panel as this assay would measure it too: imaging, or the JSON or YAML file of an assay."""
    measured_label_key: str | None
    """Column of their obs with the cell type; as --label-key by default."""
    measured_layer: str | None
    """Their layer with counts; X by default."""
    label_map: str | None
    """Table of labels that mean the same: cell_type, common, and side (scrna or imaging). The command evaluate also
    takes data, label and common, to join files."""


class CompareOptions(TypedDict, total=False):
    """Options of :func:`selectormlp.compare` beside those that its signature names."""

    sizes: Sequence[int]
    """Smaller numbers of genes to measure at too."""
    batch_key: str | None
    """Column of obs with the batch (study, chemistry, file): each batch is left out once, whole, however many splits
    are asked for."""
    confidence: float
    """Nominal coverage of intervals."""
    label_tree: str | None
    """Table of types and their parents (type, parent), instead of several label columns."""
    normalize: Literal["auto", "counts", "none"]
    """auto (log1p of counts per 10,000 if X holds counts), counts (refuses other values), or none."""
    exclude_labels: Sequence[str]
    """Labels whose cells are left out."""
    gene_name_key: str | None
    """Column of var with second gene names, which may be used as well."""


class RobustnessOptions(TypedDict, total=False):
    """Options of :func:`selectormlp.robustness` beside those that its signature names."""

    harsh: bool
    """Whether to disturb the cells as harshly as real assays do, whatever the other options, and to lose each probe."""
    batch_key: str | None
    """Column of obs with the batch (study, chemistry, file): each batch is left out once, whole, however many splits
    are asked for."""
    n_splits: int
    """Number of splits. With this many donors or fewer, leave one donor out per split."""
    confidence: float
    """Nominal coverage of intervals."""
    layer: str | None
    """Layer to read instead of X."""
    normalize: Literal["auto", "counts", "none"]
    """auto (log1p of counts per 10,000 if X holds counts), counts (refuses other values), or none."""
    exclude_labels: Sequence[str]
    """Labels whose cells are left out."""
    gene_name_key: str | None
    """Column of var with second gene names, which may be used as well."""


class StabilityOptions(TypedDict, total=False):
    """Options of :func:`selectormlp.stability` beside those that its signature names."""

    options: Mapping[str, Any] | None
    """Parameters of its selector."""
    fraction: float
    """Share of each class's cells in a subsample."""
    min_correlation: float
    """Absolute Spearman correlation from which two genes are treated as interchangeable."""
    confidence: float
    """Nominal coverage of intervals."""
    batch_key: str | None
    """Column of obs with the batch (study, chemistry, donor, file)."""
    normalize: Literal["auto", "counts", "none"]
    """auto (log1p of counts per 10,000 if X holds counts), counts (refuses other values), or none."""
    exclude_labels: Sequence[str]
    """Labels whose cells are left out."""
    gene_name_key: str | None
    """Column of var with second gene names, which may be used as well."""


class ReportOptions(TypedDict, total=False):
    """Options of :func:`selectormlp.report` beside those that its signature names."""

    robustness: bool
    """Whether to thin the counts and let probes fail."""
    n_stability: int
    """How often to choose again from part of the cells; 0: not."""
    title: str
    """Title of the page."""
    data_name: str
    """Where the cells come from, as the page says it."""
    batch_key: str | None
    """Column of obs with the batch (study, chemistry, file): each batch is left out once, whole, however many splits
    are asked for."""
    confidence: float
    """Nominal coverage of intervals."""
    label_tree: str | None
    """Table of types and their parents (type, parent), instead of several label columns."""
    normalize: Literal["auto", "counts", "none"]
    """auto (log1p of counts per 10,000 if X holds counts), counts (refuses other values), or none."""
    exclude_labels: Sequence[str]
    """Labels whose cells are left out."""
    gene_name_key: str | None
    """Column of var with second gene names, which may be used as well."""
    sizes: Sequence[int] | None
    """Numbers of genes to measure at, each the first genes of the panel; chosen by its size by default."""
    more_sizes: Sequence[int]
    """Further numbers of genes to measure at; may be repeated."""
    coarse_key: str | None
    """Column of obs with a coarse label above the other: scores at both levels."""
    harsh: bool
    """Whether to disturb the cells as harshly as real assays do, and to lose each probe in turn; takes minutes."""
    assay: Any | None
    """Score the panel as this assay would measure it too: imaging, or the JSON or YAML file of an assay."""


class LearnAssayOptions(TypedDict, total=False):
    """Options of :func:`selectormlp.learn_assay` beside those that its signature names."""

    name: str
    """What messages and reports are to call the assay."""
    donor_key: str | None
    """Column of obs with the donor."""
    layer: str | None
    """Layer to read instead of X."""
    normalize: Literal["auto", "counts", "none"]
    """auto (log1p of counts per 10,000 if X holds counts), counts (refuses other values), or none."""
    exclude_labels: Sequence[str]
    """Labels whose cells are left out."""
    gene_name_key: str | None
    """Column of var with second gene names, which may be used as well."""
    measured_label_key: str | None
    """Column of their obs with the cell type; as --label-key by default."""
    measured_layer: str | None
    """Their layer with counts; X by default."""
    label_map: str | None
    """Table of labels that mean the same: cell_type, common, and side (scrna or imaging). The command evaluate also
    takes data, label and common, to join files."""


class FitClassifierOptions(TypedDict, total=False):
    """Options of :func:`selectormlp.fit_classifier` beside those that its signature names."""

    precision: float
    """Share of the labels at a level of the tree that are to be right where the level is barely sure."""
    batch_key: str | None
    """Column of obs with the batch (study, chemistry, donor, file)."""
    normalize: Literal["auto", "counts", "none"]
    """auto (log1p of counts per 10,000 if X holds counts), counts (refuses other values), or none."""
    exclude_labels: Sequence[str]
    """Labels whose cells are left out."""
    gene_name_key: str | None
    """Column of var with second gene names, which may be used as well."""
