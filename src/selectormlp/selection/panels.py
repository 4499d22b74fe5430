"""Choosing, extending and explaining panels on an AnnData object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from selectormlp.data.anndata_io import cells_from_adata, drop_unlisted, warn_of_rare_types
from selectormlp.data.cells import Cells, Matrix
from selectormlp.data.fingerprints import fingerprints_of
from selectormlp.data.hashing import hash_cells
from selectormlp.data.panel_io import gene_column, unlabelled_cells, write_gene_results
from selectormlp.data.stored import StoredCells
from selectormlp.data.symbols import named_by_symbol, other_names, stored_genes
from selectormlp.errors import PanelError, SettingsError, UnknownGenesError, nearest, quoted
from selectormlp.moments.stream import balanced_cell_weights, moments_of
from selectormlp.moments.variable import check_memory, gene_variances, most_variable
from selectormlp.panel.choose import choose
from selectormlp.panel.constraints import Constraints
from selectormlp.panel.explain import Explanation, explain_panel
from selectormlp.panel.markers import Markers, measure_markers
from selectormlp.panel.panel import Panel, extend_panel
from selectormlp.panel.provenance import Provenance
from selectormlp.panel.rules import Rules, refuse
from selectormlp.panel.storage import panel_to_json
from selectormlp.selection.ranking import Ranking, rank_genes, warn_of_silent_genes
from selectormlp.selection.task import PanelSource, PanelTask, check_whole
from selectormlp.selectors.registry import find_method
from selectormlp.versions import package_versions

if TYPE_CHECKING:
    from anndata import AnnData


SUBSTITUTE_GENES, MEMORY_GB = 5000, 8.0
"""Genes among which substitutes are looked for, and memory for their covariance, as the selectors have them."""


def select_task(adata: AnnData, task: PanelTask, n_genes: int) -> Panel:
    """Choose a panel and write it into the object; see :func:`selectormlp.api.select`."""
    check_whole("n_genes", n_genes, least=1)
    cells, ids = _read(adata, task.source)
    rules = _resolve(adata, cells, task.source, task.constraints, n_genes).restricted()
    ranking, markers = _rank(adata, cells, rules, task, n_genes)
    origin = provenance_of(cells, task, ranking, {"n_genes": n_genes}, data_hash=hash_cells(cells), whole=cells)
    panel = panel_of(rules, ranking, markers, n_genes, ids=ids, provenance=origin)
    _write_results(adata, panel, rules, ranking, task.source)
    return panel


def panel_of(
    rules: Rules,
    ranking: Ranking,
    markers: Markers | None,
    n_genes: int,
    *,
    ids: pd.Series | None,
    provenance: Provenance,
) -> Panel:
    """Choose the genes of a panel from a ranking under its rules.

    Parameters
    ----------
    rules, ranking, markers
        Of the same genes; markers are needed where the rules ask for some of each type.
    n_genes
        Size of the panel.
    ids
        Identifier of each gene, indexed by name, or None.
    provenance
        Where it comes from.
    """
    choice = choose(ranking.order, rules, n_genes, markers)
    warn_of_silent_genes(ranking, rules.genes, rules.genes[choice.positions].tolist())
    return Panel.from_choice(
        replace(choice, nested=choice.nested and ranking.nested),
        rules.genes,
        scores=ranking.scores,
        gene_ids=None if ids is None else ids[rules.genes].tolist(),
        thresholds=ranking.thresholds,
        provenance=provenance,
    )


def extend_task(adata: AnnData, panel: Panel, task: PanelTask, n_new: int) -> Panel:
    """Add genes to a panel and write it into the object; see :func:`selectormlp.api.extend`."""
    check_whole("n_new", n_new, least=1)
    cells, ids = _read(adata, task.source)
    rules = rules_beside(panel, _resolve(adata, cells, task.source, task.constraints), task.constraints, n_new)
    ranking, markers = _rank(adata, cells, rules, task, rules.n_existing + n_new)
    size = {"n_new": n_new, "extended": list(panel.genes)}
    origin = provenance_of(cells, task, ranking, size, data_hash=hash_cells(cells), whole=cells)
    extended = extended_panel(panel, rules, ranking, markers, n_new, ids=ids, provenance=origin)
    _write_results(adata, extended, rules, ranking, task.source)
    return extended


def rules_beside(panel: Panel, rules: Rules, constraints: Constraints, n_new: int) -> Rules:
    """Return the rules for adding genes to a panel that stays.

    Raises
    ------
    SettingsError
        If they clash, or genes of the panel are not in the data and not to be passed over.
    """
    _check_measured(panel, rules, constraints)
    rules = _with_panel(rules, panel).restricted()
    refuse(rules.clashes(rules.n_existing + n_new))
    return rules


def extended_panel(
    panel: Panel,
    rules: Rules,
    ranking: Ranking,
    markers: Markers | None,
    n_new: int,
    *,
    ids: pd.Series | None,
    provenance: Provenance,
) -> Panel:
    """Add genes to a panel from a ranking under rules; as :func:`panel_of`."""
    extended = extend_panel(
        panel,
        ranking.order,
        ranking.scores,
        rules,
        n_new=n_new,
        gene_ids=None if ids is None else ids[rules.genes].tolist(),
        thresholds=ranking.thresholds,
        markers=markers,
        provenance=provenance,
    )
    warn_of_silent_genes(ranking, rules.genes, extended.genes[len(panel) :])
    return replace(extended, nested=extended.nested and ranking.nested)


def explain_task(adata: AnnData, panel: Panel, source: PanelSource, constraints: Constraints) -> Explanation:
    """Explain a panel on the cells of an object; see :func:`selectormlp.api.explain`."""
    cells, _ = _read(adata, source)
    rules = _resolve(adata, cells, source, constraints)
    _check_measured(panel, rules, constraints)
    rules = _with_panel(rules, panel).restricted()
    few = cells.take_genes(rules.genes)
    weights = balanced_cell_weights(few.class_counts())
    if few.n_genes > SUBSTITUTE_GENES:
        variances = gene_variances(few.X, few.labels, weights)
        few = few.take_genes(few.genes[most_variable(variances, SUBSTITUTE_GENES, always=rules.must_have)])
    check_memory(few.n_genes, 1, MEMORY_GB)
    moments = moments_of(few.X, few.labels, cell_weights=weights, total=False)
    return explain_panel(
        rules.genes[rules.must_have].tolist(), few, means=moments.means, covariance=moments.within_covariance()
    )


def _check_measured(panel: Panel, rules: Rules, constraints: Constraints) -> None:
    """Refuse a panel with genes that the data lack, unless unknown names are to be ignored."""
    absent = [gene for gene, positions in rules.names.find(panel.genes).items() if not positions]
    if absent and not constraints.ignore_unknown:
        raise PanelError(
            f"{len(absent)} of the {len(panel)} genes of the panel are not in the data: {quoted(absent)}; "
            f"{absent[0]!r}: {nearest(absent[0], rules.names.positions)}; correct them, or ask for unknown names to "
            "be ignored (--ignore-unknown)"
        )


def _read(adata: AnnData, source: PanelSource) -> tuple[Cells, pd.Series | None]:
    """Read the cells and, where asked for, the identifiers of their genes."""
    if source.label_key is None:
        cells = unlabelled_cells(adata, layer=source.layer, normalize=source.normalize, donor_key=source.donor_key)
    else:
        cells = drop_unlisted(cells_from_adata(adata, source.labelled(source.label_key)))
        warn_of_rare_types(cells)
    cells = named_by_symbol(cells, adata, source.gene_name_key)
    return cells, gene_ids(adata, source, cells.genes)


def gene_ids(adata: AnnData, source: PanelSource, genes: pd.Index[str]) -> pd.Series | None:
    """Return the identifier of each gene, indexed by name.

    It is that of the column of ``var`` that is named for them, else the name in the data where symbols are shown; None
    without either.
    """
    key, stored = source.gene_id_key, stored_genes(adata, genes, source.gene_name_key)
    if key is not None:
        return pd.Series(gene_column(adata, key, stored), index=genes)
    return None if stored.equals(genes) else pd.Series(stored, index=genes)


def _resolve(
    adata: AnnData, cells: Cells, source: PanelSource, constraints: Constraints, n_genes: int | None = None
) -> Rules:
    means = np.asarray(cells.X.mean(axis=0, dtype=np.float64)).ravel() if constraints.bounds_means else None
    return resolve_rules(adata, cells.genes, source, constraints, n_genes=n_genes, mean_expression=means)


def resolve_rules(
    adata: AnnData,
    genes: pd.Index[str],
    source: PanelSource,
    constraints: Constraints,
    *,
    n_genes: int | None,
    mean_expression: npt.NDArray[np.float64] | None,
) -> Rules:
    """Find the genes that constraints name, by either of their names.

    Raises
    ------
    SettingsError
        If some are not there or constraints clash; a column of ``var`` that knows the names is offered.
    """
    aliases = other_names(adata, genes, source.gene_name_key)
    try:
        return constraints.resolve(genes, n_genes=n_genes, aliases=aliases, mean_expression=mean_expression)
    except UnknownGenesError as error:
        column = next((name for name in adata.var if adata.var[name].astype(object).isin(error.names).any()), None)
        if column is None:
            raise
        raise SettingsError(
            f"{error}; var has a column {column!r} with such names: give it as gene_name_key (--gene-name-key)"
        ) from error


def _with_panel(rules: Rules, panel: Panel) -> Rules:
    """Take the genes of a panel in, of which at least one must be in the data."""
    held = rules.with_existing(panel.genes)
    if not held.n_existing:
        raise PanelError(
            f"none of the {len(panel)} genes of the panel ({quoted(panel.genes, most=3)}) is in the data (first: "
            f"{quoted(rules.genes, most=3)}); use the same gene names, or name a column of var with second "
            "names (gene_name_key, --gene-name-key)"
        )
    return held


def _rank(adata: AnnData, cells: Cells, rules: Rules, task: PanelTask, n_genes: int) -> tuple[Ranking, Markers | None]:
    """Rank the genes of the rules, and measure which mark which types where the rules ask for that."""
    few = cells.take_genes(rules.genes)
    markers = measure_markers(few) if rules.min_markers_per_type else None
    ranking = rank_genes(
        few,
        task.method,
        n_genes=n_genes,
        must_have=rules.must_have.tolist(),
        options=task.options,
        seed=task.seed,
        target=_target(adata, cells, task),
        progress=task.progress,
    )
    return ranking, markers


def _target(adata: AnnData, cells: Cells, task: PanelTask) -> Matrix | None:
    """Read the profiles that the panel is to predict: of all genes, also those that may not be chosen."""
    if not find_method(task.method).takes_target:
        return None
    layer = task.source.target_layer
    return cells.X if layer is None else _read(adata, replace(task.source, layer=layer))[0].X


def provenance_of(
    cells: Cells | StoredCells,
    task: PanelTask,
    ranking: Ranking,
    size: Mapping[str, object],
    *,
    data_hash: str,
    whole: Cells | StoredCells,
) -> Provenance:
    """Write down how a ranking was learned.

    Parameters
    ----------
    cells
        Those that it was learned on.
    task, ranking
        How, and what came of it.
    size
        How large the panel was to be.
    data_hash
        Of all cells.
    whole
        All cells, with all their genes.
    """
    source = asdict(task.source)
    rows = None if cells is whole else np.sort(whole.names.get_indexer(cells.names))
    return Provenance(
        method=task.method,
        settings={
            **size,
            **{name: value for name, value in source.items() if name != "label_key"},
            "constraints": asdict(task.constraints),
            "selector": ranking.settings,
            **({} if ranking.thresholds is None else {"threshold_unit": _unit(cells)}),
        },
        seed=task.seed,
        versions=package_versions(),
        data_hash=data_hash,
        label_key=task.source.label_key,
        cells=tuple(cells.names),
        fingerprints=fingerprints_of(whole, rows).to_text(),
    )


def _unit(cells: Cells | StoredCells) -> str:
    return "log1p of counts per 10,000" if cells.is_normalized else "as in the matrix that was read"


def _write_results(adata: AnnData, panel: Panel, rules: Rules, ranking: Ranking, source: PanelSource) -> None:
    """Write the panel into ``var`` and ``uns``; genes are found by the names that the data have for them."""
    places = np.full(len(rules.genes), np.nan)
    for place, positions in enumerate(rules.names.find(panel.genes).values(), start=1):
        places[positions] = place
    scores = np.where(np.isfinite(ranking.scores), ranking.scores, np.nan).astype(np.float64)
    stored = stored_genes(adata, rules.genes, source.gene_name_key)
    write_gene_results(
        adata,
        {
            "selectormlp_selected": pd.Series(~np.isnan(places), index=stored),
            "selectormlp_rank": pd.Series(places, index=stored),
            "selectormlp_score": pd.Series(scores, index=stored),
        },
        {"panel": panel_to_json(panel)},
    )
