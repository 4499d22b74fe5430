"""The second step: training a model on the training file, with validation after every epoch."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from selectormlp.data.anndata_files import read_adata
from selectormlp.data.anndata_io import CellsSource, cells_from_adata, drop_unlisted
from selectormlp.data.cells import Cells
from selectormlp.data.hashing import hash_cells
from selectormlp.errors import DataError, SettingsError, quoted
from selectormlp.evaluation.metrics import accuracy_of, scorable_cells
from selectormlp.files import ensure_folders, written_whole
from selectormlp.models.model import DISPLAY_NAMES, MODEL_TYPES, Model, model_type_of
from selectormlp.models.storage import model_card, save_model
from selectormlp.networks.training import Run
from selectormlp.plots import plot_history, write_figure
from selectormlp.selectors.classifier import ClassifyingSelector
from selectormlp.selectors.network import NetworkSelector
from selectormlp.workflow.log import TextLog
from selectormlp.workflow.progress import progress_bar
from selectormlp.workflow.restart import choose_run
from selectormlp.workflow.settings import TrainSettings

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
        Accuracy and mean per-class accuracy on validation cells.
    seconds
        Time spent training.
    """

    model: Model
    model_file: Path
    log_folder: Path
    scores: dict[str, float]
    seconds: float


def train_from_files(settings: TrainSettings, model_type: str, *, progress: bool = False) -> TrainReport:
    """Train a model on ``adata_train.h5ad`` and ``adata_val.h5ad`` of the split.

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
        rng = np.random.default_rng(settings.training.seed)
        train = _read_side(data.input_dir / "adata_train.h5ad", source, data.train_cluster_size, rng)
        validation = _read_side(data.input_dir / "adata_val.h5ad", source, data.val_cluster_size, rng, like=train)
        train, validation = _same_classes(train, validation)
        if data.torch_sparsity_type == "dense":
            train = train.dense()
        if settings.dataloader.num_workers:
            logger.info(
                "num_workers=%d is not used: the cells are in memory, where batches need no helpers",
                settings.dataloader.num_workers,
            )
        return train_model(train, validation, source, settings, model_type, log=log, progress=progress)


def train_model(
    train: Cells,
    validation: Cells,
    source: CellsSource,
    settings: TrainSettings,
    model_type: str,
    *,
    log: TextLog,
    progress: bool = False,
) -> TrainReport:
    """Train, save and report one model on cells in memory.

    Parameters
    ----------
    train, validation
        Cells with the same genes and classes.
    source
        How they were read; kept with the model.
    settings, model_type, progress
        As in :func:`train_from_files`.
    log
        Collects the log, which goes to the run's folder.
    """
    selector = build_selector(settings, model_type, progress=progress)
    trained_classes = train.class_counts() > 0
    if trained_classes.sum() < 2:
        raise DataError(
            f"the training cells are of {int(trained_classes.sum())} class(es); at least 2 are needed: split again "
            "with a lower min_cluster_size or another label column"
        )
    validation = scorable_cells(validation, trained_classes)
    hashes = (hash_cells(train), hash_cells(validation))
    card = model_card(selector, tuple(train.genes), train.classes, trained_classes.tolist(), source, hashes)
    run_name, resume_from = choose_run(settings, model_type, card)
    run = Run(
        log_dir=settings.log_dir / run_name,
        checkpoint_dir=settings.checkpoint.dir / run_name,
        card=card.model_dump_json(),
        resume_from=resume_from,
        save_top_k=settings.checkpoint.save_top_k,
        save_last=settings.checkpoint.save_last,
    )
    checkpoints = [run.checkpoint_dir] if isinstance(selector, NetworkSelector) else []
    ensure_folders(run.log_dir, settings.trained_models_dir, *checkpoints)  # before the long work and any writing
    log.open(run.log_dir / "training_log.txt")
    _describe(settings, train, validation, model_type)

    start = time.perf_counter()
    _fit(selector, train, validation, run, progress=progress)
    seconds = time.perf_counter() - start

    model = Model(selector, tuple(train.genes), source, hashes)
    scores = accuracy_of(selector, validation)
    name = settings.model.name if model_type == "selector_mlp" else DISPLAY_NAMES[model_type]
    model_file = save_model(model, settings.trained_models_dir / f"{name}_best_model")
    _write_run(settings, model, run.log_dir)
    logger.info(
        "trained in %.1f s; on validation cells: accuracy %.4f, mean per-class accuracy %.4f; model: %s",
        seconds,
        scores["accuracy"],
        scores["mean_per_class_accuracy"],
        model_file,
    )
    return TrainReport(model, model_file, run.log_dir, scores, seconds)


def _fit(selector: ClassifyingSelector, train: Cells, validation: Cells, run: Run, *, progress: bool) -> None:
    classes = np.array(train.classes)
    labels = classes[train.labels]
    if isinstance(selector, NetworkSelector):
        scored = (validation.X, classes[validation.labels])
        try:
            selector.fit(train.X, labels, validation=scored, classes=train.classes, run=run)
        except KeyboardInterrupt:
            logger.warning("interrupted; 'selectormlp train --restart' with the same settings goes on with this run")
            raise
    else:
        with progress_bar(f"training the {DISPLAY_NAMES[model_type_of(selector)]}", visible=progress):
            selector.fit(train.X, labels, classes=train.classes)


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
            "progress": progress,
        }
    if model_type == "selector_mlp":
        parameters |= {"selector_type": model.selector_type, "penalty": model.penalty, "alpha": training.alpha}
    return MODEL_TYPES[model_type](**parameters, random_state=training.seed)


def _read_side(
    path: Path, source: CellsSource, most: int | None, rng: np.random.Generator, *, like: Cells | None = None
) -> Cells:
    genes = None if like is None else tuple(like.genes)
    adata = read_adata(path)
    try:
        cells = cells_from_adata(adata, source, genes=genes)
    except DataError as error:
        raise DataError(f"{str(path)!r}: {error}") from error
    logger.info("read %s: %d cells × %d genes, %d classes", path, cells.n_cells, cells.n_genes, cells.n_classes)
    cells = drop_unlisted(cells)
    if most is None or cells.class_counts().max() <= most:
        return cells
    kept = [rng.permutation(np.flatnonzero(cells.labels == code))[:most] for code in range(cells.n_classes)]
    capped = cells.take(np.sort(np.concatenate(kept)))
    logger.info("classes are capped at %d cells again: %d of %d cells are kept", most, capped.n_cells, cells.n_cells)
    return capped


def _same_classes(train: Cells, validation: Cells) -> tuple[Cells, Cells]:
    """Give both sides one class list; a class that one of them lacks stays a class."""
    classes = (*train.classes, *(name for name in validation.classes if name not in set(train.classes)))
    places = np.array([classes.index(name) for name in validation.classes])
    return (
        replace(train, classes=classes),
        replace(validation, classes=classes, labels=places[validation.labels]),
    )


def _describe(settings: TrainSettings, train: Cells, validation: Cells, model_type: str) -> None:
    """Write what is about to be trained into the log."""
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
    """Write the resolved settings and, for a network, its description and curves."""
    with written_whole(folder / "settings.json") as (draft,):
        draft.write_text(settings.model_dump_json(indent=2) + "\n", encoding="utf-8")
    selector = model.selector
    if not isinstance(selector, NetworkSelector):
        logger.debug("model: %r", selector)
        return
    n_parameters = sum(parameter.numel() for parameter in selector.network_.parameters())
    logger.debug("model (%d parameters, best epoch %s):\n%s", n_parameters, selector.best_epoch_, selector.network_)
    for what in ("accuracy", "loss"):
        write_figure(
            folder / f"{what}_plot.png",
            lambda what=what: plot_history(selector.history_, what, best_epoch=selector.best_epoch_),  # type: ignore[misc]
        )
