"""The settings files, with the published program's keys, checked on reading."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from selectormlp.data.normalize import Normalization
from selectormlp.data.split import SplitSizes
from selectormlp.errors import SettingsError, nearest
from selectormlp.networks.gates import SelectorType
from selectormlp.networks.losses import Penalty

Count = Annotated[int, Field(ge=1)]
CountOrNone = Annotated[int, Field(ge=0)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]

UNSUPPORTED_DUALS = (("L1", "squared_hinge", True), ("L2", "hinge", False))
"""What liblinear has no solver for."""


class Settings(BaseModel):
    """Base of all settings: unknown keys and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, protected_namespaces=())


class ClusterSizes(Settings):
    """How many cells of a class each side takes, and how small a class may be."""

    train_cluster_size: Count = 5000
    val_cluster_size: CountOrNone = 1000
    test_cluster_size: CountOrNone = 1000
    min_cluster_size: Count = 500

    @property
    def sizes(self) -> SplitSizes:
        """The most cells of a class on each side."""
        return SplitSizes(self.train_cluster_size, self.val_cluster_size, self.test_cluster_size)


class SplitSettings(ClusterSizes):
    """``split_data.json``; where ``adata_paths`` names files, these are split together instead of ``adata_path``."""

    adata_path: Path = Path("raw_data/adata.h5ad.gz")
    adata_paths: tuple[Path, ...] = ()
    y_column: str = "Main_cluster_name"
    save_dir: Path = Path("intermediate_files/split_data")
    shuffle: bool = True
    shuffle_seed: Seed = 42
    donor_column: str | None = None
    layer: str | None = None
    normalize: Normalization = "auto"
    exclude_labels: tuple[str, ...] = ()
    write: Literal["copy", "index"] = "copy"

    @model_validator(mode="after")
    def _one_to_copy(self) -> Self:
        if self.adata_paths and self.write == "copy":
            raise ValueError(
                f'{len(self.adata_paths)} file(s) in adata_paths need write "index", which leaves them in place; or '
                "name one file as adata_path"
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

    input_dir: Path = Path("intermediate_files/split_data")
    y_column: str = "Main_cluster_name"
    torch_sparsity_type: Literal["dense", "csr"] = "dense"
    train_cluster_size: Count | None = None
    val_cluster_size: Count | None = None
    test_cluster_size: CountOrNone | None = None
    layer: str | None = None
    normalize: Normalization = "auto"
    lazy: bool | None = None


class DataloaderSettings(Settings):
    """``dataloader`` in ``train.json``; the order of validation cells (``shuffle_val``) changes no score.

    For cells on disk: ``num_workers`` helpers read ahead; ``block_size`` neighbours are read together; a process holds
    ``buffer_mb`` megabytes of cells, were they dense, to shuffle them; ``class_balanced`` draws every class alike.
    """

    batch_size: Annotated[int, Field(ge=2)] = 256
    num_workers: CountOrNone = 4
    shuffle_train: bool = True
    shuffle_val: bool = False
    block_size: Count = 128
    buffer_mb: Count = 256
    class_balanced: bool = False


class ModelSettings(Settings):
    """``model`` in ``train.json``."""

    name: Annotated[str, Field(pattern=r"^[\w.-]+$")] = "SelectorMLP"
    selector_type: SelectorType = "std"
    L1_size: Count = 512
    L2_size: Count = 128
    L3_size: Count = 64
    leak_angle: NonNegative = 0.2
    penalty: Penalty | None = "L1"
    batch_norm: bool | None = None


class TrainingSettings(Settings):
    """``training`` in ``train.json``."""

    lr: Positive = 3e-4
    weight_decay: NonNegative = 0.3
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3
    batch_norm: bool | None = None
    noise_std: NonNegative = 0.2
    max_epochs: Count = 50
    alpha: NonNegative = 0.05
    class_weight: Literal["balanced"] | None = None
    patience: Count | None = None
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: Count = 1
    num_nodes: Count = 1
    strategy: Literal["auto", "ddp"] = "auto"
    seed: Seed = 42


class SVMSettings(Settings):
    """``svm`` in ``train.json``."""

    loss: Literal["squared_hinge", "hinge"] = "squared_hinge"
    penalty: Literal["L1", "L2", "l1", "l2"] = "L1"
    dual: bool = False
    C: Positive = 1.0
    class_weight: Literal["balanced"] | None = None
    max_iter: Count = 1000

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

    dir: Path = Path("trained_models/checkpoints")
    restart_run: str = "last"
    save_top_k: Annotated[int, Field(ge=-1)] = 3
    save_last: bool = True


class TrainSettings(Settings):
    """``train.json``."""

    restart: bool = False
    log_dir: Path = Path("logs")
    trained_models_dir: Path = Path("trained_models")
    data: DataSettings = DataSettings()
    dataloader: DataloaderSettings = DataloaderSettings()
    model: ModelSettings = ModelSettings()
    training: TrainingSettings = TrainingSettings()
    svm: SVMSettings = SVMSettings()
    checkpoint: CheckpointSettings = CheckpointSettings()

    @property
    def batch_norm(self) -> bool:
        """Whether hidden layers are normalised: ``training`` wins over ``model``."""
        choices = (self.training.batch_norm, self.model.batch_norm)
        return next((choice for choice in choices if choice is not None), False)


class MaskSettings(Settings):
    """How genes are masked."""

    group_size: Count = 50
    random_reps: Count = 5
    seed: Seed = 42


class FeatureSelectionSettings(MaskSettings):
    """``feature_selection.json``."""

    model_path: Path = Path("trained_models/SelectorMLP_best_model")
    adata_input: Path = Path("intermediate_files/split_data/adata_test.h5ad")
    y_column: str = "Main_cluster_name"
    results_dir: Path = Path("feature_selection_results")
    exclude_labels: tuple[str, ...] = ()
    lazy: bool | None = None
    method: str | None = None
    train_input: Path = Path("intermediate_files/split_data/adata_train.h5ad")


class RunSettings(Settings):
    """Settings of ``run``; what is not set adapts to the data (:mod:`selectormlp.workflow.defaults`)."""

    split: ClusterSizes = ClusterSizes()
    dataloader: DataloaderSettings = DataloaderSettings()
    model: ModelSettings = ModelSettings()
    training: TrainingSettings = TrainingSettings()
    svm: SVMSettings = SVMSettings()
    masking: MaskSettings = MaskSettings()
    methods: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _in_memory_on_one_device(self) -> Self:
        training = self.training
        if training.devices * training.num_nodes > 1 or training.strategy != "auto" or self.dataloader.class_balanced:
            raise ValueError(
                "devices, num_nodes, strategy and class_balanced are for the step 'train'; 'run' trains on one device, "
                "on cells in memory"
            )
        return self


AnySettings = TypeVar("AnySettings", bound=Settings)


def read_settings(kind: type[AnySettings], path: Path | str) -> AnySettings:
    """Read a settings file.

    Parameters
    ----------
    kind
        Which settings it holds.
    path
        A JSON file.

    Raises
    ------
    SettingsError
        If it is absent, is not JSON, or holds an unknown key or a value of the wrong type or range; the nearest
        key is offered.
    """
    place = Path(path)
    try:
        text = place.read_text(encoding="utf-8-sig")  # some editors begin a file with a byte order mark
    except UnicodeDecodeError as error:
        raise SettingsError(f"the settings file {str(place)!r} is not text in UTF-8; save it as such") from error
    except OSError as error:
        siblings = [p.name for p in place.parent.glob("*.json")] if place.parent.is_dir() else []
        raise SettingsError(
            f"cannot read the settings file {str(place)!r} ({error.strerror}); name one with --config: in "
            f"{str(place.parent)!r}, {nearest(place.name, siblings)}"
        ) from error
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise SettingsError(f"{str(place)!r}: {describe(error, kind)}") from error


def changed(settings: AnySettings, **flags: Any) -> AnySettings:
    """Return settings with some replaced by what a command line says; a dictionary is for a section.

    Raises
    ------
    SettingsError
        If a value is of the wrong type or range.

    Examples
    --------
    >>> changed(TrainSettings(), restart=None, training={"devices": 2, "seed": None}).training.devices
    2
    """
    update: dict[str, Any] = {}
    for name, value in flags.items():
        if isinstance(value, dict):
            update[name] = changed(getattr(settings, name), **value)
        elif value is not None:
            update[name] = value
    try:
        type(settings).model_validate({**dict(settings), **update})
    except ValidationError as error:
        raise SettingsError(describe(error, type(settings))) from error
    return settings.model_copy(update=update)


def describe(error: ValidationError, kind: type[Settings]) -> str:
    """Say in one line what is wrong with settings, the nearest key included."""
    problems = []
    for problem in error.errors():
        loc = [str(part) for part in problem["loc"]]
        key = ".".join(loc)
        if problem["type"] == "json_invalid":
            problems.append(f"not valid JSON ({problem['ctx']['error']}); expected one object of settings")
        elif problem["type"] == "extra_forbidden":
            problems.append(f"unknown setting {key!r}; {nearest(loc[-1], _keys_at(kind, loc[:-1]))}")
        elif problem["type"] == "value_error":
            problems.append(f"settings of {key!r}: {problem['ctx']['error']}")
        else:
            found = textwrap.shorten(repr(problem["input"]), 80, placeholder=" …")
            what = f"setting {key!r}" if key else "the whole"
            problems.append(f"{what} is {found}; {problem['msg'][0].lower()}{problem['msg'][1:]}")
    return "; ".join(problems)


def _keys_at(kind: type[Settings], loc: list[str]) -> list[str]:
    fields = kind.model_fields
    for part in loc:
        inner = fields[part].annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            break
        fields = inner.model_fields
    return list(fields)
