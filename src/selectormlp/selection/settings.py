"""The settings of ``select``: what a panel was chosen from, by what, under which constraints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator

from selectormlp.config.files import (
    Count,
    CountOrNone,
    Finite,
    NonNegative,
    Place,
    Seed,
    Settings,
    describe,
)
from selectormlp.data.anndata_files import check_one_file
from selectormlp.data.normalize import Normalization
from selectormlp.errors import PanelError, SettingsError, counted
from selectormlp.panel.constraints import Constraints
from selectormlp.panel.markers import MARKER_AUC
from selectormlp.panel.panel import Panel
from selectormlp.selection.panels import select_task
from selectormlp.selection.ranking import SET_HERE, UNTRUSTED
from selectormlp.selection.stored_panels import select_from_files
from selectormlp.selection.task import PanelSource, PanelTask
from selectormlp.selectors.registry import find_method

if TYPE_CHECKING:
    from anndata import AnnData


class SelectSettings(Settings):
    """Settings of ``select``; each may be given on the command line instead."""

    command: Literal["select"] = "select"
    """The command that these settings are for."""
    data: tuple[Place, ...] = ()
    """AnnData: h5ad, gzipped h5ad or zarr; several with lazy."""
    label_key: str | None = None
    """Column of obs with the cell type; null for methods that need none."""
    n_genes: Count | None = None
    """Number of genes."""
    method: str = "auto"
    """What chooses."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Parameters of the method's selector that are not to be left at their defaults."""
    donor_key: str | None = None
    """Column of obs with the donor."""
    layer: str | None = None
    """Layer to read instead of X."""
    normalize: Normalization = "auto"
    """auto (log1p of counts per 10,000 if X holds counts), counts (refuses what is none), or none."""
    exclude_labels: tuple[str, ...] = ()
    """Labels whose cells are left out."""
    must_have: tuple[str, ...] = ()
    """Genes that the panel must hold, in this order."""
    forbidden: tuple[str, ...] = ()
    """Genes, or patterns such as MT-*, to keep out."""
    candidates: tuple[str, ...] | None = None
    """The only genes to choose from; null for all."""
    costs: dict[str, NonNegative] = Field(default_factory=dict)
    """Costs of genes; others cost 1."""
    budget: NonNegative | None = None
    """The most that the panel may cost; null for any."""
    min_mean: Finite | None = None
    """Least mean expression over all cells."""
    max_mean: Finite | None = None
    """Largest mean expression over all cells."""
    min_markers_per_type: CountOrNone = 0
    """Fewest genes that mark each cell type."""
    min_marker_auc: Annotated[float, Field(ge=0.5, le=1)] = MARKER_AUC
    """AUC against all other cells from which a gene marks a type."""
    ignore_unknown: bool = False
    """Whether to go on without gene names that the data lack."""
    gene_name_key: str | None = None
    """Column of var with second gene names."""
    gene_id_key: str | None = None
    """Column of var with gene identifiers, for the panel."""
    target_layer: str | None = None
    """For persist-unsupervised: layer with the profiles to be predicted."""
    lazy: bool = False
    """Whether expression stays on disk."""
    dask_scheduler: str | None = None
    """Address of a Dask cluster to read with."""
    seed: Seed = 0
    """Seed; the same seed gives the same panel."""

    @field_validator("options")
    @classmethod
    def _trusted(cls, options: dict[str, Any]) -> dict[str, Any]:
        for name in UNTRUSTED:
            if options.get(name) is not None:
                raise ValueError(f"{name} names a folder of pickles, which can run any code; set it in Python only")
        return options

    def task(self, *, progress: bool = False) -> PanelTask:
        """Return what is to be done.

        Raises
        ------
        SettingsError
            If the method is unknown, labels are needed and not named, or constraints are out of range.
        """
        constraints = Constraints(**{name: getattr(self, name) for name in CONSTRAINTS})
        source = PanelSource(**{name: getattr(self, name) for name in SOURCE})
        return PanelTask(source, constraints, self.method, self.options, self.seed, progress)


SOURCE = (
    *("label_key", "donor_key", "layer", "normalize", "exclude_labels", "gene_name_key", "gene_id_key"),
    "target_layer",
)
CONSTRAINTS = (
    *("must_have", "forbidden", "candidates", "costs", "budget", "min_mean", "max_mean", "min_markers_per_type"),
    *("min_marker_auc", "ignore_unknown"),
)


def select_by(settings: SelectSettings, adata: AnnData | None = None, *, progress: bool = False) -> Panel:
    """Choose a panel as settings say.

    Parameters
    ----------
    settings
        What from, by what, under which constraints.
    adata
        The cells, where they are to be in memory; written to as by :func:`selectormlp.select`. None: the files that the
        settings name are read, from disk.
    progress
        Whether to draw a progress bar.

    Raises
    ------
    SettingsError, DataError
        As :func:`selectormlp.select` does; and if no size is given.
    """
    if settings.n_genes is None:
        raise SettingsError("no size of the panel is given; give n_genes (--size)")
    task = settings.task(progress=progress)
    if adata is not None:
        return select_task(adata, task, settings.n_genes)
    return select_from_files(list(settings.data), task, settings.n_genes, scheduler=settings.dask_scheduler)


def check_reading(settings: SelectSettings) -> None:
    """Refuse settings that name no data, or several files that are not to stay on disk.

    Raises
    ------
    SettingsError
        With what to do.
    """
    if not settings.data:
        raise SettingsError("no data are named; name an AnnData file on the command line, or under data")
    if not settings.lazy:
        check_one_file(settings.data, "--lazy, from disk")


def with_defaults(settings: SelectSettings) -> SelectSettings:
    """Fill in the options of the method that are left out, as far as they do not depend on the data.

    Raises
    ------
    SettingsError
        If the method is unknown.

    Examples
    --------
    >>> with_defaults(SelectSettings(method="auto")).options["n_folds"]
    3
    """
    method = find_method(settings.method)
    if method.is_network:
        return settings
    known = method.make().get_params(deep=False)
    options = {name: value for name, value in known.items() if name not in {*SET_HERE, *UNTRUSTED, *method.settings}}
    return settings.model_copy(update={"options": {**json.loads(json.dumps(options)), **settings.options}})


def settings_of(panel: Panel, data: Sequence[Path], *, lazy: bool) -> SelectSettings:
    """Return the settings by which a panel is chosen again, as its provenance has them.

    Parameters
    ----------
    panel
        As ``select`` made it.
    data
        The files it was learned from.
    lazy
        Whether they were read from disk.

    Returns
    -------
    Settings with every parameter of the selector. Of ``auto``, contenders that were left out because time was over are
    left out again, however fast the machine.

    Raises
    ------
    PanelError
        If the panel was extended, cut, or not chosen here, or its provenance is damaged.
    """
    origin = panel.provenance
    recorded = origin.settings
    size, selector, constraints = (recorded.get(name) for name in ("n_genes", "selector", "constraints"))
    if not (isinstance(size, int) and isinstance(selector, dict) and isinstance(constraints, dict)):
        raise PanelError(
            f"the panel of {counted(len(panel), 'gene', 'genes')} by {origin.method!r} does not say how 'select' would "
            "choose it again; only panels that 'select' chose do"
        )
    method = find_method(origin.method)
    known = set(method.make().get_params(deep=False)) - {*SET_HERE, *UNTRUSTED, *method.settings}
    given = {
        **{name: recorded.get(name) for name in SOURCE if name in recorded},
        **constraints,
        "data": [str(path.absolute()) for path in data],
        "label_key": origin.label_key,
        "n_genes": size,
        "method": origin.method,
        "options": {name: value for name, value in selector.items() if name in known},
        "lazy": lazy,
        "seed": origin.seed or 0,
    }
    try:
        return SelectSettings.model_validate_json(json.dumps(given))
    except ValidationError as error:
        raise PanelError(f"the panel's provenance is damaged: {describe(error, SelectSettings)}") from error
