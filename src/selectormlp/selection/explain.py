"""Why each gene is in a panel, on the cells of an AnnData object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from selectormlp.data.cells import Cells
from selectormlp.data.source import Normalization, Source
from selectormlp.moments.columns import moments_for_choice
from selectormlp.moments.stream import balanced_cell_weights
from selectormlp.moments.variable import check_memory, gene_variances, most_variable
from selectormlp.panel.constraints import Constraints
from selectormlp.panel.explain import Explanation, explain_panel
from selectormlp.panel.given import PanelLike, as_panel
from selectormlp.panel.panel import Panel
from selectormlp.panel.separation import settings_of
from selectormlp.progress import showing
from selectormlp.selection.reading import read
from selectormlp.selection.steps import rules_with
from selectormlp.selectors.labels import class_importance

if TYPE_CHECKING:
    from anndata import AnnData

SUBSTITUTE_GENES, MEMORY_GB = 5000, 8.0
"""Genes among which substitutes are looked for, and memory for their covariance, as the selectors have them."""


def explain(
    adata: AnnData,
    panel: PanelLike,
    *,
    label_key: str,
    layer: str | None = None,
    normalize: Normalization = "auto",
    exclude_labels: Sequence[str] = (),
    forbidden: Sequence[str] = (),
    candidates: Sequence[str] | None = None,
    ignore_unknown: bool = False,
    gene_name_key: str | None = None,
    progress: bool = True,
) -> Explanation:
    """Say of each gene of a panel which types it marks, which it separates, what is lost without it, what replaces it.

    Parameters
    ----------
    adata
        Cells × genes; not altered.
    panel
        A :class:`Panel`, a file that holds one, or a list of genes.
    label_key, layer, normalize, exclude_labels, gene_name_key
        As in :func:`select`.
    forbidden, candidates
        Which genes may serve as substitutes; those of the panel need not obey.
    ignore_unknown
        Leave out genes that the data lack, and log them, instead of refusing them.
    progress
        Whether to show progress of what takes more than a second, on a terminal or in a notebook.

    Returns
    -------
    One explanation a gene, in the order of the panel. Substitutes are looked for among the 5,000 genes of most
    (class-balanced) variance.

    Raises
    ------
    PanelError
        If the panel is not usable, or a gene of it is not in the data.
    DataError
        If a column or layer is absent, or the matrix is not usable, or there are fewer than two types.
    SettingsError
        If a forbidden or candidate gene is unknown.

    Examples
    --------
    >>> from selectormlp.data.datasets import pbmc68k
    >>> explanation = explain(pbmc68k(), ["CD79A", "NKG7"], label_key="bulk_labels")
    >>> explanation.genes[0].marks[0].name
    'CD19+ B'
    """
    source = Source(
        label_key=label_key,
        layer=layer,
        normalize=normalize,
        exclude_labels=exclude_labels,
        gene_name_key=gene_name_key,
    )
    constraints = Constraints(forbidden=forbidden, candidates=candidates, ignore_unknown=ignore_unknown)
    with showing(progress):
        return explain_genes(adata, as_panel(panel), source, constraints)


def explain_genes(adata: AnnData, panel: Panel, source: Source, constraints: Constraints) -> Explanation:
    """Explain a panel as settings say; see :func:`explain`."""
    found = read(adata, source)
    rules = rules_with(panel, found.resolve(source, constraints), ignore_unknown=constraints.ignore_unknown)
    few = found.cells.take_genes(rules.genes)
    assert isinstance(few, Cells)  # noqa: S101  # of an object in memory
    settings = settings_of(panel.provenance)
    known = {label: weight for label, weight in settings.class_weights.items() if label in few.classes}
    weights = balanced_cell_weights(few.class_counts(), class_importance(np.array(few.classes), known))
    if few.n_genes > SUBSTITUTE_GENES:
        variances = gene_variances(few.X, few.labels, weights)
        few = few.take_genes(few.genes[most_variable(variances, SUBSTITUTE_GENES, always=rules.must_have)])
    check_memory(few.n_genes, 1, MEMORY_GB)
    moments = moments_for_choice(few.X, few.labels, len(rules.must_have), cell_weights=weights)
    return explain_panel(rules.genes[rules.must_have].tolist(), few, moments=moments, settings=settings)
