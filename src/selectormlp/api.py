"""The façade: AnnData in, a panel out; results in ``adata.var`` and ``adata.uns["selectormlp"]``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from selectormlp.data.anndata_lazy import Paths, are_paths
from selectormlp.data.normalize import Normalization
from selectormlp.errors import SettingsError
from selectormlp.panel.constraints import Constraints
from selectormlp.panel.explain import Explanation
from selectormlp.panel.panel import Panel
from selectormlp.selection.panels import explain_task, extend_task, select_task
from selectormlp.selection.stored_panels import extend_from_files, select_from_files
from selectormlp.selection.task import PanelLike, PanelSource, PanelTask, as_panel, label_texts

if TYPE_CHECKING:
    from anndata import AnnData


def select(
    adata: AnnData | Paths,
    *,
    label_key: str | None,
    n_genes: int,
    method: str = "auto",
    layer: str | None = None,
    donor_key: str | None = None,
    normalize: Normalization = "auto",
    exclude_labels: Sequence[str] = (),
    must_have: Sequence[str] = (),
    forbidden: Sequence[str] = (),
    candidates: Sequence[str] | None = None,
    costs: Mapping[str, float] | None = None,
    budget: float | None = None,
    min_mean: float | None = None,
    max_mean: float | None = None,
    min_markers_per_type: int = 0,
    ignore_unknown: bool = False,
    gene_name_key: str | None = None,
    gene_id_key: str | None = None,
    min_recall: float | None = None,
    max_minutes: float | None = None,
    options: Mapping[str, Any] | None = None,
    target_layer: str | None = None,
    seed: int = 0,
    progress: bool = False,
    dask_scheduler: str | None = None,
) -> Panel:
    """Choose a panel of exactly ``n_genes`` distinct genes.

    Parameters
    ----------
    adata
        Cells × genes. Written to: ``var["selectormlp_selected"]``, ``var["selectormlp_rank"]`` (place in the panel,
        from 1; NaN outside), ``var["selectormlp_score"]`` (score or gain in the unit of the method; NaN for genes
        that took no part) and ``uns["selectormlp"]["panel"]`` (the panel as JSON). Nothing else is altered.
        Or the path of an h5ad file or zarr folder, or a list of paths: then expression stays on disk, and nothing is
        written. Several files are taken as one, with the genes they have in common. ``discriminant``,
        ``reconstruction`` and ``mixture`` read every cell once (twice where only the most variable genes are
        considered); other methods read a sample, at most 5,000 cells of a class, and the log says so.
    label_key
        Column of ``obs`` with the cell type, of any dtype; cells without a label take no part. None for
        ``reconstruction``, ``persist-unsupervised``, ``variance`` and ``random``, which need no labels: then every cell
        takes part.
    n_genes
        Size of the panel.
    method
        ``auto`` tries several methods on part of the cells, tests their panels on the rest, and lets the best one
        choose; it takes tens of seconds, and the panel's provenance says what was found. ``discriminant`` takes a
        second and is its first contender. Others: ``discriminant-bhattacharyya``,
        ``discriminant-binary``, ``reconstruction``, ``mixture``,
        ``selector_mlp``, ``selector_mlp-budget``, ``mlp``, ``persist``, ``persist-unsupervised``, ``svm``, ``markers``
        (t-test), ``markers-wilcoxon``, ``markers-logreg``, ``variance``, ``forest`` and ``random``.
    layer
        Layer to read instead of ``X``.
    donor_key
        Column of ``obs`` with the donor. ``auto`` tests on donors that it did not choose from, and ``mlp`` takes its
        validation cells from donors of their own; for other methods it is only written down in the panel's provenance.
    normalize
        ``"auto"`` turns what looks like counts into log1p of counts per 10,000; where ``X`` is scaled, it reads
        ``.raw``. ``"counts"`` insists on counts: whole numbers, or, with a warning, fractions of which the largest is
        above 30, as where ambient RNA was subtracted; logs are never that large. ``"none"`` takes values as they are.
    exclude_labels
        Labels whose cells take no part.
    must_have, forbidden, candidates, costs, budget, min_mean, max_mean, min_markers_per_type, ignore_unknown
        What the panel must obey; see :class:`selectormlp.panel.constraints.Constraints`.
    gene_name_key
        Column of ``var`` with a second name of each gene (say, symbols where ``var_names`` are Ensembl IDs), by
        which genes may be called too.
    gene_id_key
        Column of ``var`` with an identifier of each gene, which goes into the panel.
    min_recall
        For ``auto``: share of its cells, 0 to 1, that should be found of every type, as an aim. Types of which less is
        found are made to count more; log and provenance say what that gained for the worst type and cost in the mean.
    max_minutes
        For ``auto``: once so much time has passed, nothing further is tried.
    options
        Parameters of the method's selector that are not to be left at their defaults: ``{"refine": True}``.
    target_layer
        For ``persist-unsupervised``: layer with the profiles that the panel is to predict, normalised as ``normalize``
        says. None: all genes of what is read.
    seed
        Seed; the same seed gives the same panel.
    progress
        Whether to show progress on the terminal, for methods that train networks and for cells on disk.
    dask_scheduler
        Address of a Dask cluster that reads cells on disk (``"tcp://host:8786"``). None: the
        ``dask.distributed.Client`` that is active, or else threads of this machine.

    Returns
    -------
    The panel: genes in order, why each is there, and where it comes from.

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
    constraints = Constraints(
        must_have=must_have,  # type: ignore[arg-type]  # any sequence becomes a tuple
        forbidden=forbidden,  # type: ignore[arg-type]
        candidates=candidates,  # type: ignore[arg-type]
        costs={} if costs is None else costs,
        budget=budget,
        min_mean=min_mean,
        max_mean=max_mean,
        min_markers_per_type=min_markers_per_type,
        ignore_unknown=ignore_unknown,
    )
    source = PanelSource(
        label_key,
        donor_key,
        layer,
        normalize,
        label_texts(exclude_labels),
        gene_name_key,
        gene_id_key,
        target_layer,
    )
    task = PanelTask(source, constraints, method, _options(options, min_recall, max_minutes), seed, progress)
    if are_paths(adata):
        return select_from_files(adata, task, n_genes, scheduler=dask_scheduler)
    _refuse_scheduler(dask_scheduler)
    return select_task(adata, task, n_genes)


def extend(
    adata: AnnData | Paths,
    panel: PanelLike,
    *,
    label_key: str | None,
    n_new: int,
    method: str = "auto",
    layer: str | None = None,
    donor_key: str | None = None,
    normalize: Normalization = "auto",
    exclude_labels: Sequence[str] = (),
    must_have: Sequence[str] = (),
    forbidden: Sequence[str] = (),
    candidates: Sequence[str] | None = None,
    costs: Mapping[str, float] | None = None,
    budget: float | None = None,
    min_mean: float | None = None,
    max_mean: float | None = None,
    min_markers_per_type: int = 0,
    ignore_unknown: bool = False,
    gene_name_key: str | None = None,
    gene_id_key: str | None = None,
    min_recall: float | None = None,
    max_minutes: float | None = None,
    options: Mapping[str, Any] | None = None,
    target_layer: str | None = None,
    seed: int = 0,
    progress: bool = False,
    dask_scheduler: str | None = None,
) -> Panel:
    """Add exactly ``n_new`` genes to an existing panel, each with its gain.

    Parameters
    ----------
    adata
        Cells × genes, or paths of files that stay on disk, as in :func:`select`. An object is written to as there, for
        the extended panel.
    panel
        The existing panel: a :class:`Panel`, a file that holds one, or a list of genes. Its genes stay, in their order
        and at no cost; those that the data lack stay too if ``ignore_unknown`` says so, and are refused otherwise.
    label_key, method, layer, donor_key, normalize, exclude_labels
        As in :func:`select`.
    n_new
        How many genes to add; must-have genes that the panel lacks count among them.
    must_have, forbidden, candidates, costs, budget, min_mean, max_mean, min_markers_per_type, ignore_unknown
        What the new genes must obey, as in :func:`select`; a budget is for the new genes alone.
    gene_name_key, gene_id_key, min_recall, max_minutes, options, target_layer, seed, progress, dask_scheduler
        As in :func:`select`.

    Returns
    -------
    The extended panel. ``scores`` of new genes are their gains given all genes before them, for the methods that
    choose one gene at a time (``discriminant``, ``reconstruction``, ``mixture``), else their scores.

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
    constraints = Constraints(
        must_have=must_have,  # type: ignore[arg-type]  # any sequence becomes a tuple
        forbidden=forbidden,  # type: ignore[arg-type]
        candidates=candidates,  # type: ignore[arg-type]
        costs={} if costs is None else costs,
        budget=budget,
        min_mean=min_mean,
        max_mean=max_mean,
        min_markers_per_type=min_markers_per_type,
        ignore_unknown=ignore_unknown,
    )
    source = PanelSource(
        label_key,
        donor_key,
        layer,
        normalize,
        label_texts(exclude_labels),
        gene_name_key,
        gene_id_key,
        target_layer,
    )
    task = PanelTask(source, constraints, method, _options(options, min_recall, max_minutes), seed, progress)
    known = as_panel(panel)
    if are_paths(adata):
        return extend_from_files(adata, known, task, n_new, scheduler=dask_scheduler)
    _refuse_scheduler(dask_scheduler)
    return extend_task(adata, known, task, n_new)


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
    constraints = Constraints(
        forbidden=forbidden,  # type: ignore[arg-type]  # any sequence becomes a tuple
        candidates=candidates,  # type: ignore[arg-type]
        ignore_unknown=ignore_unknown,
    )
    source = PanelSource(label_key, None, layer, normalize, label_texts(exclude_labels), gene_name_key)
    return explain_task(adata, as_panel(panel), source, constraints)


def _refuse_scheduler(dask_scheduler: str | None) -> None:
    if dask_scheduler is not None:
        raise SettingsError("a Dask scheduler reads cells on disk, and these are in memory; give the path of a file")


def _options(given: Mapping[str, Any] | None, min_recall: float | None, max_minutes: float | None) -> Mapping[str, Any]:
    """Put what has a parameter of its own among the options of the method, which refuses what it does not know."""
    named = {"min_recall": min_recall, "max_minutes": max_minutes}
    return {**(given or {}), **{name: value for name, value in named.items() if value is not None}}
