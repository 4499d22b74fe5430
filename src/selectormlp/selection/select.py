"""Choose and extend panels from AnnData objects or files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Unpack

import numpy as np
import pandas as pd
from anndata import AnnData  # needed at run time by typing.get_type_hints

from selectormlp.config.keywords import only_keywords
from selectormlp.config.model import options_of
from selectormlp.data.fingerprints import fingerprints_of
from selectormlp.data.hashing import hash_cells
from selectormlp.data.held_sets import DataSets, JoinedSets
from selectormlp.data.label_tree import Mistakes
from selectormlp.data.panel_io import write_gene_results
from selectormlp.errors import SettingsError, quoted
from selectormlp.panel.choose import all_limits
from selectormlp.panel.constraints import Constraints
from selectormlp.panel.gene_files import read_gene_facts
from selectormlp.panel.given import PanelLike, as_panel
from selectormlp.panel.known_facts import with_known_facts
from selectormlp.panel.panel import Panel, extend_panel
from selectormlp.panel.provenance import Provenance
from selectormlp.panel.rules import refuse
from selectormlp.panel.storage import panel_to_json
from selectormlp.progress import showing
from selectormlp.selection.keywords import ExtendOptions, SelectOptions
from selectormlp.selection.price import price_limits
from selectormlp.selection.ranking import warn_of_silent_genes
from selectormlp.selection.reading import Opened, are_several, opened
from selectormlp.selection.request import Choice, ExtendRequest, SelectRequest, check_choice
from selectormlp.selection.steps import Ranked, log_assumption, rank, rules_beside, with_use
from selectormlp.selectors.base import GeneSelector
from selectormlp.versions import package_versions


def select(
    adata: AnnData | DataSets,
    *,
    label_key: str | Sequence[str] | None,
    n_genes: int,
    method: str | GeneSelector = "auto",
    donor_key: str | None = None,
    layer: str | None = None,
    must_have: Sequence[str] = (),
    forbidden: Sequence[str] = (),
    constraints: Constraints | None = None,
    seed: int = 0,
    progress: bool = True,
    **more: Unpack[SelectOptions],
) -> Panel:
    """Choose a panel of exactly ``n_genes`` distinct genes.

    Parameters
    ----------
    adata
        Cells × genes. Written to: ``var["selectormlp_selected"]``, ``var["selectormlp_rank"]`` (position in the panel,
        from 1; NaN outside), ``var["selectormlp_score"]`` (score or gain in the unit of the method; NaN for genes that
        were not considered) and ``uns["selectormlp"]["panel"]`` (the panel as JSON). Nothing else is altered. Or the
        path of an h5ad file or zarr folder: expression then stays on disk, and nothing is written. ``discriminant``,
        ``reconstruction`` and ``mixture`` read every cell once (twice if only the most variable genes are considered);
        other methods read a sample of at most 5,000 cells per class, with a log message. Or several objects or paths,
        in a list or by name, which are joined on their common genes; ``label_map``, ``label_keys``, ``orthologs`` and
        ``join_genes`` resolve different names. If all are paths, expression stays on disk. Nothing is written to
        several objects.
    label_key
        Column of ``obs`` with the cell type, of any dtype; cells without a label take no part. Or several columns, from
        coarse to fine: the last holds the types, the others form a tree above them, and mistakes between types of
        different nodes weigh more (``cost_per_level``). None for ``reconstruction``, ``persist-unsupervised``,
        ``variance`` and ``random``, which need no labels and use all cells.
    n_genes
        Size of the panel.
    method
        ``auto`` tries the discriminant (both forms) and the t-test on part of the cells, tests their panels on the
        rest, and uses the discriminant unless another method is clearly better. It takes seconds, and the panel's
        provenance records the results. ``discriminant`` alone takes a second. Others: ``discriminant-bhattacharyya``,
        ``discriminant-binary``, ``reconstruction``, ``mixture``, ``selector_mlp``, ``selector_mlp-budget``, ``mlp``,
        ``persist``, ``persist-unsupervised``, ``svm``, ``markers`` (t-test), ``markers-wilcoxon``, ``markers-logreg``,
        ``variance``, ``forest`` and ``random``; names that other packages register; or an unfitted estimator of
        scikit-learn's kind that, once fitted, has ``ranking_``, ``scores_``, ``feature_importances_`` or ``coef_``.
    donor_key
        Column of ``obs`` with the donor. ``auto`` tests panels on other donors than it chose from, and ``mlp`` uses
        separate donors for validation; other methods only record it in the panel's provenance.
    layer
        Layer to read instead of ``X``.
    must_have
        Genes that the panel must hold, in this order.
    forbidden
        Genes to exclude: names, or shell patterns such as ``MT-*`` and ``RP[SL]*`` (case matters).
    constraints
        All constraints as one object, instead of ``must_have``, ``forbidden`` and other keywords.
    seed
        Seed; the same seed gives the same panel.
    progress
        Whether to show progress of what takes more than a second, on a terminal or in a notebook.
    more
        Further options by name, listed with their types in :class:`selectormlp.selection.keywords.SelectOptions`:
        ``normalize``, ``exclude_labels``, ``gene_name_key``, ``gene_id_key``, ``candidates``, ``costs``, ``budget``,
        ``min_mean``, ``max_mean``, ``min_markers_per_type``, ``min_marker_auc``, ``ignore_unknown``, ``options``
        (parameters of the method), ``assay``, ``min_recall``, ``max_minutes``, ``target_layer`` and ``dask_scheduler``;
        of a tree of labels ``label_tree``, ``cost_per_level``, ``mistake_costs``, ``balance_over`` and
        ``min_markers_per_node``; of several data sets ``label_map``, ``label_keys``, ``orthologs`` and ``join_genes``.

    Returns
    -------
    The panel: genes in order, the reason for each, and provenance.

    Raises
    ------
    SettingsError
        If the method, an option or a gene is unknown, or constraints clash; the message says which.
    DataError
        If a column or layer is absent, or the matrix or labels are not usable.

    Examples
    --------
    >>> from selectormlp.data.datasets import pbmc68k
    >>> adata = pbmc68k()
    >>> quick = {"label_key": "bulk_labels", "method": "discriminant"}
    >>> panel = select(adata, **quick, n_genes=5, must_have=["CD8A"], forbidden=["RP[SL]*"])
    >>> len(panel), panel.genes[0], panel.reasons[:2]
    (5, 'CD8A', ('must-have', 'selected'))
    >>> int(adata.var["selectormlp_selected"].sum())
    5
    """
    named = {"must_have": must_have, "forbidden": forbidden, **only_keywords(SelectRequest, more)}
    request = SelectRequest(
        label_key=label_key,
        n_genes=n_genes,
        method=method,
        donor_key=donor_key,
        layer=layer,
        seed=seed,
        **with_constraints(constraints, named),
    )
    return choose_panel(adata, request, progress=progress)


def extend(
    adata: AnnData | DataSets,
    panel: PanelLike,
    *,
    label_key: str | Sequence[str] | None,
    n_new: int,
    method: str | GeneSelector = "auto",
    donor_key: str | None = None,
    layer: str | None = None,
    must_have: Sequence[str] = (),
    constraints: Constraints | None = None,
    seed: int = 0,
    progress: bool = True,
    **more: Unpack[ExtendOptions],
) -> Panel:
    """Add exactly ``n_new`` genes to an existing panel, each with its gain.

    Parameters
    ----------
    adata
        Cells × genes, or paths of files that stay on disk, as in :func:`select`. An object is written to as there, for
        the extended panel.
    panel
        The existing panel: a :class:`Panel`, a file that holds one, or a list of genes. Its genes stay, in their order
        and at no cost. Genes missing from the data stay too with ``ignore_unknown``; otherwise they raise.
    label_key, method, donor_key, layer, seed, progress
        As in :func:`select`.
    n_new
        Number of genes to add, including must-have genes that the panel lacks.
    must_have, constraints, more
        Constraints on the new genes, and further options, as in :func:`select`; a budget applies to the new genes only.

    Returns
    -------
    The extended panel. For methods that choose one gene at a time (``discriminant``, ``reconstruction``, ``mixture``),
    ``scores`` of new genes are their gains given all genes before them; else their scores.

    Raises
    ------
    SettingsError
        If the method, an option or a gene is unknown, or constraints clash; the message says which.
    PanelError
        If the panel is not usable, or none of its genes is in the data.
    DataError
        If a column or layer is absent, or the matrix or labels are not usable.

    Examples
    --------
    >>> from selectormlp.data.datasets import pbmc68k
    >>> extended = extend(pbmc68k(), ["CD79A", "NKG7"], label_key="bulk_labels", n_new=2, method="discriminant")
    >>> extended.genes[:2], len(extended), extended.scores[2] >= extended.scores[3]
    (('CD79A', 'NKG7'), 4, True)
    """
    request = ExtendRequest(
        label_key=label_key,
        n_new=n_new,
        method=method,
        donor_key=donor_key,
        layer=layer,
        seed=seed,
        **with_constraints(constraints, {"must_have": must_have, **only_keywords(ExtendRequest, more)}),
    )
    return add_genes(adata, as_panel(panel), request, progress=progress)


def with_constraints(constraints: Constraints | None, named: Mapping[str, Any]) -> dict[str, Any]:
    """Merge constraints given as an object with options given by name.

    Raises
    ------
    SettingsError
        If an option is given in both.
    """
    if constraints is None:
        return dict(named)
    held = {name: getattr(constraints, name) for name in constraints.model_fields_set}
    left_out = [name for name in ("must_have", "forbidden") if not len(named.get(name, ()))]
    given = {name: value for name, value in named.items() if name not in left_out}
    twice = sorted(held.keys() & given.keys())
    if twice:
        raise SettingsError(f"{quoted(twice)} stand both in constraints and as keywords; give each once")
    return {**held, **given}


def choose_panel(data: AnnData | DataSets | JoinedSets, request: SelectRequest, *, progress: bool = False) -> Panel:
    """Choose a panel by a request; see :func:`select`.

    Raises
    ------
    SettingsError
        As :func:`select` does; and if the request gives no size.
    """
    check_choice(request, several=are_several(data))
    if request.n_genes is None:
        raise SettingsError("no size of the panel is given; give n_genes (--n-genes)")
    log_assumption(request.options)
    with showing(progress), opened(data, request) as (found, how):
        rules = found.resolve(request, request.constraints, n_genes=request.n_genes, workers=how.workers).restricted()
        ranked = rank(found.cells, rules, how, request.n_genes)
        priced = price_limits(found, request, how, ranked, request.n_genes)
    provenance = provenance_of(found, ranked, request, how.mistakes, **priced)
    panel = with_table(ranked.panel(request.n_genes, ids=found.ids(request), provenance=provenance), request)
    if isinstance(data, AnnData):
        _write_results(data, panel, ranked, found.stored(ranked.rules.genes, request))
    return panel


def add_genes(
    data: AnnData | DataSets | JoinedSets, panel: Panel, request: ExtendRequest, *, progress: bool = False
) -> Panel:
    """Add genes to a panel by a request; see :func:`extend`.

    Raises
    ------
    SettingsError
        As :func:`extend` does; and if the request gives no number of genes.
    """
    check_choice(request, several=are_several(data))
    n_new = request.n_new
    if n_new is None:
        raise SettingsError("the number of genes to add is not given; give n_new (--n-new)")
    log_assumption(request.options)
    with showing(progress), opened(data, request) as (found, how):
        rules = found.resolve(request, request.constraints, workers=how.workers)
        rules = rules_beside(panel, rules, request)
        refuse(rules.clashes(rules.n_existing + n_new))
        ranked = rank(found.cells, rules, how, rules.n_existing + n_new)
        priced = price_limits(found, request, how, ranked, rules.n_existing + n_new, panel=panel)
    ids = found.ids(request)
    provenance = provenance_of(found, ranked, request, how.mistakes, extended=list(panel.genes), **priced)
    extended = extend_panel(
        panel,
        ranked.ranking.order,
        ranked.ranking.scores,
        rules,
        n_new=n_new,
        gene_ids=None if ids is None else ids[rules.genes].tolist(),
        thresholds=ranked.ranking.thresholds,
        markers=ranked.markers,
        provenance=provenance,
    )
    held = rules.names.find_by_either(extended.genes, extended.gene_ids)
    places = np.array([at[0] for at in held.values() if at], dtype=np.int64)
    provenance = with_use(provenance, all_limits(rules, ranked.markers), places)
    extended = replace(extended, provenance=provenance)
    warn_of_silent_genes(ranked.ranking, rules.genes, extended.genes[len(panel) :])
    extended = with_table(replace(extended, nested=extended.nested and ranked.ranking.nested), request)
    if isinstance(data, AnnData):
        _write_results(data, extended, ranked, found.stored(ranked.rules.genes, request))
    return extended


def with_table(panel: Panel, request: Choice) -> Panel:
    """Add identifiers and facts of genes from the gene table of a request, if any."""
    return panel if request.gene_table is None else with_known_facts(panel, read_gene_facts(request.gene_table))


def provenance_of(
    found: Opened, ranked: Ranked, request: Choice, mistakes: Mistakes | None = None, **more: Any
) -> Provenance:
    """Record the provenance of a panel: every option of the request, the method's parameters, and the cells."""
    constraints = request.constraints.model_dump(mode="json")
    recorded = request.model_dump(
        mode="json", include={one.name for one in options_of(type(request)) if one.flag.recorded} - constraints.keys()
    )
    thresholds = ranked.ranking.thresholds
    unit = "log1p of counts per 10,000" if ranked.learned.is_normalized else "as in the matrix that was read"
    learned, whole = ranked.learned, found.cells
    rows = None if learned is whole else np.sort(whole.names.get_indexer(learned.names))
    return Provenance(
        method=ranked.ranking.method,
        settings={
            **recorded,
            "batch_key": found.batch_key,
            **more,
            **({"files": list(found.files)} if found.files else {}),
            **({} if found.sets is None else {"data_sets": found.sets.as_record()}),
            **({} if mistakes is None else {"mistakes": mistakes.as_record()}),
            "constraints": constraints,
            "selector": ranked.ranking.settings,
            **({} if thresholds is None else {"threshold_unit": unit}),
        },
        seed=request.seed,
        versions=package_versions(),
        data_hash=hash_cells(found.cells),
        label_key=request.label_key,
        cells=tuple(learned.names),
        fingerprints=fingerprints_of(whole, rows).to_text(),
    )


def _write_results(adata: AnnData, panel: Panel, ranked: Ranked, stored: pd.Index[str]) -> None:
    """Write the panel into ``var`` and ``uns``; ``stored`` holds the names in the data of the genes of the rules."""
    rules = ranked.rules
    places = np.full(len(rules.genes), np.nan)
    for place, positions in enumerate(rules.names.find_by_either(panel.genes, panel.gene_ids).values(), start=1):
        places[positions] = place
    scores = np.where(np.isfinite(ranked.ranking.scores), ranked.ranking.scores, np.nan).astype(np.float64)
    write_gene_results(
        adata,
        {
            "selectormlp_selected": pd.Series(~np.isnan(places), index=stored),
            "selectormlp_rank": pd.Series(places, index=stored),
            "selectormlp_score": pd.Series(scores, index=stored),
        },
        {"panel": panel_to_json(panel)},
    )
