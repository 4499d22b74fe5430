"""Keywords of functions, written by docs/keyword_types.py from the request models (`make keywords`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict


class SelectOptions(TypedDict, total=False):
    """Options of :func:`selectormlp.select` beside those that its signature names."""

    dask_scheduler: str | None
    """Address of a Dask cluster to read with (tcp://host:8786); takes --lazy as given."""
    batch_key: str | None
    """Column of obs with the batch (study, chemistry, donor, file): a batch is not taken for a type, and genes are
    chosen for one not yet seen (see combine). For auto, discriminant, mixture, forest, markers and markers-wilcoxon;
    others ignore it. Without it each of several data sets is a batch, unless pool_files is given."""
    pool_files: bool
    """Do not tell several data sets from each other: their cells are pooled."""
    gene_id_key: str | None
    """Column of var with gene identifiers, for the panel."""
    target_layer: str | None
    """For persist-unsupervised: layer with the profiles to be predicted, rather than what is read."""
    label_tree: str | None
    """Table of types and their parents (type, parent), instead of several label columns."""
    normalize: Literal["auto", "counts", "none"]
    """auto (log1p of counts per 10,000 if X holds counts), counts (refuses other values), or none."""
    exclude_labels: Sequence[str]
    """Labels whose cells are left out."""
    gene_name_key: str | None
    """Column of var with second gene names, by which genes may be called too."""
    label_map: Any
    """Labels that mean the same type: a table with the columns data, label and common, or {data: {label: common}}."""
    label_keys: Mapping[str, str] | None
    """Column of obs with the cell type where a data set has its own, as DATA=COLUMN; may be repeated."""
    orthologs: Any
    """Genes that stand for each other: a table with the columns from and to; pairs that are not one to one are left
    out."""
    join_genes: Literal["intersection", "union"]
    """Genes that take part: of all data sets (intersection), or of any (union; for discriminant)."""
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
    """What will measure the panel: sequencing (the default), imaging, or a JSON or YAML file of an assay. For auto,
    discriminant and discriminant-bhattacharyya."""
    combine: Literal["new-study", "corrected", "worst"] | None
    """How batches are combined (with batch_key, or several data sets): new-study (the default: for a batch not yet
    seen), corrected (for data that will be corrected for batches) or worst (each pair of types by its worst batch). For
    auto, discriminant, discriminant-bhattacharyya, discriminant-binary and mixture."""
    options: Mapping[str, Any] | None
    """Parameters of the method's selector that are not to be left at their defaults."""
    min_recall: float | None
    """For auto: share of its cells to be found of every type, as an aim."""
    max_minutes: float | None
    """For auto: nothing more is tried after this time."""
    cost_per_level: float
    """With a tree of labels: factor by which a mistake costs more for each level up to the node that both types have in
    common; 1: all cost the same."""
    mistake_costs: str | None
    """Matrix of costs (CSV: a line for each true type, a column for each type it is taken for), instead."""
    balance_over: Literal["types", "nodes"]
    """What counts the same: types, or nodes (of a tree of labels: the nodes below each node)."""
    price: bool
    """Say what each constraint costs: the separation of the types with all of them, and without each. The method
    chooses anew without each."""
    price_accuracy: bool
    """Say that in balanced accuracy too: a classifier is refitted for each panel. Takes --price as given."""


class ExtendOptions(TypedDict, total=False):
    """Options of :func:`selectormlp.extend` beside those that its signature names."""

    strict_limits: bool
    """Refuse a panel whose own genes exceed a limit, rather than let no new gene add to it."""
    dask_scheduler: str | None
    """Address of a Dask cluster to read with (tcp://host:8786); takes --lazy as given."""
    batch_key: str | None
    """Column of obs with the batch (study, chemistry, donor, file): a batch is not taken for a type, and genes are
    chosen for one not yet seen (see combine). For auto, discriminant, mixture, forest, markers and markers-wilcoxon;
    others ignore it. Without it each of several data sets is a batch, unless pool_files is given."""
    pool_files: bool
    """Do not tell several data sets from each other: their cells are pooled."""
    gene_id_key: str | None
    """Column of var with gene identifiers, for the panel."""
    target_layer: str | None
    """For persist-unsupervised: layer with the profiles to be predicted, rather than what is read."""
    label_tree: str | None
    """Table of types and their parents (type, parent), instead of several label columns."""
    normalize: Literal["auto", "counts", "none"]
    """auto (log1p of counts per 10,000 if X holds counts), counts (refuses other values), or none."""
    exclude_labels: Sequence[str]
    """Labels whose cells are left out."""
    gene_name_key: str | None
    """Column of var with second gene names, by which genes may be called too."""
    label_map: Any
    """Labels that mean the same type: a table with the columns data, label and common, or {data: {label: common}}."""
    label_keys: Mapping[str, str] | None
    """Column of obs with the cell type where a data set has its own, as DATA=COLUMN; may be repeated."""
    orthologs: Any
    """Genes that stand for each other: a table with the columns from and to; pairs that are not one to one are left
    out."""
    join_genes: Literal["intersection", "union"]
    """Genes that take part: of all data sets (intersection), or of any (union; for discriminant)."""
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
    """What will measure the panel: sequencing (the default), imaging, or a JSON or YAML file of an assay. For auto,
    discriminant and discriminant-bhattacharyya."""
    combine: Literal["new-study", "corrected", "worst"] | None
    """How batches are combined (with batch_key, or several data sets): new-study (the default: for a batch not yet
    seen), corrected (for data that will be corrected for batches) or worst (each pair of types by its worst batch). For
    auto, discriminant, discriminant-bhattacharyya, discriminant-binary and mixture."""
    options: Mapping[str, Any] | None
    """Parameters of the method's selector that are not to be left at their defaults."""
    min_recall: float | None
    """For auto: share of its cells to be found of every type, as an aim."""
    max_minutes: float | None
    """For auto: nothing more is tried after this time."""
    cost_per_level: float
    """With a tree of labels: factor by which a mistake costs more for each level up to the node that both types have in
    common; 1: all cost the same."""
    mistake_costs: str | None
    """Matrix of costs (CSV: a line for each true type, a column for each type it is taken for), instead."""
    balance_over: Literal["types", "nodes"]
    """What counts the same: types, or nodes (of a tree of labels: the nodes below each node)."""
    price: bool
    """Say what each constraint costs: the separation of the types with all of them, and without each. The method
    chooses anew without each."""
    price_accuracy: bool
    """Say that in balanced accuracy too: a classifier is refitted for each panel. Takes --price as given."""


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
    """Column of var with second gene names, by which genes may be called too."""
