"""Keywords of functions, written by docs/keyword_types.py from the request models (`make keywords`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict


class EvaluateOptions(TypedDict, total=False):
    """Options of :func:`selectormlp.evaluate` beside those that its signature names."""

    unsupervised: bool
    """Whether to measure explained variance, neighbours, clusters and redundancy."""
    level_metric: str
    """Metric by which the curve is called level."""
    level_distance: float
    """Distance from the best size measured within which the curve counts as level."""
    confidence: float
    """Nominal coverage of intervals."""
    normalize: Literal["auto", "counts", "none"]
    """auto (log1p of counts per 10,000 if X holds counts), counts (refuses what is none), or none."""
    exclude_labels: Sequence[str]
    """Labels whose cells are left out."""
    gene_name_key: str | None
    """Column of var with second gene names, by which genes may be called too."""
    more_sizes: Sequence[int]
    """Further numbers of genes to measure at; may be repeated."""
    coarse_key: str | None
    """Column of obs with a coarse label above the other: scores at both levels."""


class CompareOptions(TypedDict, total=False):
    """Options of :func:`selectormlp.compare` beside those that its signature names."""

    confidence: float
    """Nominal coverage of intervals."""
    normalize: Literal["auto", "counts", "none"]
    """auto (log1p of counts per 10,000 if X holds counts), counts (refuses what is none), or none."""
    exclude_labels: Sequence[str]
    """Labels whose cells are left out."""
    gene_name_key: str | None
    """Column of var with second gene names, by which genes may be called too."""


class RobustnessOptions(TypedDict, total=False):
    """Options of :func:`selectormlp.robustness` beside those that its signature names."""

    n_splits: int
    """Number of splits. With this many donors or fewer, leave one donor out per split."""
    confidence: float
    """Nominal coverage of intervals."""
    normalize: Literal["auto", "counts", "none"]
    """auto (log1p of counts per 10,000 if X holds counts), counts (refuses what is none), or none."""
    exclude_labels: Sequence[str]
    """Labels whose cells are left out."""
    gene_name_key: str | None
    """Column of var with second gene names, by which genes may be called too."""


class StabilityOptions(TypedDict, total=False):
    """Options of :func:`selectormlp.stability` beside those that its signature names."""

    options: Mapping[str, Any] | None
    """Parameters of its selector."""
    min_correlation: float
    """Absolute Spearman correlation from which two genes are treated as interchangeable."""
    confidence: float
    """Nominal coverage of intervals."""
    normalize: Literal["auto", "counts", "none"]
    """auto (log1p of counts per 10,000 if X holds counts), counts (refuses what is none), or none."""
    exclude_labels: Sequence[str]
    """Labels whose cells are left out."""
    gene_name_key: str | None
    """Column of var with second gene names, by which genes may be called too."""


class ReportOptions(TypedDict, total=False):
    """Options of :func:`selectormlp.report` beside those that its signature names."""

    robustness: bool
    """Whether to thin the counts and let probes fail."""
    n_stability: int
    """How often to choose anew from part of the cells; 0: not."""
    title: str
    """Title of the page."""
    data_name: str
    """Where the cells come from, as the page says it."""
    confidence: float
    """Nominal coverage of intervals."""
    normalize: Literal["auto", "counts", "none"]
    """auto (log1p of counts per 10,000 if X holds counts), counts (refuses what is none), or none."""
    exclude_labels: Sequence[str]
    """Labels whose cells are left out."""
    gene_name_key: str | None
    """Column of var with second gene names, by which genes may be called too."""
    more_sizes: Sequence[int]
    """Further numbers of genes to measure at; may be repeated."""
    coarse_key: str | None
    """Column of obs with a coarse label above the other: scores at both levels."""
