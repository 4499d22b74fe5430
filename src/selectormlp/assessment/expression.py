"""Mean expression of a panel's genes in each type."""

from __future__ import annotations

from collections.abc import Sequence

from anndata import AnnData

from selectormlp.assessment.genes import match_genes
from selectormlp.assessment.measure import read_for_judging
from selectormlp.data.source import Normalization, Source
from selectormlp.evaluation.expression import Expression, measure_expression
from selectormlp.panel.given import PanelLike, as_panel
from selectormlp.panel.panel import Panel


def expression(
    adata: AnnData,
    panel: PanelLike,
    *,
    label_key: str,
    layer: str | None = None,
    normalize: Normalization = "auto",
    exclude_labels: Sequence[str] = (),
    gene_name_key: str | None = None,
) -> Expression:
    """Average a panel's genes over the cells of each type, for :func:`plots.dotplot` and :func:`plots.heatmap`.

    Parameters
    ----------
    adata, panel, label_key, layer, normalize, exclude_labels, gene_name_key
        As in :func:`selectormlp.evaluate`.

    Raises
    ------
    PanelError, SettingsError, DataError
        As in :func:`selectormlp.evaluate`.

    Examples
    --------
    >>> from selectormlp.data.datasets import pbmc68k
    >>> found = expression(pbmc68k(), ["CD79A", "NKG7"], label_key="bulk_labels")
    >>> found.classes[found.means[:, 0].argmax()]
    'CD19+ B'
    """
    source = Source(
        label_key=label_key,
        layer=layer,
        normalize=normalize,
        exclude_labels=exclude_labels,
        gene_name_key=gene_name_key,
    )
    return expression_task(adata, as_panel(panel), source)


def expression_task(adata: AnnData, panel: Panel, source: Source) -> Expression:
    """Average a panel's genes over the cells of each type; see :func:`selectormlp.expression`."""
    cells, aliases = read_for_judging(adata, source)
    return measure_expression(cells, match_genes(panel, cells.genes, aliases)[0])
