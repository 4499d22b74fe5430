"""The façade's third part: AnnData and a panel in, a page to hand on out. Nothing is written into the object."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selectormlp.assessment.evaluation import expression_task
from selectormlp.assessment.judging import Judging
from selectormlp.assessment.reporting import N_SPLITS, Reporting, report_task
from selectormlp.data.source import Normalization, Source
from selectormlp.evaluation.expression import Expression
from selectormlp.panel.given import PanelLike, as_panel

if TYPE_CHECKING:
    from anndata import AnnData


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


def report(
    adata: AnnData,
    panel: PanelLike,
    out: Path | str,
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
    n_splits: int = N_SPLITS,
    coarse_key: str | None = None,
    robustness: bool = True,
    n_stability: int = 4,
    title: str = "",
    data_name: str = "",
    command: str = "",
    seed: int = 0,
) -> Path:
    """Measure a panel and write all that is known of it as one HTML file, to be opened in any browser.

    Parameters
    ----------
    adata, panel, label_key, donor_key, layer, normalize, exclude_labels, gene_name_key, classifier, coarse_key, seed
        As in :func:`selectormlp.evaluate`.
    out
        A file that ends in ``.html``, or a folder for ``report.html``.
    sizes
        Numbers of genes to measure at; by default 10, 25, 50, 100, … and the whole panel.
    more_sizes
        Further numbers of genes to measure at.
    n_splits
        Splits; each cell is tested once.
    robustness
        Whether to thin the counts and let probes fail.
    n_stability
        How often to choose anew from 80 % of the cells (and without one donor, where there are up to eight), if the
        panel is one of ours; 0: not.
    title, data_name, command
        What the page is called, where its cells come from, and the command that repeats it.

    Returns
    -------
    The file.

    Raises
    ------
    PanelError, SettingsError, DataError
        As in :func:`selectormlp.evaluate`.
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> from selectormlp.data.datasets import pbmc68k
    >>> genes = ["CD79A", "NKG7", "CST3"]
    >>> report(pbmc68k(), genes, mkdtemp(), label_key="bulk_labels", robustness=False).name
    'report.html'
    """
    source = Source(
        label_key=label_key,
        donor_key=donor_key,
        layer=layer,
        normalize=normalize,
        exclude_labels=exclude_labels,
        gene_name_key=gene_name_key,
    )
    task = Reporting(
        Judging(source, classifier, n_splits, seed=seed),
        None if sizes is None else tuple(sizes),
        coarse_key,
        robustness,
        n_stability,
        title,
        data_name,
        command,
        more_sizes=tuple(more_sizes),
    )
    return report_task(adata, as_panel(panel), task, out)
