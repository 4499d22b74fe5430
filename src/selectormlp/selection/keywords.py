"""Keywords of functions, written by docs/keyword_types.py from the request models (`make keywords`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict


class SelectOptions(TypedDict, total=False):
    """Options of :func:`selectormlp.select` beside those that its signature names."""

    dask_scheduler: str | None
    """Address of a Dask cluster to read with (tcp://host:8786); implies --lazy."""
    batch_key: str | None
    """Column of obs with the batch (study, chemistry, donor, file): differences between batches are told from
    differences between types, and genes are chosen for a new batch (see combine). For auto, discriminant, mixture,
    forest, markers and markers-wilcoxon; others ignore it. By default, each of several data sets is a batch."""
    pool_files: bool
    """Pool the cells of several data sets, instead of taking each data set as a batch."""
    gene_id_key: str | None
    """Column of var with gene identifiers, for the panel."""
    target_layer: str | None
    """For persist-unsupervised: layer with the profiles to predict; by default the values that are read."""
    label_tree: str | None
    """Table of types and their parents (type, parent), instead of several label columns."""
    normalize: Literal["auto", "counts", "none"]
    """auto (log1p of counts per 10,000 if X holds counts), counts (refuses other values), or none."""
    exclude_labels: Sequence[str]
    """Labels whose cells are left out."""
    gene_name_key: str | None
    """Column of var with second gene names, which may be used as well."""
    join_genes: Literal["intersection", "union"]
    """Genes to use: those of all data sets (intersection), or of any (union; for discriminant)."""
    label_map: Any
    """Labels that mean the same type: a table with the columns data, label and common, or {data: {label: common}}."""
    label_keys: Mapping[str, str] | None
    """Column of obs with the cell type where a data set has its own, as DATA=COLUMN; may be repeated."""
    orthologs: Any
    """Orthologous genes: a table with the columns from and to; only one-to-one pairs are used."""
    costs: Mapping[str, float] | None
    """Costs of genes, 0 or more; others cost 1."""
    budget: float | None
    """Maximum cost of the panel; no limit by default."""
    min_mean: float | None
    """Minimum mean expression over all cells, in the unit of the matrix (log scale for counts)."""
    max_mean: float | None
    """Maximum mean expression over all cells, in the unit of the matrix (log scale for counts)."""
    min_markers_per_type: int
    """Minimum number of markers of each cell type."""
    min_markers_per_node: int
    """Minimum number of markers of each node of a tree of labels, all its types taken together."""
    min_marker_auc: float
    """Minimum AUC of a marker of a type, against all other cells."""
    forbid_preset: Sequence[str]
    """Gene families to exclude: ribosomal, mitochondrial, hemoglobin, sex, cell-cycle (human and mouse)."""
    gene_table: str | None
    """Table of genes: length_nt, n_probes, codewords, homolog_group, cost, priority; see docs/ordering.md."""
    gene_sets: Mapping[str, Any] | None
    """Named gene sets: a list of genes (at least one is chosen), or genes with min, max and together (all or none)."""
    min_per_set: int
    """Minimum number of genes of each set without bounds of its own, such as a list of markers per type."""
    owned: Sequence[str]
    """Genes whose probes you already own: they cost nothing and are preferred."""
    candidates: Sequence[str] | None
    """The only genes to choose from, including must-have genes; all by default."""
    ignore_unknown: bool
    """Ignore gene names missing from the data, with a warning; an extended panel keeps them."""
    min_length_nt: float | None
    """Minimum transcript length, nucleotides (gene table: length_nt)."""
    min_probes: float | None
    """Minimum number of probes or probe sets that fit a gene (gene table: n_probes)."""
    max_codewords: float | None
    """Maximum number of codewords of the panel (gene table: codewords)."""
    max_per_homolog_group: int | None
    """Maximum number of genes per homolog group (gene table: homolog_group)."""
    max_counts_per_type: float | None
    """Crowding: maximum counts per cell, summed over the panel and averaged over the cells of each type."""
    max_counts: float | None
    """Crowding: maximum counts per cell, summed over the panel and averaged over all cells."""
    crowding_quantile: float
    """Apply --max-counts-per-type to the cells of a type at or above this quantile of total counts; 0: all cells."""
    max_gene_counts: float | None
    """Maximum counts per cell of a gene, in any type."""
    min_gene_counts: float | None
    """Minimum counts per cell of a gene, in the type that expresses it most."""
    assay: Any | None
    """Technology that will measure the panel: sequencing (the default), imaging, or a JSON or YAML file of an assay.
    For auto, discriminant and discriminant-bhattacharyya."""
    combine: Literal["new-study", "corrected", "worst"] | None
    """How to combine batches (with batch_key, or several data sets): new-study (the default: for a new batch),
    corrected (for data that will be corrected for batches) or worst (each pair of types by its worst batch). For auto,
    discriminant, discriminant-bhattacharyya, discriminant-binary and mixture."""
    options: Mapping[str, Any] | None
    """Non-default parameters of the method."""
    min_recall: float | None
    """For auto: aim for at least this recall of every type."""
    max_minutes: float | None
    """For auto: time limit in minutes, after which no more methods are tried."""
    cost_per_level: float
    """With a tree of labels: factor on the cost of a mistake for each level up to the common node of both types; 1: all
    mistakes cost the same."""
    mistake_costs: str | None
    """CSV matrix of costs instead: one line per true type, one column per predicted type."""
    balance_over: Literal["types", "nodes"]
    """Equal weights: of types, or of nodes (siblings in a tree of labels)."""
    price: bool
    """Report the price of each constraint: choose again without each, and compare the separation of types."""
    price_accuracy: bool
    """Report prices in balanced accuracy, too: refit a classifier for each panel. Implies --price."""


class ExtendOptions(TypedDict, total=False):
    """Options of :func:`selectormlp.extend` beside those that its signature names."""

    strict_limits: bool
    """Refuse a panel that already exceeds a limit; by default, no new gene may add to that limit."""
    dask_scheduler: str | None
    """Address of a Dask cluster to read with (tcp://host:8786); implies --lazy."""
    batch_key: str | None
    """Column of obs with the batch (study, chemistry, donor, file): differences between batches are told from
    differences between types, and genes are chosen for a new batch (see combine). For auto, discriminant, mixture,
    forest, markers and markers-wilcoxon; others ignore it. By default, each of several data sets is a batch."""
    pool_files: bool
    """Pool the cells of several data sets, instead of taking each data set as a batch."""
    gene_id_key: str | None
    """Column of var with gene identifiers, for the panel."""
    target_layer: str | None
    """For persist-unsupervised: layer with the profiles to predict; by default the values that are read."""
    label_tree: str | None
    """Table of types and their parents (type, parent), instead of several label columns."""
    normalize: Literal["auto", "counts", "none"]
    """auto (log1p of counts per 10,000 if X holds counts), counts (refuses other values), or none."""
    exclude_labels: Sequence[str]
    """Labels whose cells are left out."""
    gene_name_key: str | None
    """Column of var with second gene names, which may be used as well."""
    join_genes: Literal["intersection", "union"]
    """Genes to use: those of all data sets (intersection), or of any (union; for discriminant)."""
    label_map: Any
    """Labels that mean the same type: a table with the columns data, label and common, or {data: {label: common}}."""
    label_keys: Mapping[str, str] | None
    """Column of obs with the cell type where a data set has its own, as DATA=COLUMN; may be repeated."""
    orthologs: Any
    """Orthologous genes: a table with the columns from and to; only one-to-one pairs are used."""
    costs: Mapping[str, float] | None
    """Costs of genes, 0 or more; others cost 1."""
    budget: float | None
    """Maximum cost of the panel; no limit by default."""
    min_mean: float | None
    """Minimum mean expression over all cells, in the unit of the matrix (log scale for counts)."""
    max_mean: float | None
    """Maximum mean expression over all cells, in the unit of the matrix (log scale for counts)."""
    min_markers_per_type: int
    """Minimum number of markers of each cell type."""
    min_markers_per_node: int
    """Minimum number of markers of each node of a tree of labels, all its types taken together."""
    min_marker_auc: float
    """Minimum AUC of a marker of a type, against all other cells."""
    forbid_preset: Sequence[str]
    """Gene families to exclude: ribosomal, mitochondrial, hemoglobin, sex, cell-cycle (human and mouse)."""
    gene_table: str | None
    """Table of genes: length_nt, n_probes, codewords, homolog_group, cost, priority; see docs/ordering.md."""
    gene_sets: Mapping[str, Any] | None
    """Named gene sets: a list of genes (at least one is chosen), or genes with min, max and together (all or none)."""
    min_per_set: int
    """Minimum number of genes of each set without bounds of its own, such as a list of markers per type."""
    owned: Sequence[str]
    """Genes whose probes you already own: they cost nothing and are preferred."""
    forbidden: Sequence[str]
    """Genes, or patterns such as 'RPL*' (case matters), to exclude."""
    candidates: Sequence[str] | None
    """The only genes to choose from, including must-have genes; all by default."""
    ignore_unknown: bool
    """Ignore gene names missing from the data, with a warning; an extended panel keeps them."""
    min_length_nt: float | None
    """Minimum transcript length, nucleotides (gene table: length_nt)."""
    min_probes: float | None
    """Minimum number of probes or probe sets that fit a gene (gene table: n_probes)."""
    max_codewords: float | None
    """Maximum number of codewords of the panel (gene table: codewords)."""
    max_per_homolog_group: int | None
    """Maximum number of genes per homolog group (gene table: homolog_group)."""
    max_counts_per_type: float | None
    """Crowding: maximum counts per cell, summed over the panel and averaged over the cells of each type."""
    max_counts: float | None
    """Crowding: maximum counts per cell, summed over the panel and averaged over all cells."""
    crowding_quantile: float
    """Apply --max-counts-per-type to the cells of a type at or above this quantile of total counts; 0: all cells."""
    max_gene_counts: float | None
    """Maximum counts per cell of a gene, in any type."""
    min_gene_counts: float | None
    """Minimum counts per cell of a gene, in the type that expresses it most."""
    assay: Any | None
    """Technology that will measure the panel: sequencing (the default), imaging, or a JSON or YAML file of an assay.
    For auto, discriminant and discriminant-bhattacharyya."""
    combine: Literal["new-study", "corrected", "worst"] | None
    """How to combine batches (with batch_key, or several data sets): new-study (the default: for a new batch),
    corrected (for data that will be corrected for batches) or worst (each pair of types by its worst batch). For auto,
    discriminant, discriminant-bhattacharyya, discriminant-binary and mixture."""
    options: Mapping[str, Any] | None
    """Non-default parameters of the method."""
    min_recall: float | None
    """For auto: aim for at least this recall of every type."""
    max_minutes: float | None
    """For auto: time limit in minutes, after which no more methods are tried."""
    cost_per_level: float
    """With a tree of labels: factor on the cost of a mistake for each level up to the common node of both types; 1: all
    mistakes cost the same."""
    mistake_costs: str | None
    """CSV matrix of costs instead: one line per true type, one column per predicted type."""
    balance_over: Literal["types", "nodes"]
    """Equal weights: of types, or of nodes (siblings in a tree of labels)."""
    price: bool
    """Report the price of each constraint: choose again without each, and compare the separation of types."""
    price_accuracy: bool
    """Report prices in balanced accuracy, too: refit a classifier for each panel. Implies --price."""


class ExplainOptions(TypedDict, total=False):
    """Options of :func:`selectormlp.explain` beside those that its signature names."""

    donor_key: str | None
    """Column of obs with the donor."""
    batch_key: str | None
    """Column of obs with the batch (study, chemistry, donor, file)."""
    normalize: Literal["auto", "counts", "none"]
    """auto (log1p of counts per 10,000 if X holds counts), counts (refuses other values), or none."""
    exclude_labels: Sequence[str]
    """Labels whose cells are left out."""
    gene_name_key: str | None
    """Column of var with second gene names, which may be used as well."""
