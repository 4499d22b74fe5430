"""The whole pipeline: split, train three models, rank and mask genes, and compare the results."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from selectormlp.assessment.tables import write_tables
from selectormlp.config.files import SETTINGS_NAME, write_settings
from selectormlp.data.anndata_io import CellsSource, cells_from_adata, drop_unlisted
from selectormlp.data.cells import Cells
from selectormlp.data.donors import SIDES
from selectormlp.data.split import Split, split_cells
from selectormlp.errors import SettingsError, counted
from selectormlp.evaluation.masking import MaskingCurve
from selectormlp.files import ensure_folder, written_whole
from selectormlp.models.model import DISPLAY_NAMES, MODEL_TYPES, Model
from selectormlp.pipeline.defaults import adapted_settings
from selectormlp.pipeline.log import TextLog
from selectormlp.pipeline.masking import select_features
from selectormlp.pipeline.run_settings import RunSettings
from selectormlp.pipeline.settings import CheckpointSettings, DataSettings, TrainSettings
from selectormlp.pipeline.train import train_model
from selectormlp.plots import plot_comparison, write_figure
from selectormlp.results import whole_result
from selectormlp.selection.ranking import rank_all_genes
from selectormlp.selectors.registry import find_method

if TYPE_CHECKING:
    from anndata import AnnData

logger = logging.getLogger(__name__)

RUN_NAME = "run"
"""Name of a run's files as one result in a folder."""

TABLE_SIZES = (10, 25, 50, 100, 200)
"""Panel sizes of the closing table, beside all genes."""


@dataclass(frozen=True, eq=False)
class RunReport:
    """What a whole run found and wrote.

    Attributes
    ----------
    table
        One row per model (or the MLP in another method's order), order of genes and panel size: ``model``, ``order``,
        ``n_genes``, ``accuracy``, ``mean_per_class_accuracy``, ``seconds`` (training or ranking, and masking).
    files
        Tables, figures and models.
    masked
        Masking curve of each model, as :meth:`MaskingCurve.to_frame` has it.
    """

    table: pd.DataFrame
    files: tuple[Path, ...]
    masked: Mapping[str, pd.DataFrame] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Result:
    """A model masked in one order of its genes: what the curve is called, the time taken, the files left."""

    name: str
    curve: MaskingCurve
    seconds: float
    files: tuple[Path, ...]


def run_all(
    adata: AnnData, source: CellsSource, out: Path, settings: RunSettings, *, progress: bool = False
) -> RunReport:
    """Split cells, train SelectorMLP, MLP and SVM, rank and mask their genes, and the MLP's in other methods' order.

    Parameters
    ----------
    adata
        Labelled cells; not altered.
    source
        Label column, donors, layer, normalisation.
    out
        Folder for everything that is written.
    settings
        What is not set adapts to the number of cells.
    progress
        Whether to draw progress bars.

    Raises
    ------
    DataError
        If the object is not usable, or fewer than two classes are large enough.
    SettingsError
        If a method is unknown.
    OutputError
        If ``out`` cannot be written to.
    """
    for method in settings.methods:
        find_method(method)
    with whole_result(out, RUN_NAME), TextLog() as log:
        cells, settings = plan_run(adata, source, settings)
        split = split_cells(
            cells.labels,
            settings.split.sizes,
            min_cluster_size=settings.split.min_cluster_size,
            donors=cells.donors,
            rng=np.random.default_rng(settings.training.seed),
        )
        if not (len(split.test) and len(split.validation)):
            raise SettingsError("no validation or test cells are left; raise their cluster sizes in the settings")
        cells = _only_classes(cells, split)
        log.open(ensure_folder(out) / "run_log.txt")
        logger.debug("settings: %s", settings.model_dump_json())
        files = [_write_split(cells, split, out), write_settings(settings, out / SETTINGS_NAME)]

        results = _rank_and_mask(cells, split, source, out, settings, progress=progress)
        return _compare(results, out, files)


def plan_run(adata: AnnData, source: CellsSource, settings: RunSettings) -> tuple[Cells, RunSettings]:
    """Read the cells, and fill in settings that depend on them.

    Parameters
    ----------
    adata, source, settings
        As :func:`run_all` takes them.

    Raises
    ------
    DataError
        If the object is not usable.
    """
    cells = drop_unlisted(cells_from_adata(adata, source))
    place = settings.cells.adata_path
    read = settings.cells.model_copy(
        update={**asdict(source), "adata_path": None if place is None else place.absolute()}
    )
    settings = adapted_settings(settings, cells.n_cells, cells.n_genes).model_copy(update={"cells": read})
    return cells, settings


def _rank_and_mask(
    cells: Cells, split: Split, source: CellsSource, out: Path, settings: RunSettings, *, progress: bool
) -> list[_Result]:
    """Train each model and mask its genes by its own ranking, then the MLP's by that of each method asked for."""
    train, validation, test = (cells.take(rows) for rows in (split.train, split.validation, split.test))
    mask = partial(
        select_features,
        cells=test,
        results_dir=out / "feature_selection_results",
        group_size=settings.masking.group_size,
        random_reps=settings.masking.random_reps,
        seed=settings.masking.seed,
        extra_sizes=TABLE_SIZES,
        progress=progress,
    )
    results: list[_Result] = []
    models: dict[str, Model] = {}
    train_settings = _train_settings(settings, source, out)
    for model_type in MODEL_TYPES:
        start = time.perf_counter()
        with TextLog() as log:
            trained = train_model(train, validation, source, train_settings, model_type, log=log, progress=progress)
        selected = mask(trained.model)
        models[model_type] = trained.model
        files = (trained.model_file, *selected.files)
        results.append(_Result(DISPLAY_NAMES[model_type], selected.curve, time.perf_counter() - start, files))
    for method in dict.fromkeys(settings.methods):
        start = time.perf_counter()
        selected = mask(models["mlp"], ranking=rank_all_genes(train, method, seed=settings.training.seed))
        name = f"{DISPLAY_NAMES['mlp']} by {method}"
        results.append(_Result(name, selected.curve, time.perf_counter() - start, selected.files))
    return results


def _only_classes(cells: Cells, split: Split) -> Cells:
    """Keep the classes that are large enough; cells of the others get no class."""
    kept = split.kept_classes
    dropped = [name for code, name in enumerate(cells.classes) if code not in set(kept.tolist())]
    if dropped:
        logger.info(
            "%s left out, for too few cells: %s", counted(len(dropped), "class is", "classes are"), ", ".join(dropped)
        )
    places = np.full(cells.n_classes, -1, dtype=np.int64)
    places[kept] = np.arange(len(kept))
    return replace(cells, labels=places[cells.labels], classes=tuple(cells.classes[code] for code in kept))


def _write_split(cells: Cells, split: Split, out: Path) -> Path:
    """Write which cell lies on which side."""
    side = np.full(cells.n_cells, "", dtype=object)
    for name, rows in zip(SIDES, (split.train, split.validation, split.test), strict=True):
        side[rows] = name
    taken = side != ""
    labels = np.array(cells.classes)[cells.labels[taken]]
    table = pd.DataFrame({"cell": cells.names[taken], "side": side[taken], "label": labels})
    (path,) = write_tables(out, {"split.csv": table})
    counts = {name: int((side == name).sum()) for name in SIDES}
    logger.info("cells: %s; %d classes, %d genes", counts, cells.n_classes, cells.n_genes)
    return path


def _train_settings(settings: RunSettings, source: CellsSource, out: Path) -> TrainSettings:
    return TrainSettings(
        log_dir=out / "logs",
        trained_models_dir=out / "trained_models",
        data=DataSettings(y_column=source.label_key, layer=source.layer, normalize=source.normalize),
        dataloader=settings.dataloader,
        model=settings.model,
        training=settings.training,
        svm=settings.svm,
        checkpoint=CheckpointSettings(dir=out / "trained_models" / "checkpoints"),
    )


def _compare(results: list[_Result], out: Path, files: list[Path]) -> RunReport:
    """Write the table and the figure that compare the results."""
    rows = []
    for result in results:
        curve = result.curve
        scored = {
            "selected": (curve.accuracy, curve.mean_per_class),
            "random": (curve.random_accuracy.mean(axis=0), curve.random_mean_per_class.mean(axis=0)),
        }
        for order, (accuracy, mean_per_class) in scored.items():
            rows += [
                (result.name, order, int(size), accuracy[i], mean_per_class[i], result.seconds)
                for i, size in enumerate(curve.sizes)
                if size in TABLE_SIZES or size == curve.sizes[-1]
            ]
    columns = ["model", "order", "n_genes", "accuracy", "mean_per_class_accuracy", "seconds"]
    table = pd.DataFrame(rows, columns=columns)
    path = out / "comparison.csv"
    with written_whole(path) as (draft,):
        table.to_csv(draft, index=False)
    frames = {result.name: result.curve.to_frame() for result in results}
    figure = write_figure(
        out / "comparison.png", lambda: plot_comparison(frames, title="Accuracy with few genes, not trained again")
    )
    return RunReport(table, (*files, *(file for result in results for file in result.files), path, figure), frames)
