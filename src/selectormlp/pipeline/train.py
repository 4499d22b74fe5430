"""The second step: training a model on the training file, with validation after every epoch."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from selectormlp.assessment.tables import RANKING_NAME, write_tables
from selectormlp.config.files import SETTINGS_NAME, write_settings
from selectormlp.data.anndata_io import CellsSource
from selectormlp.data.cells import BoolArray, Cells
from selectormlp.data.hashing import hash_cells
from selectormlp.data.stored import AnyCells, StoredCells
from selectormlp.data.stored_batches import Reading
from selectormlp.errors import DataError, SettingsError, counted, quoted
from selectormlp.evaluation.metrics import accuracy_of, scorable_cells
from selectormlp.files import check_folders, clear_leftovers, ensure_folder, ensure_folders, flush_file
from selectormlp.locks import only_writer
from selectormlp.models.card import ModelCard, model_card
from selectormlp.models.model import DISPLAY_NAMES, MODEL_TYPES, Model, model_type_of
from selectormlp.models.storage import save_model
from selectormlp.networks.placement import Placement, is_writer
from selectormlp.networks.start import Start
from selectormlp.networks.training import Run
from selectormlp.pipeline.log import TextLog
from selectormlp.pipeline.restart import choose_run, note_start
from selectormlp.pipeline.settings import TrainSettings
from selectormlp.pipeline.sides import load_side, open_side, read_sides, side_file, split_run, stays_on_disk
from selectormlp.plots import plot_history, write_figure
from selectormlp.progress import showing, step
from selectormlp.selectors.classifier import ClassifyingSelector
from selectormlp.selectors.network import NetworkSelector

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class TrainReport:
    """What the train step made.

    Attributes
    ----------
    model
        The trained model.
    model_file
        Where it is saved.
    log_folder
        Text log, curves and metrics of the run.
    scores
        Accuracy and mean per-class accuracy on validation cells; empty in a process that is not the first.
    seconds
        Time spent training.
    """

    model: Model
    model_file: Path
    log_folder: Path
    scores: dict[str, float]
    seconds: float


def train_from_files(settings: TrainSettings, model_type: str, *, progress: bool = False) -> TrainReport:
    """Train a model on the training and validation side of a split: copies of cells, or an index of them.

    Parameters
    ----------
    settings
        What to train on and how; ``settings.restart`` continues an interrupted run.
    model_type
        ``"selector_mlp"``, ``"mlp"`` or ``"svm"``.
    progress
        Whether to draw a progress bar.

    Raises
    ------
    DataError
        If a file is absent or not usable, or the training cells are of one class.
    SettingsError
        If a restart finds no run or another one's settings.
    OutputError
        If results cannot be written.
    """
    with TextLog() as log:
        data = settings.data
        source = CellsSource(data.y_column, layer=data.layer, normalize=data.normalize)
        where: dict[str, Any] = {
            "folder": data.input_dir,
            "source": source,
            "caps": (data.train_cluster_size, data.val_cluster_size),
            "rng": np.random.default_rng(settings.training.seed),
        }
        split = split_run(data.input_dir)
        if stays_on_disk(side_file(data.input_dir, "train"), data.lazy):
            sides = read_sides(open_side, **where)
            return train_model(*sides, source, settings, model_type, log=log, split=split, progress=progress)
        train, validation = read_sides(load_side, **where)
        if data.torch_sparsity_type == "dense":
            train = train.dense()
        return train_model(train, validation, source, settings, model_type, log=log, split=split, progress=progress)


def train_model(
    train: AnyCells,
    validation: AnyCells,
    source: CellsSource,
    settings: TrainSettings,
    model_type: str,
    *,
    log: TextLog,
    split: str | None = None,
    progress: bool = False,
) -> TrainReport:
    """Train, save and report one model.

    Where several processes train together, each calls this; the first alone writes.

    Parameters
    ----------
    train, validation
        Cells with the same genes and classes, in memory or on disk.
    source
        How they were read; kept with the model.
    settings, model_type, progress
        As in :func:`train_from_files`.
    log
        Collects the log, which goes to the run's folder.
    split
        Run of the split step that the cells are from.
    """
    selector = build_selector(settings, model_type, progress=progress)
    _check_reading(train, selector, settings)
    trained_classes = _trained_classes(train)
    validation = scorable_cells(validation, trained_classes)
    hashes = (hash_cells(train), hash_cells(validation))
    balanced = settings.dataloader.class_balanced
    known = (selector, tuple(train.genes), train.classes, trained_classes.tolist())
    card = model_card(*known, source, hashes, balanced, split)
    run, start = _plan_run(settings, model_type, card)
    name = settings.model.name if model_type == "selector_mlp" else DISPLAY_NAMES[model_type]
    stem = settings.trained_models_dir / f"{name}_best_model"
    with ExitStack() as locks:
        if is_writer():
            checkpoints = [run.checkpoint_dir] if isinstance(selector, NetworkSelector) else []
            _take_places(stem, run.log_dir, checkpoints, locks)
            for folder in checkpoints:
                note_start(folder, start)
            log.open(run.log_dir / "training_log.txt")
        _describe(settings, train, validation, model_type)

        began = time.perf_counter()
        _fit(selector, train, validation, run, settings, progress=progress)
        seconds = time.perf_counter() - began

        model = Model(selector, tuple(train.genes), source, hashes, balanced, split)
        if not is_writer():
            return TrainReport(model, stem, run.log_dir, {}, seconds)
        scores = accuracy_of(selector, validation)
        _write_run(settings, model, run.log_dir)
        model_file = save_model(model, stem)
    logger.info(
        "trained in %.1f s; on validation cells: accuracy %.4f, mean per-class accuracy %.4f; model: %s",
        seconds,
        scores["accuracy"],
        scores["mean_per_class_accuracy"],
        model_file,
    )
    return TrainReport(model, model_file, run.log_dir, scores, seconds)


def _take_places(stem: Path, log_folder: Path, checkpoints: list[Path], locks: ExitStack) -> None:
    """Create and lock the folders that training writes to, and remove partial files of killed runs."""
    check_folders(log_folder, stem.parent, *checkpoints)  # before the long work
    for place in (stem, log_folder, *checkpoints):
        locks.enter_context(only_writer(ensure_folder(place.parent), place.name))
    ensure_folders(log_folder, *checkpoints)
    for folder in {place.parent for place in (stem, log_folder, *checkpoints)}:
        clear_leftovers(folder)


def _trained_classes(train: AnyCells) -> BoolArray:
    """Return which classes have training cells; there are at least two."""
    trained: BoolArray = train.class_counts() > 0
    if trained.sum() < 2:
        raise DataError(
            f"the training cells are of {counted(int(trained.sum()), 'class', 'classes')}; at least 2 are needed: "
            "split again with a lower min_cluster_size or another label column"
        )
    return trained


def _check_reading(train: Cells | StoredCells, selector: ClassifyingSelector, settings: TrainSettings) -> None:
    """Check settings that depend on whether cells are in memory or on disk."""
    loading = settings.dataloader
    is_network = isinstance(selector, NetworkSelector)
    if not is_network and settings.training.devices * settings.training.num_nodes > 1:
        logger.info("devices and num_nodes are not used: an SVM is trained by one process")
    if isinstance(train, StoredCells):
        if not is_network:
            raise SettingsError(
                "an SVM needs cells in memory, and these are on disk; set data.lazy to false to read them, "
                "and data.train_cluster_size to the number of cells per class that fit in memory"
            )
        return
    if loading.class_balanced:
        raise SettingsError(
            "dataloader.class_balanced draws cells from disk, and these are in memory; set data.lazy to true or, "
            'instead, training.class_weight to "balanced"'
        )
    if loading.num_workers:
        logger.info(
            "num_workers=%d is not used: the cells are in memory, where batches need no helpers", loading.num_workers
        )


def _plan_run(settings: TrainSettings, model_type: str, card: ModelCard) -> tuple[Run, Start]:
    """Name the run, or find the one to continue."""
    chosen = choose_run(settings, model_type, card)
    training = settings.training
    run = Run(
        log_dir=settings.log_dir / chosen.name,
        checkpoint_dir=settings.checkpoint.dir / chosen.name,
        card=card.model_dump_json(),
        start=chosen.start.to_json(),
        resume_from=chosen.checkpoint,
        save_top_k=settings.checkpoint.save_top_k,
        save_last=settings.checkpoint.save_last,
        placement=Placement(training.devices, training.num_nodes, training.strategy),
    )
    return run, chosen.start


def _fit(
    selector: ClassifyingSelector,
    train: AnyCells,
    validation: AnyCells,
    run: Run,
    settings: TrainSettings,
    *,
    progress: bool,
) -> None:
    if not isinstance(selector, NetworkSelector):
        with showing(progress), step(f"training the {DISPLAY_NAMES[model_type_of(selector)]}"):
            selector.fit(train.X, _label_names(train), classes=train.classes)
        return
    try:
        if isinstance(train, StoredCells):
            loading = settings.dataloader
            reading = Reading(
                loading.block_size, loading.buffer_mb * 2**20, loading.num_workers, loading.class_balanced
            )
            selector.fit_stored(train, validation=validation, run=run, reading=reading)
        else:
            scored = (validation.X, _label_names(validation))
            selector.fit(train.X, _label_names(train), validation=scored, classes=train.classes, run=run)
    except KeyboardInterrupt:
        logger.warning("interrupted; 'selectormlp train --restart' with the same settings continues this run")
        raise


def _label_names(cells: Cells | StoredCells) -> npt.NDArray[np.str_]:
    return np.array(cells.classes)[cells.labels]


def build_selector(settings: TrainSettings, model_type: str, *, progress: bool = False) -> ClassifyingSelector:
    """Build the selector that the settings describe, not yet fitted.

    Raises
    ------
    SettingsError
        If there is no such model type.
    """
    if model_type not in MODEL_TYPES:
        raise SettingsError(f"model type {model_type!r}; expected one of {quoted(MODEL_TYPES)}")
    training, model, svm = settings.training, settings.model, settings.svm
    if model_type == "svm":
        parameters: dict[str, Any] = {
            "loss": svm.loss,
            "penalty": svm.penalty.lower(),
            "dual": svm.dual,
            "C": svm.C,
            "class_weight": svm.class_weight,
            "max_iter": svm.max_iter,
        }
    else:
        parameters = {
            "hidden_sizes": (model.L1_size, model.L2_size, model.L3_size),
            "leak_angle": model.leak_angle,
            "dropout": training.dropout,
            "noise_std": training.noise_std,
            "batch_norm": settings.batch_norm,
            "lr": training.lr,
            "weight_decay": training.weight_decay,
            "max_epochs": training.max_epochs,
            "batch_size": settings.dataloader.batch_size,
            "shuffle": settings.dataloader.shuffle_train,
            "class_weight": training.class_weight,
            "patience": training.patience,
            "device": training.device,
            "precision": training.precision,
            "memory_gb": training.memory_gb,
            "progress": progress,
        }
    if model_type == "selector_mlp":
        parameters |= {"selector_type": model.selector_type, "penalty": model.penalty, "alpha": training.alpha}
    return MODEL_TYPES[model_type](**parameters, random_state=training.seed)


def _describe(settings: TrainSettings, train: AnyCells, validation: AnyCells, model_type: str) -> None:
    """Log the model and the data."""
    logger.info("training %s on %d cells × %d genes", DISPLAY_NAMES[model_type], train.n_cells, train.n_genes)
    logger.debug("settings: %s", settings.model_dump_json())
    model_choice, training_choice = settings.model.batch_norm, settings.training.batch_norm
    if model_type != "svm" and None not in (model_choice, training_choice) and model_choice != training_choice:
        logger.info("batch_norm is %s in 'model' and %s in 'training': the latter wins", model_choice, training_choice)
    for name, cells in (("training", train), ("validation", validation)):
        counts = cells.class_counts()
        listed = ", ".join(f"{label} {count}" for label, count in zip(cells.classes, counts, strict=True))
        logger.debug("%s cells: %d × %d genes; %s", name, cells.n_cells, cells.n_genes, listed)


def _write_run(settings: TrainSettings, model: Model, folder: Path) -> None:
    """Write the ranking, for a network its description and curves and, last, the resolved settings."""
    write_tables(folder, {RANKING_NAME: model.ranked_genes()})
    _describe_model(model.selector, folder)
    data = settings.data.model_copy(update={"input_dir": settings.data.input_dir.absolute()})
    write_settings(settings.model_copy(update={"model_type": model.model_type, "data": data}), folder / SETTINGS_NAME)


def _describe_model(selector: ClassifyingSelector, folder: Path) -> None:
    if not isinstance(selector, NetworkSelector):
        logger.debug("model: %r", selector)
        return
    flush_file(folder / "metrics.csv")
    n_parameters = sum(parameter.numel() for parameter in selector.network_.parameters())
    logger.debug("model (%d parameters, best epoch %s):\n%s", n_parameters, selector.best_epoch_, selector.network_)
    for what in ("accuracy", "loss"):
        write_figure(
            folder / f"{what}_plot.png",
            lambda what=what: plot_history(selector.history_, what, best_epoch=selector.best_epoch_),  # type: ignore[misc]
        )
