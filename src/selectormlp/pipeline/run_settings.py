"""Settings of ``run``, the whole published program on one file."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import model_validator

from selectormlp.config.model import Count, Flag, Place, Section, Settings
from selectormlp.data.source import Normalization
from selectormlp.pipeline.settings import (
    ClusterSizes,
    DataloaderSettings,
    MaskSettings,
    ModelSettings,
    SVMSettings,
    TrainingSettings,
)


class CellsSettings(Settings):
    """``cells`` in the settings of ``run``; each may be given on the command line instead."""

    adata_path: Annotated[Place | None, Flag(("DATA",), argument=True)] = None
    """AnnData: h5ad, gzipped h5ad or zarr. Or in the file of --config."""
    dataset: Literal["pbmc68k"] | None = None
    """Data that come with the packages installed, instead of a file."""
    label_key: Annotated[str | None, Flag(first=True, needed=True)] = None
    """Column of obs with the cell type."""
    donor_key: Annotated[str | None, Flag(first=True)] = None
    """Column of obs with the donor: no donor lies on two sides."""
    layer: Annotated[str | None, Flag(first=True)] = None
    """Layer to read instead of X."""
    normalize: Annotated[Normalization, Flag(first=True)] = "auto"
    """auto (log1p of counts per 10,000 if X holds counts), counts (refuses other values), or none."""
    exclude_labels: Annotated[tuple[str, ...], Flag(("--exclude-label",), first=True)] = ()
    """Labels whose cells are left out."""


class RunSettings(Settings):
    """Settings of ``run``; what is not set adapts to the data (:mod:`selectormlp.pipeline.defaults`)."""

    command: Literal["run"] = "run"
    """The command that these settings are for."""
    cells: Annotated[CellsSettings, Section()] = CellsSettings()
    """What is read."""
    split: ClusterSizes = ClusterSizes()
    """How cells are split."""
    dataloader: DataloaderSettings = DataloaderSettings()
    """How they are read."""
    model: ModelSettings = ModelSettings()
    """The network."""
    training: TrainingSettings = TrainingSettings()
    """How it is trained."""
    svm: SVMSettings = SVMSettings()
    """The linear SVM."""
    masking: MaskSettings = MaskSettings()
    """At which sizes genes are masked, and in how many random orders."""
    methods: Annotated[tuple[str, ...], Flag(("--method",), first=True)] = ()
    """Methods of select in whose order the MLP is masked too; may be repeated."""
    report_size: Count | None = None
    """Genes of the panel that the report is of; null for no report."""

    @model_validator(mode="after")
    def _in_memory_on_one_device(self) -> Self:
        training = self.training
        if training.devices * training.num_nodes > 1 or training.strategy != "auto" or self.dataloader.class_balanced:
            raise ValueError(
                "devices, num_nodes, strategy and class_balanced are for the step 'train'; 'run' trains on one device, "
                "on cells in memory"
            )
        return self
