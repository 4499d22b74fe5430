"""Train a network with Lightning; keep the best weights and the history."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import lightning as L  # noqa: N812
import pandas as pd
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger

from selectormlp.data.batches import Share
from selectormlp.data.cells import Float32Array, IntArray, Matrix
from selectormlp.data.stored import StoredMatrix
from selectormlp.data.stored_batches import Reading
from selectormlp.devices import rounded_products
from selectormlp.errors import ModelFileError, SelectorMLPError, SettingsError, counted
from selectormlp.networks.callbacks import BestWeights, Epochs, Patience, Started
from selectormlp.networks.checkpoints import WholeCheckpoints, checkpoint_callbacks
from selectormlp.networks.loading import LoadedSides, device_for, load_sides, resident_data
from selectormlp.networks.loopback import strategy_of
from selectormlp.networks.mlp import NetworkSpec, SelectorNetwork
from selectormlp.networks.module import MONITORED, ClassifierModule, TrainingSpec
from selectormlp.networks.placement import Placement, check_started
from selectormlp.networks.resident_module import ResidentModule
from selectormlp.networks.threads import threads_worth
from selectormlp.networks.watch import Finite, cannot_fit
from selectormlp.progress import Bar, showing, step
from selectormlp.quiet import quiet_warnings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """Devices, logs and checkpoints of a training run, and the checkpoint to resume from.

    Attributes
    ----------
    log_dir, checkpoint_dir
        Folders of this run alone: one for ``metrics.csv`` and TensorBoard's events, one for checkpoints.
    card
        JSON that identifies the model, kept in every checkpoint.
    start
        JSON with the start of the run, also kept in every checkpoint.
    resume_from
        Checkpoint to continue from, or None.
    save_top_k, save_last
        How many of the best checkpoints to keep, and whether to keep the last.
    placement
        Devices and machines. Only the first of several processes writes.
    """

    log_dir: Path
    checkpoint_dir: Path
    card: str
    start: str = ""
    resume_from: Path | None = None
    save_top_k: int = 3
    save_last: bool = True
    placement: Placement = field(default_factory=Placement)


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """Result of a training.

    Attributes
    ----------
    network
        Network of the best epoch, or of the last one without validation cells; on the CPU, in evaluation mode.
    history
        One row per epoch: accuracy, mean per-class accuracy and loss of validation (``val_``) and training
        (``train_``) cells; empty without validation cells.
    best_epoch
        Epoch (from 1) whose weights these are, or None without validation cells.
    device
        Training device: ``"cpu"``, ``"cuda"`` or ``"mps"``.
    """

    network: SelectorNetwork
    history: pd.DataFrame
    best_epoch: int | None
    device: str = "cpu"


def train_network(
    X: Matrix | StoredMatrix,
    labels: IntArray,
    network: NetworkSpec,
    training: TrainingSpec,
    *,
    class_weights: Float32Array | None = None,
    validation: tuple[Matrix | StoredMatrix, IntArray] | None = None,
    run: Run | None = None,
    reading: Reading | None = None,
    progress: bool = False,
) -> TrainedNetwork:
    """Train a network on labelled cells.

    The order of each epoch and the noise of each step are drawn from the seed and the number of the epoch or step. On a
    CPU, a run that was interrupted and resumed therefore ends with exactly the same weights as an uninterrupted one.
    The caller's random state is not changed.

    Parameters
    ----------
    X
        Training cells, shape (n_cells, n_genes): dense, CSR, or on disk; only one batch at a time is made dense.
    labels
        Class codes, shape (n_cells,), from 0 to ``network.n_classes`` − 1.
    network, training
        The network's shape and how it is trained.
    class_weights
        Weight of each class in the loss, shape (n_classes,); None gives equal weights.
    validation
        Cells and class codes, scored after every epoch to find the best one. The training cells are scored too; of
        those on disk, about ``MAX_SCORED`` evenly spaced ones.
    run
        Devices, logs and checkpoints; None trains on one device without logs and checkpoints.
    reading
        How to read cells on disk; by default as :class:`~selectormlp.data.stored_batches.Reading` has it.
    progress
        Whether to draw a progress bar.

    Returns
    -------
    The network with its history.

    Raises
    ------
    SettingsError
        If the training diverges, a resumed run has already done more epochs than requested, there are fewer devices
        than requested, a different number of processes was started, or a batch has fewer than two cells per process.
    DataError
        If cells cannot be read.
    ModelFileError
        If the checkpoint to resume from belongs to another run.
    OutputError
        If logs or checkpoints cannot be written.
    """
    reading, placement = reading or Reading(), run.placement if run else Placement()
    training = replace(training, device=device_for(training, network, placement, n_cells=len(labels)))
    resident = resident_data(X, labels, validation, training, placement)
    products = training.batch_size * network.n_genes * network.hidden_sizes[0]
    drawn_on = range(min(1, torch.cuda.device_count())) if training.device in ("cuda", "auto") else []
    with (
        threads_worth(products),
        rounded_products(training.precision),
        torch.random.fork_rng(drawn_on),
        _quiet_lightning(),
        showing(progress),
        step("training") as bar,
    ):
        torch.default_generator.manual_seed(training.seed)
        weights = None if class_weights is None else torch.from_numpy(class_weights)
        whole = SelectorNetwork(network), training, weights, run.card if run else ""
        module = ClassifierModule(*whole) if resident is None else ResidentModule(*whole, data=resident)
        module.start = run.start if run else ""
        best = BestWeights(run.log_dir / "metrics.csv" if run else None, log_every=max(1, training.max_epochs // 10))
        started = Started()
        trainer = build_trainer(training, best, started, validates=validation is not None, run=run, bar=bar)
        share = Share(trainer.global_rank, trainer.world_size)
        sides = load_sides((X, labels), validation, training, reading, share, resident)
        _fit(trainer, module, sides, started, run.resume_from if run else None)
    trained = module.network.cpu().eval()
    if best.best_weights:
        trained.load_state_dict(best.best_weights)
    return TrainedNetwork(trained, best.history, best.best_epoch or None, training.device)


def _fit(
    trainer: L.Trainer, module: ClassifierModule, sides: LoadedSides, started: Started, resume_from: Path | None
) -> None:
    try:
        trainer.fit(
            module,
            sides.train,
            list(sides.scored) or None,
            ckpt_path=None if resume_from is None else str(resume_from),
            weights_only=True,
        )
    except MisconfigurationException as error:
        raise cannot_fit(error, module.spec.max_epochs, resume_from) from error
    except SystemExit:  # Lightning turns Ctrl-C into this
        raise KeyboardInterrupt from None
    except Exception as error:
        if isinstance(error, SelectorMLPError) or started.value or resume_from is None:
            raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ModelFileError(
            f"{str(resume_from)!r} is not a checkpoint of this run ({reason}); train without --restart"
        ) from error


def build_trainer(
    training: TrainingSpec, best: BestWeights, started: Started, *, validates: bool, run: Run | None, bar: Bar
) -> L.Trainer:
    """Return Lightning's trainer for these settings, its callbacks and, for a run, its log and checkpoints."""
    callbacks: list[Callback] = [Finite(training.lr), started, Epochs(bar)]
    if validates:
        callbacks.append(best)
        if training.patience is not None:
            callbacks.append(Patience(MONITORED, mode="max", patience=training.patience))
    if run:
        callbacks += checkpoint_callbacks(
            run.checkpoint_dir,
            max_epochs=training.max_epochs,
            validates=validates,
            save_top_k=run.save_top_k,
            save_last=run.save_last,
        )
    logs: TensorBoardLogger | bool = False
    if run:
        logs = TensorBoardLogger(run.log_dir, name="", version="", default_hp_metric=False)
        logs.log_hyperparams(asdict(training))
    placement = run.placement if run else Placement()
    check_started(placement)
    try:
        return L.Trainer(
            accelerator=training.device,
            devices=placement.devices,
            num_nodes=placement.num_nodes,
            strategy=strategy_of(placement),
            max_epochs=training.max_epochs,
            callbacks=callbacks,
            plugins=[WholeCheckpoints()],
            logger=logs,
            enable_checkpointing=run is not None,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
        )
    except MisconfigurationException as error:
        reason = " ".join(str(error).split())[:200]
        raise SettingsError(
            f"cannot train on {counted(placement.devices, 'device')} of kind {training.device!r} ({reason}); lower "
            "--devices, or set training.device to 'cpu'"
        ) from error


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Suppress Lightning's messages on hardware and its tips."""
    names = ("lightning.pytorch", "lightning.fabric", "lightning")
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with quiet_warnings(module="lightning"), quiet_warnings(message=".*does not have many workers.*"):
            yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
