"""Choose the training device, and load cells from disk, from memory, or once onto the device."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TypeAlias, get_args

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from selectormlp.data.batches import EVALUATION_BATCH, BatchOrder, Share, batch_loader
from selectormlp.data.cells import IntArray, Matrix
from selectormlp.data.stored import StoredMatrix
from selectormlp.data.stored_batches import Reading, StoredBatches, spread_rows
from selectormlp.devices import AnyDevice, Work, choose_device
from selectormlp.errors import SettingsError
from selectormlp.networks.mlp import NetworkSpec
from selectormlp.networks.module import TrainingSpec
from selectormlp.networks.placement import Placement
from selectormlp.networks.resident import (
    DenseRows,
    ResidentCells,
    bytes_of,
    hold_rows,
    memory_limit,
    to_labels,
)
from selectormlp.networks.resident_module import AllCells, ResidentData, WholeEpochs

logger = logging.getLogger(__name__)

AnyMatrix: TypeAlias = "Matrix | StoredMatrix"
Side: TypeAlias = tuple[AnyMatrix, IntArray]
Batches: TypeAlias = DataLoader[tuple[Tensor, Tensor]] | StoredBatches | WholeEpochs | AllCells
"""Data loaders of a trainer."""

MAX_SCORED = 50_000
"""Number of training cells on disk scored after an epoch; scoring all would read every cell twice."""


@dataclass(frozen=True, eq=False)
class LoadedSides:
    """Data loaders of a trainer.

    Attributes
    ----------
    train
        Training cells.
    scored
        Validation cells and the scored training cells; empty without validation.
    """

    train: Batches
    scored: tuple[Batches, ...]


def device_for(training: TrainingSpec, network: NetworkSpec, placement: Placement, *, n_cells: int) -> AnyDevice:
    """Choose the training device; ``"auto"`` with a single process depends on the amount of work.

    Raises
    ------
    SettingsError
        If the requested device is not available.
    """
    if training.precision is not None:
        logger.info("products are rounded to %s, as requested: results differ from float32", training.precision)
    if placement.n_processes > 1:
        return training.device
    batch_size = min(training.batch_size, max(1, n_cells))
    work = Work.of_training(
        n_steps=training.max_epochs * -(-n_cells // batch_size),
        batch_size=batch_size,
        n_inputs=network.n_genes,
        n_hidden=network.hidden_sizes[0],
    )
    return choose_device(training.device, work, what="training", known=get_args(AnyDevice))


def resident_data(
    X: AnyMatrix, labels: IntArray, validation: Side | None, training: TrainingSpec, placement: Placement
) -> ResidentData | None:
    """Copy all cells to the device if a single GPU trains and they fit, or if requested.

    Parameters
    ----------
    X, labels
        Training cells.
    validation
        Cells to score, or None.
    training
        Training settings, with the device resolved (not ``"auto"``).
    placement
        Number of devices and processes; several processes load cells batch by batch.

    Returns
    -------
    The cells, or None for the ordinary loop.
    """
    on_gpu = training.device == "cuda"
    if not (on_gpu if training.resident is None else training.resident) or placement.n_processes > 1:
        return None
    matrices = [X] if validation is None else [X, validation[0]]
    if any(isinstance(matrix, StoredMatrix) for matrix in matrices):
        return None
    device = torch.device("cuda", 0) if on_gpu else torch.device(training.device)
    left = memory_limit(device, training.memory_gb)
    held = []
    for matrix in matrices:
        rows = hold_rows(matrix, device, left)
        if rows is None:
            logger.info("the cells do not fit into %.1f GB of the GPU: they are copied batch by batch", left / 1e9)
            return None
        left -= bytes_of(matrix, dense=isinstance(rows, DenseRows))
        held.append(rows)
    kinds = ["dense" if isinstance(rows, DenseRows) else "sparse" for rows in held]
    logger.info("the cells stay on %s, %s", device, " and ".join(kinds))
    train = ResidentCells(held[0], to_labels(labels, device))
    scored = () if validation is None else (ResidentCells(held[1], to_labels(validation[1], device)), train)
    order = BatchOrder(len(labels), training.batch_size, shuffle=training.shuffle, seed=training.seed)
    return ResidentData(train, scored, order, captures=on_gpu)


def load_sides(
    train: Side,
    validation: Side | None,
    training: TrainingSpec,
    reading: Reading,
    share: Share,
    resident: ResidentData | None,
) -> LoadedSides:
    """Build the data loaders of a trainer.

    Parameters
    ----------
    train, validation
        Cells and class codes; only a part of training cells on disk is scored.
    training, reading
        How.
    share
        Position of this process among all.
    resident
        Cells on the device, or None.

    Raises
    ------
    SettingsError
        If a batch has fewer than two cells for each process.
    DataError
        If cells on disk are fewer than processes.
    """
    if resident is not None:
        return LoadedSides(WholeEpochs(resident.order), tuple(AllCells() for _ in resident.scored))
    scored = [] if validation is None else [validation, _scored_part(*train, reading)]
    return LoadedSides(
        _training_batches(*train, training, reading, share),
        tuple(_scoring_batches(*side, reading, share) for side in scored),
    )


def _training_batches(
    X: AnyMatrix, labels: IntArray, training: TrainingSpec, reading: Reading, share: Share
) -> Batches:
    n_each = training.batch_size // share.n_processes
    if n_each < 2:
        raise SettingsError(
            f"batch_size={training.batch_size} gives {share.n_processes} processes fewer than 2 cells each; expected "
            f"{2 * share.n_processes} or more"
        )
    if isinstance(X, StoredMatrix):
        return StoredBatches(
            X, labels, n_each, shuffle=training.shuffle, seed=training.seed, reading=reading, share=share
        )
    order = BatchOrder(len(labels), training.batch_size, shuffle=training.shuffle, seed=training.seed, share=share)
    return batch_loader(X, labels, order)


def _scoring_batches(X: AnyMatrix, labels: IntArray, reading: Reading, share: Share) -> Batches:
    if isinstance(X, StoredMatrix):
        unchanged = replace(reading, class_balanced=False)
        return StoredBatches(X, labels, EVALUATION_BATCH, shuffle=False, reading=unchanged, share=share)
    return batch_loader(X, labels, BatchOrder(len(labels), EVALUATION_BATCH, shuffle=False, share=share))


def _scored_part(X: AnyMatrix, labels: IntArray, reading: Reading) -> Side:
    """Return the training cells to score after an epoch: all of those in memory, a part of those on disk."""
    if not isinstance(X, StoredMatrix) or len(labels) <= MAX_SCORED:
        return X, labels
    rows = spread_rows(len(labels), MAX_SCORED, reading.block_size)
    return X.take_cells(rows), labels[rows]
