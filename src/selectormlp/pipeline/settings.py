"""The settings files, with the published program's keys, checked on reading."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from selectormlp.config.model import (
    Count,
    CountOrNone,
    Flag,
    NonNegative,
    Place,
    Positive,
    Section,
    Seed,
    Settings,
)
from selectormlp.data.source import Normalization
from selectormlp.errors import counted
from selectormlp.networks.choices import Penalty, SelectorType

if TYPE_CHECKING:
    from selectormlp.data.split import SplitSizes

ModelType = Literal["selector_mlp", "mlp", "svm"]
"""Kinds of model."""

UNSUPPORTED_DUALS = (("L1", "squared_hinge", True), ("L2", "hinge", False))
"""Combinations of options without a solver in liblinear."""


class ClusterSizes(Settings):
    """How many cells of a class each side takes, and how small a class may be."""

    train_cluster_size: Count = 5000
    """The most training cells of one class."""
    val_cluster_size: CountOrNone = 1000
    """The most validation cells of one class."""
    test_cluster_size: CountOrNone = 1000
    """The most test cells of one class."""
    min_cluster_size: Count = 500
    """Classes with fewer cells are left out."""

    @property
    def sizes(self) -> SplitSizes:
        """The most cells of a class on each side."""
        from selectormlp.data.split import SplitSizes  # NumPy, which help needs not

        return SplitSizes(self.train_cluster_size, self.val_cluster_size, self.test_cluster_size)


class SplitSettings(ClusterSizes):
    """``split_data.json``; where ``adata_paths`` names files, these are split together instead of ``adata_path``."""

    command: Literal["split_data"] = "split_data"
    """The command that these settings are for."""
    adata_path: Place = Path("raw_data/adata.h5ad.gz")
    """AnnData to split: h5ad, gzipped h5ad or zarr."""
    adata_paths: tuple[Place, ...] = ()
    """Several of them, split together and left in place."""
    y_column: str = "Main_cluster_name"
    """Column of obs with the cell type."""
    save_dir: Place = Path("intermediate_files/split_data")
    """Folder for the three sides."""
    shuffle: bool = True
    """Whether to draw cells at random; else each side takes them in order."""
    shuffle_seed: Annotated[Seed, Flag(("--seed",), first=True)] = 42
    """Seed of the draw."""
    donor_column: str | None = None
    """Column of obs with the donor: no donor lies on two sides."""
    layer: str | None = None
    """Layer that is looked at instead of X."""
    normalize: Normalization = "auto"
    """auto (log1p of counts per 10,000 if X holds counts), counts (refuses other values), or none."""
    exclude_labels: tuple[str, ...] = ()
    """Labels whose cells are left out."""
    write: Literal["copy", "index"] = "copy"
    """copy (write copies of cells) or index (write only which cells are on which side)."""

    @model_validator(mode="after")
    def _one_to_copy(self) -> Self:
        if self.adata_paths and self.write == "copy":
            raise ValueError(
                f'{counted(len(self.adata_paths), "file")} in adata_paths: set write to "index" to leave files in '
                "place, or name one file as adata_path"
            )
        return self

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that are split."""
        return self.adata_paths or (self.adata_path,)


class DataSettings(Settings):
    """``data`` in ``train.json``; the test file, and so ``test_cluster_size``, is not read in training.

    ``lazy`` leaves the expression on disk; by default where the split left an index.
    """

    input_dir: Place = Path("intermediate_files/split_data")
    """Folder that split_data wrote to."""
    y_column: str = "Main_cluster_name"
    """Column of obs with the cell type."""
    torch_sparsity_type: Literal["dense", "csr"] = "dense"
    """How training cells are held in memory."""
    train_cluster_size: Count | None = None
    """The most training cells of one class; null for all."""
    val_cluster_size: Count | None = None
    """The most validation cells of one class; null for all."""
    test_cluster_size: CountOrNone | None = None
    """Not used in training."""
    layer: str | None = None
    """Layer to read instead of X."""
    normalize: Normalization = "auto"
    """auto (log1p of counts per 10,000 if X holds counts), counts (refuses other values), or none."""
    lazy: Annotated[bool | None, Flag(("--lazy/--in-memory",), first=True)] = None
    """Whether to leave cells on disk; by default where the split is an index."""


class DataloaderSettings(Settings):
    """``dataloader`` in ``train.json``; the order of validation cells (``shuffle_val``) changes no score."""

    batch_size: Annotated[int, Field(ge=2)] = 256
    """Cells of a batch."""
    num_workers: CountOrNone = 4
    """Helpers that read ahead, for cells on disk."""
    shuffle_train: bool = True
    """Whether training cells come in a new order in each epoch."""
    shuffle_val: bool = False
    """Changes no score."""
    block_size: Count = 128
    """Neighbours that are read together, for cells on disk."""
    buffer_mb: Count = 256
    """Megabytes of cells that are shuffled in memory, for cells on disk."""
    class_balanced: bool = False
    """Whether every class is drawn alike, for cells on disk."""


class ModelSettings(Settings):
    """``model`` in ``train.json``."""

    name: Annotated[str, Field(pattern=r"^[\w.-]+$")] = "SelectorMLP"
    """Name of the SelectorMLP's file: NAME_best_model."""
    selector_type: SelectorType = "std"
    """Gene weights as they are (std), from 0 to 1 (clamped), or none."""
    L1_size: Count = 512
    """Units of the first hidden layer."""
    L2_size: Count = 128
    """Units of the second."""
    L3_size: Count = 64
    """Units of the third."""
    leak_angle: NonNegative = 0.2
    """Slope of the activation below zero."""
    penalty: Penalty | None = "L1"
    """Penalty on gene weights; null for none."""
    batch_norm: bool | None = None
    """Whether hidden layers are normalised; training.batch_norm wins."""


class TrainingSettings(Settings):
    """``training`` in ``train.json``."""

    lr: Positive = 3e-4
    """Learning rate."""
    weight_decay: NonNegative = 0.3
    """Decay of the network's weights."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Share of hidden units that are silent in a step."""
    batch_norm: bool | None = None
    """Whether hidden layers are normalised; null leaves it to model.batch_norm."""
    noise_std: NonNegative = 0.2
    """Standard deviation of the noise that is added to the cells."""
    max_epochs: Count = 50
    """Passes over the training cells."""
    alpha: NonNegative = 0.05
    """Weight of the penalty on gene weights."""
    class_weight: Literal["balanced"] | None = None
    """Whether rare classes count more in the loss."""
    patience: Count | None = None
    """Epochs without a gain after which training ends; null: it goes on to the last."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to train."""
    precision: Literal["tf32", "bf16"] | None = None
    """How products are rounded, for speed on a GPU; null: not at all (float32)."""
    memory_gb: Annotated[Positive | None, Flag(first=True)] = None
    """Most GB of a GPU that the cells may take, to stay there; by default half of it."""
    devices: Annotated[Count, Flag(first=True)] = 1
    """GPUs of each machine or, on a CPU, processes."""
    num_nodes: Annotated[Count, Flag(first=True)] = 1
    """Machines."""
    strategy: Annotated[Literal["auto", "ddp"], Flag(first=True)] = "auto"
    """How processes share the work; ddp: each holds the network."""
    seed: Annotated[Seed, Flag(first=True)] = 42
    """Seed of everything random in training."""


class SVMSettings(Settings):
    """``svm`` in ``train.json``."""

    loss: Literal["squared_hinge", "hinge"] = "squared_hinge"
    """Loss of scikit-learn's LinearSVC."""
    penalty: Literal["L1", "L2", "l1", "l2"] = "L1"
    """Its penalty."""
    dual: bool = False
    """Whether it solves the dual problem."""
    C: Positive = 1.0
    """Inverse strength of the penalty."""
    class_weight: Literal["balanced"] | None = None
    """Whether rare classes count more."""
    max_iter: Count = 1000
    """The most iterations."""

    @model_validator(mode="after")
    def _supported(self) -> Self:
        penalty = self.penalty.upper()
        if (penalty, self.loss) == ("L1", "hinge") or (penalty, self.loss, self.dual) in UNSUPPORTED_DUALS:
            raise ValueError(
                f"LinearSVC cannot combine penalty {penalty}, loss {self.loss} and dual {str(self.dual).lower()}; use "
                "L1 with squared_hinge and dual false, L2 with squared_hinge, or L2 with hinge and dual true"
            )
        return self


class CheckpointSettings(Settings):
    """``checkpoint`` in ``train.json``."""

    dir: Place = Path("trained_models/checkpoints")
    """Folder of checkpoints, one folder per run."""
    restart_run: str = "last"
    """Run that a restart goes on with: its name, or last."""
    save_top_k: Annotated[int, Field(ge=-1)] = 3
    """How many of the best epochs are kept; -1 for all."""
    save_last: bool = True
    """Whether the last epoch is kept."""


class TrainSettings(Settings):
    """``train.json``."""

    command: Literal["train"] = "train"
    """The command that these settings are for."""
    model_type: Annotated[ModelType, Flag(("--model_type", "--model-type"), first=True)] = "selector_mlp"
    """Kind of model."""
    restart: Annotated[bool, Flag(first=True)] = False
    """Continue the run that checkpoint.restart_run names."""
    log_dir: Place = Path("logs")
    """Folder of logs, one folder per run."""
    trained_models_dir: Place = Path("trained_models")
    """Folder of models."""
    data: Annotated[DataSettings, Section()] = DataSettings()
    """What to train on."""
    dataloader: DataloaderSettings = DataloaderSettings()
    """How it is read."""
    model: ModelSettings = ModelSettings()
    """The network."""
    training: Annotated[TrainingSettings, Section()] = TrainingSettings()
    """How it is trained."""
    svm: SVMSettings = SVMSettings()
    """The linear SVM."""
    checkpoint: CheckpointSettings = CheckpointSettings()
    """What is kept on the way."""

    @property
    def batch_norm(self) -> bool:
        """Whether hidden layers are normalised: ``training`` wins over ``model``."""
        choices = (self.training.batch_norm, self.model.batch_norm)
        return next((choice for choice in choices if choice is not None), False)


class MaskSettings(Settings):
    """How genes are masked."""

    group_size: Count = 50
    """Genes that are masked at a time."""
    random_reps: Count = 5
    """Random orders that the ranking is compared with."""
    seed: Annotated[Seed, Flag(first=True)] = 42
    """Seed of these orders."""


class FeatureSelectionSettings(MaskSettings):
    """``feature_selection.json``."""

    command: Literal["feature_selection"] = "feature_selection"
    """The command that these settings are for."""
    model_path: Annotated[Place, Flag(("--model_path", "--model-path"), first=True)] = Path(
        "trained_models/SelectorMLP_best_model"
    )
    """Saved model or checkpoint."""
    adata_input: Place = Path("intermediate_files/split_data/adata_test.h5ad")
    """Test cells."""
    y_column: str = "Main_cluster_name"
    """Column of obs with the cell type."""
    results_dir: Place = Path("feature_selection_results")
    """Folder for tables and figures."""
    exclude_labels: tuple[str, ...] = ()
    """Labels whose cells are left out."""
    lazy: Annotated[bool | None, Flag(("--lazy/--in-memory",), first=True)] = None
    """Whether to leave cells on disk; by default where the split is an index."""
    method: Annotated[str | None, Flag(first=True)] = None
    """Method of select that ranks the genes, learned from train_input; by default the model's own ranking."""
    train_input: Place = Path("intermediate_files/split_data/adata_train.h5ad")
    """Training cells, from which that method learns."""
