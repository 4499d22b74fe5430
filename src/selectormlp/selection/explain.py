"""Explain the genes of a panel on the cells of an AnnData object."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack

from selectormlp.config.keywords import only_keywords
from selectormlp.data.cells import Cells
from selectormlp.data.source import Source
from selectormlp.moments.variable import check_memory, gene_variances, most_variable
from selectormlp.panel.constraints import Constraints
from selectormlp.panel.explain import Explanation, explain_panel
from selectormlp.panel.given import PanelLike, as_panel
from selectormlp.panel.panel import Panel
from selectormlp.panel.separation import measured_assay, settings_of
from selectormlp.progress import showing
from selectormlp.selection.keywords import ExplainOptions
from selectormlp.selection.reading import read
from selectormlp.selection.separating import cell_weights_of, moments_for
from selectormlp.selection.steps import rules_with

if TYPE_CHECKING:
    from anndata import AnnData

logger = logging.getLogger(__name__)

SUBSTITUTE_GENES, MEMORY_GB = 5000, 8.0
"""Maximum number of genes considered as substitutes, and memory for their covariance, as in the selectors."""


def explain(
    adata: AnnData,
    panel: PanelLike,
    *,
    label_key: str,
    layer: str | None = None,
    forbidden: Sequence[str] = (),
    candidates: Sequence[str] | None = None,
    ignore_unknown: bool = False,
    assay: Any = None,
    progress: bool = True,
    **more: Unpack[ExplainOptions],
) -> Explanation:
    """Explain each gene of a panel: types it marks and separates, the loss without it, and its best substitute.

    Parameters
    ----------
    adata
        Cells × genes; not altered.
    panel
        A :class:`Panel`, a file that holds one, or a list of genes.
    label_key, layer
        As in :func:`select`.
    forbidden, candidates
        Restrict the genes that may be substitutes; genes of the panel are not restricted.
    ignore_unknown
        Whether to ignore genes missing from the data, with a log message, instead of raising.
    assay
        Explain as for this assay: ``sequencing``, ``imaging``, the file of an assay, an :class:`Assay` or its values.
        None: the one that the panel was chosen for, from its provenance.
    progress
        Whether to show progress of what takes more than a second, on a terminal or in a notebook.
    more
        ``normalize``, ``exclude_labels``, ``gene_name_key`` and ``batch_key``, as in :func:`select`; by default,
        batches are those with which the panel was chosen.

    Returns
    -------
    One explanation per gene, in the order of the panel. Substitutes are sought among the 5,000 genes of highest
    (class-balanced) variance.

    Raises
    ------
    PanelError
        If the panel is not usable, or a gene of it is not in the data.
    DataError
        If a column or layer is absent, or the matrix is not usable, or there are fewer than two types.
    SettingsError
        If a forbidden or candidate gene, or the assay, is unknown.

    Examples
    --------
    >>> from selectormlp.data.datasets import pbmc68k
    >>> explanation = explain(pbmc68k(), ["CD79A", "NKG7"], label_key="bulk_labels")
    >>> explanation.genes[0].marks[0].name
    'CD19+ B'
    """
    source = Source(label_key=label_key, layer=layer, **only_keywords(Source, more))
    constraints = Constraints(forbidden=forbidden, candidates=candidates, ignore_unknown=ignore_unknown)
    with showing(progress):
        return explain_genes(adata, as_panel(panel), source, constraints, assay)


def explain_genes(
    adata: AnnData, panel: Panel, source: Source, constraints: Constraints, assay: Any = None
) -> Explanation:
    """Explain a panel by a request; see :func:`explain`."""
    settings = settings_of(panel.provenance)
    if assay is not None:
        settings = replace(settings, assay=measured_assay(assay))
    key = source.batch_key or settings.batch_key
    if source.batch_key is None and key is not None and key not in adata.obs:
        logger.warning("the data lack the batch column with which the panel was chosen (%r): batches are ignored", key)
        key = None
    settings = replace(settings, batch_key=key)
    found = read(adata, source.model_copy(update={"batch_key": key}))
    rules = rules_with(panel, found.resolve(source, constraints), ignore_unknown=constraints.ignore_unknown)
    assert isinstance(found.cells, Cells)  # noqa: S101  # of an object in memory
    few = found.cells.take_genes(rules.genes)
    if few.n_genes > SUBSTITUTE_GENES:
        variances = gene_variances(few.X, few.labels, cell_weights_of(few, settings))
        few = few.take_genes(few.genes[most_variable(variances, SUBSTITUTE_GENES, always=rules.must_have)])
    check_memory(few.n_genes, 1, MEMORY_GB)
    logger.info("the genes are explained by %s", settings.described)
    moments = moments_for(few, settings, found.cells, len(rules.must_have))
    return explain_panel(rules.genes[rules.must_have].tolist(), few, moments=moments, settings=settings)
